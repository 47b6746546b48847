//! What a browser can be made to do: pages of other sites, rebound names, frames, scripts in what is echoed.

use std::time::Duration;

use super::{add, get, get_as, wait_for};
use crate::common::{Collector, HttpResponse, good_beacon, http};

/// How long the embedded store may take to make its tables on a machine that is busy with other tests.
const STORED: Duration = Duration::from_secs(90);

const PAYLOADS: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "'-alert(1)-'",
];

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// An answer that is not a page may do nothing. A page may use files of its own origin, send forms to it and name itself to it.
fn assert_secure(answer: &HttpResponse, what: &str) {
    let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let [policy, referrer, caching] = if is_page {
        [
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types footfall",
            "same-origin",
            "private, no-store",
        ]
    } else {
        [
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "no-referrer",
            "no-store",
        ]
    };
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex"),
        ("referrer-policy", referrer),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", caching),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
        assert_eq!(answer.headers.iter().filter(|(found, _)| found == name).count(), 1, "{what}: {name}");
    }
    assert!(answer.header("access-control-allow-origin").is_none(), "{what}");
    assert!(answer.header("server").is_none(), "{what}");
}

#[test]
fn every_answer_of_the_operator_s_listeners_keeps_browsers_on_a_short_leash() {
    let mut collector = Collector::new("");
    collector.start();
    for path in ["/", "/api/reports", "/api/reports/pages?site=clinic&from=x", "/nowhere", "/api/audit"] {
        assert_secure(&get(collector.reports, path, ""), path);
        assert_secure(&get(collector.reports, path, "Origin: https://evil.example\r\n"), path);
        assert_secure(&get(collector.reports, path, "Authorization: Bearer x\r\n"), path);
    }
    for path in ["/", "/metrics", "/healthz", "/readyz", "/nowhere"] {
        assert_secure(&get(collector.admin, path, ""), path);
    }
    for (path, kind) in [
        ("/", "text/plain; charset=utf-8"),
        ("/nowhere", "application/json"),
        ("/s.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = get(collector.listen, path, "");
        assert_eq!(
            (answer.header("content-type"), answer.header("x-content-type-options")),
            (Some(kind), Some("nosniff")),
            "{path}"
        );
    }
    let beacon = collector.beacon(&crate::common::good_beacon("clinic", 1, 0, "/a")).unwrap();
    let names: Vec<&str> = beacon.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(beacon.status, 204);
    assert!(
        !names.iter().any(|name| name.starts_with("x-content") || name.starts_with("content-security")),
        "{names:?}"
    );
}

#[test]
fn pages_of_other_sites_and_rebound_names_get_nothing_from_loopback() {
    let mut collector = Collector::new("[access]\nhosts = [\"reports.clinic.example\"]\n");
    collector.start();
    for listener in [collector.reports, collector.admin] {
        let port = listener.port();
        let ask = |host: &str, headers: &str| {
            let request =
                format!("GET /nowhere HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
            http::exchange(listener, request.as_bytes()).unwrap().status
        };
        for host in
            [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "reports.clinic.example".to_owned()]
        {
            assert_eq!(ask(&host, ""), 404, "{host}");
            assert_eq!(
                ask(&host, &format!("Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n")),
                404,
                "{host}"
            );
            for headers in [
                "Origin: https://evil.example\r\n",
                "Origin: null\r\n",
                "Sec-Fetch-Site: cross-site\r\n",
                "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\n",
            ] {
                assert_eq!(ask(&host, headers), 403, "{host} {headers}");
            }
        }
        for host in
            ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil.example"]
        {
            assert_eq!(ask(host, ""), 403, "{host}");
        }
        if listener == collector.admin {
            let ready = |host: &str| {
                let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
                http::exchange(listener, request.as_bytes()).unwrap()
            };
            let rebound = ready("evil.example");
            assert_eq!(rebound.status, 200, "probes name what they like");
            assert!(rebound.json()["checks"].is_null(), "{}", rebound.text());
            assert!(ready("localhost").json()["checks"].is_object());
        }
        // An absolute form names its host itself.
        let absolute = format!(
            "GET http://evil.example/metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(http::exchange(listener, absolute.as_bytes()).unwrap().status, 403);
    }
}

#[test]
fn nothing_of_a_request_comes_back_as_markup() {
    let mut collector = Collector::new("");
    collector.start();
    for payload in PAYLOADS {
        let bad = encode(payload);
        for path in [
            format!("/{bad}"),
            format!("/?{bad}={bad}"),
            format!("/api/reports/{bad}"),
            format!("/api/reports/pages?{bad}={bad}"),
            format!("/api/reports/pages?site={bad}&from=1d"),
            format!("/api/reports/pages?site=clinic&from={bad}"),
            format!("/api/reports/pages?site=clinic&from=1d&filter={bad}"),
            format!("/api/reports/pages?site=clinic&from=1d&filter=path%3D{bad}&format=table"),
            format!("/api/reports/pages?site=clinic&from=1d&filter=path%3D{bad}&format=csv"),
            format!("/api/reports/pages?site=clinic&format={bad}"),
            format!("/api/reports/pages?site=clinic&limit={bad}"),
            format!("/api/reports/pages?site=clinic&bots={bad}"),
            format!("/api/reports/pages?site=clinic&by={bad}"),
        ] {
            for listener in [collector.reports, collector.admin, collector.listen] {
                let answer = get(listener, &path, "");
                // A page repeats what was asked for as a text, and in the address of a link.
                let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
                let text = answer.text();
                let is_link = text.contains("=\"javascript:");
                let holds = is_link || (payload.contains(['<', '"', '\'']) && text.contains(payload));
                assert!(!(is_page && holds), "{path}: {text}");
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
                let echoed =
                    answer.headers.iter().any(|(_, value)| value.contains(payload) || value.contains(&bad));
                assert!(!echoed, "{path}: {:?}", answer.headers);
            }
        }
        // What the beacon listener refuses, it does not repeat at all.
        let body = format!("{{\"v\":1,\"s\":{payload:?},\"l\":\"1\",\"e\":[{{\"k\":{payload:?}}}]}}");
        let answer = collector.beacon(&body).unwrap();
        assert!(answer.status >= 400 && !answer.text().contains(payload), "{}", answer.text());
        let pixel = get(collector.listen, &format!("/b.gif?s={bad}&u={bad}"), "");
        assert!(pixel.status >= 400 && !pixel.text().contains(payload), "{}", pixel.text());
    }
}

/// Two sites, the second without any event.
const TWO_SITES: &str = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n\
                         [[site]]\nid = \"zoo.example\"\nhosts = [\"zoo.example\"]\n";

/// The addresses of a page's links, as a browser reads them.
fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| link.starts_with('/')).map(|link| link.replace("&amp;", "&")).collect()
}

fn pages_of<'l>(links: &'l [String], site: &str) -> Vec<&'l String> {
    links.iter().filter(|link| link.starts_with(&format!("/sites/{site}"))).collect()
}

