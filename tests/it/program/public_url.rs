//! The address that is printed for the script element.

use std::time::Duration;

use crate::common::{Collector, StoreClient, eventually, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a collector with these settings prints at its start.
fn printed(settings: &str) -> String {
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), settings);
    collector.start();
    eventually("the last line is printed", PATIENCE, || collector.log().contains("Reports are at"));
    collector.log()
}

#[test]
fn the_element_has_the_public_address_if_there_is_one() {
    for (url, script) in [
        ("https://stats.clinic.example", "https://stats.clinic.example/s.js"),
        ("https://clinic.example/stats/", "https://clinic.example/stats/s.js"),
    ] {
        let log = printed(&format!("public_url = \"{url}\"\n"));
        assert!(log.contains(&format!("<script defer src=\"{script}\" data-site=\"clinic\" ")), "{log}");
        let hashed = script.replace("s.js", "s.");
        assert!(log.contains(&format!("To pin this version of the script, use src=\"{hashed}")), "{log}");
        assert!(!log.contains("Only browsers on this machine"), "{log}");
    }
}

#[test]
fn an_address_of_this_machine_alone_is_said_to_be_one() {
    let log = printed("");
    assert!(log.contains("<script defer src=\"http://127.0.0.1:"), "{log}");
    assert!(log.contains("Only browsers on this machine reach http://127.0.0.1:"), "{log}");
    assert!(log.contains("`public_url`"), "{log}");
}
