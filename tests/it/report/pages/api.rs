//! The reports listener's answers.

use footfall::access::Principal;
use footfall::operator::respond_with_reports;
use footfall::report::catalogue;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

use crate::report::Site;

async fn get(site: &Site, uri: &str) -> (u16, String, Response<()>) {
    ask(site, Method::GET, uri).await
}

async fn ask(site: &Site, method: Method, uri: &str) -> (u16, String, Response<()>) {
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let (head, body) =
        respond_with_reports(&site.reports, None, request, &Principal::Local).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap(), Response::from_parts(head, ()))
}

fn error(body: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap()["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn reports_are_listed_and_answered_as_json_csv_and_text() {
    let site = Site::small().await;
    let (status, body, _) = get(&site, "/api/reports").await;
    assert_eq!(status, 200);
    let list: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(list["reports"].as_array().unwrap().len(), catalogue::all().len());
    assert!(list["reports"].as_array().unwrap().iter().all(|report| report["purpose"].is_string()));

    let period = "site=clinic&from=2026-10-24&to=2026-10-26";
    let (status, body, head) =
        get(&site, &format!("/api/reports/countries?{period}&filter=country%3DRU")).await;
    assert_eq!((status, head.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["report"], "countries");
    assert_eq!(answer["title"], "Countries");
    assert_eq!(answer["purpose"], "audience");
    assert_eq!(
        (&answer["site"], &answer["from"], &answer["to"]),
        (&json!("clinic"), &json!("2026-10-24"), &json!("2026-10-26"))
    );
    assert_eq!(answer["timezone"], "Europe/Berlin");
    assert_eq!(answer["filters"], json!(["country=RU"]));
    assert_eq!(answer["columns"][0], json!({"name": "country", "unit": "text"}));
    assert_eq!(answer["rows"][0]["country"], "RU");
    assert_eq!(answer["rows"][0]["visits"], 6);
    assert!(answer["credit"].as_str().unwrap().contains("https://db-ip.com"));

    let uri = format!(
        "/api/reports?names=overview,goals,funnel,pages&{period}&compare=year&goal=Booking&funnel=Booking"
    );
    let (status, body, _) = get(&site, &uri).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let compared = json!({"with": "year", "from": "2025-10-24", "to": "2025-10-26"});
    assert_eq!(answer["reports"][0]["compare"], compared);
    assert_eq!(answer["reports"][1]["rows"][0]["goal"], "Booking");
    assert_eq!(answer["reports"][2]["funnel"], "Booking");
    assert_eq!(answer["reports"][3]["compare"], Value::Null);

    let (status, body, head) = get(&site, &format!("/api/reports/devices?{period}&format=csv")).await;
    assert_eq!(
        (status, head.headers()["content-type"].to_str().unwrap()),
        (200, "text/csv; charset=utf-8; header=present")
    );
    assert!(body.starts_with(
        "device,visitors,visits,share,views_per_visit,bounce_rate,visit_duration\r\ndesktop,4,6,75,"
    ));
    let (_, marked, _) = get(&site, &format!("/api/reports/devices?{period}&format=csv&bom=1")).await;
    assert_eq!(marked, format!("\u{feff}{body}"));
    let (status, body, _) = get(&site, &format!("/api/reports/devices?{period}&format=table")).await;
    assert_eq!(status, 200);
    assert!(body.contains("desktop"), "{body}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_in_json() {
    let site = Site::small().await;
    for (uri, status, what) in [
        ("/api/nowhere", 404, "/api/reports lists the reports"),
        ("/api/reports/pagez?site=clinic", 404, "did you mean pages?"),
        ("/api/reports/pages?from=tomorow", 400, "\"tomorow\" is not a day"),
        ("/api/reports/pages?from=2026-10-26&to=2026-10-24", 400, "ends before it begins"),
        ("/api/reports/pages?filter=nowhere%3D1", 400, "unknown column"),
        ("/api/reports/pages?filter=country", 400, "no operator"),
        ("/api/reports/pages?limit=0", 400, "limit"),
        ("/api/reports/pages?by=hour", 400, "takes no `by`"),
        ("/api/reports/speed?by=mood", 400, "goes by"),
        (
            "/api/reports/overview?compare=month",
            400,
            "compared with previous, year, weekdays, not with \"month\"",
        ),
        ("/api/reports/pages?compare=year", 400, "takes no `compare`"),
        ("/api/reports/goals?goal=Bokking", 400, "did you mean \"Booking\"?"),
        ("/api/reports/funnel?funnel=Buying", 400, "the site has no funnel \"Buying\""),
        ("/api/reports/pages?goal=Booking", 400, "takes no `goal`"),
        ("/api/reports/goals?site=other&goal=Booking", 400, "the site has no goal \"Booking\""),
        ("/api/reports/pages?format=xml", 400, "unknown format"),
        ("/api/reports/pages?k=1", 400, "unknown parameter"),
        ("/api/reports/pages?bots=maybe", 400, "bots"),
        ("/api/reports/realtime?from=7d", 400, "report realtime takes no `from`"),
        ("/api/reports/realtime?to=yesterday", 400, "report realtime takes no `to`"),
        ("/api/reports/overview?limit=5", 400, "report overview takes no `limit`"),
        ("/api/reports/errors?bots=1&format=csv&bom=2", 400, "bom"),
        ("/api/reports/pages?filter=contry%3DRU", 400, "did you mean country?"),
        ("/api/reports/pages?filter=Browser%3DChrome", 400, "did you mean browser?"),
        ("/api/reports/pages?filter=utm_campain%3Dx", 400, "did you mean utm_campaign?"),
    ] {
        let (found, body, _) = get(&site, uri).await;
        assert_eq!(found, status, "{uri}: {body}");
        assert!(error(&body).contains(what), "{uri}: {body}");
    }
    let (status, _, head) = ask(&site, Method::POST, "/api/reports/pages").await;
    assert_eq!((status, head.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    let (status, body, _) = ask(&site, Method::HEAD, "/api/reports").await;
    assert_eq!((status, body.as_str()), (200, ""));
}
