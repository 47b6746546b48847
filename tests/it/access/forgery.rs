//! Beacons that somebody makes up: for another's site, without its signature, in another's name, from many addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::{add, bearer, get};
use crate::common::{Collector, HttpResponse, good_beacon, http};

const BROWSER: &str =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn send(collector: &Collector, headers: &str, body: &str) -> HttpResponse {
    http::post(
        collector.listen,
        "/b",
        &format!("{BROWSER}Content-Type: text/plain\r\n{headers}"),
        body.as_bytes(),
    )
    .unwrap()
}

/// Another beacon each time, so that no beacon is a duplicate.
fn beacon(number: u64) -> String {
    good_beacon("clinic", number, 0, "/a")
}

#[test]
fn another_site_s_page_cannot_speak_for_this_one() {
    let mut collector = Collector::new("");
    collector.start();
    for (number, (headers, status)) in [
        ("Origin: https://clinic.example\r\n", 204),
        ("Referer: https://clinic.example/a\r\n", 204),
        ("Origin: null\r\n", 204),
        ("", 204),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: https://clinic.example.evil.example\r\n", 403),
        ("Origin: null\r\nReferer: https://evil.example/\r\n", 403),
        ("Referer: https://evil.example/https://clinic.example/\r\n", 403),
        ("Origin: https://evil.example\r\nReferer: https://clinic.example/\r\n", 403),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(&collector, headers, &beacon(number as u64));
        assert_eq!(answer.status, status, "{headers}: {}", answer.text());
    }
    let pixel =
        |path: &str, headers: &str| get(collector.listen, path, &format!("{BROWSER}{headers}")).status;
    let named = "/b.gif?s=clinic&u=https%3A%2F%2Fclinic.example%2Fa";
    assert_eq!(pixel("/b.gif?s=clinic", "Referer: https://clinic.example/a\r\n"), 200);
    assert_eq!(pixel("/b.gif?s=clinic", "Referer: https://evil.example/a\r\n"), 403);
    assert_eq!(pixel(named, ""), 200);
    assert_eq!(
        pixel(named, "Referer: https://evil.example/\r\n"),
        403,
        "the parameter does not outweigh the browser"
    );
    collector.wait_for_events(6, Duration::from_secs(60));
    assert_eq!(collector.store.query("SELECT count() FROM events").unwrap(), b"6\n");
}

/// A collector whose site has a secret, and which asks for signed names as `tokens` says.
fn signing(tokens: &str) -> (Collector, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap().keep();
    let file = directory.join("secrets");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let site = format!(
        "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\ntoken_secret_file = {file:?}\n{tokens}\n"
    );
    (Collector::new(&site), file)
}

