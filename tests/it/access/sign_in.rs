//! Sign-in on the reports listener: what the cookie is, whom it lets in, how it ends, and what others get.

use std::time::Duration;

use crate::access::{add, bearer, get};
use crate::common::{Collector, HttpResponse, eventually, http};

const HTML: &str = "Accept: text/html,application/xhtml+xml\r\n";
/// Longer than the collector takes to look at the file of tokens.
const NOTICED: Duration = Duration::from_secs(20);

/// A collector whose reports need a token.
fn collector(settings: &str) -> Collector {
    Collector::new(&format!(
        "{settings}[access]\nloopback_tokens = true\nhosts = [\"reports.clinic.example\"]\n"
    ))
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Sends the form of sign-in as a browser does.
fn sign_in(collector: &Collector, token: &str, next: &str, headers: &str) -> HttpResponse {
    let body = format!("token={}&next={}", encode(token), encode(next));
    let origin = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", collector.reports);
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    http::post(collector.reports, "/sign-in", &format!("{HTML}{kind}{origin}{headers}"), body.as_bytes())
        .unwrap()
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &HttpResponse) -> String {
    let set = answer.header("set-cookie").expect("a cookie is set");
    format!("Cookie: {}\r\n", set.split(';').next().unwrap())
}

/// Whether a status is that of a request that may be made; the store may not be ready yet.
fn answers(status: u16) -> bool {
    matches!(status, 200 | 502 | 503)
}

#[test]
fn a_token_opens_a_session_that_ends_with_the_token_or_by_sign_out() {
    let mut collector = collector("");
    let token = add(&collector, &["anna", "--role", "analyst"]);
    let officer = add(&collector, &["officer", "--role", "privacy"]);
    collector.start();
    let reports = collector.reports;

    // A browser gets the form, a program JSON.
    let refused = get(reports, "/sites/clinic?period=7d&x=%22%3E%3Cscript%3E", HTML);
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"Footfall\""),
        "no window of the browser's own"
    );
    let form = refused.text();
    assert!(form.contains("name=\"token\"") && !form.contains("<script"), "{form}");
    assert!(form.contains("value=\"/sites/clinic?period=7d&"), "{form}");
    assert!(get(reports, "/", "").json()["error"].is_string());
    let russian = get(reports, "/", &format!("{HTML}Accept-Language: ru\r\n"));
    assert!(russian.text().contains("Вход") && russian.text().contains("lang=\"ru\""), "{}", russian.text());

    let entered = sign_in(&collector, &token, "/api/reports?x=1", "");
    assert_eq!((entered.status, entered.header("location")), (303, Some("/api/reports?x=1")));
    let set = entered.header("set-cookie").unwrap().to_owned();
    for part in ["footfall_session=", "; Path=/;", "; Max-Age=43200", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "plain HTTP: {set}");
    assert!(!set.contains(&token[3..]), "the cookie is not the token");
    let session = cookie(&entered);
    let ask = |path: &str, headers: &str| get(reports, path, headers).status;
    assert_eq!(ask("/api/reports", &session), 200);
    assert_eq!(ask("/api/audit", &session), 403);
    assert_eq!(ask("/api/reports", &session.replace("session=", "session=A")), 401);
    // A token in a header comes first, and the administration knows no sessions.
    assert!(answers(ask("/api/audit", &format!("{session}{}", bearer(&officer)))));
    assert_eq!(ask("/api/reports", &format!("{session}{}", bearer("x"))), 401);
    assert_eq!(get(collector.admin, "/metrics", &session).status, 401);

    // Requests of other sites' pages bring no cookie, and would not be answered with it.
    for other in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Origin: null\r\n"] {
        assert_eq!(ask("/api/reports", &format!("{session}{other}")), 403, "{other}");
    }

    // Another session goes on when this one is signed out of.
    let other = cookie(&sign_in(&collector, &token, "/", ""));
    let own = format!("Origin: http://{reports}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(get(reports, "/sign-out", &session).status, 405);
    let foreign =
        http::post(reports, "/sign-out", &format!("{session}Origin: https://evil.example\r\n"), b"").unwrap();
    assert_eq!(foreign.status, 403);
    let out = http::post(reports, "/sign-out", &format!("{session}{own}"), b"").unwrap();
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!((ask("/api/reports", &session), ask("/api/reports", &other)), (401, 200));
    assert!(collector.command(&["token", "revoke", "anna"]).status.success());
    eventually("the session ends with its token", NOTICED, || ask("/api/reports", &other) == 401);
    // The same name is another token.
    add(&collector, &["anna", "--role", "analyst"]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(ask("/api/reports", &other), 401);

    // A role that reads no reports is told which do.
    let officer = cookie(&sign_in(&collector, &officer, "/", ""));
    let page = get(reports, "/", &format!("{HTML}{officer}"));
    assert_eq!(page.status, 403);
    assert!(page.text().contains("privacy") && page.text().contains("analyst"), "{}", page.text());
    assert!(answers(ask("/api/audit", &officer)));
    let told = format!("{}{}", collector.log(), form);
    assert!(!told.contains(&token[3..]) && !told.contains(session.split('=').nth(1).unwrap().trim()));
}

#[test]
fn sign_in_leads_nowhere_else_and_takes_nothing_from_other_sites() {
    let mut collector = collector("");
    let token = add(&collector, &["anna", "--role", "viewer"]);
    collector.start();
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example",
        "javascript:alert(1)",
    ] {
        let entered = sign_in(&collector, &token, next, "");
        assert_eq!((entered.status, entered.header("location")), (303, Some("/")), "{next}");
    }
    let send = |headers: &str, body: &str| {
        http::post(collector.reports, "/sign-in", headers, body.as_bytes()).unwrap()
    };
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("token={token}");
    for (headers, status) in [
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        // What a form of our own page sends when it sends no referrer.
        ("Origin: null\r\nSec-Fetch-Site: same-origin\r\n", 303),
    ] {
        let answer = send(&format!("{form}{headers}"), &body);
        assert_eq!(
            (answer.status, answer.header("set-cookie").is_some()),
            (status, status == 303),
            "{headers}"
        );
    }
    assert_eq!(send("Content-Type: text/plain\r\n", &body).status, 415);
    assert_eq!(send(form, &format!("token={}", "x".repeat(20 << 10))).status, 413);
    // A token in an address does not sign in.
    assert_eq!(get(collector.reports, &format!("/sign-in?token={token}"), HTML).header("set-cookie"), None);
}

