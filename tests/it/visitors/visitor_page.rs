//! The page `/privacy`: what it shows to which visitor, and that it keeps nothing.

use std::time::Duration;

use crate::common::{Collector, StoreClient, eventually, good_beacon, http, ports};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
/// An address of no place file, and one that would be recognised in any text.
const ADDRESS: &str = "203.0.113.77";

/// A collector behind a proxy on this machine. Its store is never reached.
fn collector() -> Collector {
    let sites = "trusted_proxies = [\"127.0.0.1\"]\npolicy = \"2026-11-22\"\n\
         [[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\", \"*.clinic.example\"]\nretention = \"30d\"\n\
         policy_url = \"https://clinic.example/policy?a=1&b=2\"\n\
         [site.cookies]\nab = \"value\"\n\
         [[site]]\nid = \"portal\"\nhosts = [\"portal.example\"]\nretention = \"unlimited\"\ndrop_bots = true\n";
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), sites);
    collector.start();
    collector
}

struct Visitor {
    address: &'static str,
    user_agent: &'static str,
    headers: &'static str,
}

impl Visitor {
    fn new(user_agent: &'static str) -> Self {
        Self { address: ADDRESS, user_agent, headers: "" }
    }

    fn open(&self, collector: &Collector, path: &str) -> http::HttpResponse {
        let Self { address, user_agent, headers } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: stats.example\r\nX-Forwarded-For: {address}\r\nUser-Agent: {user_agent}\r\n\
             {headers}Connection: close\r\n\r\n"
        );
        http::exchange(collector.listen, request.as_bytes()).unwrap()
    }

    /// Sends a beacon.
    fn send(&self, collector: &Collector, page_load: u64) -> http::HttpResponse {
        let headers = format!("Content-Type: text/plain\r\n{}", self.named());
        let body = good_beacon("clinic", page_load, 0, "/a");
        http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap()
    }

    /// Presses the button of the page.
    fn ask(&self, collector: &Collector, code: &str) -> http::HttpResponse {
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{}", self.named());
        let form = format!("code={code}");
        http::post(collector.listen, "/privacy?site=clinic&lang=en", &headers, form.as_bytes()).unwrap()
    }

    fn named(&self) -> String {
        format!("X-Forwarded-For: {}\r\nUser-Agent: {}\r\n", self.address, self.user_agent)
    }

    fn code(&self, collector: &Collector, path: &str) -> String {
        let page = self.open(collector, path).text();
        let code = page.split("<p class=\"code\">").nth(1).and_then(|rest| rest.split('<').next());
        code.unwrap_or_else(|| panic!("no code in {page}")).to_owned()
    }
}

#[test]
fn the_page_says_what_this_visit_would_leave_in_the_language_of_the_browser() {
    let collector = collector();
    let visitor = Visitor::new(CHROME);
    let english = visitor.open(&collector, "/privacy?site=clinic");
    assert_eq!((english.status, english.header("content-language")), (200, Some("en")));
    assert_eq!(english.header("cache-control"), Some("no-store"));
    assert_eq!(english.header("referrer-policy"), Some("no-referrer"));
    let policy = english.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("script-src"));
    let text = english.text();
    for part in [
        "<html lang=\"en\">",
        "Chrome 142",
        "Windows 10, computer",
        "not stored, only its version: IPv4",
        "ab (its value)",
        "30 days",
        "href=\"https://clinic.example/policy?a=1&#38;b=2\"",
        "version 2026-11-22",
        "href=\"https://clinic.example/#footfall-optOut\"",
        "href=\"https://clinic.example/#footfall-optIn\"",
        "Your visits to this site are counted",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains(ADDRESS) && !text.contains("AppleWebKit") && !text.contains("<script"), "{text}");
    let russian = Visitor { headers: "Accept-Language: ru-RU,ru;q=0.9,en;q=0.8\r\n", ..visitor };
    let text = russian.open(&collector, "/privacy?site=clinic").text();
    assert!(
        text.contains("<html lang=\"ru\">")
            && text.contains("Windows 10, компьютер")
            && text.contains("30 дней")
    );
    assert!(russian.open(&collector, "/privacy?site=clinic&lang=en").text().contains("<html lang=\"en\">"));
}

