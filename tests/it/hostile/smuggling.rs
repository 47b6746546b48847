//! Requests whose end two readers may see in different places: each is refused, or read in the one way that leaves no
//! second request in its body.

use std::io::Write as _;

use super::{Siege, statuses};
use crate::common::Http;

/// What stands where a second request would be smuggled. It would be answered with 404.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn no_second_request_comes_out_of_a_body() {
    let siege = Siege::new("");
    let length = SMUGGLED.len();
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let both = chunked.len();
    let heads: Vec<(&str, String, &str)> = vec![
        ("both lengths", format!("Content-Length: {both}\r\nTransfer-Encoding: chunked\r\n"), &chunked),
        (
            "both lengths, the other way round",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n".into(),
            &chunked,
        ),
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED),
        (
            "two lengths, the other way round",
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            SMUGGLED,
        ),
        ("a list of lengths", format!("Content-Length: 0, {length}\r\n"), SMUGGLED),
        ("chunked, then identity", "Transfer-Encoding: chunked, identity\r\n".into(), &chunked),
        ("identity, then chunked", "Transfer-Encoding: identity, chunked\r\n".into(), &chunked),
        ("identity", "Transfer-Encoding: identity\r\n".into(), SMUGGLED),
        ("a coding that nobody knows", "Transfer-Encoding: xchunked\r\n".into(), &chunked),
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
        ("a length in words", "Content-Length: ten\r\n".into(), SMUGGLED),
        ("an empty length", "Content-Length:\r\n".into(), SMUGGLED),
        ("a length over all lengths", "Content-Length: 18446744073709551616\r\n".into(), SMUGGLED),
        ("a length with a blank", "Content-Length: 1 0\r\n".into(), SMUGGLED),
        ("a NUL in a header", format!("X: a\0b\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ("a NUL in a name", format!("X\0: a\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ("a bare CR", format!("X: a\rContent-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ("a line end without CR", format!("X: a\nContent-Length: {length}\r\n"), SMUGGLED),
        ("no colon", format!("Content-Length {length}\r\n"), SMUGGLED),
        ("a name that is none", format!("Content\u{e4}Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED),
    ];
    siege.under("shapes of request smuggling", || {
        for target in ["POST /b", "GET /", "GET /b.gif?s=clinic", "POST /b.gif"] {
            for (name, headers, body) in &heads {
                let mut http = Http::connect(siege.target()).unwrap();
                http.send(format!("{target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}").as_bytes()).unwrap();
                let _ = http.end();
                let answered = statuses(&mut http);
                assert!(!answered.contains(&404), "{target}, {name}: the body was heard: {answered:?}");
                assert_eq!(answered.len(), 1, "{target}, {name}: {answered:?}");
            }
        }
    });
}

/// The same without any length: what follows is a request of its own and nothing is hidden.
#[test]
fn what_follows_a_whole_request_is_the_next_one() {
    let siege = Siege::new("");
    let mut http = Http::connect(siege.target()).unwrap();
    http.send(format!("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}{SMUGGLED}").as_bytes())
        .unwrap();
    http.end().unwrap();
    assert_eq!(statuses(&mut http), [400, 404], "a whole body, then a request");
}

#[test]
fn a_host_that_is_missing_doubled_or_broken_is_refused() {
    let siege = Siege::new("");
    for headers in ["", "Host: a\r\nHost: b\r\n", "Host: a\r\n host: b\r\n", "Host : a\r\n"] {
        let mut stream = std::net::TcpStream::connect(siege.target()).unwrap();
        stream.write_all(format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes()).unwrap();
        let mut http = Http::connect(siege.target()).unwrap();
        http.send(format!("GET / HTTP/1.1\r\n{headers}\r\n{SMUGGLED}").as_bytes()).unwrap();
        assert_eq!(statuses(&mut http), [400], "{headers:?}");
    }
}
