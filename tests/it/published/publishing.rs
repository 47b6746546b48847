//! What is published of a day, when, and what is never published again.

use footfall::event::DeviceClass;
use jiff::civil::{Date, date};

use super::{Person, SITE, World, by_name};

const DAY: Date = date(2026, 10, 1);
const QUESTION: &str = "site=clinic&from=2026-10-01&to=2026-10-01&limit=1000";

/// So many people of a kind, with pseudonyms from `first` on.
fn people(first: u64, number: u64, change: impl Fn(&mut Person)) -> Vec<Person> {
    let person = |visitor| {
        let mut person = Person::common(visitor);
        change(&mut person);
        person
    };
    (first..first + number).map(person).collect()
}

/// A day with 200 people: 120 of Russia, 60 of Kazakhstan, 14 of Belarus, 4 of Malta and 2 of Cyprus. 150 read a popular page, 3 a rare one.
fn day() -> Vec<Person> {
    let mut all = people(1_000, 120, |_| {});
    all.extend(people(2_000, 60, |person| {
        person.country = "KZ";
        person.browser = if person.visitor % 3 == 0 { "Chrome" } else { "Safari" };
    }));
    all.extend(people(3_000, 14, |person| {
        (person.country, person.browser, person.device) = ("BY", "Safari", DeviceClass::Mobile);
    }));
    all.extend(people(4_000, 4, |person| person.country = "MT"));
    all.extend(people(5_000, 2, |person| person.country = "CY"));
    for (number, person) in all.iter_mut().enumerate() {
        if number % 4 != 0 {
            person.pages.push("/popular");
        }
        if number % 70 == 0 {
            person.pages.push("/rare");
        }
    }
    all
}

#[tokio::test]
async fn a_value_of_few_visitors_is_never_shown_and_a_number_is_near_the_truth() {
    let world = World::new().await;
    world.insert(SITE, DAY, &day()).await;
    world.close().await;
    let countries = world.viewer_rows(&format!("/api/reports/countries?{QUESTION}")).await;
    let countries = by_name(&countries, "country", "visitors");
    assert!(!countries.contains_key("MT") && !countries.contains_key("CY"), "{countries:?}");
    for (country, exact) in [("RU", 120), ("KZ", 60), ("BY", 14)] {
        let found = countries[country];
        assert!(found.abs_diff(exact) <= 32, "{country}: {found}");
    }
    let pages =
        by_name(&world.viewer_rows(&format!("/api/reports/pages?{QUESTION}")).await, "path", "visitors");
    assert!(
        pages.contains_key("/") && pages.contains_key("/popular") && !pages.contains_key("/rare"),
        "{pages:?}"
    );
    // Whatever is stored, and not only what a report shows.
    let least = world
        .rows("SELECT min(visitors), countIf(value IN ('MT', 'CY', '/rare')) FROM daily_published_stored");
    let (visitors, few) = least[0].split_once('\t').unwrap();
    assert!(visitors.parse::<u64>().unwrap() >= 5);
    assert_eq!(few, "0");
}

#[tokio::test]
async fn the_same_cell_has_the_same_figures_however_it_is_asked_for() {
    let world = World::new().await;
    world.insert(SITE, DAY, &day()).await;
    world.close().await;
    let count =
        |answer: Vec<serde_json::Value>, name: &str, value: &str| by_name(&answer, name, "visitors")[value];
    let ask = async |path: &str| world.viewer_rows(&format!("/api/reports/{path}&{QUESTION}")).await;
    let one = count(ask("countries?filter=browser%3DSafari").await, "country", "KZ");
    let other = count(ask("browsers?filter=country%3DKZ").await, "browser", "Safari");
    assert_eq!(one, other);
    let page = count(ask("pages?").await, "path", "/popular");
    let overview = &world
        .viewer_rows("/api/reports/overview?site=clinic&from=2026-10-01&to=2026-10-01&filter=path%3D/popular")
        .await[0];
    assert_eq!(overview["visitors"].as_u64(), Some(page));
    let later = &world
        .viewer_rows("/api/reports/overview?site=clinic&from=2026-10-02&to=2026-10-02&filter=path%3D/popular")
        .await[0];
    assert_eq!(later["visitors_before"].as_u64(), Some(page));
}

