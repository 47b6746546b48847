//! The catalogue: every file of `sql/report/`, embedded and parsed. A report is its file and nothing beside it.
//!
//! A file opens with a header comment, then holds one `SELECT` with ClickHouse's typed parameters, so that an analyst can
//! paste it into any client:
//!
//! ```sql
//! -- title: Channels
//! -- purpose: audience
//! -- about: Ways by which visits came. …
//! -- more lines of the text above
//! -- credit: places
//! -- by: day, hour
//! -- columns:
//! --   channel   text      channel of the visit
//! --   visitors  visitors  sum of daily visitors
//! SELECT …
//! ```
//!
//! `credit: places` stands where places are shown, whose source must be named; `by` lists what the parameter `by` may be,
//! the default first. A column's line is its name, its unit and what it tells. Headers are checked against this grammar by a unit test, and against the columns that the queries really
//! return by an integration test.

use std::sync::LazyLock;

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name on the command line and in addresses: the file's name.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it may be used for (clause 4 of the policy).
    pub purpose: Purpose,
    /// What it shows and what to know when reading it.
    pub about: String,
    /// Whether it shows places or networks, whose source must be credited.
    pub places: bool,
    /// What the parameter `by` may be, the default first; empty for a report without it.
    pub by: Vec<&'static str>,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// Its parameters in the order of their first use.
    pub parameters: Vec<Parameter>,
    /// The whole file.
    pub sql: &'static str,
}

/// What a report may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To know how the site is used. Rows of few visitors are folded.
    Audience,
    /// To find and solve technical problems.
    Diagnostics,
}

/// A column of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the query's answer.
    pub name: &'static str,
    /// Its unit: `text`, `id`, `time`, `%`, `s`, `ms`, `ratio`, or what it counts.
    pub unit: &'static str,
    /// What it tells.
    pub about: &'static str,
}

/// A typed parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its ClickHouse type.
    pub kind: &'static str,
}

/// The credit that DB-IP's licence (CC BY 4.0) asks for wherever its data is shown.
pub const CREDIT: &str = "Places by DB-IP (https://db-ip.com), CC BY 4.0";

impl Purpose {
    /// Its name in headers and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Diagnostics => "diagnostics",
        }
    }
}

impl Column {
    /// Whether the column holds words or moments, not quantities.
    pub fn is_text(&self) -> bool {
        matches!(self.unit, "text" | "time" | "id")
    }
}

impl Report {
    /// Whether the query has a parameter of this name.
    pub fn takes(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|known| known.name == parameter)
    }

    /// The credit to show beside its answer.
    pub fn credit(&self) -> Option<&'static str> {
        self.places.then_some(CREDIT)
    }
}

/// Every report, in the order in which they are listed.
pub fn all() -> &'static [Report] {
    &ALL
}

/// The report of this name.
pub fn find(name: &str) -> Option<&'static Report> {
    ALL.iter().find(|report| report.name == name)
}

/// The known name that `name` most likely means, if any is near enough.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let part =
        |report: &&Report| name.len() >= 3 && (report.name.contains(&name) || name.contains(report.name));
    if let Some(report) = ALL.iter().find(part) {
        return Some(report.name);
    }
    // A third of the letters wrong is a slip; more is another word.
    let far = name.chars().count() / 3 + 1;
    let (distance, known) = ALL.iter().map(|report| (edits(&name, report.name), report.name)).min()?;
    (distance <= far).then_some(known)
}

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../sql/report/", $name, ".sql")))),*]
    };
}

/// Name and text of each file, in the order of the catalogue.
const FILES: &[(&str, &str)] = files! {
    "overview" "timeseries" "realtime"
    "pages" "entries" "exits"
    "sources" "channels" "campaigns"
    "countries" "regions" "cities" "networks"
    "browsers" "browser-versions" "systems" "devices" "languages"
    "events" "props" "outbound" "downloads" "ads"
    "errors" "resources" "missing" "speed" "ip-addresses" "ip-networks" "ip-epochs"
    "bots" "spoofed" "data-centres"
};

static ALL: LazyLock<Vec<Report>> = LazyLock::new(|| {
    let parsed =
        FILES.iter().map(|(name, sql)| parse(name, sql).map_err(|what| format!("{name}.sql: {what}")));
    // The files are part of the program and a unit test parses each: this cannot fail in a build that passed.
    parsed.collect::<Result<_, _>>().expect("the embedded reports have whole headers")
});

