//! Share links: what they show, that they show no more, how they end, and that their tokens are nowhere.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::access::{add as add_token, bearer, get};
use crate::common::{Collector, HttpResponse, eventually, good_beacon, http, process};

const HTML: &str = "Accept: text/html\r\n";
const FORM: &str =
    "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\nOrigin: null\r\n";
const NOTICED: Duration = Duration::from_secs(20);
const TWO_SITES: &str = "[access]\nloopback_tokens = true\n\
    [[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n\
    [[site]]\nid = \"library\"\nhosts = [\"library.example\"]\n";

/// The paths of the page below a link, and what people try there.
const BELOW: [&str; 14] = [
    "//sites/clinic",
    "/sites/clinic",
    "/sites/clinic?period=today",
    "/sites/clinic?from=1d&by=hour",
    "/sites/clinic?filter=path%3D%2Frare",
    "/sites/clinic?filter=country%3DRU&filter=browser%3DFirefox",
    "/sites/clinic?filter=path%21%3D%2Fa",
    "/sites/clinic/reports/pages",
    "/sites/clinic/reports/pages?search=rare",
    "/sites/clinic/reports/pages?sort=views&filter=path~rare",
    "/sites/clinic/reports/pages.csv",
    "/sites/clinic/diagnostics",
    "/sites/clinic/realtime",
    "/sites/clinic/realtime/events",
];