#[test]
fn every_link_of_the_page_of_reports_answers() {
    for (settings, sites) in [("", &["clinic"][..]), (TWO_SITES, &["clinic", "zoo.example"])] {
        let mut collector = Collector::new(settings);
        collector.start();
        assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
        collector.wait_for_events(1, STORED);
        let front = links(&get(collector.reports, "/", "").text());
        for site in sites {
            let page = pages_of(&front, site)[0].clone();
            let links = links(&get(collector.reports, &page, "").text());
            assert!(pages_of(&links, site).len() > 30, "{page}: {links:?}");
            for link in front.iter().chain(&links) {
                let answer = get(collector.reports, link, "");
                assert_eq!(answer.status, 200, "{link}: {}", answer.text());
            }
        }
    }
}

#[test]
fn a_token_s_front_page_links_only_what_the_token_may_read() {
    let mut collector = Collector::new(&format!("[access]\nloopback_tokens = true\n{TWO_SITES}"));
    let tokens = [
        add(&collector, &["zoologist", "--role", "analyst", "--site", "zoo.example"]),
        add(&collector, &["engineer", "--role", "sre"]),
        add(&collector, &["officer", "--role", "privacy"]),
    ];
    collector.start();
    wait_for(&collector, "/", &tokens[0], 200);
    // An event is stored only when all tables are there.
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, STORED);
    for (token, clinic, zoo, audit) in
        [(&tokens[0], false, true, false), (&tokens[1], true, true, false), (&tokens[2], false, false, true)]
    {
        let page = get_as(collector.reports, "/", token).text();
        let links = links(&page);
        assert_eq!(page.contains("clinic"), clinic, "{page}");
        assert_eq!(!pages_of(&links, "clinic").is_empty(), clinic, "{page}");
        assert_eq!(!pages_of(&links, "zoo.example").is_empty(), zoo, "{page}");
        assert_eq!(links.iter().any(|link| link == "/api/audit"), audit, "{page}");
        for link in &links {
            let answer = get_as(collector.reports, link, token);
            assert_eq!(answer.status, 200, "{link}: {}", answer.text());
        }
    }
}
