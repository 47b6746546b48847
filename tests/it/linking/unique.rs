//! How many visitors of a day are alone with what is left of their browser, screen, language, time zone and place.

use std::collections::HashMap;

use serde_json::Value;

use super::people::{Site, everybody, people};
use super::{collector, wait_until_stored};

const VISITORS: usize = 2_000;
/// A loose bound, in %: what was measured, and a little more. A column that tells visitors apart as well as exact screens did goes over it.
const MOST_UNIQUE: f64 = 90.0;
/// Columns of a combination, as far as a version of the program stores them.
const COLUMNS: [&str; 14] = [
    "browser",
    "browser_version",
    "os",
    "os_version",
    "device",
    "screen",
    "screen_width",
    "screen_height",
    "language",
    "timezone",
    "country",
    "region",
    "city",
    "asn",
];

/// The visitors of one day, each with its values of the columns.
struct Day {
    columns: Vec<&'static str>,
    visitors: Vec<Vec<String>>,
}

impl Day {
    fn new(rows: &[Value]) -> Self {
        let has = |column: &&str| rows.first().is_some_and(|row| row.get(*column).is_some());
        let columns: Vec<&str> = COLUMNS.into_iter().filter(has).collect();
        let values = |row: &Value| columns.iter().map(|column| row[*column].to_string()).collect();
        Self { visitors: rows.iter().map(values).collect(), columns }
    }

    /// How many visitors share each combination of some columns.
    fn shared(&self, is_counted: impl Fn(&str) -> bool) -> HashMap<Vec<&str>, usize> {
        let mut shared = HashMap::new();
        for visitor in &self.visitors {
            let counted = self.columns.iter().zip(visitor).filter(|(column, _)| is_counted(column));
            *shared.entry(counted.map(|(_, value)| value.as_str()).collect()).or_default() += 1;
        }
        shared
    }

    /// The share of visitors in groups of at most `size` with the same combination, in %.
    fn share_in_groups(&self, size: usize, is_counted: impl Fn(&str) -> bool) -> f64 {
        let shared = self.shared(is_counted);
        let few: usize = shared.values().filter(|count| **count <= size).sum();
        few as f64 * 100.0 / self.visitors.len() as f64
    }

    /// How much the value of some columns tells of a visitor, in bits.
    fn entropy(&self, is_counted: impl Fn(&str) -> bool) -> f64 {
        let all = self.visitors.len() as f64;
        self.shared(is_counted)
            .values()
            .map(|count| *count as f64 / all)
            .map(|share| -share * share.log2())
            .sum()
    }

    /// Prints the figures and returns the share of visitors who are unique, in %.
    fn print(&self, what: &str) -> f64 {
        let unique = self.share_in_groups(1, |_| true);
        println!(
            "\n{what}: {} visitors, {unique:.1} % unique, {:.1} % in groups of at most 5, {:.1} bits",
            self.visitors.len(),
            self.share_in_groups(5, |_| true),
            self.entropy(|_| true)
        );
        println!("\n| column | bits alone | unique without it |\n|---|---|---|");
        let mut columns: Vec<_> = self
            .columns
            .iter()
            .map(|left_out| {
                let without = self.share_in_groups(1, |column| column != *left_out);
                (without, left_out, self.entropy(|column| column == *left_out))
            })
            .collect();
        columns.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (without, column, bits) in columns {
            println!("| `{column}` | {bits:.1} | {without:.1} % |");
        }
        let place = ["country", "region", "city", "asn"];
        let versions = ["browser_version", "os_version"];
        println!(
            "
| without these columns | unique |
|---|---|"
        );
        for columns in [
            &place[2..],
            &place[..],
            &versions,
            &[&place[2..], &versions].concat(),
            &[&place[..], &versions].concat(),
        ] {
            let unique = self.share_in_groups(1, |column| !columns.contains(&column));
            println!("| {} | {unique:.1} % |", columns.join(", "));
        }
        unique
    }
}

#[test]
fn the_share_of_visitors_of_a_day_who_are_unique_is_printed() {
    let (mut collector, is_asserted) = collector(&Site::settings());
    collector.start();
    // A week has a working day, whatever day is today.
    let demonstration = collector.command(&["demo", "--visitors", &VISITORS.to_string(), "--days", "7"]);
    assert!(demonstration.status.success(), "{}", String::from_utf8_lossy(&demonstration.stderr));
    everybody(&mut people(1, VISITORS), collector.listen, |person, http| person.glance(http, Site::A));
    wait_until_stored(&collector);

    // One row for each visitor who is not a bot.
    let day = |site: &str, condition: &str| {
        let sql = format!(
            "SELECT * FROM events WHERE site = '{site}' AND bot = '' AND {condition} ORDER BY visitor, time LIMIT 1 BY visitor"
        );
        Day::new(&collector.store.objects(&sql))
    };
    // An epoch that the demonstration has all of.
    let of_demonstration = "epoch = (SELECT epoch FROM events WHERE site = 'demo' GROUP BY epoch ORDER BY uniqExact(visitor) DESC LIMIT 1)";
    let demonstrated = day("demo", of_demonstration);
    let skewed = day(Site::A.id(), "1");
    let shares = [demonstrated.print("demonstration"), skewed.print("skewed model")];
    let late = format!(
        "SELECT uniqExact(visitor) FROM events WHERE site = 'demo' AND bot = '' AND {of_demonstration} \
         AND time >= (SELECT max(time) FROM events WHERE site = 'demo' AND {of_demonstration}) - INTERVAL 5 MINUTE"
    );
    println!(
        "\nvisitors of the demonstration in the last five minutes of the day: {}",
        collector.store.number(&late)
    );
    assert!(demonstrated.visitors.len() > VISITORS / 2 && skewed.visitors.len() > VISITORS / 2);
    assert!(!is_asserted || shares.iter().all(|share| *share < MOST_UNIQUE), "{shares:?}");
}
