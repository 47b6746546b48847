//! What goals and funnels tell, and what they keep to themselves.

use footfall::event::{EventKind, EventRow};
use serde_json::{Value, json};

use super::Site;
use super::data::{self, Rows, ad, person, view, what};
use super::pages::page::page;

/// On the 24th: `bookers` visitors from Google who read a page and book, and `readers` from VK who only read it.
fn visitors(bookers: u64, readers: u64) -> Vec<u8> {
    let mut rows = Rows::default();
    for number in 0..bookers + readers {
        let who = EventRow { visitor: 1_000 + number, ..person('A', 24) };
        let (source, channel) =
            if number < bookers { ("Google", "Organic Search") } else { ("VK", "Organic Social") };
        rows.add("2026-10-24 10:00:00", &who, EventRow { source, channel, ..view("/") });
        if number < bookers {
            rows.add("2026-10-24 10:01:00", &who, what(EventKind::Event, "/", "booking"));
        }
    }
    rows.bytes
}

fn same(found: &[Vec<Value>], expected: &Value) {
    // Numbers are compared as numbers: 100 is 100.0.
    let found = json!(found).to_string().replace(".0,", ",").replace(".0]", "]");
    assert_eq!(found, expected.to_string().replace(".0,", ",").replace(".0]", "]"));
}

#[tokio::test]
async fn a_goal_of_few_visitors_is_folded_and_a_step_of_few_has_no_row() {
    let mut site = Site::with(&visitors(4, 6)).await;
    site.reports = site.reports.clone().with_k(5);
    same(&site.rows("goals", &["goal=Booking"]).await, &json!([["(other)", "", "", 4, 4, 10, null]]));
    same(
        &site.rows("goals", &["goal=Booking", "by=channel"]).await,
        &json!([["Booking", "(other)", "", 4, 4, 10, 40.0]]),
    );
    same(&site.rows("funnel", &[]).await, &json!([["1", "Home", "", "", 10, 100.0, null]]));
    // Those from Google alone are few, and so is what they are folded into.
    same(&site.rows("funnel", &["by=source"]).await, &json!([["1", "Home", "VK", "", 6, 100.0, null]]));
}

#[tokio::test]
async fn the_page_names_the_first_step_of_a_funnel_without_a_row_and_credits_places_where_it_shows_them() {
    let mut site = Site::with(&visitors(4, 6)).await;
    site.reports = site.reports.clone().with_k(5);
    let period = "from=2026-10-24&to=2026-10-24&lang=en";
    let shown = page(&site, &format!("/sites/clinic?{period}")).await;
    let funnel = shown.split_once("id=\"funnel-0\"").unwrap().1;
    assert!(funnel.contains("1. Home") && funnel.contains("No row for “2. Booking”"), "{funnel}");
    assert!(!funnel.contains("DB-IP"), "{funnel}");
    assert!(shown.contains("DB-IP"), "the map credits its source");
    for (by, is_credited) in [("source", false), ("country", true)] {
        let detail =
            page(&site, &format!("/sites/clinic/reports/funnel?funnel=Booking&by={by}&{period}")).await;
        assert_eq!(detail.contains("DB-IP"), is_credited, "{by}: {detail}");
    }
}

#[tokio::test]
async fn a_goal_of_many_visitors_is_shown_with_those_who_did_not_meet_it() {
    let mut site = Site::with(&visitors(6, 5)).await;
    site.reports = site.reports.clone().with_k(5);
    same(
        &site.rows("goals", &["goal=Booking", "by=channel"]).await,
        &json!([["Booking", "Organic Search", "", 6, 6, 6, 100.0], ["Booking", "(other)", "", 0, 0, 5, 0.0]]),
    );
    same(
        &site.rows("funnel", &["by=source"]).await,
        &json!([
            ["1", "Home", "Google", "", 6, 100.0, null],
            ["2", "Booking", "Google", "", 6, 100.0, 0.0],
            ["1", "Home", "VK", "", 5, 100.0, null]
        ]),
    );
}

#[tokio::test]
async fn a_filter_answers_how_many_clicked_an_advertisement_and_booked() {
    let mut rows = Rows::default();
    let (a, b, c) = (person('A', 24), person('B', 24), person('C', 24));
    for who in [&a, &b, &c] {
        rows.add("2026-10-24 10:00:00", who, view("/"));
    }
    // A clicks and books, B clicks, C books. A books again after a pause, which is another visit of the same visitor.
    rows.add("2026-10-24 10:01:00", &a, ad("top", "click"));
    rows.add("2026-10-24 10:01:00", &b, ad("top", "click"));
    rows.add("2026-10-24 10:02:00", &a, what(EventKind::Event, "/", "booking"));
    rows.add("2026-10-24 10:02:00", &c, what(EventKind::Event, "/", "booking"));
    rows.add("2026-10-24 15:00:00", &a, what(EventKind::Event, "/", "booking"));
    let site = Site::with(&rows.bytes).await;
    let clicked = ["goal=Booking", "filter=ad=spring", "filter=name=click"];
    same(&site.rows("goals", &clicked).await, &json!([["Booking", "", "", 1, 2, 2, 50.0]]));
    same(&site.rows("goals", &clicked[..1]).await, &json!([["Booking", "", "", 2, 3, 3, 66.67]]));
}

