//! The page of reports: its figures are those of the API, and nothing that a visitor sent becomes a part of it.

use footfall::access::Principal;
use footfall::event::{EventKind, EventRow, UniqueText};
use footfall::operator::respond_with_reports;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::header::HeaderMap;
use serde_json::Value;

use crate::report::Site;
use crate::report::data::{Rows, person, what};

const PERIOD: &str = "from=2026-10-24&to=2026-10-26";

async fn get(site: &Site, uri: &str, language: &str) -> (u16, String, HeaderMap) {
    let request = Request::builder().uri(uri).header("accept-language", language).body(()).unwrap();
    let response = respond_with_reports(&site.reports, None, request, &Principal::Local).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap(), head.headers)
}

pub async fn page(site: &Site, uri: &str) -> String {
    let (status, body, _) = get(site, uri, "en").await;
    assert_eq!(status, 200, "{uri}: {body}");
    body
}

async fn rows(site: &Site, uri: &str) -> Vec<Value> {
    let body = page(site, uri).await;
    serde_json::from_str::<Value>(&body).unwrap()["rows"].as_array().unwrap().clone()
}

/// What stands between two texts, each time.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0)).collect()
}

/// The part of a page that begins with a text.
fn part<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    between(page, start, end).first().copied().unwrap_or_else(|| panic!("no {start} in {page}"))
}