#[tokio::test]
async fn a_closed_day_stays_as_it_was_published_whatever_comes_late_is_erased_or_set() {
    let world = World::new().await;
    world.insert(SITE, DAY, &day()).await;
    world.close().await;
    let all = "SELECT * FROM daily_published ORDER BY ALL";
    let published = world.rows(all);
    assert!(published.len() > 50, "{}", published.len());
    // A late row of one visitor.
    world.insert(SITE, DAY, &people(9_000, 1, |person| person.pages.push("/rare"))).await;
    world.close().await;
    assert_eq!(world.rows("SELECT visitors FROM daily WHERE dimension = 'total' AND NOT bots"), ["201"]);
    assert_eq!(world.rows(all), published);
    // An erasure.
    world.execute("DELETE FROM events WHERE visitor = 1001").await;
    world.close().await;
    assert_eq!(world.rows("SELECT visitors FROM daily WHERE dimension = 'total' AND NOT bots"), ["200"]);
    assert_eq!(world.rows(all), published);
    // Another k holds for days that are published from then on.
    world.insert(SITE, DAY, &people(9_100, 1, |_| {})).await;
    world.insert(SITE, date(2026, 10, 2), &day()).await;
    world.close_with(20).await;
    assert_eq!(world.rows(&all.replace("ORDER", "WHERE day = '2026-10-01' ORDER")), published);
    let least = world.rows("SELECT min(visitors) >= 20 FROM daily_published WHERE day = '2026-10-02'");
    assert_eq!(least, ["1"]);
}

#[tokio::test]
async fn a_day_whose_visitors_came_late_by_the_dozen_is_published_anew_with_other_noise() {
    let world = World::new().await;
    world.insert(SITE, DAY, &day()).await;
    world.close().await;
    let countries = "SELECT value, visitors FROM daily_published WHERE filter = '' AND dimension = 'browser' ORDER BY ALL";
    let mut seen = vec![world.rows(countries)];
    for round in 0..4 {
        world
            .insert(
                SITE,
                DAY,
                &people(10_000 + 1_000 * round, 50 << round, |person| person.browser = "Opera"),
            )
            .await;
        world.close().await;
        seen.push(world.rows(countries));
    }
    assert_ne!(seen[0], seen[1]);
    assert_ne!(seen[1], seen[2]);
    assert_eq!(seen[2], seen[3], "three publications at most");
    assert_eq!(seen[3], seen[4]);
    let safari = |rows: &[String]| rows.iter().find(|row| row.starts_with("Safari")).unwrap().clone();
    let figures = [safari(&seen[0]), safari(&seen[1]), safari(&seen[2])];
    assert!(figures[0] != figures[1] || figures[1] != figures[2], "noise is drawn anew: {figures:?}");
}

#[tokio::test]
async fn a_site_or_a_day_of_few_visitors_has_no_published_figure() {
    let world = World::new().await;
    world.insert("small", DAY, &people(1, 4, |_| {})).await;
    world.insert(SITE, DAY, &day()).await;
    world.close().await;
    assert_eq!(world.rows("SELECT DISTINCT site FROM daily_published_stored"), ["clinic"]);
    let (status, answer) = world.viewer("/api/reports/pages?site=small&from=2026-10-01&to=2026-10-01").await;
    assert_eq!(status, 200);
    assert_eq!(answer["rows"].as_array().unwrap().len(), 0);
    assert!(answer["notes"][1].as_str().unwrap().starts_with("0 of 1 days are published"), "{answer}");
}

#[tokio::test]
async fn of_an_open_day_totals_are_published_and_not_again_for_the_same_visitors() {
    let world = World::new().await;
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    if now.hour() == 23 && now.minute() > 55 || now.hour() == 0 {
        return; // The day would turn meanwhile, or has few minutes yet.
    }
    let today = now.date();
    world.insert(SITE, today, &people(1_000, 100, |_| {})).await;
    world.compute_open(&now.timestamp().to_string()).await;
    let totals = "SELECT filter, dimension, visitors, views FROM daily_published ORDER BY ALL";
    let first = world.rows(totals);
    assert_eq!(first.len(), 1, "{first:?}");
    world.insert(SITE, today, &people(2_000, 1, |_| {})).await;
    world.compute_open(&now.timestamp().to_string()).await;
    assert_eq!(world.rows("SELECT visitors FROM daily WHERE dimension = 'total' AND NOT bots"), ["101"]);
    assert_eq!(world.rows(totals), first);
    // A later hour draws no other noise for the same people, or their mean would tell the exact number.
    for hour in now.hour()..23 {
        let later = now.date().at(hour, 59, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        world.compute_open(&later.timestamp().to_string()).await;
        assert_eq!(world.rows(totals), first, "hour {hour}");
    }
    let overview = world.viewer_rows("/api/reports/overview?site=clinic&from=today").await;
    assert!(overview[0]["visitors"].as_u64().unwrap() > 0, "{overview:?}");
    assert!(world.viewer_rows("/api/reports/pages?site=clinic&from=today").await.is_empty());
}