#[tokio::test]
async fn the_steps_of_a_funnel_are_taken_in_their_order_within_one_visit() {
    let mut rows = Rows::default();
    let (a, b, c) = (person('A', 24), person('B', 24), person('C', 24));
    // A books before the first step; B books in a second visit; C has something between the steps.
    rows.add("2026-10-24 10:00:00", &a, what(EventKind::Event, "/", "booking"));
    rows.add("2026-10-24 10:01:00", &a, view("/"));
    rows.add("2026-10-24 10:00:00", &b, view("/"));
    rows.add("2026-10-24 11:00:00", &b, what(EventKind::Event, "/", "booking"));
    rows.add("2026-10-24 10:00:00", &c, view("/"));
    rows.add("2026-10-24 10:01:00", &c, view("/prices"));
    rows.add("2026-10-24 10:02:00", &c, what(EventKind::Event, "/", "booking"));
    let site = Site::with(&rows.bytes).await;
    same(
        &site.rows("funnel", &[]).await,
        &json!([["1", "Home", "", "", 3, 100.0, null], ["2", "Booking", "", "", 1, 33.33, 66.67]]),
    );
}

#[tokio::test]
async fn reports_that_are_asked_for_together_have_the_answers_of_each_alone() {
    use footfall::config::{Funnel, Sites};
    let mut site = Site::small().await;
    let base = data::settings();
    let own = (**base.get(data::SITE).unwrap()).clone();
    let funnel = |name: &str, steps: &[usize]| Funnel {
        name: name.to_owned(),
        steps: steps.iter().map(|place| own.goals[*place].clone()).collect(),
    };
    let mut funnels = own.funnels.clone();
    funnels.extend([
        funnel("Prices first", &[1, 0]),
        funnel("Never taken", &[2, 3, 1, 0]),
        funnel("Prices twice", &[1, 1]),
    ]);
    site.reports =
        site.reports.clone().with_goals_of(&Sites::new([footfall::config::Site { funnels, ..own.clone() }]));
    let days = ["from=2026-10-24", "to=2026-10-26", "by=day"];
    let days_before = ["from=2026-10-21", "to=2026-10-23", "by=day"];
    let asked: [(&str, &[&str]); 15] = [
        ("pages", &["limit=3"]),
        ("timeseries", &days_before),
        ("funnel", &["funnel=Booking"]),
        ("pages", &["limit=1"]),
        ("timeseries", &days),
        ("countries", &["limit=300"]),
        ("funnel", &["funnel=Never taken"]),
        ("browsers", &["limit=2"]),
        ("funnel", &["funnel=Prices first"]),
        ("funnel", &["funnel=Booking", "by=channel"]),
        ("funnel", &["funnel=Prices first", "by=channel"]),
        ("funnel", &["funnel=Prices twice"]),
        ("timeseries", &["from=2026-10-27", "to=2026-10-28", "by=day", "limit=1"]),
        ("pages", &["from=2026-10-25"]),
        ("goals", &[]),
    ];
    let mut with_rows = 0;
    for (k, filter) in
        [(1, None), (2, None), (1, Some("filter=country=RU")), (1, Some("filter=name=booking"))]
    {
        let reports = site.reports.clone().with_k(k);
        let requests = asked.map(|(name, options)| {
            let options: Vec<&str> = options.iter().copied().chain(filter).collect();
            reports.parse(&super::ask(name, &options)).unwrap()
        });
        let together = reports.run_all(requests.to_vec()).await.unwrap();
        for (request, found) in requests.into_iter().zip(together) {
            let alone = reports.run(request).await.unwrap();
            assert_eq!(found.json(), alone.json(), "{k} {filter:?}");
            with_rows += usize::from(!found.rows.is_empty());
        }
    }
    assert!(with_rows > 30, "{with_rows}");
}

#[tokio::test]
async fn a_site_without_goals_is_told_how_to_have_some() {
    let mut site = Site::with(&visitors(1, 0)).await;
    site.reports = site.reports.clone().with_goals_of(&footfall::config::Sites::default());
    for (report, note) in [
        ("goals", "the site has no goals; write [[site.goal]] into the configuration"),
        ("funnel", "the site has no funnels; write [[site.funnel]] into the configuration"),
    ] {
        let answer = site.answer(report, &[]).await;
        assert!(answer.rows.is_empty());
        assert_eq!(answer.json()["notes"], json!([note]));
    }
    let named = super::ask("goals", &["goal=Booking"]);
    let error = site.reports.parse(&named).unwrap_err().to_string();
    assert_eq!(error, "the site has no goal \"Booking\"");
}

#[tokio::test]
async fn what_goals_say_cannot_change_a_query() {
    use footfall::config::{Funnel, Goal, GoalCondition, PagePattern, Sites};
    let mut site = Site::with(&visitors(2, 1)).await;
    let hostile = r"\' OR 1=1 -- {k:UInt32} %_'";
    let goal = |condition| Goal { name: hostile.to_owned(), condition };
    let goals = vec![
        goal(GoalCondition::Event(hostile.to_owned())),
        goal(GoalCondition::AdClick(hostile.to_owned())),
        goal(GoalCondition::Page(PagePattern::parse(&format!("/{hostile}*")).unwrap())),
    ];
    let funnels = vec![Funnel { name: hostile.to_owned(), steps: goals.clone() }];
    let base = data::settings();
    let own = base.get(data::SITE).unwrap();
    site.reports = site.reports.clone().with_goals_of(&Sites::new([footfall::config::Site {
        goals,
        funnels,
        ..(**own).clone()
    }]));
    let rows = site.rows("goals", &[]).await;
    assert_eq!(rows.len(), 1, "three goals of one name: {rows:?}");
    same(&rows, &json!([[hostile, "", "", 0, 0, 3, 0.0]]));
    assert!(site.rows("funnel", &[]).await.is_empty());
}
