//! What filters keep, what hostile ones do (nothing), and which rows are folded.

use serde_json::{Value, json};

use super::{Site, data};

/// The first column and one more of each row.
async fn pairs(site: &Site, report: &str, column: &str, options: &[&str]) -> Vec<(Value, u64)> {
    let answer = site.answer(report, options).await;
    let at = answer.request.report.columns.iter().position(|known| known.name == column).unwrap();
    answer.rows.iter().map(|row| (row[0].clone(), row[at].as_u64().unwrap())).collect()
}

async fn visits(site: &Site, filters: &[&str]) -> u64 {
    let filters: Vec<String> = filters.iter().map(|filter| format!("filter={filter}")).collect();
    let options: Vec<&str> = filters.iter().map(String::as_str).collect();
    let rows = site.rows("overview", &options).await;
    rows.first().map_or(0, |row| row[2].as_u64().unwrap())
}

#[tokio::test]
async fn filters_keep_what_they_say_by_the_visit_by_the_visitor_and_by_the_event() {
    let site = Site::small().await;
    for close in [None, Some("2026-10-27T12:00:00Z")] {
        if let Some(now) = close {
            site.close(now).await;
        }
        assert_eq!(visits(&site, &["country=RU"]).await, 6);
        assert_eq!(visits(&site, &["country=RU|DE"]).await, 8);
        assert_eq!(visits(&site, &["country!=RU|DE"]).await, 0);
        assert_eq!(visits(&site, &["country=RU", "browser!=Chrome"]).await, 1);
        assert_eq!(visits(&site, &["device=mobile"]).await, 2);
        assert_eq!(visits(&site, &["asn>=10000"]).await, 6);
        assert_eq!(visits(&site, &["source=Google"]).await, 1);
        assert_eq!(visits(&site, &["entry_path=/prices"]).await, 2);
        assert_eq!(visits(&site, &["visitor=0000000000001801"]).await, 2);
        // Visits of the visitor who booked: B's at noon. At night B has another pseudonym.
        assert_eq!(visits(&site, &["kind=event", "name=booking"]).await, 1);
        assert_eq!(visits(&site, &["props.doctor~ivan"]).await, 1);
        assert_eq!(visits(&site, &["props.doctor=Petrov"]).await, 0);
        // Both must hold for one and the same event.
        assert_eq!(visits(&site, &["kind=event", "name=impression"]).await, 0);
        assert_eq!(visits(&site, &["lcp_ms>3500"]).await, 2);
        assert_eq!(visits(&site, &["time>=2026-10-26T08:00:00Z"]).await, 2);
        // Pages of the visitors who came from Google that day: A's three.
        let pages = pairs(&site, "pages", "views", &["filter=channel=Organic Search"]).await;
        assert_eq!(pages, [(json!("/"), 1), (json!("/doctors"), 1), (json!("/prices"), 1)]);
        let pages = pairs(&site, "pages", "views", &["filter=path~doc"]).await;
        assert_eq!(pages, [(json!("/doctors"), 1)]);
    }
}

#[tokio::test]
async fn a_hostile_filter_site_or_day_finds_nothing_and_changes_nothing() {
    let site = Site::small().await;
    let hostile = [
        "' OR 1=1 --",
        "\\' OR ''='",
        "'; DROP TABLE events; --",
        "\\",
        "'",
        "`",
        "{site:String}",
        "%' OR '1'='1",
        "\u{0}",
        "\t\r\n",
        "\\N",
        "\u{202e}",
        "🐈",
    ];
    for text in hostile {
        assert_eq!(visits(&site, &[&format!("city={text}")]).await, 0, "{text:?}");
        let entry = text.replace(['=', '!', '~', '<', '>'], "x");
        assert_eq!(visits(&site, &[&format!("props.a{entry}b=1")]).await, 0, "{text:?}");
        assert_eq!(visits(&site, &[&format!("city!={text}")]).await, 8, "{text:?}");
        let rows = site.rows("overview", &[&format!("site={text}")]).await;
        assert_eq!(rows[0][0], 0, "{text:?}");
    }
    assert_eq!(visits(&site, &[]).await, 8);
}

