//! How well and how fast browsers and bots are recognised, against `woothee` alone in the same run:
//! `cargo bench --bench browser`.
//!
//! Accuracy is measured on the suites that `make suites` fetches into the cache directory (`BENCH_SUITES` names another
//! one); without them only speed and memory are. With `-- --write` the tables go into `docs/browser.md`.

mod accuracy;
mod memory;
mod speed;
mod suite;

use std::fmt::Write as _;
use std::path::Path;

use footfall::beacon::Hints;
use footfall::enrich::{Client, HintHeaders};

/// Between these lines of `docs/browser.md` stand the tables.
const BEGIN: &str = "<!-- measured: cargo bench --bench browser -- --write -->";
const END: &str = "<!-- end of what was measured -->";

fn main() {
    // Before anything is recognised: the tables are built at first use.
    let memory = memory::report();
    let suites = suite::read_all();
    let mut tables = String::new();
    if suites.is_empty() {
        println!("no suites: `make suites` fetches them; measuring speed and memory alone");
    } else {
        tables += &accuracy::report(&suites);
        tables += "\n";
    }
    writeln!(tables, "{}\n{memory}", speed::report(&suites)).expect("text takes all");
    println!("{tables}");
    if std::env::args().any(|argument| argument == "--write") {
        write(&tables);
    }
}

/// A client that says no more than this.
fn client<'a>(agent: &'a str, hints: &'a Hints<'a>, headers: HintHeaders<'a>) -> Client<'a> {
    Client { user_agent: agent.as_bytes(), hints, headers, touch_points: 0, screen: (0, 0), automated: false }
}

fn write(tables: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/browser.md");
    let page = std::fs::read_to_string(&path).expect("docs/browser.md");
    let (before, rest) = page.split_once(BEGIN).expect("the line before the tables");
    let (_, after) = rest.split_once(END).expect("the line behind the tables");
    std::fs::write(&path, format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
        .expect("docs/browser.md");
}