/// A value of JSON as the page has it beside its words.
fn written(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The figures of a table, row by row, in the order of its columns, beside those of the API.
fn assert_table(table: &str, expected: &[Value], what: &str) {
    let columns = between(table, "data-column=\"", "\"");
    let body = table.split_once("<tbody>").unwrap().1;
    let shown: Vec<&str> = between(body, "<data value=\"", "\"");
    let numbers = columns.iter().filter(|name| expected.iter().any(|row| !row[**name].is_string()));
    let numbers: Vec<&&str> = numbers.collect();
    let wanted: Vec<String> =
        expected.iter().flat_map(|row| numbers.iter().map(|name| written(&row[**name]))).collect();
    assert_eq!(shown, wanted, "{what}");
}

#[tokio::test]
async fn every_figure_of_the_page_is_that_of_the_api() {
    let site = Site::small().await;
    let shown = page(&site, &format!("/sites/clinic?{PERIOD}")).await;
    let overview = rows(&site, &format!("/api/reports/overview?site=clinic&{PERIOD}")).await;
    let figures = between(&shown, "<data data-figure=\"", "</data>");
    assert_eq!(figures.len(), 7, "{shown}");
    for figure in figures {
        let (name, rest) = figure.split_once("\" value=\"").unwrap();
        let value = rest.split('"').next().unwrap();
        assert_eq!(number(value), overview[0][name].as_f64(), "{name}");
    }
    let series = rows(&site, &format!("/api/reports/timeseries?site=clinic&{PERIOD}&by=day")).await;
    let drawn = part(&shown, "<section class=\"card series\"", "</section>");
    let drawn: Vec<Option<f64>> = between(drawn, "<data value=\"", "\"").into_iter().map(number).collect();
    let expected: Vec<Option<f64>> = series.iter().map(|row| row["visitors"].as_f64()).collect();
    assert_eq!(drawn, expected);

    let tabs: Vec<String> = between(&shown, "tab=", "\"")
        .into_iter()
        .map(|tab| tab.split('&').next().unwrap().to_owned())
        .collect();
    assert!(tabs.len() > 15, "{tabs:?}");
    for tab in tabs.iter().filter(|tab| !["map", "hours"].contains(&tab.as_str())) {
        let shown = page(&site, &format!("/sites/clinic?{PERIOD}&tab={tab}")).await;
        let card = shown
            .split("<section class=\"card\" id=\"")
            .skip(1)
            .find(|card| card.contains(&format!("tab={tab}\" aria-current")))
            .unwrap_or_else(|| panic!("no card has {tab} open"));
        let expected = rows(&site, &format!("/api/reports/{tab}?site=clinic&{PERIOD}&limit=9")).await;
        match expected.is_empty() {
            true => assert!(card.contains("class=\"empty\""), "{tab}: {card}"),
            false => assert_table(part(card, "<table class=\"ranking\">", "</table>"), &expected, tab),
        }
    }
}

#[tokio::test]
async fn a_period_is_not_compared_with_days_before_the_first_event() {
    let site = Site::small().await;
    let changes = |html: &str| html.matches("<p class=\"change\"><span").count();
    let whole = page(&site, "/sites/clinic?from=2026-10-25&to=2026-10-25").await;
    assert!(changes(&whole) > 0 && whole.contains("class=\"before\""), "{whole}");
    let partial = page(&site, "/sites/clinic?from=2026-10-24&to=2026-10-26").await;
    assert_eq!(changes(&partial), 0, "{partial}");
    assert!(partial.contains("There is no data before 22\u{a0}October 2026"), "{partial}");
    let before = page(&site, "/sites/clinic?from=2026-10-22&to=2026-10-22").await;
    assert!(changes(&before) == 0 && !before.contains("class=\"before\""), "{before}");
}

#[tokio::test]
async fn a_report_in_detail_has_all_rows_and_columns_of_the_api() {
    let site = Site::small().await;
    for report in ["pages", "browsers", "cities", "errors", "ads"] {
        let shown = page(&site, &format!("/sites/clinic/reports/{report}?{PERIOD}")).await;
        let expected = rows(&site, &format!("/api/reports/{report}?site=clinic&{PERIOD}&limit=100")).await;
        assert_table(part(&shown, "<table class=\"plain sortable\">", "</table>"), &expected, report);
    }
    let sorted = page(&site, &format!("/sites/clinic/reports/pages?{PERIOD}&sort=path")).await;
    let names = between(&sorted, "<th scope=\"row\">", "</th>");
    assert!(
        names.is_sorted_by_key(|name| name.rsplit('>').nth(1).map(|text| text
            .split('<')
            .next()
            .unwrap()
            .to_owned())),
        "{names:?}"
    );
    let found = page(&site, &format!("/sites/clinic/reports/pages?{PERIOD}&search=PRICE")).await;
    assert_eq!(between(&found, "<th scope=\"row\">", "</th>").len(), 1, "{found}");
    let (status, csv, head) = get(&site, &format!("/sites/clinic/reports/pages.csv?{PERIOD}"), "en").await;
    let (_, expected, _) =
        get(&site, &format!("/api/reports/pages?site=clinic&{PERIOD}&format=csv&bom=1&limit=100"), "en")
            .await;
    assert_eq!((status, csv), (200, expected));
    assert!(head["content-disposition"].to_str().unwrap().contains("clinic-pages-2026-10-24-2026-10-26.csv"));
}

#[tokio::test]
async fn nothing_that_a_visitor_sent_becomes_a_part_of_the_page() {
    const EVIL: &str = "/\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}";
    let mut rows = Rows::default();
    let evil = || EventRow {
        source: EVIL,
        utm_source: EVIL,
        utm_medium: EVIL,
        utm_campaign: EVIL,
        utm_content: EVIL,
        utm_term: EVIL,
        referrer_host: EVIL,
        referrer_path: EVIL,
        error_message: UniqueText(EVIL),
        error_source: UniqueText(EVIL),
        ad: EVIL,
        slot: EVIL,
        ..what(EventKind::View, EVIL, "")
    };
    let who = EventRow {
        browser: EVIL,
        browser_version: EVIL,
        os: EVIL,
        os_version: EVIL,
        language: EVIL,
        country: EVIL,
        region: EVIL,
        city: EVIL,
        network: EVIL,
        ..person('A', 24)
    };
    for kind in [
        EventKind::View,
        EventKind::Event,
        EventKind::Ad,
        EventKind::Error,
        EventKind::Outbound,
        EventKind::Download,
    ] {
        rows.add("2026-10-24 10:00:00", &who, EventRow { kind, name: EVIL, ..evil() });
    }
    let site = Site::with(&rows.bytes).await;
    let first = page(&site, &format!("/sites/clinic?{PERIOD}")).await;
    let tabs: Vec<String> = between(&first, "tab=", "\"")
        .into_iter()
        .map(|tab| tab.split('&').next().unwrap().to_owned())
        .collect();
    let mut uris = vec![
        "/".to_owned(),
        format!("/sites/clinic?{PERIOD}&filter=path~%22%3E%3Cscript%3E"),
        format!(
            "/sites/clinic?{PERIOD}&measure=%22%3E%3Cscript%3E&by=%22%3E%3Cscript%3E&tab=%22%3E%3Cscript%3E"
        ),
        format!("/sites/clinic/reports/pages?{PERIOD}&search=%22%3E%3Cscript%3E"),
        format!("/sites/clinic/reports/errors?{PERIOD}"),
        "/sites/%22%3E%3Cscript%3E".to_owned(),
        "/%22%3E%3Cscript%3Ealert(1)".to_owned(),
        "/sites/clinic?from=%22%3E%3Cscript%3E".to_owned(),
        format!("/sites/clinic?{PERIOD}&filter=%22%3E%3Cscript%3E"),
    ];
    uris.extend(tabs.iter().map(|tab| format!("/sites/clinic?{PERIOD}&tab={tab}")));
    for uri in uris {
        for language in ["en", "ru"] {
            let (_, body, head) = get(&site, &uri, language).await;
            assert!(!body.contains("<script>") && !body.contains("<img"), "{uri}: {body}");
            assert_eq!(body.matches("<script").count(), 1, "{uri}");
            assert!(!body.contains(" style=") && !body.contains("<style"), "{uri}");
            for tag in between(&body, "<", ">") {
                // Every second piece is the value of an attribute, in which quotes are escaped.
                let names: String = tag.split('"').step_by(2).collect();
                assert!(!names.contains(" on"), "{uri}: <{tag}>");
            }
            let policy = head["content-security-policy"].to_str().unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'")
                    && policy.contains("trusted-types footfall")
            );
            assert_eq!(head["cache-control"], "private, no-store", "{uri}");
        }
    }
}

