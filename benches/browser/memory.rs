//! Resident memory of the recognition tables.

use footfall::beacon::ClientHints;
use footfall::enrich::{BrowserRecogniser, HintHeaders, recognise_uncached};
use woothee::parser::Parser;

use crate::client;

const AGENT: &str = "Mozilla/5.0 (Linux; Android 15; SM-X200; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Safari/537.36 Instagram 300.0.0.0";

/// The growth of resident memory during `step`, in MiB.
fn gained(step: impl FnOnce()) -> f64 {
    let before = resident();
    step();
    resident() - before
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line on resident memory");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib / 1_024.0
}

/// The table in Markdown. The recognition tables are built at first use, so it must be called before any recognition.
pub(crate) fn report() -> String {
    let woothee = gained(|| drop(Parser::new().parse(AGENT)));
    let hints = ClientHints::default();
    let tables = gained(|| {
        for agent in [AGENT, "curl/8.9.1", "Mozilla/5.0 (compatible; ExampleBot/1.0)"] {
            drop(recognise_uncached(&client(agent, &hints, HintHeaders::default())));
        }
    });
    let browsers = BrowserRecogniser::new();
    let remember = |from: u32, count: u32| {
        for number in from..from + count {
            let agent = format!("{AGENT} Random/{number}");
            drop(browsers.recognise(&client(&agent, &hints, HintHeaders::default())));
        }
    };
    let remembered = gained(|| remember(0, 100_000));
    let more = gained(|| remember(100_000, 200_000));
    format!(
        "| memory | MiB |\n|---|---|\n| `woothee`'s patterns after first use | {woothee:.1} |\n\
         | Footfall's tables and patterns beyond them | {tables:.1} |\n\
         | what is remembered of 100,000 different user agents | {remembered:.1} |\n\
         | what 200,000 more add | {more:.1} |"
    )
}
