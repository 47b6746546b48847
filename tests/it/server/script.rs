//! The script for browsers and caches.

use super::TestServer;
use crate::common::HttpResponse;

fn get(server: &TestServer, path: &str, headers: &str) -> HttpResponse {
    let mut http = server.connect();
    http.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).unwrap();
    http.answer().unwrap()
}

#[test]
fn each_encoding_has_its_etag_and_is_revalidated_with_304() {
    let server = TestServer::start();
    let mut tags = Vec::new();
    for (accepts, coding) in [("gzip, deflate, br", Some("br")), ("gzip", Some("gzip")), ("identity", None)] {
        let headers = format!("Accept-Encoding: {accepts}\r\n");
        let answer = get(&server, "/s.js", &headers);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding));
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
        let tag = answer.header("etag").unwrap().to_owned();
        let again = get(&server, "/s.js", &format!("{headers}If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.header("etag"), again.body.len()), (304, Some(&*tag), 0));
        assert_eq!(get(&server, "/s.js", &format!("{headers}If-None-Match: \"other\"\r\n")).status, 200);
        tags.push(tag);
    }
    tags.dedup();
    assert_eq!(tags.len(), 3);
}

#[test]
fn the_hashed_path_is_immutable_and_matches_its_integrity() {
    let server = TestServer::start();
    let running = server.running.as_ref().unwrap();
    let (path, integrity) = running.handler().script();
    let answer = get(&server, path, "");
    assert_eq!((answer.status, answer.body), (200, get(&server, "/s.js", "").body));
    assert_eq!(get(&server, path, "").header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(integrity.starts_with("sha384-") && integrity.len() == 7 + 64);
}