/// Reads a file's header and parameters.
fn parse(name: &'static str, sql: &'static str) -> Result<Report, String> {
    let (mut title, mut purpose, mut about, mut places, mut by) =
        (None, None, String::new(), false, Vec::new());
    let (mut columns, mut in_columns) = (Vec::new(), false);
    for line in sql.lines().map_while(|line| line.strip_prefix("--")) {
        if let Some((key, value)) = line.trim_start().split_once(": ").filter(|_| !in_columns && is_key(line))
        {
            match key {
                "title" => title = Some(value.trim()),
                "purpose" => purpose = Some(parse_purpose(value.trim())?),
                "about" => value.trim().clone_into(&mut about),
                "by" => by = value.split(',').map(str::trim).collect(),
                "credit" if value.trim() == "places" => places = true,
                _ => return Err(format!("unknown header {key:?}")),
            }
        } else if line.trim() == "columns:" {
            in_columns = true;
        } else if in_columns {
            columns.push(parse_column(line)?);
        } else {
            about = format!("{about} {}", line.trim());
        }
    }
    Ok(Report {
        name,
        title: title.ok_or("no title")?,
        purpose: purpose.ok_or("no purpose")?,
        about,
        places,
        by,
        columns,
        parameters: parameters(sql),
        sql,
    })
}

/// Whether a header line starts with a key and not with running text.
fn is_key(line: &str) -> bool {
    ["title:", "purpose:", "about:", "credit:", "by:"].iter().any(|key| line.trim_start().starts_with(key))
}

fn parse_purpose(text: &str) -> Result<Purpose, String> {
    [Purpose::Audience, Purpose::Diagnostics]
        .into_iter()
        .find(|purpose| purpose.name() == text)
        .ok_or_else(|| format!("unknown purpose {text:?}"))
}

fn parse_column(line: &'static str) -> Result<Column, String> {
    let incomplete = || format!("column without name, unit and text: {line:?}");
    let (name, rest) = line.trim().split_once(' ').ok_or_else(incomplete)?;
    let (unit, about) = rest.trim_start().split_once(' ').ok_or_else(incomplete)?;
    Ok(Column { name, unit, about: about.trim_start() })
}

/// The `{name:Type}` parameters of a query, each once.
fn parameters(sql: &'static str) -> Vec<Parameter> {
    let mut found: Vec<Parameter> = Vec::new();
    for piece in sql.split('{').skip(1) {
        if let Some((name, kind)) = piece.split_once('}').and_then(|(inner, _)| inner.split_once(':'))
            && !found.iter().any(|known| known.name == name)
        {
            found.push(Parameter { name, kind });
        }
    }
    found
}

/// Levenshtein distance: the fewest letters to change, add or drop.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let kept = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = kept.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_whole_header() {
        for (name, sql) in FILES {
            let report = parse(name, sql).unwrap_or_else(|what| panic!("{name}.sql: {what}"));
            assert!(report.about.len() > 20, "{name} says what it shows");
            assert!(!report.columns.is_empty(), "{name} names its columns");
            assert!(report.takes("site"), "{name} is about one site");
            assert_eq!(report.takes("by"), !report.by.is_empty(), "{name} says what `by` may be");
        }
    }

    #[test]
    fn no_file_is_left_out_of_the_catalogue() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/report");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let mut known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        files.sort_unstable();
        known.sort_unstable();
        assert_eq!(files, known);
    }

    #[test]
    fn audience_reports_fold_rows_of_few_visitors() {
        for report in all().iter().filter(|report| report.purpose == Purpose::Audience) {
            let totals = ["overview", "timeseries", "realtime"].contains(&report.name);
            assert!(totals || report.takes("k"), "{} must fold", report.name);
        }
    }

    #[test]
    fn reports_of_places_credit_their_source() {
        for report in all() {
            let shows = report
                .columns
                .iter()
                .any(|column| ["country", "region", "city", "network", "asn"].contains(&column.name));
            assert!(!shows || report.places, "{} shows places", report.name);
        }
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_report_that_was_meant() {
        assert_eq!(nearest("browser"), Some("browsers"));
        assert_eq!(nearest("overveiw"), Some("overview"));
        assert_eq!(nearest("Pages"), Some("pages"));
        assert_eq!(nearest("xyzzy-plugh"), None);
    }
}
