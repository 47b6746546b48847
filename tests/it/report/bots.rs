//! Bots are left out of every report but those about them, unless they are asked for.

use footfall::report::catalogue::{self, Report};
use serde_json::{Value, json};

use super::{Site, data};

/// The answer of every report that can leave bots out, by each of its groupings; without the times of the last half hour, which go on.
async fn answers(site: &Site, more: &[&str]) -> Vec<(String, Value)> {
    let mut answers = Vec::new();
    // A few bots do not count as a rise.
    let about_people = |report: &&Report| report.takes("bots") && report.name != "diagnosis";
    for report in catalogue::all().iter().filter(about_people) {
        let groupings = if report.by.is_empty() { vec![None] } else { report.by.iter().map(Some).collect() };
        for by in groupings {
            let by = by.map(|by| format!("by={by}"));
            let options: Vec<&str> = by.iter().map(String::as_str).chain(more.iter().copied()).collect();
            let mut rows = site.rows(report.name, &options).await;
            if report.name == "realtime" {
                rows.iter_mut().for_each(|row| drop(row.remove(0)));
                // Which minute it is may change between two answers.
                rows.sort_by_key(|row| format!("{row:?}"));
            }
            answers.push((format!("{} {options:?}", report.name), json!(rows)));
        }
    }
    answers
}

#[tokio::test]
async fn bots_change_no_report_about_people_unless_they_are_asked_for_and_then_every_one() {
    let site = Site::small().await;
    let idle = ["filter=browser!=Netscape", "filter=path!~no-such-page"];
    let before = answers(&site, &[]).await;
    let before_under_filters = answers(&site, &idle).await;
    site.insert(&data::bots()).await;
    for closed in [false, true] {
        if closed {
            site.close("2026-10-27T12:00:00Z").await;
        }
        for ((report, people), (_, now)) in before.iter().zip(answers(&site, &[]).await) {
            assert_eq!(people, &now, "{report}, days closed: {closed}");
        }
        for ((report, people), (_, now)) in before_under_filters.iter().zip(answers(&site, &idle).await) {
            assert_eq!(people, &now, "{report}, days closed: {closed}");
        }
        for ((report, people), (_, now)) in before.iter().zip(answers(&site, &["bots=1"]).await) {
            assert_ne!(people, &now, "{report} with bots, days closed: {closed}");
        }
    }
}

#[tokio::test]
async fn filters_on_bots_data_centres_and_contradictions_keep_what_they_say() {
    let site = Site::small().await;
    site.insert(&data::bots()).await;
    for close in [None, Some("2026-10-27T12:00:00Z")] {
        if let Some(now) = close {
            site.close(now).await;
        }
        for (filters, visits) in [
            // The crawler's at 13:00 and 18:00 on Saturday and at 18:00 on Monday; the spammer's two.
            (vec!["filter=bot_category=search"], 3),
            (vec!["filter=bot_category=search|other"], 5),
            (vec!["filter=bot_category!="], 5),
            (vec!["filter=bot=referrer spam"], 2),
            (vec!["filter=bot_category=ai"], 0),
            // People pass these too, so that bots stay out.
            (vec!["filter=bot_category!=search"], 8),
            (vec!["filter=bot_category="], 8),
            (vec!["filter=bot_category=", "bots=1"], 8),
            (vec!["filter=data_centre=1"], 0),
            (vec!["filter=data_centre=1", "bots=1"], 3),
            (vec!["filter=data_centre=0", "bots=1"], 10),
            (vec!["filter=spoofed=1"], 1),
            (vec!["filter=spoofed=0"], 7),
        ] {
            let rows = site.rows("overview", &filters).await;
            let found = rows.first().map_or(0, |row| row[2].as_u64().unwrap());
            assert_eq!(found, visits, "{filters:?}");
            let rows = site.rows("pages", &filters).await;
            assert_eq!(rows.is_empty(), visits == 0, "{filters:?}: {rows:?}");
        }
    }
    let rows = site.rows("bots", &["by=category"]).await;
    let found: Vec<_> = rows.iter().map(|row| (row[0].clone(), row[1].clone(), row[2].clone())).collect();
    assert_eq!(
        found,
        [
            (json!("search"), json!("Googlebot"), json!(23)),
            (json!("other"), json!("referrer spam"), json!(20))
        ]
    );
    let answer = site.answer("sources", &["filter=bot_category=other"]).await;
    assert_eq!(answer.json()["bots"], true, "the answer says that bots are counted");
}
