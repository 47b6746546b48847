//! Accuracy, speed and memory of recognising browsers and bots, in comparison with `woothee` alone.
//!
//! `cargo bench --bench browser` prints the tables; with `-- --write` they also go into `docs/browser.md`. Accuracy needs
//! the suites that `make suites` puts into the cache directory, or `BENCH_SUITES`. Without them it is left out.
//! With `-- --wrong modern recent` it prints the rows of these suites that are not recognised as expected, and nothing else.

mod accuracy;
mod memory;
mod speed;
mod suite;

use std::fmt::Write as _;
use std::path::Path;

use footfall::beacon::ClientHints;
use footfall::enrich::{ClientSignals, HintHeaders};

/// The tables are between these lines of `docs/browser.md`.
const BEGIN: &str = "<!-- measured: cargo bench --bench browser -- --write -->";
const END: &str = "<!-- end of what was measured -->";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--wrong") {
        accuracy::print_wrong(&suite::read_all(), &arguments[at + 1..]);
        return;
    }
    // The recognition tables are built at first use, so memory must be measured first.
    let memory = memory::report();
    let suites = suite::read_all();
    let mut tables = String::new();
    if suites.is_empty() {
        println!("no suites, so accuracy is not measured; `make suites` fetches them");
    } else {
        tables += &accuracy::report(&suites);
        tables += "\n";
    }
    writeln!(tables, "{}\n{memory}", speed::report(&suites)).expect("text takes all");
    println!("{tables}");
    if arguments.iter().any(|argument| argument == "--write") {
        write(&tables);
    }
}

fn client<'a>(agent: &'a str, hints: &'a ClientHints<'a>, headers: HintHeaders<'a>) -> ClientSignals<'a> {
    ClientSignals {
        user_agent: agent.as_bytes(),
        hints,
        headers,
        touch_points: 0,
        screen: (0, 0),
        automated: false,
    }
}

fn write(tables: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/browser.md");
    let page = std::fs::read_to_string(&path).expect("docs/browser.md");
    let (before, rest) = page.split_once(BEGIN).expect("the line before the tables");
    let (_, after) = rest.split_once(END).expect("the line behind the tables");
    std::fs::write(&path, format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
        .expect("docs/browser.md");
}