#[tokio::test]
async fn any_column_can_be_filtered_on_in_any_report() {
    let site = Site::small().await;
    let values = [
        ("kind", "view"),
        ("screen", "under 600"),
        ("device", "desktop"),
        ("bot_category", "ai"),
        ("time", "2026-10-24T00:00:00Z"),
        ("received", "2026-10-24T00:00:00Z"),
        ("expires", "2149-01-01"),
        ("page_load", "0000000000000001"),
        ("visitor", "0000000000000001"),
        ("address", "0000000000000001"),
        ("error_group", "0000000000000001"),
        ("cookies_enabled", "true"),
    ];
    let own = ["entry_host", "entry_path", "exit_host", "exit_path"];
    let columns = footfall::event::COLUMNS.iter().chain(&own).filter(|column| **column != "site");
    let filters: Vec<String> = columns
        .map(|column| {
            let value = values.iter().find(|(name, _)| name == column).map_or("1", |(_, value)| value);
            let entry = if ["props", "cookies"].contains(column) { ".x" } else { "" };
            format!("filter={column}{entry}={value}")
        })
        .collect();
    for some in filters.chunks(30) {
        let options: Vec<&str> = some.iter().map(String::as_str).collect();
        for report in ["overview", "pages", "speed"] {
            site.rows(report, &options).await;
        }
    }
}

#[tokio::test]
async fn rows_of_few_visitors_are_folded_and_the_reader_is_told() {
    let mut rows = data::Rows::default();
    for visitor in 0..7_u64 {
        let mut person = data::person('A', 24);
        person.visitor = visitor;
        // Five from Moscow, two from Kazan.
        person.city = if visitor < 5 { "Moscow" } else { "Kazan" };
        rows.add("2026-10-24 10:00:00", &person, data::view("/"));
        // The same lone visitor of a page on three days is still one.
        if visitor == 0 {
            for day in ["24", "25", "26"] {
                rows.add(&format!("2026-10-{day} 10:00:00"), &person, data::view("/lonely"));
            }
        }
    }
    let mut site = Site::with(&rows.bytes).await;
    site.reports = site.reports.clone().with_k(5);

    let answer = site.answer("cities", &["to=2026-10-24"]).await;
    let cities: Vec<_> = answer.rows.iter().map(|row| (row[1].clone(), row[2].as_u64().unwrap())).collect();
    assert_eq!(cities, [(json!("Moscow"), 5), (json!(""), 2)]);
    assert_eq!(answer.rows[1][0], "(other)");
    assert_eq!(
        answer.json()["notes"],
        json!([
            "what had fewer than 5 visitors on each day is folded into (other), in which one visitor may count several times"
        ])
    );

    let answer = site.answer("pages", &[]).await;
    assert_eq!(answer.rows[0][0], "/");
    assert_eq!(
        answer.rows[1][0], "(other)",
        "three days of one visitor are no five visitors: {:?}",
        answer.rows
    );

    // Totals are not folded, but under a filter a total may be of one person.
    assert_eq!(site.rows("overview", &[]).await[0][0], 9);
    let answer = site.answer("overview", &["filter=city=Kazan"]).await;
    assert!(answer.rows.is_empty());
    assert_eq!(answer.json()["notes"], json!(["fewer than 5 visitors pass these filters: nothing is shown"]));
}

#[tokio::test]
async fn a_site_without_events_is_named_as_such() {
    let site = Site::small().await;
    let answer = site.answer("pages", &["site=klinic"]).await;
    assert_eq!(
        answer.json()["notes"],
        json!(["the store holds no events of site \"klinic\"; it has clinic"])
    );
    let answer = site.answer("pages", &["from=2020-01-01", "to=2020-01-01"]).await;
    assert!(answer.notes.is_empty(), "a known site may have had a quiet day");
}

#[tokio::test]
async fn a_cut_answer_says_so() {
    let site = Site::small().await;
    let answer = site.answer("browsers", &["limit=2"]).await;
    assert_eq!(answer.rows.len(), 2);
    assert_eq!(answer.json()["notes"], json!(["there are more rows than these 2"]));
    assert!(site.answer("browsers", &["limit=3"]).await.notes.is_empty());
}
