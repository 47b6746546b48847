//! Compares recognised browsers and bots with the expected answers of the suites.

use footfall::beacon::ClientHints;
use footfall::enrich::{
    BrowserInfo, ClientSignals, HintHeaders, recognise_by_tables_alone, recognise_uncached,
};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use woothee::parser::Parser;

use crate::client;
use crate::suite::{Suite, SuiteRow};

/// Columns of the suites and their headings in the table.
const FIELDS: &[(&str, &str)] = &[
    ("family", "family"),
    ("major", "major"),
    ("os", "system"),
    ("os_major", "its major"),
    ("device", "device"),
];

struct Recognised {
    /// In the order of [`FIELDS`].
    fields: [String; 5],
    is_bot: bool,
}

/// The table in Markdown.
pub(crate) fn report(suites: &[Suite]) -> String {
    let mut table = String::from("| suite | user agents |");
    for (_, name) in FIELDS {
        table += &format!(" {name}, % |");
    }
    table += " bots found, % | taken for bots, % |\n|---|---|---|---|---|---|---|---|---|\n";
    for suite in suites {
        let (name, count) = (&suite.name, suite.rows.len());
        let ours = footfall(suite, recognise_uncached);
        let tables = footfall(suite, recognise_by_tables_alone);
        let woothees: Vec<Recognised> = suite.rows.iter().map(woothee).collect();
        table += &format!("| `{name}` | {count} |{}\n", shares(suite, &ours));
        table += &format!("| … tables alone | |{}\n", shares(suite, &tables));
        table += &format!("| … `woothee` alone | |{}\n", shares(suite, &woothees));
    }
    table
}

fn shares(suite: &Suite, answers: &[Recognised]) -> String {
    let mut cells = String::new();
    for (index, (column, _)) in FIELDS.iter().enumerate() {
        let asserted = |row: &SuiteRow| !row.column(column).is_empty() && row.column("is_bot") != "1";
        let is_right = |row: &SuiteRow, answer: &Recognised| row.column(column) == answer.fields[index];
        cells += &share(suite, answers, asserted, is_right);
    }
    let is_bot = |row: &SuiteRow| row.column("is_bot") == "1";
    cells += &share(suite, answers, is_bot, |_, answer| answer.is_bot);
    cells += &share(suite, answers, |row| !is_bot(row), |_, answer| answer.is_bot);
    cells
}

/// A table cell with the weighted share of rows that count among the asserted ones, in %. Empty without asserted rows.
fn share(
    suite: &Suite,
    answers: &[Recognised],
    asserted: impl Fn(&SuiteRow) -> bool,
    counts: impl Fn(&SuiteRow, &Recognised) -> bool,
) -> String {
    let (mut all, mut counted) = (0.0, 0.0);
    for (row, answer) in suite.rows.iter().zip(answers).filter(|(row, _)| asserted(row)) {
        all += row.weight;
        counted += if counts(row, answer) { row.weight } else { 0.0 };
    }
    if all == 0.0 { " |".to_owned() } else { format!(" {:.2} |", 100.0 * counted / all) }
}

/// Prints the rows of the named suites that are not recognised as expected: what differs, then the user agent.
pub(crate) fn print_wrong(suites: &[Suite], names: &[String]) {
    for suite in suites.iter().filter(|suite| names.contains(&suite.name)) {
        for (row, answer) in suite.rows.iter().zip(footfall(suite, recognise_uncached)) {
            let is_bot = row.column("is_bot") == "1";
            let differs = FIELDS.iter().zip(&answer.fields).filter(|((column, _), found)| {
                let expected = row.column(column);
                !is_bot && !expected.is_empty() && expected != *found
            });
            let mut differences: Vec<String> = differs
                .map(|((column, name), found)| format!("{name} {found:?} for {:?}", row.column(column)))
                .collect();
            if is_bot != answer.is_bot {
                differences.push(format!("bot {}", answer.is_bot));
            }
            if !differences.is_empty() {
                println!("{}\t{}\t{}", suite.name, differences.join(", "), row.user_agent);
            }
        }
    }
}

fn footfall(suite: &Suite, recognise: fn(&ClientSignals<'_>) -> BrowserInfo) -> Vec<Recognised> {
    suite.rows.iter().map(|row| recognised(row, recognise)).collect()
}

fn recognised(row: &SuiteRow, recognise: fn(&ClientSignals<'_>) -> BrowserInfo) -> Recognised {
    let headers = headers(row);
    let hints = ClientHints::default();
    let browser = recognise(&client(&row.user_agent, &hints, HintHeaders::from_request(&headers)));
    let os_major = browser.os_version.split('.').next().unwrap_or_default().to_owned();
    let device = browser.device.name().to_owned();
    let fields = [browser.name.into(), browser.version.into(), browser.os.into(), os_major, device];
    Recognised { fields, is_bot: !browser.bot.is_empty() }
}

/// The hints of a row as headers of a browser.
fn headers(row: &SuiteRow) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    let text = |column: &str| format!("\"{}\"", row.column(column).trim_matches('"'));
    for (name, column) in [
        ("sec-ch-ua", "sec_ch_ua"),
        ("sec-ch-ua-full-version-list", "full_version_list"),
        ("sec-ch-ua-mobile", "mobile"),
    ] {
        set(name, row.column(column).to_owned());
    }
    for (name, column) in [
        ("sec-ch-ua-platform", "platform"),
        ("sec-ch-ua-platform-version", "platform_version"),
        ("sec-ch-ua-model", "model"),
        ("sec-ch-ua-form-factors", "form_factors"),
    ] {
        if !row.column(column).is_empty() {
            set(name, text(column));
        }
    }
    headers
}

/// The answer of `woothee`, with the names of the suites.
fn woothee(row: &SuiteRow) -> Recognised {
    let parsed = Parser::new().parse(&row.user_agent).unwrap_or_default();
    let os = match parsed.os {
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        "Windows Phone OS" => "Windows Phone",
        "ChromeOS" => "Chrome OS",
        windows if windows.starts_with("Windows") => "Windows",
        other => other,
    };
    let windows = parsed.os.trim_start_matches("Windows").trim();
    let os_version = if os == "Windows" { windows } else { &parsed.os_version };
    let device = match (parsed.category, parsed.os) {
        (_, "iPad") => "tablet",
        ("smartphone" | "mobilephone", _) => "mobile",
        ("pc", _) => "desktop",
        ("crawler", _) => "bot",
        _ => "other",
    };
    let name = if parsed.name == "Webview" { "Android WebView" } else { parsed.name };
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    let fields =
        [name.to_owned(), major(parsed.version), os.to_owned(), major(os_version), device.to_owned()];
    Recognised { fields, is_bot: parsed.category == "crawler" }
}
