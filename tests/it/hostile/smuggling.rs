//! Request smuggling: requests for which two servers may disagree where the body ends.
//!
//! The collector must refuse each of them, or read it so that the body contains no second request.

use super::{TestTarget, statuses};
use crate::common::HttpConnection;

/// The smuggled request. If the collector read it as a request, it would answer with 404.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn no_request_is_read_from_the_body_of_another() {
    let target = TestTarget::new("");
    let length = SMUGGLED.len();
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let both = chunked.len();
    let heads: Vec<(&str, String, &str)> = vec![
        ("both lengths", format!("Content-Length: {both}\r\nTransfer-Encoding: chunked\r\n"), &chunked),
        (
            "both lengths, in the other order",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n".into(),
            &chunked,
        ),
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED),
        (
            "two lengths, in the other order",
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            SMUGGLED,
        ),
        ("a list of lengths", format!("Content-Length: 0, {length}\r\n"), SMUGGLED),
        ("chunked, then identity", "Transfer-Encoding: chunked, identity\r\n".into(), &chunked),
        ("identity, then chunked", "Transfer-Encoding: identity, chunked\r\n".into(), &chunked),
        ("identity", "Transfer-Encoding: identity\r\n".into(), SMUGGLED),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n".into(), &chunked),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into(), &chunked),
        ("a tab before the coding", "Transfer-Encoding:\tchunked\r\n".into(), &chunked),
        ("a vertical tab before the coding", "Transfer-Encoding: \x0bchunked\r\n".into(), &chunked),
        ("a quoted coding", "Transfer-Encoding: \"chunked\"\r\n".into(), &chunked),
        (
            "a blank before the colon",
            format!("Transfer-Encoding : chunked\r\nContent-Length: {both}\r\n"),
            &chunked,
        ),
        ("a blank before the length's colon", format!("Content-Length : {length}\r\n"), SMUGGLED),
        (
            "a folded line",
            format!("X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: {both}\r\n"),
            &chunked,
        ),
        ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n".into(), &chunked),
        ("a plus before the length", format!("Content-Length: +{length}\r\n"), SMUGGLED),
        ("a minus before the length", "Content-Length: -1\r\n".into(), SMUGGLED),
        ("a hexadecimal length", format!("Content-Length: 0x{length:x}\r\n"), SMUGGLED),
        ("a length that is a word", "Content-Length: ten\r\n".into(), SMUGGLED),
        ("an empty length", "Content-Length:\r\n".into(), SMUGGLED),
        ("a length that overflows", "Content-Length: 18446744073709551616\r\n".into(), SMUGGLED),
        ("a length with a blank", "Content-Length: 1 0\r\n".into(), SMUGGLED),
        ("a NUL in a header", format!("X: a\0b\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ("a NUL in a name", format!("X\0: a\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ("a bare CR", format!("X: a\rContent-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ("a line end without CR", format!("X: a\nContent-Length: {length}\r\n"), SMUGGLED),
        ("no colon", format!("Content-Length {length}\r\n"), SMUGGLED),
        (
            "an invalid header name",
            format!("Content\u{e4}Length: 0\r\nContent-Length: {length}\r\n"),
            SMUGGLED,
        ),
    ];
    target.attack("request smuggling", || {
        for request_line in ["POST /b", "GET /", "GET /b.gif?s=clinic", "POST /b.gif"] {
            for (name, headers, body) in &heads {
                let mut http = HttpConnection::connect(target.address()).unwrap();
                http.send(format!("{request_line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}").as_bytes())
                    .unwrap();
                let _ = http.shutdown_write();
                let answered = statuses(&mut http);
                assert!(
                    !answered.contains(&404),
                    "{request_line}, {name}: the body was read as a request: {answered:?}"
                );
                assert_eq!(answered.len(), 1, "{request_line}, {name}: {answered:?}");
            }
        }
    });
}

/// The opposite case: a request that follows a complete one must be answered.
#[test]
fn a_request_after_a_complete_one_is_answered() {
    let target = TestTarget::new("");
    let mut http = HttpConnection::connect(target.address()).unwrap();
    http.send(format!("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}{SMUGGLED}").as_bytes())
        .unwrap();
    http.shutdown_write().unwrap();
    assert_eq!(statuses(&mut http), [400, 404], "a complete body, then a request");
}

#[test]
fn a_missing_repeated_or_malformed_host_is_refused() {
    let target = TestTarget::new("");
    for headers in ["", "Host: a\r\nHost: b\r\n", "Host: a\r\n host: b\r\n", "Host : a\r\n"] {
        let mut http = HttpConnection::connect(target.address()).unwrap();
        http.send(format!("GET / HTTP/1.1\r\n{headers}\r\n{SMUGGLED}").as_bytes()).unwrap();
        assert_eq!(statuses(&mut http), [400], "{headers:?}");
    }
}
