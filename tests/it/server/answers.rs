//! Each response of docs/wire.md: status, headers and body.

use super::{TestServer, beacon};
use crate::common::HttpResponse;

/// Sends a request on a connection of its own.
fn ask(server: &TestServer, request: &[u8]) -> HttpResponse {
    let mut http = server.connect();
    http.send(request).unwrap();
    http.answer().unwrap()
}

#[test]
fn each_outcome_of_a_beacon_has_its_response() {
    let server = TestServer::start();
    for (text, status, error) in [
        ("good", 204, ""),
        ("malformed", 400, "no such kind"),
        ("unknown", 403, "this site is not configured here"),
        ("foreign", 403, "the page's host is not one of the site's hosts"),
        ("full", 503, "events cannot be stored at the moment; keep the beacon and try again"),
    ] {
        let answer = ask(&server, &beacon("Content-Type: text/plain;charset=UTF-8\r\n", text));
        assert_eq!(answer.status, status, "{text}");
        assert_eq!(answer.json()["error"].as_str().unwrap_or_default(), error, "{text}");
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("5"), "{text}");
        if status == 204 {
            assert_eq!(answer.header("content-length"), None);
            assert_eq!(answer.header("x-footfall-dropped"), None);
            assert!(answer.header("date").is_some());
        } else {
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    assert_eq!(ask(&server, &beacon("", "malformed")).json()["at"], "e[0].k");
    let dropped = ask(&server, &beacon("", "bot"));
    assert_eq!(
        (dropped.status, dropped.header("x-footfall-dropped")),
        (204, Some("optout=0,bot=3,duplicate=0,malformed=0,foreign=0,blocked=0,internal=0"))
    );
}

#[test]
fn a_request_that_cannot_be_a_beacon_is_refused_before_its_body_is_read() {
    let server = TestServer::start();
    let large = 64 * 1024 + 1;
    let chunked = "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n";
    for (request, status) in [
        (beacon("Content-Type: text/html\r\n", "good"), 415),
        (beacon("Content-Type: multipart/form-data; boundary=x\r\n", "good"), 415),
        (beacon("Content-Encoding: gzip\r\n", "good"), 415),
        (b"POST /b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 411),
        (chunked.as_bytes().to_vec(), 411),
        (beacon("", &"x".repeat(large)), 413),
        (format!("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 1u64 << 40).into_bytes(), 413),
        (b"POST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\ngood".to_vec(), 400),
        (b"POST /b HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 4\r\n\r\ngood".to_vec(), 400),
    ] {
        let answer = ask(&server, &request);
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&request[..request.len().min(120)]));
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(server.fake.begun(), 0);
    assert_eq!(ask(&server, &beacon("", &"x".repeat(64 * 1024))).status, 204);
}

#[test]
fn a_request_that_is_not_http_is_refused() {
    let server = TestServer::start();
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n"[..], 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood", 400),
        (b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"POST /b HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    ] {
        assert_eq!(ask(&server, request).status, status, "{}", String::from_utf8_lossy(request));
    }
    assert_eq!(server.fake.begun(), 0);
}

#[test]
fn a_wrong_method_gets_405_with_the_allowed_ones() {
    let server = TestServer::start();
    for (path, method, allow) in [
        ("/b", "GET", "POST, OPTIONS"),
        ("/b", "DELETE", "POST, OPTIONS"),
        ("/b", "BREW", "POST, OPTIONS"),
        ("/b.gif", "POST", "GET, HEAD"),
        ("/s.js", "PUT", "GET, HEAD"),
        ("/", "POST", "GET, HEAD"),
    ] {
        let answer = ask(&server, format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[test]
fn an_unknown_path_gets_404_without_an_echo() {
    let server = TestServer::start();
    for path in
        ["/favicon.ico", "/b/", "/B", "/../../etc/passwd", "/<script>alert(1)</script>", "/s.0000.js", "*"]
    {
        let answer = ask(&server, format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n").as_bytes());
        assert!(matches!(answer.status, 404 | 400), "{path}: {}", answer.status);
        let text = String::from_utf8_lossy(&answer.raw).into_owned();
        assert!(!text.contains("script>") && !text.contains("evil") && !text.contains("passwd"), "{text}");
    }
    let welcome = ask(&server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(welcome.status, 200);
    assert!(welcome.text().contains("Footfall"));
}

#[test]
fn the_pixel_is_an_image_that_is_never_cached() {
    let server = TestServer::start();
    let answer = ask(&server, b"GET /b.gif?bot HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/gif")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.header("x-footfall-dropped"),
        Some("optout=0,bot=3,duplicate=0,malformed=0,foreign=0,blocked=0,internal=0")
    );
    assert!(answer.body.starts_with(b"GIF89a") && answer.body.ends_with(b";"));
    assert_eq!(ask(&server, b"GET /b.gif?unknown HTTP/1.1\r\nHost: x\r\n\r\n").status, 403);
    let metrics = server.metrics();
    let took_no_time = metrics.contains("footfall_beacon_duration_seconds_sum 0\n");
    assert!(metrics.contains("footfall_beacon_duration_seconds_count 1\n") && !took_no_time, "{metrics}");
    let views = server.fake.begun();
    let mut http = server.connect();
    http.send(b"HEAD /b.gif?s=clinic HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert!(http.read_to_end().unwrap().starts_with(b"HTTP/1.1 200"));
    assert_eq!(server.fake.begun(), views, "HEAD does not count as a view");
}

#[test]
fn an_address_over_its_rate_gets_429_with_retry_after() {
    let server = TestServer::with(|options| {
        (options.public.limits.rate, options.public.limits.burst) = (1, 3);
    });
    let statuses: Vec<u16> = (0..5).map(|_| ask(&server, &beacon("", "good")).status).collect();
    assert_eq!(statuses[..3], [204, 204, 204]);
    assert_eq!(statuses[4], 429);
    let refused = ask(&server, &beacon("Origin: https://clinic.example\r\n", "good"));
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://clinic.example"));
    assert_eq!(
        ask(&server, b"GET /s.js HTTP/1.1\r\nHost: x\r\n\r\n").status,
        200,
        "the script has no such limit"
    );
    assert!(server.metrics().contains("footfall_requests_total{route=\"beacon\",status=\"429\"}"));
}

#[test]
fn only_pages_of_the_sites_hosts_may_read_responses() {
    let server = TestServer::start();
    for (origin, allowed) in [
        ("https://clinic.example", true),
        ("https://www.clinic.example:8443", true),
        ("https://evil.example", false),
        ("https://clinic.example.evil.example", false),
        ("null", false),
    ] {
        let answer = ask(&server, &beacon(&format!("Origin: {origin}\r\n"), "good"));
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin));
        let options = format!(
            "OPTIONS /b HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
        );
        let preflight = ask(&server, options.as_bytes());
        assert_eq!(preflight.status, if allowed { 204 } else { 403 });
        assert_eq!(preflight.header("access-control-allow-origin"), allowed.then_some(origin));
        assert_eq!(preflight.header("access-control-allow-methods"), allowed.then_some("POST"));
    }
}

#[test]
fn responses_are_counted_by_status() {
    let server = TestServer::start();
    let mut http = server.connect();
    for text in ["good", "good", "malformed", "bot"] {
        http.send(&beacon("", text)).unwrap();
        http.answer().unwrap();
    }
    let metrics = server.metrics();
    for line in [
        "footfall_requests_total{route=\"beacon\",status=\"204\"} 3",
        "footfall_requests_total{route=\"beacon\",status=\"400\"} 1",
        "footfall_events_received_total 5",
        "footfall_events_accepted_total 2",
        "footfall_events_dropped_total{reason=\"bot\"} 3",
        "footfall_beacon_duration_seconds_count 3",
        "footfall_connections 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("127.0.0.1"));
}
