//! What protection costs: how far published figures are from the exact ones, by size.
//!
//! ```sh
//! cargo test --test it published::cost -- --nocapture
//! ```

use footfall::event::DeviceClass;
use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::facts::Random;
use super::{Person, SITE, World};

const FIRST: Date = date(2026, 10, 1);
const DAYS: u64 = 5;
/// Visitors of a day.
const PEOPLE: u64 = 3_000;
const PAGES: [&str; 60] = [
    "/", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9", "/10", "/11", "/12", "/13", "/14", "/15",
    "/16", "/17", "/18", "/19", "/20", "/21", "/22", "/23", "/24", "/25", "/26", "/27", "/28", "/29", "/30",
    "/31", "/32", "/33", "/34", "/35", "/36", "/37", "/38", "/39", "/40", "/41", "/42", "/43", "/44", "/45",
    "/46", "/47", "/48", "/49", "/50", "/51", "/52", "/53", "/54", "/55", "/56", "/57", "/58", "/59",
];
const COUNTRIES: [&str; 12] = ["RU", "KZ", "BY", "DE", "NL", "FI", "US", "GB", "FR", "IT", "ES", "PL"];
const BROWSERS: [&str; 8] =
    ["Chrome", "Safari", "Firefox", "Edge", "Opera", "Samsung Internet", "Yandex Browser", "Brave"];
const SOURCES: [(&str, &str); 6] = [
    ("Direct", "Direct"),
    ("Google", "Organic Search"),
    ("Yandex", "Organic Search"),
    ("VK", "Organic Social"),
    ("news.example", "Referral"),
    ("Newsletter", "Email"),
];

/// A place in a list. The first places are chosen far more often, as in the long tails of real sites.
fn skewed(random: &mut Random, length: usize) -> usize {
    let mut place = random.below(length);
    for _ in 0..2 {
        place = place.min(random.below(length));
    }
    place * place / length
}

fn people(random: &mut Random, day: u64) -> Vec<Person> {
    let person = |place: u64, random: &mut Random| {
        let (source, channel) = SOURCES[skewed(random, SOURCES.len())];
        Person {
            visitor: day * 1_000_000 + place,
            country: COUNTRIES[skewed(random, COUNTRIES.len())],
            browser: BROWSERS[skewed(random, BROWSERS.len())],
            device: if random.is(40) { DeviceClass::Desktop } else { DeviceClass::Mobile },
            source,
            channel,
            pages: (0..=random.below(5)).map(|_| PAGES[skewed(random, PAGES.len())]).collect(),
        }
    };
    (0..PEOPLE).map(|place| person(place, random)).collect()
}

#[tokio::test]
async fn the_larger_a_figure_the_nearer_it_is_to_the_exact_one() {
    let (world, mut random) = (World::new().await, Random(7));
    for day in 0..DAYS {
        let date = FIRST + i64::try_from(day).unwrap().days();
        world.insert(SITE, date, &people(&mut random, day + 1)).await;
    }
    world.close().await;
    let sizes = "multiIf(exact.visitors < 10, 5, exact.visitors < 20, 10, exact.visitors < 50, 20, exact.visitors < 100, 50, \
                 exact.visitors < 1000, 100, 1000)";
    let columns = ["visitors", "visits", "bounces", "views", "events", "duration_s", "engaged_ms"];
    let errors = columns.map(|column| {
        let difference =
            format!("abs(toInt64(published.{column}) - toInt64(exact.{column})) / exact.{column}");
        format!("round(100 * avgIf({difference}, exact.{column} > 0), 1)")
    });
    let errors = errors.join(", ");
    let of_one = format!(
        "SELECT {sizes} AS size, count(), {errors} FROM daily_published AS published \
         INNER JOIN daily AS exact USING (site, day, dimension, value, detail) \
         WHERE filter = '' AND value != '(other)' AND NOT exact.bots GROUP BY size ORDER BY size"
    );
    println!("cells of one value: mean error in % of {}", columns.join(", "));
    let rows = print(&world, &of_one);
    // The noise of visitors has a mean of 3.2, and the others have it, too.
    let error_of = |size: &str, at: usize| {
        let row = rows.iter().find(|row| row[0] == size).unwrap();
        row[at].parse::<f64>().unwrap()
    };
    assert!(error_of("1000", 2) < 1.0 && error_of("100", 2) < 4.0 && error_of("20", 2) < 20.0);
    let pairs = "SELECT site, day, country AS filter_value, toString(browser) AS value, uniqExact(visitor) AS visitors, \
                 count() AS visits, countIf(bounce) AS bounces, sum(visits.views) AS views, sum(visits.events) AS events, \
                 sum(visits.duration_s) AS duration_s, sum(visits.engaged_ms) AS engaged_ms FROM visits GROUP BY ALL";
    let of_two = format!(
        "SELECT {sizes} AS size, count(), {errors} FROM daily_published AS published \
         INNER JOIN ({pairs}) AS exact USING (site, day, filter_value, value) \
         WHERE filter = 'country' AND dimension = 'browser' AND value != '(other)' GROUP BY size ORDER BY size"
    );
    println!("browsers under a filter by country");
    let rows = print(&world, &of_two);
    assert!(rows.iter().filter(|row| row[0] == "1000").all(|row| row[2].parse::<f64>().unwrap() < 1.0));
    let shown = "SELECT countIf(published.visitors > 0), count() FROM (SELECT * FROM daily WHERE NOT bots AND visitors >= 5 \
                 AND dimension NOT IN ('referrer')) AS exact LEFT JOIN (SELECT * FROM daily_published WHERE filter = '') AS published \
                 USING (site, day, dimension, value, detail)";
    println!("values with at least 5 visitors that are shown, and all: {}", world.rows(shown)[0]);
    let week = "SELECT round(100 * avg(abs(toInt64(a) - toInt64(b)) / b), 1), count() FROM (\
                SELECT value, sum(published.visitors) AS a, sum(exact.visitors) AS b FROM daily_published AS published \
                INNER JOIN daily AS exact USING (site, day, dimension, value, detail) \
                WHERE filter = '' AND dimension = 'page' AND value != '(other)' AND NOT exact.bots GROUP BY value HAVING b > 100)";
    println!(
        "pages with over 100 visitors in {DAYS} days, mean error in % of the sum, and how many: {}",
        world.rows(week)[0]
    );
}

fn print(world: &World, sql: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> =
        world.rows(sql).iter().map(|row| row.split('\t').map(str::to_owned).collect()).collect();
    rows.iter()
        .for_each(|row| println!("  from {} visitors, {} cells: {}", row[0], row[1], row[2..].join(", ")));
    rows
}