#[test]
fn guessing_is_slowed_down_and_the_holder_gets_in_all_the_same() {
    let mut collector = collector("");
    let token = add(&collector, &["anna", "--role", "viewer"]);
    collector.start();
    let wrong = format!("ff_{}", "A".repeat(43));
    let statuses: Vec<u16> = (0..20).map(|_| sign_in(&collector, &wrong, "/", "").status).collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[15..], [429; 5]);
    let limited = sign_in(&collector, &wrong, "/", "");
    assert!(
        limited.header("retry-after").is_some() && limited.text().contains("name=\"token\""),
        "{}",
        limited.text()
    );
    assert!(!limited.text().contains(&wrong[3..]), "{}", limited.text());
    assert_eq!(sign_in(&collector, &token, "/", "").status, 303);
    assert!(collector.log().find(&wrong).is_none());
}

#[test]
fn behind_a_proxy_with_tls_the_cookie_is_for_this_host_and_tls_alone() {
    let mut collector = collector("trusted_proxies = [\"127.0.0.0/8\"]\n");
    let token = add(&collector, &["anna", "--role", "analyst"]);
    collector.start();
    let proxied = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.5\r\n";
    let entered = sign_in(&collector, &token, "/", proxied);
    let set = entered.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-footfall_session=") && set.ends_with("; Secure"), "{set}");
    let session = cookie(&entered);
    let ask = |headers: &str| get(collector.reports, "/api/reports", headers).status;
    assert_eq!(ask(&format!("{session}{proxied}")), 200);
    // A cookie that another host of the domain could have set does not count.
    assert_eq!(ask(&format!("{}{proxied}", session.replace("__Host-", ""))), 401);
}

#[test]
fn on_loopback_the_operator_needs_no_sign_in() {
    let mut collector = Collector::new("");
    let token = add(&collector, &["officer", "--role", "privacy"]);
    collector.start();
    assert!(answers(get(collector.reports, "/", HTML).status));
    assert_eq!(get(collector.reports, "/sign-in", HTML).status, 200);
    // A browser that signed in reads as the holder of the token.
    let session = cookie(&sign_in(&collector, &token, "/", ""));
    assert_eq!(get(collector.reports, "/", &format!("{HTML}{session}")).status, 403);
}
