//! The page as a viewer sees it: published figures, and no control that leads beyond them.

use footfall::access::{Principal, Role};
use footfall::operator::respond_with_reports;
use http_body_util::BodyExt;
use hyper::Request;
use jiff::civil::date;

use super::{Person, World, principal};

const PERIOD: &str = "from=2026-11-10&to=2026-11-12";

async fn page(world: &World, uri: &str, principal: &Principal) -> (u16, String) {
    let request = Request::builder().uri(uri).body(()).unwrap();
    let response = respond_with_reports(&world.reports, None, request, principal).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0)).collect()
}

#[tokio::test]
async fn a_viewer_s_page_has_published_figures_and_no_control_beyond_them() {
    let world = World::new().await;
    for day in 10..=12 {
        let people: Vec<Person> = (0..40)
            .map(|number| Person {
                country: if number < 3 { "DE" } else { "RU" },
                ..Person::common(1000 * day + number)
            })
            .collect();
        world.insert("clinic", date(2026, 11, i8::try_from(day).unwrap()), &people).await;
    }
    world.close().await;
    let viewer = principal(Role::Viewer);
    let (status, shown) = page(&world, &format!("/sites/clinic?{PERIOD}"), &viewer).await;
    assert_eq!(status, 200, "{shown}");
    let overview = &world.viewer_rows(&format!("/api/reports/overview?site=clinic&{PERIOD}")).await[0];
    let figures = between(&shown, "<data data-figure=\"", "</data>");
    assert_eq!(figures.len(), 7);
    for figure in figures {
        let (name, rest) = figure.split_once("\" value=\"").unwrap();
        assert_eq!(rest.split('"').next().unwrap().parse::<f64>().ok(), overview[name].as_f64(), "{name}");
    }
    // Three visitors are too few to be named.
    assert!(!shown.contains("Germany"), "{shown}");
    for beyond in [
        "/realtime",
        "/diagnostics",
        "bots=1",
        "by=hour",
        "value=\"!=\"",
        "value=\"~\"",
        "value=\"visitor\"",
        "tab=props",
    ] {
        assert!(!shown.contains(beyond), "a viewer is offered {beyond}");
    }
    assert!(shown.contains("Published figures: counts have noise"), "{shown}");

    // Every link of the page is answered, also those of rows, and each with one filter at most.
    for link in between(&shown, "href=\"/sites/", "\"") {
        let link = format!("/sites/{}", link.replace("&amp;", "&"));
        assert!(link.matches("filter=").count() <= 1, "{link}");
        let (status, body) = page(&world, &link, &viewer).await;
        assert_eq!(status, 200, "{link}: {body}");
    }
    for refused in [
        "filter=country%3DRU&filter=browser%3DChrome",
        "filter=country%21%3DRU",
        "filter=city%3DMoscow",
        "bots=1",
    ] {
        let (status, body) = page(&world, &format!("/sites/clinic?{PERIOD}&{refused}"), &viewer).await;
        assert_eq!(status, 403, "{refused}: {body}");
        assert!(!body.contains("data-figure"), "{refused}");
    }
    for other in ["realtime", "diagnostics", "reports/errors", "reports/props", "reports/ip-addresses.csv"] {
        let (_, body) = page(&world, &format!("/sites/clinic/{other}"), &viewer).await;
        assert!(!body.contains("<data"), "{other}: {body}");
    }
    let (status, body) = page(&world, "/sites/other", &viewer).await;
    assert_eq!(status, 404, "{body}");
    let (_, nothing) = page(&world, "/", &Principal::Anonymous).await;
    assert!(!nothing.contains("clinic"), "{nothing}");
}