/// Makes a link with the command and returns its path.
fn share(collector: &Collector, arguments: &[&str], password: Option<&str>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
    command.args(["share", "add"]).args(arguments).arg("--config").arg(collector.path("footfall.toml"));
    if password.is_some() {
        command.arg("--password-stdin");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.current_dir(collector.path("")).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Without the option nothing reads it.
    let _ = stdin.write_all(password.unwrap_or_default().as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let address = String::from_utf8(output.stdout).unwrap();
    let path = address.trim().strip_prefix(&format!("http://{}", collector.reports)).unwrap();
    assert!(path.starts_with("/share/") && path.ends_with('/'), "{path}");
    path.trim_end_matches('/').to_owned()
}

fn read(reports: SocketAddr, path: &str, headers: &str) -> HttpResponse {
    get(reports, path, &format!("{HTML}{headers}"))
}

/// Wrong links are answered with 404, and with 429 when one address opens many; the page is the same.
fn is_refused(status: u16) -> bool {
    matches!(status, 404 | 429)
}

fn wait_until_refused(collector: &Collector, link: &str) {
    eventually("the link is refused", NOTICED, || {
        is_refused(read(collector.reports, &format!("{link}/"), "").status)
    });
}

fn wait_for(collector: &Collector, link: &str, status: u16) {
    eventually(&format!("the link answers {status}"), NOTICED, || {
        read(collector.reports, &format!("{link}/"), "").status == status
    });
}

fn token_of(link: &str) -> &str {
    link.strip_prefix("/share/").unwrap()
}

/// Whether a status is that of a page that is shown; the store may not be ready yet.
fn shows(status: u16) -> bool {
    matches!(status, 200 | 503)
}

/// Whether any file below a directory has a text.
fn find(directory: &Path, text: &str) -> Option<String> {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            find(&path, text)
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            memchr::memmem::find(&bytes, text.as_bytes()).map(|_| path.display().to_string())
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A collector with a page that was read today, by as many visitors as an analyst needs to see it. Published it is not yet.
fn with_a_rare_page() -> Collector {
    let mut collector = Collector::new(TWO_SITES);
    collector.start();
    for visitor in 1..=6 {
        let headers = format!(
            "Origin: https://clinic.example\r\nContent-Type: text/plain\r\nX-Forwarded-For: 203.0.113.{visitor}\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n"
        );
        let beacon = good_beacon("clinic", visitor, 0, "/rare");
        assert_eq!(http::post(collector.listen, "/b", &headers, beacon.as_bytes()).unwrap().status, 204);
    }
    collector.wait_for_events(6, Duration::from_secs(90));
    collector
}

#[test]
fn a_link_shows_the_published_figures_of_its_site_and_nothing_else() {
    let collector = with_a_rare_page();
    let (reports, link) =
        (collector.reports, share(&collector, &["--site", "clinic", "--name", "board"], None));
    wait_for(&collector, &link, 303);
    let analyst = add_token(&collector, &["anna", "--role", "analyst"]);
    eventually("the token is known", NOTICED, || {
        get(reports, "/api/reports", &bearer(&analyst)).status == 200
    });
    let front = read(reports, &link, "");
    assert_eq!(
        (front.status, front.header("location")),
        (303, Some(format!("{link}/sites/clinic").as_str()))
    );
    let page = read(reports, &format!("{link}/sites/clinic"), "");
    assert_eq!(page.status, 200, "{}", page.text());
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("cache-control").unwrap().contains("no-store"));
    let exact = get(reports, "/api/reports/pages?site=clinic&from=1d", &bearer(&analyst)).text();
    assert!(exact.contains("/rare"), "{exact}");
    for path in BELOW {
        for headers in ["", &bearer(&analyst)] {
            let answer = read(reports, &format!("{link}{path}"), headers);
            let text = answer.text();
            // What was asked for may be repeated: in fields and links, never as a figure.
            let asked = text.replace("path%3D%2Frare", "").replace("path~rare", "");
            let repeats = path.contains("rare");
            assert!(repeats || !asked.contains("rare"), "{path}: {text}");
            assert!(!text.contains("library") && !text.contains("href=\"/sites"), "{path}: {text}");
            assert!(answer.status < 500, "{path}: {text}");
        }
    }
    for path in [
        "/sites/library",
        "/sites/library/reports/pages",
        "/sites/clinic/share",
        "/api/reports",
        "/api/audit",
        "/api/reports/pages?site=clinic&from=1d",
        "/sign-in",
        "/share/x",
        "/../sites/clinic",
        "/%2e%2e/sites/clinic",
        "/nowhere",
    ] {
        let answer = read(reports, &format!("{link}{path}"), &bearer(&analyst));
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("rare"), "{path}: {}", answer.text());
    }
    for method in ["POST", "PUT", "DELETE"] {
        let request = format!(
            "{method} {link}/sites/clinic HTTP/1.1\r\nHost: {reports}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(http::exchange(reports, request.as_bytes()).unwrap().status, 405, "{method}");
    }
    // A page of another site may link it, and may not fetch it.
    let linked = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    assert_eq!(read(reports, &format!("{link}/sites/clinic"), linked).status, 200);
    assert_eq!(
        read(
            reports,
            &format!("{link}/sites/clinic"),
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"
        )
        .status,
        403
    );
    // It opens nothing without its prefix.
    assert_eq!(read(reports, "/sites/clinic", &format!("Referer: http://{reports}{link}/\r\n")).status, 401);
}

#[test]
fn links_that_are_forged_expired_or_revoked_all_get_the_same_page() {
    let mut collector = Collector::new(TWO_SITES);
    let brief = share(&collector, &["--site", "clinic", "--name", "brief", "--expires", "3s"], None);
    let link = share(&collector, &["--site", "clinic", "--name", "board"], None);
    collector.start();
    let reports = collector.reports;
    wait_until_refused(&collector, &brief);
    assert_eq!(read(reports, &link, "").status, 303);
    let token = token_of(&link).to_owned();
    let parts: Vec<&str> = token.split('~').collect();
    let expected = read(reports, &brief, "").text();
    assert!(expected.contains("This link shows nothing"), "{expected}");
    let forged = [
        token.replace("clinic", "library"),
        token.replace(parts[1], "99999999999"),
        token.replace(parts[2], "AAAAAAAAAAAA"),
        token.replace(parts[3], "AAAAAAAAAAAAAAAAAAAAAA"),
        token[..token.len() - 1].to_owned(),
        "x".to_owned(),
        String::new(),
        "%00".to_owned(),
    ];
    for forged in forged {
        for path in ["/", "/sites/clinic", "/password"] {
            let answer = read(reports, &format!("/share/{forged}{path}"), "");
            assert!(is_refused(answer.status), "{forged}: {}", answer.status);
            assert_eq!(answer.text(), expected, "{forged}");
        }
    }
    assert_eq!(
        collector.command(&["share", "revoke", "--site", "library", "--name", "board"]).status.code(),
        Some(1)
    );
    assert!(collector.command(&["share", "revoke", "--site", "clinic", "--name", "board"]).status.success());
    wait_until_refused(&collector, &link);
    assert_eq!(read(reports, &link, "").text(), expected);
    for wrong in [
        &["share", "add", "--site", "nowhere", "--name", "x"][..],
        &["share", "add", "--site", "clinic", "--name", "a b"],
        &["share", "add", "--site", "clinic", "--name", "x", "--expires", "never"],
        &["share", "add", "--site", "clinic", "--name", "x", "--password-stdin"],
    ] {
        assert!(!collector.command(wrong).status.success(), "{wrong:?}");
    }
}

#[test]
fn wrong_links_from_one_address_are_limited_and_right_ones_are_not() {
    let mut collector = Collector::new(TWO_SITES);
    let link = share(&collector, &["--site", "clinic", "--name", "board"], None);
    collector.start();
    let reports = collector.reports;
    let answers: Vec<HttpResponse> =
        (0..20).map(|number| read(reports, &format!("/share/guess{number}/"), "")).collect();
    let last = answers.iter().find(|answer| answer.status == 429).expect("a limit");
    assert!(answers[0].status == 404 && last.header("retry-after").is_some());
    assert_eq!(read(reports, &format!("{link}/"), "").status, 303);
}

#[test]
fn a_link_ends_when_its_site_leaves_the_configuration() {
    let mut collector = Collector::new(TWO_SITES);
    let link = share(&collector, &["--site", "library", "--name", "board"], None);
    collector.start();
    wait_for(&collector, &link, 303);
    let file = collector.path("footfall.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let (others, _) = settings.split_once("[[site]]\nid = \"library\"").unwrap();
    fs::write(&file, others).unwrap();
    process::signal(collector.pid(), process::Signal::HUP);
    wait_until_refused(&collector, &link);
}

#[test]
fn a_password_is_asked_for_and_cannot_be_guessed() {
    let mut collector = Collector::new(TWO_SITES);
    let link = share(&collector, &["--site", "clinic", "--name", "board"], Some("very secret\n"));
    let other = share(&collector, &["--site", "clinic", "--name", "press"], Some("quite other\n"));
    collector.start();
    let reports = collector.reports;
    let page = format!("{link}/sites/clinic");
    let asked = read(reports, &page, "");
    assert_eq!(asked.status, 401);
    assert!(
        asked.text().contains("name=\"password\"") && asked.header("set-cookie").is_none(),
        "{}",
        asked.text()
    );
    assert_eq!(asked.header("referrer-policy"), Some("no-referrer"));
    let give = |link: &str, password: &str, headers: &str| {
        let body = format!("password={}", password.replace(' ', "+"));
        http::post(reports, &format!("{link}/password"), &format!("{HTML}{headers}"), body.as_bytes())
            .unwrap()
    };
    assert_eq!(
        give(
            &link,
            "very secret",
            "Content-Type: application/x-www-form-urlencoded\r\nOrigin: https://evil.example\r\n"
        )
        .status,
        403
    );
    assert_eq!(give(&link, "quite other", FORM).status, 401);
    let entered = give(&link, "very secret", FORM);
    assert_eq!((entered.status, entered.header("location")), (303, Some(format!("{link}/").as_str())));
    let set = entered.header("set-cookie").unwrap();
    for part in [format!("; Path={link};"), "; HttpOnly".to_owned(), "; SameSite=Strict".to_owned()] {
        assert!(set.contains(&part), "{set}");
    }
    // An older browser does not say that the form is the collector's own.
    let older = "Content-Type: application/x-www-form-urlencoded\r\nOrigin: null\r\n";
    assert_eq!(give(&link, "very secret", older).status, 303);
    let cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
    assert!(shows(read(reports, &page, &cookie).status));
    assert_eq!(
        read(reports, &format!("{other}/sites/clinic"), &cookie).status,
        401,
        "another link, another password"
    );
    assert_eq!(read(reports, "/sites/clinic", &cookie).status, 401);
    assert_eq!(read(reports, "/sites/clinic", &cookie.replace("_share", "_session")).status, 401);
    let statuses: Vec<u16> = (0..14).map(|n| give(&link, &format!("guess {n}"), FORM).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(shows(read(reports, &page, &cookie).status), "who is in stays in");
}

#[test]
fn an_analyst_shares_and_revokes_on_the_page_and_others_do_not() {
    let mut collector = Collector::new(TWO_SITES);
    let tokens =
        ["analyst", "viewer", "sre", "privacy"].map(|role| add_token(&collector, &[role, "--role", role]));
    let librarian = add_token(&collector, &["librarian", "--role", "analyst", "--site", "library"]);
    collector.start();
    let reports = collector.reports;
    let own = format!(
        "Origin: http://{reports}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let send = |token: &str, body: &str, headers: &str| {
        let headers = format!("{HTML}{headers}{}", bearer(token));
        http::post(reports, "/sites/clinic/share", &headers, body.as_bytes()).unwrap()
    };
    for token in tokens[1..].iter().chain([&librarian]) {
        assert_eq!(read(reports, "/sites/clinic/share", &bearer(token)).status, 403);
        assert_eq!(send(token, "action=add&name=x&days=7", &own).status, 403);
    }
    let [analyst, ..] = &tokens;
    assert_eq!(read(reports, "/sites/nowhere/share", &bearer(analyst)).status, 404);
    assert_eq!(send(analyst, "action=add&name=x&days=7", "Origin: https://evil.example\r\n").status, 403);
    let wrong = send(analyst, "action=add&name=%3Cb%3E&days=7", &own);
    assert!(wrong.status == 400 && wrong.text().contains("s name is 1 to 64"), "{}", wrong.text());
    let russian = format!("{own}Accept-Language: ru\r\n");
    let wrong = send(analyst, "action=add&name=%3Cb%3E&days=7", &russian);
    assert!(wrong.status == 400 && wrong.text().contains("Название ссылки — от 1"), "{}", wrong.text());
    assert_eq!(send(analyst, "action=add&name=short&password=1234", &own).status, 400);
    let made = send(analyst, "action=add&name=board&days=7&password=", &own);
    assert_eq!((made.status, made.header("location")), (303, Some("/sites/clinic/share?lang=en")));
    assert_eq!(send(analyst, "action=add&name=board&days=7", &own).status, 409);
    let list = read(reports, "/sites/clinic/share", &bearer(analyst)).text();
    let start = list.find(&format!("http://{reports}/share/clinic~")).expect("the list has the link");
    let address = list[start..].split('"').next().unwrap();
    let link = address.strip_prefix(&format!("http://{reports}")).unwrap().trim_end_matches('/');
    assert!(shows(read(reports, &format!("{link}/sites/clinic"), "").status), "at once");
    let listed = collector.command(&["share", "list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        (&listed["links"][0]["name"], &listed["links"][0]["by"]),
        (&"board".into(), &"analyst".into())
    );
    assert_eq!(send(analyst, "action=revoke&name=board", &own).status, 303);
    assert!(is_refused(read(reports, &format!("{link}/sites/clinic"), "").status), "at once");

    // The audit names the link and who made and revoked it.
    let audit = || get(reports, "/api/audit", &bearer(&tokens[3])).text();
    eventually("the audit has both", Duration::from_secs(60), || {
        let audit = audit();
        audit.contains("share link added") && audit.contains("share link revoked")
    });
    let audit = audit();
    assert!(audit.contains("board") && !audit.contains(token_of(link)), "{audit}");
}

#[test]
fn the_token_and_the_password_of_a_link_are_in_no_log_no_file_and_no_metric_and_survive_a_restart() {
    let mut collector = with_a_rare_page();
    let link = share(&collector, &["--site", "clinic", "--name", "board"], Some("very secret"));
    wait_for(&collector, &link, 401);
    let body = b"password=very+secret";
    let entered = http::post(collector.reports, &format!("{link}/password"), FORM, body).unwrap();
    assert_eq!(entered.status, 303);
    let cookie = format!("Cookie: {}\r\n", entered.header("set-cookie").unwrap().split(';').next().unwrap());
    for path in BELOW {
        read(collector.reports, &format!("{link}{path}"), &cookie);
    }
    let mac = token_of(&link).rsplit('~').next().unwrap().to_owned();
    let told = format!("{}{}", collector.log(), get(collector.admin, "/metrics", "").text());
    for secret in [mac.as_str(), "very secret", "very+secret"] {
        assert!(!told.contains(secret), "{secret} is in the log or the metrics");
    }
    collector.terminate();
    for secret in [mac.as_str(), "very secret", "very+secret"] {
        assert_eq!(find(&collector.data(), secret), None, "{secret}");
        assert!(!collector.log().contains(secret), "{secret}");
    }
    collector.start();
    assert_eq!(
        read(collector.reports, &format!("{link}/sites/clinic"), &cookie).status,
        401,
        "the password is asked for again"
    );
    let entered = http::post(collector.reports, &format!("{link}/password"), FORM, body).unwrap();
    assert_eq!(entered.status, 303);
}