#[test]
fn the_site_is_the_one_that_is_named_or_has_the_link_and_no_page_names_the_others() {
    let collector = collector();
    let visitor = Visitor::new(CHROME);
    let from_portal = Visitor { headers: "Referer: https://portal.example/\r\n", ..Visitor::new(CHROME) };
    let page = from_portal.open(&collector, "/privacy").text();
    assert!(page.contains("<span>portal</span>") && page.contains("https://portal.example/#footfall-optOut"));
    let from_below =
        Visitor { headers: "Referer: http://my.clinic.example:8080/a?b\r\n", ..Visitor::new(CHROME) };
    let page = from_below.open(&collector, "/privacy").text();
    assert!(page.contains("\"http://my.clinic.example:8080/#footfall-optOut\""), "{page}");
    // A link on a page of another site leads back to the named one.
    let page = from_portal.open(&collector, "/privacy?site=clinic").text();
    assert!(
        page.contains("\"https://clinic.example/#footfall-optOut\"") && !page.contains("portal"),
        "{page}"
    );
    let general = visitor.open(&collector, "/privacy");
    assert_eq!(general.status, 200);
    let unknown = visitor.open(&collector, "/privacy?site=%3Cb%3Enowhere");
    assert_eq!(unknown.status, 404);
    for page in [general.text(), unknown.text()] {
        assert!(page.contains("?site=") && !page.contains("portal") && !page.contains("nowhere"), "{page}");
        assert!(!page.contains("class=\"code\""), "{page}");
    }
    let put =
        http::exchange(collector.listen, b"PUT /privacy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
}

#[test]
fn whoever_refuses_or_counts_as_a_bot_reads_that_nothing_is_stored() {
    let collector = collector();
    for headers in ["Sec-GPC: 1\r\n", "DNT: 1\r\n", "Cookie: a=b; footfall_optout=1\r\n"] {
        let page =
            Visitor { headers, ..Visitor::new(CHROME) }.open(&collector, "/privacy?site=clinic").text();
        assert!(page.contains("Your browser refuses (") && page.contains("Nothing of your visits"), "{page}");
    }
    let bot = Visitor::new("curl/8.9");
    assert!(bot.open(&collector, "/privacy?site=portal").text().contains("does not count programs"));
    assert!(
        bot.open(&collector, "/privacy?site=clinic").text().contains("Your visits to this site are counted")
    );
}

#[test]
fn a_code_is_that_of_one_visitor_on_one_site_and_is_written_nowhere() {
    let collector = collector();
    let visitor = Visitor::new(CHROME);
    let code = visitor.code(&collector, "/privacy?site=clinic");
    assert_eq!(code, visitor.code(&collector, "/privacy?site=clinic&lang=ru"));
    let others = [
        visitor.code(&collector, "/privacy?site=portal"),
        Visitor::new(FIREFOX).code(&collector, "/privacy?site=clinic"),
        Visitor { address: "203.0.113.78", ..Visitor::new(CHROME) }.code(&collector, "/privacy?site=clinic"),
    ];
    assert!(!others.contains(&code), "{code} {others:?}");
    let letters: String = code.chars().filter(|letter| *letter != '-').collect();
    assert_eq!((letters.len(), code.len()), (12, 14));
    let log = collector.log();
    for secret in [&*code, &letters, ADDRESS, CHROME] {
        assert!(!log.contains(secret), "{log}");
        assert!(!collector.metrics().contains(secret));
    }
    for entry in walk(&collector.data()) {
        let bytes = std::fs::read(&entry).unwrap_or_default();
        for secret in [code.as_bytes(), letters.as_bytes(), ADDRESS.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{}", entry.display());
        }
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn what_a_visitor_withheld_by_withdrawing_the_consent_is_counted_and_nothing_else() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let withdrawn = r#"{"v":1,"s":"clinic","l":"0","x":3,"e":[]}"#;
    let answer = collector.beacon(withdrawn).unwrap();
    assert_eq!(
        (answer.status, answer.header("x-footfall-dropped").unwrap().contains("optout=3")),
        (204, true)
    );
    for (wrong, at) in [
        (r#"{"v":1,"s":"clinic","l":"0","x":101,"e":[]}"#, "x"),
        (r#"{"v":1,"s":"clinic","l":"0","x":1,"e":[{"k":"view"}]}"#, "e"),
        (r#"{"v":1,"s":"clinic","l":"0","x":0,"e":[]}"#, "e"),
    ] {
        let answer = collector.beacon(wrong).unwrap();
        assert_eq!((answer.status, &answer.json()["at"]), (400, &at.into()), "{wrong}");
    }
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, Duration::from_secs(90));
    let recorded = "SELECT sum(events) FROM segments FINAL WHERE site = 'clinic' AND outcome = 'optout'";
    eventually("the number is recorded", Duration::from_secs(30), || collector.store.number(recorded) == 3);
}

#[test]
fn an_operator_finds_a_visitor_by_the_code_of_the_page_and_is_told_what_is_wrong_with_another() {
    let mut collector = Collector::new("");
    collector.start();
    let visitor = Visitor::new(CHROME);
    let code = visitor.code(&collector, "/privacy?site=clinic");
    let find = |code: &str| {
        let output = collector.command(&["subject", "find", "--format", "json", "--reference", code]);
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let found = |code: &str| {
        let (is_found, said) = find(code);
        assert!(is_found, "{code}: {said}");
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["scope"]["visitor"].clone()
    };
    assert!(found(&code).is_string(), "{:?}", find(&code));
    assert_eq!(found(&code.to_lowercase().replace('-', " ")), found(&code), "as people write it");
    let (is_found, said) = find("7KQ2-M9XD");
    assert!(!is_found && said.contains("a reference code has 12 letters and digits"), "{said}");
    let (is_found, said) = find("0000-0000-0000");
    assert!(!is_found && said.contains("this reference code is unknown"), "{said}");
}

#[test]
fn a_visitor_erases_what_was_stored_today_and_nobody_else_s() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let visitor = Visitor::new(CHROME);
    let other = Visitor::new(FIREFOX);
    for page_load in 1..=3 {
        assert_eq!(visitor.send(&collector, page_load).status, 204);
    }
    assert_eq!(other.send(&collector, 9).status, 204);
    collector.wait_for_events(4, Duration::from_secs(90));
    let code = visitor.code(&collector, "/privacy?site=clinic");
    for (who, code) in
        [(&visitor, "7KQ2-M9XD-R3TF"), (&other, &*code), (&visitor, ""), (&visitor, "%3Cscript%3E")]
    {
        let refused = who.ask(&collector, code);
        assert_eq!(refused.status, 403, "{code}");
        assert!(refused.text().contains("Nothing was erased") && !refused.text().contains("<script"));
    }
    let accepted = visitor.ask(&collector, &code);
    assert!(accepted.status == 202 && accepted.text().contains("is being erased"), "{}", accepted.text());
    let left = || collector.store.number("SELECT count() FROM events");
    eventually("the visitor's rows are gone", Duration::from_secs(90), || left() == 1);
    let dropped = visitor.send(&collector, 4);
    assert!(
        dropped.header("x-footfall-dropped").is_some_and(|text| text.contains("blocked=1")),
        "{dropped:?}"
    );
    assert_eq!(other.send(&collector, 10).status, 204);
    eventually("others are stored", Duration::from_secs(90), || left() == 2);
    let verified = collector.command(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
    let acts = "SELECT count() FROM audit WHERE detail LIKE '%the visitor%'";
    eventually("the audit has it", Duration::from_secs(90), || collector.store.number(acts) >= 1);
}

fn is_blocked(answer: &http::HttpResponse) -> bool {
    answer.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1"))
}

/// The requests that there are: operator, state, and events.
fn requests(collector: &Collector) -> Vec<(String, String, u64)> {
    let output = collector.command(&["subject", "list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let requests = list["requests"].as_array().unwrap().iter();
    requests
        .map(|one| (text(&one["operator"]), text(&one["state"]), one["events"].as_u64().unwrap()))
        .collect()
}

#[test]
fn nothing_new_of_a_visitor_who_erased_is_stored_until_the_key_turns_also_over_a_restart() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let (visitor, other) = (Visitor::new(CHROME), Visitor::new(FIREFOX));
    assert_eq!(visitor.send(&collector, 1).status, 204);
    collector.wait_for_events(1, Duration::from_secs(90));
    let code = visitor.code(&collector, "/privacy?site=clinic");
    assert_eq!(visitor.ask(&collector, &code).status, 202);
    let in_force = || requests(&collector) == [("the visitor".to_owned(), "in force".to_owned(), 1)];
    eventually("the erasure is carried out", Duration::from_secs(90), in_force);
    assert!(is_blocked(&visitor.send(&collector, 2)));
    // A visitor who presses it again and again repeats the same request.
    for _ in 0..19 {
        assert_eq!(visitor.ask(&collector, &code).status, 202);
    }
    let refused = visitor.ask(&collector, &code);
    assert!(refused.status == 429 && refused.text().contains("too often"), "{}", refused.text());
    assert_eq!(requests(&collector).len(), 1);
    collector.kill();
    collector.start();
    assert!(is_blocked(&visitor.send(&collector, 3)));
    let turned = collector.command(&["key", "rotate"]);
    assert!(turned.status.success(), "{turned:?}");
    eventually("the visitor is a new one", Duration::from_secs(30), || {
        !is_blocked(&visitor.send(&collector, 4))
    });
    // The list forgets the visitor of the old epoch by the next request at the latest.
    assert_eq!(other.ask(&collector, &other.code(&collector, "/privacy?site=clinic")).status, 202);
    assert_eq!(requests(&collector).len(), 1);
    let file = std::fs::read_to_string(collector.data().join("subjects.json")).unwrap();
    assert_eq!(file.matches("the visitor\"").count(), 1, "{file}");
}

#[test]
fn the_page_erases_nothing_of_a_visitor_whom_an_operator_blocks() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let visitor = Visitor::new(CHROME);
    for page_load in 1..=3 {
        assert_eq!(visitor.send(&collector, page_load).status, 204);
    }
    collector.wait_for_events(3, Duration::from_secs(90));
    let code = visitor.code(&collector, "/privacy?site=clinic");
    let of_visitor = |action: &str| {
        let arguments =
            ["subject", action, "--reference", &code, "--ground", "letter 17", "--operator", "Olga"];
        let output = collector.command(&arguments);
        assert!(output.status.success(), "{output:?}");
    };
    of_visitor("block");
    let blocked = || collector.store.number("SELECT count() FROM blocked_events FINAL");
    assert_eq!(blocked(), 3);
    let refused = visitor.ask(&collector, &code);
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("has blocked these rows"), "{}", refused.text());
    assert!(is_blocked(&visitor.send(&collector, 4)));
    assert_eq!((requests(&collector).len(), blocked()), (1, 3));
    of_visitor("unblock");
    assert_eq!(collector.store.number("SELECT count() FROM events"), 3);
    assert_eq!(visitor.ask(&collector, &code).status, 202);
    let left = || collector.store.number("SELECT count() FROM events");
    eventually("the visitor's rows are gone", Duration::from_secs(90), || left() == 0);
}

#[test]
fn an_erasure_waits_until_an_operator_s_block_by_cookie_has_ended() {
    let mut collector = Collector::new(
        "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\ncookies = { ab = \"value\" }\n",
    );
    collector.start();
    let visitor = Visitor::new(CHROME);
    assert_eq!(visitor.send(&collector, 1).status, 204);
    let headers = format!("Content-Type: text/plain\r\n{}", visitor.named());
    let body = good_beacon("clinic", 2, 0, "/a").replacen("\"e\":", "\"ck\":[\"ab=A\"],\"e\":", 1);
    assert_eq!(http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap().status, 204);
    collector.wait_for_events(2, Duration::from_secs(90));
    let by_cookie = |action: &str| {
        let arguments = ["subject", action, "--site", "clinic", "--cookie", "ab=A", "--ground", "letter 17"];
        let output = collector.command(&arguments);
        assert!(output.status.success(), "{output:?}");
    };
    by_cookie("block");
    let code = visitor.code(&collector, "/privacy?site=clinic");
    assert_eq!(visitor.ask(&collector, &code).status, 202);
    let listed = || {
        let output = collector.command(&["subject", "list", "--format", "json"]);
        String::from_utf8(output.stdout).unwrap()
    };
    eventually("the erasure waits", Duration::from_secs(60), || listed().contains("blocked by an operator"));
    let blocked = || collector.store.number("SELECT count() FROM blocked_events FINAL");
    assert_eq!(blocked(), 1);
    by_cookie("unblock");
    let left = || blocked() + collector.store.number("SELECT count() FROM events");
    eventually("the visitor's rows are gone", Duration::from_secs(60), || left() == 0);
}
