//! The addresses of a collector that was installed, and what a client sees of it.

use std::net::SocketAddr;

use crate::common::{StoreClient, good_beacon, http, ports};

/// `deploy/footfall.toml` with ports that are free on this machine, and a site `clinic`.
#[derive(Clone)]
pub struct Endpoints {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    reports: SocketAddr,
    /// Asks as the analyst.
    pub store: StoreClient,
}

impl Endpoints {
    pub fn new() -> Self {
        let [listen, admin, reports, store] = std::array::from_fn(|_| ports::free());
        Self { listen, admin, reports, store: StoreClient::analyst(store) }
    }

    /// The text of the configuration.
    pub fn configuration(&self) -> String {
        let Self { listen, admin, reports, store } = self;
        let text = include_str!("../../../deploy/footfall.toml");
        let own = format!(
            "listen = \"{listen}\"\nadmin = \"{admin}\"\nreports = \"{reports}\"\nstore = {{ listen = \"{}\" }}",
            store.listen
        );
        let replace = |text: &str, from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in\n{text}");
            text.replace(from, to)
        };
        let text = replace(text, "listen = \"0.0.0.0:8080\"", &own);
        let text = replace(&text, "\"www.example.com\"", "\"clinic.example\"");
        replace(&text, "id = \"example\"", "id = \"clinic\"")
    }

    /// Sends the first event of a page load, as a browser does. Returns the status; 0 when there was no answer.
    pub fn beacon(&self, page_load: u64) -> u16 {
        let headers = "Origin: https://clinic.example\r\nContent-Type: text/plain\r\n\
                       User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n";
        let body = good_beacon("clinic", page_load, 0, "/a");
        http::post(self.listen, "/b", headers, body.as_bytes()).map_or(0, |answer| answer.status)
    }

    /// The number of stored events; 0 while the store does not answer.
    pub fn events(&self) -> u64 {
        let counted = self.store.query("SELECT count() FROM events").unwrap_or_default();
        String::from_utf8_lossy(&counted).trim().parse().unwrap_or_default()
    }

    pub fn metric(&self, name: &str) -> Option<f64> {
        let exported = http::get(self.admin, "/metrics").ok()?.text();
        exported.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}
