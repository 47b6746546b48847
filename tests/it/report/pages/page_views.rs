//! The list of sites, diagnostics and the realtime view: their figures are those of the API, and they say what is wrong.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::{Collector, HttpResponse, eventually, good_beacon, http, page_load_id};

const PATIENCE: Duration = Duration::from_secs(90);
/// From a beacon to the page of somebody who watches: sealing, shipping, and the stream's look at the store.
const SOON: Duration = Duration::from_secs(60);
const SITES: &str = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n[[site]]\nid = \"portal\"\nhosts = [\"portal.example\"]\n";

fn collector() -> Collector {
    let mut collector = Collector::new(SITES);
    collector.start();
    collector
}

fn page(collector: &Collector, path: &str) -> HttpResponse {
    http::get(collector.reports, path).unwrap()
}

fn as_holder(collector: &Collector, path: &str, token: &str) -> HttpResponse {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        collector.reports
    );
    http::exchange(collector.reports, request.as_bytes()).unwrap()
}

fn token(collector: &Collector, arguments: &[&str]) -> String {
    let output = collector.command(&[&["token", "add"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The texts of the elements with this figure.
fn figures(html: &str, name: &str) -> Vec<String> {
    let mark = format!("data-figure=\"{name}\">");
    html.split(&mark).skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// The row of a site in the list.
fn row(html: &str, site: &str) -> String {
    let (_, rest) =
        html.split_once(&format!("<tr data-site=\"{site}\">")).unwrap_or_else(|| panic!("no {site}: {html}"));
    rest.split("</tr>").next().unwrap().to_owned()
}

/// A beacon with `count` script errors.
fn errors(page_load: u64, count: usize) -> String {
    let error = r#"{"k":"error","a":0,"u":"https://clinic.example/a","m":"x is not defined","f":"https://clinic.example/s.js","ln":1,"col":2,"st":"at f (s.js:1:2)"}"#;
    let view = good_beacon("clinic", page_load, 0, "/a");
    let errors = vec![error; count].join(",");
    let (head, _) = view.split_once(r#""e":["#).unwrap();
    assert!(head.contains(&page_load_id(page_load)));
    format!(r#"{head}"e":[{{"k":"view","a":0,"u":"https://clinic.example/a"}},{errors}]}}"#)
}

#[test]
fn the_list_of_sites_has_the_figures_of_the_api_and_marks_what_is_wrong() {
    let collector = collector();
    for page_load in 1..=3 {
        assert_eq!(collector.beacon(&errors(page_load, 5)).unwrap().status, 204);
    }
    collector.wait_for_events(18, PATIENCE);
    // A busy machine may compute today after the page was asked for.
    let mut html = String::new();
    eventually("the list has the figures of the API", PATIENCE, || {
        html = page(&collector, "/?lang=en").text();
        let overview = page(&collector, "/api/reports/overview?site=clinic&from=today&to=today").json();
        let visitors = &overview["rows"][0]["visitors"];
        *visitors == 1 && figures(&row(&html, "clinic"), "visitors") == [visitors.to_string()]
    });
    let clinic = row(&html, "clinic");
    assert!(clinic.contains("Errors are up: 15 today, 0 a week ago"), "{clinic}");
    assert!(clinic.contains("href=\"/sites/clinic/diagnostics?from=today"), "{clinic}");
    let portal = row(&html, "portal");
    assert!(figures(&portal, "visitors") == ["0"] && !portal.contains("class=\"mark\""), "{portal}");

    let headers = "Origin: https://evil.example\r\nContent-Type: text/plain\r\n";
    for page_load in 10..20 {
        let body = good_beacon("portal", page_load, 0, "/");
        assert_eq!(http::post(collector.listen, "/b", headers, body.as_bytes()).unwrap().status, 403);
    }
    let html = page(&collector, "/?lang=en").text();
    assert!(row(&html, "portal").contains("Beacons refused in the last 24 hours: 10"), "{html}");
    let html = page(&collector, "/?lang=ru").text();
    assert!(row(&html, "portal").contains("Отклонено событий за 24 часа: 10"), "{html}");
    let diagnostics = page(&collector, "/sites/portal/diagnostics?lang=en").text();
    assert!(diagnostics.contains("sent by a page of another host"), "{diagnostics}");
}

#[test]
fn diagnostics_have_the_figures_of_the_api() {
    let collector = collector();
    assert_eq!(collector.beacon(&errors(1, 7)).unwrap().status, 204);
    // Sent again, it is dropped.
    assert_eq!(collector.beacon(&errors(1, 7)).unwrap().status, 204);
    collector.wait_for_events(8, PATIENCE);
    let html = page(&collector, "/sites/clinic/diagnostics?lang=en").text();
    let report = page(&collector, "/api/reports/errors?site=clinic").json();
    assert_eq!(report["rows"][0]["errors"], 7, "{report}");
    assert_eq!(figures(&html, "errors"), ["7"], "{html}");
    assert!(html.contains("x is not defined"), "{html}");
    eventually("dropped events are told", PATIENCE, || {
        let html = page(&collector, "/sites/clinic/diagnostics?lang=en").text();
        html.contains("<dt>sent twice</dt><dd>8</dd>")
    });
}

#[test]
fn the_map_of_a_site_is_the_operator_s_own() {
    let map = tempfile::NamedTempFile::new().unwrap();
    fs::write(map.path(), "321\t123\nRU\tM0 0h9v9z\n-\tM7 7h77v7z\n").unwrap();
    let mut collector = Collector::new(&format!("[page]\nmap = {:?}\n{SITES}", map.path()));
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, PATIENCE);
    let html = page(&collector, "/sites/clinic?lang=en&tab=map").text();
    let (_, drawn) = html.split_once("class=\"chart chart-map\"").unwrap_or_else(|| panic!("no map: {html}"));
    let drawn = drawn.split("</svg>").next().unwrap();
    assert!(drawn.contains("viewBox=\"0 0 321 123\"") && drawn.contains("M7 7h77v7z"), "{drawn}");
}

#[test]
fn a_token_of_one_site_lists_that_site_alone() {
    let mut collector = Collector::new(SITES);
    let sre = token(&collector, &["anna", "--role", "sre", "--site", "portal"]);
    let analyst = token(&collector, &["boris", "--role", "analyst"]);
    collector.start();
    // Published figures have tables of their own, which are made last.
    eventually("the store answers", PATIENCE, || as_holder(&collector, "/", &sre).status == 200);
    let html = as_holder(&collector, "/?lang=en", &sre).text();
    assert!(html.contains("data-site=\"portal\"") && !html.contains("clinic"), "{html}");
    for (path, status) in [
        ("/sites/portal/diagnostics", 200),
        ("/sites/clinic/diagnostics", 404),
        ("/sites/portal/realtime", 403),
        ("/sites/portal/realtime/events", 403),
    ] {
        assert_eq!(as_holder(&collector, path, &sre).status, status, "{path}");
    }
    assert_eq!(as_holder(&collector, "/sites/clinic/diagnostics", &analyst).status, 403);
    assert_eq!(as_holder(&collector, "/sites/clinic/realtime", &analyst).status, 200);
}

#[test]
fn role_sre_filters_diagnostics_by_several_columns_and_takes_along_what_it_may_use() {
    let mut collector = Collector::new(SITES);
    let sre = token(&collector, &["anna", "--role", "sre"]);
    collector.start();
    let filtered = "/sites/portal/diagnostics?lang=en&filter=country%3DRU&filter=path%3D%2Fa";
    eventually("the store answers", PATIENCE, || as_holder(&collector, filtered, &sre).status == 200);
    let html = as_holder(&collector, filtered, &sre).text().replace("&#38;", "&");
    assert!(html.contains("<option value=\"error_group\">") && !html.contains("<option value=\"visitor\">"));
    assert!(html.contains("<option value=\"!=\">"), "{html}");
    // The audience is protected: one filter.
    assert!(html.contains("href=\"/sites/portal?filter=country%3DRU&lang=en\""), "{html}");
    let forbidden = as_holder(&collector, "/sites/portal/diagnostics?filter=city%3DKazan", &sre);
    assert_eq!(forbidden.status, 403);
    let twice = as_holder(&collector, "/sites/portal?filter=country%3DRU&filter=path%3D%2Fa", &sre);
    assert_eq!(twice.status, 403);
}

#[test]
fn the_realtime_view_shows_a_view_within_seconds() {
    let collector = collector();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, PATIENCE);
    let mut stream = TcpStream::connect(collector.reports).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let request =
        format!("GET /sites/clinic/realtime/events HTTP/1.1\r\nHost: {}\r\n\r\n", collector.reports);
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = String::new();
    let mut wait_for = |views: &str| {
        let end = Instant::now() + SOON;
        while figures(&received, "views").last().is_none_or(|last| last != views) {
            assert!(Instant::now() < end, "no {views} views in\n{received}");
            let mut chunk = [0; 16 * 1024];
            if let Ok(count) = stream.read(&mut chunk) {
                assert!(count > 0, "the stream ended:\n{received}");
                received += &String::from_utf8_lossy(&chunk[..count]);
            }
        }
    };
    wait_for("1");
    assert_eq!(collector.beacon(&good_beacon("clinic", 2, 0, "/b")).unwrap().status, 204);
    wait_for("2");
    assert!(received.contains("text/event-stream") && received.contains("event: figures\n"), "{received}");

    let html = page(&collector, "/sites/clinic/realtime?lang=en").text();
    let report = page(&collector, "/api/reports/realtime?site=clinic").json();
    let views: u64 =
        report["rows"].as_array().unwrap().iter().map(|row| row["views"].as_u64().unwrap()).sum();
    assert_eq!(figures(&html, "views"), [views.to_string()], "{html}");
    assert!(html.contains("<noscript><meta http-equiv=\"refresh\""), "{html}");
}
