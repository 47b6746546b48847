//! Time per user agent: `woothee` alone, the tables alone, both as they are used (not cached and cached).

use std::hint::black_box;
use std::time::Instant;

use footfall::beacon::ClientHints;
use footfall::enrich::{BrowserRecogniser, HintHeaders, recognise_by_tables_alone, recognise_uncached};
use woothee::parser::Parser;

use crate::client;
use crate::suite::Suite;

/// Rounds over the same user agents; the median is reported.
const ROUNDS: usize = 41;
/// The most user agents of a round. The cache has room for more.
const PER_ROUND: usize = 1_000;

/// Common user agents, for runs without suites.
const SAMPLES: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 YaBrowser/25.10.0.0 Safari/537.36",
];

/// The table in Markdown.
pub(crate) fn report(suites: &[Suite]) -> String {
    let mut table = String::from(
        "| a user agent of | `woothee` alone, µs | tables alone, µs | not cached, µs | ratio | cached, ns |\n|---|---|---|---|---|---|\n",
    );
    let mut measure = |name: &str, agents: &[&str]| {
        let [woothee, tables, new, remembered] = times(agents);
        let (ratio, remembered) = (new / woothee, remembered * 1e3);
        table +=
            &format!("| {name} | {woothee:.2} | {tables:.2} | {new:.2} | {ratio:.1} × | {remembered:.0} |\n");
    };
    measure("five common browsers", SAMPLES);
    let noise: Vec<String> = (0..200).map(noise).collect();
    measure("64 KiB of noise", &noise.iter().map(String::as_str).collect::<Vec<_>>());
    for suite in suites.iter().filter(|suite| ["modern", "brand", "crawlers"].contains(&&*suite.name)) {
        let step = suite.rows.len().div_ceil(PER_ROUND);
        let agents: Vec<&str> = suite.rows.iter().step_by(step).map(|row| &*row.user_agent).collect();
        measure(&format!("`{}`", suite.name), &agents);
    }
    table
}

/// Random letters, digits and separators, as an attacker may send to use up CPU.
fn noise(seed: u64) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM0123456789/.;() -_+:";
    let mut random = fastrand::Rng::with_seed(seed);
    (0..64 << 10).map(|_| char::from(LETTERS[random.usize(..LETTERS.len())])).collect()
}

/// Medians in µs: `woothee`, the tables, not cached, cached. They take turns, so that other load slows all of them.
fn times(agents: &[&str]) -> [f64; 4] {
    let hints = ClientHints::default();
    let browsers = BrowserRecogniser::new();
    let of = |agent| client(agent, &hints, HintHeaders::default());
    let mut all = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        all[0].push(time(agents, |agent| drop(black_box(Parser::new().parse(agent)))));
        all[1].push(time(agents, |agent| drop(black_box(recognise_by_tables_alone(&of(agent))))));
        all[2].push(time(agents, |agent| drop(black_box(recognise_uncached(&of(agent))))));
        all[3].push(time(agents, |agent| drop(black_box(browsers.recognise(&of(agent))))));
    }
    all.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn time<'a>(agents: &[&'a str], mut read: impl FnMut(&'a str)) -> f64 {
    let start = Instant::now();
    for agent in agents {
        read(agent);
    }
    start.elapsed().as_secs_f64() * 1e6 / agents.len() as f64
}