fn signed(collector: &Collector, life: &str) -> String {
    let output = collector.command(&["token", "sign", "--site", "clinic", "--for", life]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_site_that_asks_for_signed_names_takes_no_other() {
    let (mut collector, secrets) = signing("tokens = \"required\"");
    collector.start();
    let name = signed(&collector, "1h");
    let brief = signed(&collector, "2s");
    let ask = |name: &str, number: u64| send(&collector, "", &good_beacon(name, number, 0, "/a"));
    assert_eq!(ask(&name, 1).status, 204);
    assert_eq!(ask(&name, 2).status, 204);
    let (rest, mac) = name.rsplit_once('~').unwrap();
    let (_, expiry) = rest.split_once('~').unwrap();
    let later = expiry.parse::<u64>().unwrap() + 86_400;
    for forged in [
        "clinic".to_owned(),
        "clinic~".to_owned(),
        format!("clinic~{later}~{mac}"),
        format!("clinic~{expiry}~{}", "A".repeat(22)),
        format!("{rest}~{mac}{mac}"),
        format!("{name}~"),
        format!("{name}{}", "A".repeat(10_000)),
    ] {
        let answer = ask(&forged, 3);
        assert_eq!(answer.status, 403, "{forged}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains("signed"), "{}", answer.text());
        assert!(!answer.text().contains(mac), "{}", answer.text());
    }
    assert_eq!(ask(&name.replace("clinic~", "other~"), 3).status, 403);
    let pixel = |name: &str| {
        get(
            collector.listen,
            &format!("/b.gif?s={name}"),
            &format!("{BROWSER}Referer: https://clinic.example/a\r\n"),
        )
        .status
    };
    assert_eq!((pixel("clinic"), pixel(&name)), (403, 200));
    crate::common::eventually("the brief name expires", Duration::from_secs(30), || {
        ask(&brief, 4).status == 403
    });

    // Another secret takes the place of the first: both are good until the old one is taken out.
    let new = "f".repeat(32);
    std::fs::write(&secrets, format!("{new}\n{SECRET}\n")).unwrap();
    let renamed = signed(&collector, "1h");
    assert_eq!(ask(&renamed, 5).status, 403, "not read yet");
    crate::common::process::signal(collector.pid(), crate::common::process::Signal::HUP);
    crate::common::eventually("the new secret is read", Duration::from_secs(30), || {
        ask(&renamed, 5).status == 204
    });
    assert_eq!(ask(&name, 6).status, 204);
    std::fs::write(&secrets, format!("{new}\n")).unwrap();
    crate::common::process::signal(collector.pid(), crate::common::process::Signal::HUP);
    crate::common::eventually("the old secret is forgotten", Duration::from_secs(30), || {
        ask(&name, 7).status == 403
    });
    // In the rows stands the site, not its signature.
    collector.wait_for_events(4, Duration::from_secs(60));
    assert_eq!(collector.store.query("SELECT DISTINCT site FROM events").unwrap(), b"clinic\n");
    let told = format!("{}{}", collector.log(), collector.metrics());
    assert!(!told.contains(SECRET) && !told.contains(&new) && !told.contains(mac));
}

#[test]
fn where_signed_names_are_optional_a_wrong_one_is_still_refused() {
    let (mut collector, _) = signing("");
    collector.start();
    let name = signed(&collector, "1h");
    let ask = |name: &str, number: u64| send(&collector, "", &good_beacon(name, number, 0, "/a")).status;
    assert_eq!((ask("clinic", 1), ask(&name, 2), ask("clinic~1~x", 3)), (204, 204, 403));
}

#[test]
fn the_recipe_of_the_documentation_signs_a_name_that_is_taken() {
    let (mut collector, secrets) = signing("tokens = \"required\"");
    collector.start();
    let page = std::fs::read_to_string("docs/wire.md").unwrap();
    let start = page.find("```python\n").expect("docs/wire.md holds a recipe in Python") + 10;
    let recipe = &page[start..start + page[start..].find("```").unwrap()];
    let program = format!(
        "{recipe}\nprint(signed_name(open({:?}).readline().strip(), \"clinic\", 3600))",
        secrets.display()
    );
    let output = Command::new("python3").args(["-c", &program]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let name = String::from_utf8(output.stdout).unwrap();
    let answer = send(&collector, "", &good_beacon(name.trim(), 1, 0, "/a"));
    assert_eq!(answer.status, 204, "{name}: {}", answer.text());
}

#[test]
fn a_server_sends_for_its_sites_visitors_and_for_no_others() {
    let mut collector = Collector::new(
        "[limits]\nrate = 1\nburst = 2\nsender_rate = 1000\nsender_burst = 1000\n\
         [[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n[[site]]\nid = \"library\"\nhosts = [\"library.example\"]\n",
    );
    let key = add(&collector, &["backend", "--role", "sender", "--site", "clinic", "--expires", "never"]);
    let analyst = add(&collector, &["anna", "--role", "analyst"]);
    collector.start();
    let visitor = |n: u64| format!("{}X-Footfall-Address: 203.0.113.{n}\r\n", bearer(&key));
    // Neither the page's origin nor the limit on one address is asked of a server.
    for number in 0..8 {
        let headers = format!("{}Origin: https://app.invalid\r\n", visitor(number % 4));
        let answer = send(&collector, &headers, &beacon(number));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    for (headers, body, status) in [
        (visitor(1), good_beacon("library", 20, 0, "/a").replace("clinic.example", "library.example"), 403),
        (visitor(1), beacon(21).replace("https://clinic.example", "https://evil.example"), 403),
        (bearer(&key), beacon(22), 400),
        (format!("{}X-Footfall-Address: nonsense\r\n", bearer(&key)), beacon(22), 400),
        (format!("{}X-Footfall-Address: 203.0.113.1, 203.0.113.2\r\n", bearer(&key)), beacon(22), 400),
        (format!("{}X-Footfall-Address: 203.0.113.1\r\n", visitor(2)), beacon(22), 400),
        (format!("{}X-Footfall-Address: 203.0.113.1\r\n", bearer(&analyst)), beacon(22), 403),
        (format!("{}X-Footfall-Address: 203.0.113.1\r\n", bearer("x")), beacon(22), 401),
        (
            format!("{}X-Footfall-Address: 203.0.113.1\r\n", bearer(&format!("ff_{}", "A".repeat(43)))),
            beacon(22),
            401,
        ),
        ("Authorization: \r\n".to_owned(), beacon(22), 401),
    ] {
        let answer = send(&collector, &headers, &body);
        assert_eq!(answer.status, status, "{headers}: {}", answer.text());
        assert!(!answer.text().contains("203.0.113"), "{}", answer.text());
    }
    collector.wait_for_events(8, Duration::from_secs(60));
    let visitors =
        collector.store.query("SELECT count(), uniqExact(visitor), uniqExact(address) FROM events").unwrap();
    assert_eq!(String::from_utf8_lossy(&visitors), "8\t4\t4\n", "each visitor is one of their own");
    let revoked = collector.command(&["token", "revoke", "backend"]);
    assert!(revoked.status.success(), "{revoked:?}");
    crate::common::eventually("the key is refused", Duration::from_secs(20), || {
        matches!(send(&collector, &visitor(1), &beacon(30)).status, 401 | 429)
    });
    assert!(!collector.log().contains("203.0.113"));
}

#[test]
fn without_a_proxy_a_server_may_name_the_visitor_as_forwarded_for() {
    let mut collector = Collector::new("trusted_proxies = []\n");
    let key = add(&collector, &["backend", "--role", "sender"]);
    collector.start();
    let ask = |headers: &str, number| {
        send(&collector, &format!("{}{headers}", bearer(&key)), &beacon(number)).status
    };
    assert_eq!(ask("X-Forwarded-For: 203.0.113.1\r\n", 1), 204);
    assert_eq!(ask("X-Forwarded-For: 203.0.113.1, 203.0.113.2\r\n", 2), 400);
    assert_eq!(ask("X-Forwarded-For: 203.0.113.1\r\nX-Footfall-Address: 203.0.113.2\r\n", 3), 204);
}

#[test]
fn the_password_of_a_site_that_is_not_public_yet_is_none_of_ours() {
    let mut collector = Collector::new("");
    collector.start();
    // `staging:swordfish`, which browsers send along to everything under the site's name.
    for number in 0..20 {
        let answer = send(&collector, "Authorization: Basic c3RhZ2luZzpzd29yZGZpc2g=\r\n", &beacon(number));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
}

#[test]
fn one_sender_s_key_has_a_limit_of_its_own() {
    let mut collector = Collector::new("[limits]\nrate = 0\nsender_rate = 1\nsender_burst = 5\n");
    let [one, other] = ["one", "other"].map(|name| add(&collector, &[name, "--role", "sender"]));
    collector.start();
    let ask = |key: &str, n: u64| {
        send(&collector, &format!("{}X-Footfall-Address: 198.51.100.{n}\r\n", bearer(key)), &beacon(n))
    };
    let statuses: Vec<u16> = (0..30).map(|n| ask(&one, n).status).collect();
    assert_eq!(statuses[..5], [204; 5]);
    let limited = ask(&one, 40);
    assert!(statuses.contains(&429) || limited.status == 429, "{statuses:?}");
    assert_eq!(ask(&other, 41).status, 204);
    assert_eq!(send(&collector, "", &beacon(42)).status, 204, "pages are not its business");
}

#[test]
fn turning_addresses_within_a_64_does_not_get_round_the_limit() {
    let mut collector =
        Collector::new("trusted_proxies = [\"::1\", \"127.0.0.0/8\"]\n[limits]\nrate = 1\nburst = 3\n");
    let port = collector.listen.port();
    let file = collector.path("footfall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    // A real socket of IPv6, which takes IPv4 too.
    std::fs::write(
        &file,
        text.replace(
            &format!("listen = \"127.0.0.1:{port}\"\nadmin"),
            &format!("listen = \"[::]:{port}\"\nadmin"),
        ),
    )
    .unwrap();
    collector.start();
    collector.listen = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let passed = |clients: &mut dyn Iterator<Item = String>| {
        let statuses: Vec<u16> = clients
            .enumerate()
            .map(|(number, client)| {
                send(&collector, &format!("X-Forwarded-For: {client}\r\n"), &beacon(number as u64)).status
            })
            .collect();
        assert!(statuses.iter().all(|status| matches!(status, 204 | 429)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 204).count()
    };
    // 40 requests take well under a second or some; each second gives one more.
    let one_bucket = 3..=15;
    let rotating = passed(&mut (0..40).map(|n| format!("2001:db8:1:2:{n:x}:ffff:{:x}:1", n * 7)));
    assert!(one_bucket.contains(&rotating), "{rotating} of one /64");
    let apart = passed(&mut (0..40).map(|n| format!("2001:db8:1:{:x}::1", 0x100 + n)));
    assert!(apart >= 38, "{apart} of 40 networks");
    let mapped = passed(
        &mut (0..40)
            .map(|n| if n % 2 == 0 { "198.51.100.7".to_owned() } else { "::ffff:198.51.100.7".to_owned() }),
    );
    assert!(one_bucket.contains(&mapped), "{mapped} of IPv4 within IPv6");
    let translated =
        passed(&mut (0..40).map(|n| {
            if n % 2 == 0 { "198.51.100.8".to_owned() } else { "64:ff9b::198.51.100.8".to_owned() }
        }));
    assert!(one_bucket.contains(&translated), "{translated} of a translated IPv4 address");
    let others = passed(&mut (0..40).map(|n| format!("64:ff9b::192.0.2.{n}")));
    assert!(others >= 38, "{others} of 40 hosts behind a translator, which are no one /64");
    let tunnelled = passed(&mut (0..40).map(|n| format!("2002:c633:6409:{n:x}::1")));
    assert!(one_bucket.contains(&tunnelled), "{tunnelled} of the networks of one 6to4 host");
    assert!(matches!(collector.listen.ip(), IpAddr::V6(_)));
}
