//! Asks the questions and prints the times.

use std::time::Duration;

use footfall::report::catalogue;
use footfall::store::Client;

use crate::http::Api;
use crate::processes::{Collector, site};
use crate::questions::{FILTERS, Question, Questions};
use crate::results::{median, ms, worst};
use crate::{BenchSettings, plausible};

/// The reports of a page: the overview, the series, and the lists.
const PAGE: [&str; 17] = [
    "overview",
    "timeseries",
    "pages",
    "entries",
    "exits",
    "sources",
    "channels",
    "campaigns",
    "countries",
    "regions",
    "cities",
    "browsers",
    "systems",
    "devices",
    "languages",
    "outbound",
    "events",
];
/// Questions about a filtered report, for each kind of filter.
const FILTERED: usize = 3;

/// The times of one report's questions.
#[derive(Default)]
struct Times {
    first: Vec<Duration>,
    again: Vec<Duration>,
    plausible: Vec<Duration>,
}

impl Times {
    async fn ask(&mut self, api: &mut Api, reader: &Client, report: &str, question: &Question) {
        let path = match report {
            // It is about now.
            "realtime" => format!("/api/reports/{report}?site={}", site(question.site)),
            _ => format!("/api/reports/{report}?{}", question.query().finish()),
        };
        self.first.push(api.get(&path).await.1);
        self.again.push(api.get(&path).await.1);
        self.plausible.extend(plausible::ask(reader, report, question).await);
    }
}

pub async fn measure(collector: &Collector, reader: &Client, settings: &BenchSettings) {
    let mut questions = Questions::new(reader, settings.seed).await;
    let mut api = Api::connect(collector.reports).await;
    print_caches(reader).await;
    // The first report computes the open day, and the first queries load the indexes.
    for _ in 0..3 {
        api.get(&page(&questions.next(None))).await;
    }
    unfiltered(&mut api, reader, &mut questions, settings).await;
    filtered(&mut api, reader, &mut questions).await;
    pages(&mut api, reader, &mut questions, settings).await;
    println!("CPU time of the collector and its store: {:.0} s.\n", collector.cpu().as_secs_f64());
}

async fn unfiltered(api: &mut Api, reader: &Client, questions: &mut Questions, settings: &BenchSettings) {
    let others = catalogue::all().iter().map(|report| report.name).filter(|name| !PAGE.contains(name));
    let mut reports: Vec<(&str, Times)> =
        PAGE.into_iter().chain(others).map(|name| (name, Times::default())).collect();
    // In turns, so that a moment's load does not fall on one report.
    for _ in 0..settings.questions {
        for (name, times) in &mut reports {
            times.ask(api, reader, name, &questions.next(None)).await;
        }
    }
    println!(
        "| report | first, ms | again, ms | slowest, ms | Plausible's columns, ms | ratio |\n|---|--:|--:|--:|--:|--:|"
    );
    for (name, times) in &reports {
        println!("| `{name}` | {}", cells(times));
    }
    println!();
    let of_page: Vec<&Times> = reports[..PAGE.len()].iter().map(|(_, times)| times).collect();
    let medians: Vec<Duration> = of_page.iter().map(|times| median(&times.first)).collect();
    let all: Vec<Duration> = of_page.iter().flat_map(|times| times.first.iter().copied()).collect();
    println!(
        "The {} reports of a page, unfiltered: median of their medians {} ms, slowest report {} ms, slowest answer {} ms.\n",
        PAGE.len(),
        ms(median(&medians)),
        ms(worst(&medians)),
        ms(worst(&all)),
    );
}

async fn filtered(api: &mut Api, reader: &Client, questions: &mut Questions) {
    let mut filters: Vec<_> = FILTERS.map(|filter| (filter, PAGE.map(|_| Times::default()))).into();
    for _ in 0..FILTERED {
        for (filter, reports) in &mut filters {
            for (name, times) in PAGE.iter().zip(reports) {
                times.ask(api, reader, name, &questions.next(Some(*filter))).await;
            }
        }
    }
    println!(
        "| filter | first, ms | again, ms | slowest, ms | Plausible's columns, ms | ratio |\n|---|--:|--:|--:|--:|--:|"
    );
    for ((column, _), reports) in &filters {
        println!("| `{column}` | {}", cells(&together(reports.iter())));
    }
    println!("| all | {}\n", cells(&together(filters.iter().flat_map(|(_, reports)| reports))));
    println!(
        "| filtered report | first, ms | again, ms | slowest, ms | Plausible's columns, ms | ratio |\n|---|--:|--:|--:|--:|--:|"
    );
    for (place, name) in PAGE.iter().enumerate() {
        println!("| `{name}` | {}", cells(&together(filters.iter().map(|(_, reports)| &reports[place]))));
    }
    println!();
}

fn together<'a>(parts: impl Iterator<Item = &'a Times>) -> Times {
    let mut all = Times::default();
    for part in parts {
        all.first.extend(&part.first);
        all.again.extend(&part.again);
        all.plausible.extend(&part.plausible);
    }
    all
}

/// A page is one request here. On Plausible's columns it is a query for each report, one after the other.
async fn pages(api: &mut Api, reader: &Client, questions: &mut Questions, settings: &BenchSettings) {
    println!(
        "| page | first, ms | again, ms | slowest, ms | Plausible's columns, ms | ratio |\n|---|--:|--:|--:|--:|--:|"
    );
    for filter in std::iter::once(None).chain(FILTERS.map(Some)) {
        let mut times = Times::default();
        for _ in 0..if filter.is_none() { settings.questions } else { FILTERED } {
            let question = questions.next(filter);
            times.first.push(api.get(&page(&question)).await.1);
            times.again.push(api.get(&page(&question)).await.1);
            let mut sum = Duration::ZERO;
            for name in PAGE {
                sum += plausible::ask(reader, name, &question).await.unwrap_or_default();
            }
            times.plausible.push(sum);
        }
        println!("| {} | {}", filter.map_or("unfiltered", |(column, _)| column), cells(&times));
    }
    println!();
}

fn page(question: &Question) -> String {
    let mut query = question.query();
    format!("/api/reports?{}", query.append_pair("names", &PAGE.join(",")).finish())
}

/// The last cells of a row; the ratio is that of the first queries' medians.
fn cells(times: &Times) -> String {
    let (first, again, theirs) = (median(&times.first), median(&times.again), median(&times.plausible));
    let [theirs, ratio] = if times.plausible.is_empty() {
        ["–".to_owned(), "–".to_owned()]
    } else {
        [ms(theirs), format!("{:.2}", first.as_secs_f64() / theirs.as_secs_f64())]
    };
    format!("{} | {} | {} | {theirs} | {ratio} |", ms(first), ms(again), ms(worst(&times.first)))
}

/// What ClickHouse keeps between queries. Its caches of marks and of uncompressed blocks hold no results.
async fn print_caches(reader: &Client) {
    let sql = "SELECT name, value FROM system.settings \
               WHERE name IN ('use_query_cache', 'use_query_condition_cache', 'use_uncompressed_cache') ORDER BY name";
    let settings: Vec<(String, String)> = reader.query(sql).fetch_all().await.expect("the store's settings");
    let settings: Vec<String> = settings.iter().map(|(name, value)| format!("`{name}` {value}")).collect();
    println!("Caches: {}.\n", settings.join(", "));
}
