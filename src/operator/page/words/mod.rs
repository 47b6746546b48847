//! The words of the page in both languages: those of the catalogue and of answers, which are English, and names of countries, languages,
//! channels and devices.

mod names;
mod notes;
mod reasons;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use names::{named, of_nothing};
pub(super) use notes::{note, notes};
pub(super) use reasons::{address_reason, reading_reason, report_reason};

use crate::report::catalogue::ReportColumn;
use crate::transport::negotiation::Language;

/// English texts of the catalogue, and headings of columns by their names, each with its Russian.
static RUSSIAN: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| table(include_str!("russian.tsv")).collect());

/// The pairs of a table with a tab between both.
fn table(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter_map(|line| line.split_once('\t'))
}

/// A text of the catalogue. What has no Russian stays English.
pub(super) fn text(english: &str, language: Language) -> &str {
    match language {
        Language::English => english,
        Language::Russian => RUSSIAN.get(english).copied().unwrap_or(english),
    }
}

/// The heading of a column.
pub(super) fn heading(column: &ReportColumn, language: Language) -> String {
    let russian = RUSSIAN.get(column.name).filter(|_| language == Language::Russian);
    let heading = russian.map_or_else(|| column.name.replace('_', " "), |russian| (*russian).to_owned());
    // The first letter alone: `views per visit` is one phrase.
    capitalised(&heading)
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    first.to_uppercase().chain(letters).collect()
}

/// The column of a filter, with its entry: `props.doctor`.
pub(super) fn filter_column(written: &str, language: Language) -> String {
    let (column, entry) = written.split_once('.').unwrap_or((written, ""));
    let russian = RUSSIAN.get(column).filter(|_| language == Language::Russian);
    let name = russian.map_or_else(|| column.replace('_', " "), |russian| (*russian).to_owned());
    if entry.is_empty() { name } else { format!("{name} {}", entry.trim_matches('"')) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::Filter;
    use crate::report::catalogue;

    #[test]
    fn every_text_of_the_catalogue_has_its_russian() {
        let mut texts: BTreeSet<&str> = BTreeSet::new();
        for report in catalogue::all() {
            texts.extend([report.title, report.about.as_str()]);
            texts.extend(report.columns.iter().flat_map(|column| [column.name, column.about]));
        }
        texts.extend(Filter::columns());
        let missing: Vec<&str> = texts.into_iter().filter(|text| !RUSSIAN.contains_key(text)).collect();
        assert!(missing.is_empty(), "src/operator/page/words/russian.tsv lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn the_russian_is_russian_and_stands_there_once() {
        let mut seen = BTreeSet::new();
        for (english, russian) in table(include_str!("russian.tsv")) {
            assert!(seen.insert(english), "{english} stands there twice");
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || " /-_".contains(letter);
            let has_russian = russian.chars().any(|letter| {
                ('а'..='ё').contains(&letter.to_ascii_lowercase()) || ('А'..='Я').contains(&letter)
            });
            assert!(has_russian || russian.chars().all(is_name), "{english}: {russian}");
        }
    }

    #[test]
    fn a_column_has_a_heading_that_begins_with_a_capital() {
        let overview = catalogue::find("overview").unwrap();
        let column = overview.columns.iter().find(|column| column.name == "views_per_visit").unwrap();
        assert_eq!(heading(column, Language::English), "Views per visit");
        assert_eq!(heading(column, Language::Russian), "Просмотров за визит");
        assert_eq!(filter_column("props.doctor", Language::English), "props doctor");
    }
}