#[tokio::test]
async fn an_error_is_a_page_that_says_what_was_wrong_and_leads_back() {
    let site = Site::small().await;
    for (uri, status, english, russian) in [
        ("/sites/nowhere", 404, "No site", "Сайта"),
        ("/x", 404, "Nothing is at", "По адресу"),
        ("/sites/clinic/reports/xyzzy", 404, "No report", "Отчёта"),
        ("/sites/clinic?filter=contry%3DRU", 400, "did you mean country?", "Фильтр по неизвестной колонке"),
        ("/sites/clinic?from=later", 400, "is not a day", "не день"),
        ("/sites/clinic?compare=moon", 400, "it takes previous", "он принимает"),
    ] {
        for (language, text) in [("en", english), ("ru", russian)] {
            let (found, body, _) = get(&site, uri, language).await;
            assert_eq!(found, status, "{uri}");
            let body = body.replace("&#34;", "\"");
            assert!(
                body.contains(text) && body.contains("class=\"button\" href=\"/"),
                "{uri} {language}: {body}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_is_written_in_the_reader_s_language_alone() {
    let site = Site::small().await;
    for uri in ["/sites/clinic", "/sites/clinic?filter=country%3DRU", "/sites/clinic/reports/pages"] {
        let separator = if uri.contains('?') { '&' } else { '?' };
        let (_, body, head) = get(&site, &format!("{uri}{separator}{PERIOD}"), "ru").await;
        assert_eq!(head["content-language"], "ru");
        assert!(body.contains("<html lang=\"ru\">"));
        let texts: Vec<&str> =
            between(&body, ">", "<").into_iter().filter(|text| !text.trim().is_empty()).collect();
        for english in ["Visitors", "Pages", "Bounce", "the ", "Compared", "Sum of", "figures"] {
            let found: Vec<&&str> = texts.iter().filter(|text| text.contains(english)).collect();
            // The credit is the licence's own.
            assert!(found.iter().all(|text| text.contains("DB-IP")), "{uri}: {found:?}");
        }
    }
    let (_, english, _) = get(&site, &format!("/sites/clinic?{PERIOD}&lang=en"), "ru").await;
    assert!(english.contains("<html lang=\"en\">") && english.contains("lang=en"), "links keep the language");
}

#[tokio::test]
async fn files_are_kept_for_ever_under_the_hash_of_their_content() {
    let site = Site::small().await;
    let shown = page(&site, "/sites/clinic").await;
    for (file, kind) in [
        (part(&shown, "rel=\"stylesheet\" href=\"", "\""), "text/css; charset=utf-8"),
        (part(&shown, "<script type=\"module\" src=\"", "\""), "text/javascript; charset=utf-8"),
        (part(&shown, "rel=\"icon\" href=\"", "\""), "image/svg+xml"),
    ] {
        let (status, _, head) = get(&site, file, "en").await;
        assert_eq!((status, head["content-type"].to_str().unwrap()), (200, kind));
        assert!(head["cache-control"].to_str().unwrap().contains("immutable"), "{file}");
    }
    assert_eq!(get(&site, "/assets/page.0000000000000000.js", "en").await.0, 404);
}
