//! Lists in files of the operator.

use std::io::Read as _;
use std::path::Path;

use jiff::tz::TimeZone;

use super::{BuiltInList, ListHeader, header_field, today};

/// Largest file. The largest list of today has 150 KiB.
const MAX_BYTES: u64 = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("{file}: cannot be read")]
    Unreadable { file: String, source: std::io::Error },
    #[error("{file}: is over 8 MiB, so it is not a list")]
    TooLarge { file: String },
    /// `line` counts from 1.
    #[error("{file}: line {line}: {problem}")]
    Malformed { file: String, line: usize, problem: String },
    #[error("{file}: has no entries")]
    Empty { file: String },
}

/// A list's text and its origin.
#[derive(Clone, Copy)]
pub(super) struct ListText {
    pub(super) text: &'static str,
    pub(super) header: ListHeader,
}

/// Reads a file in the place of a built-in list. The text lives as long as the process; that of `old` is used again if it is the same.
pub(super) fn read(path: &Path, list: &BuiltInList, old: &ListText) -> Result<ListText, ListError> {
    let file = path.display().to_string();
    let unreadable = |source| ListError::Unreadable { file: file.clone(), source };
    let mut text = String::new();
    let opened = std::fs::File::open(path).map_err(unreadable)?;
    let modified = opened.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
    opened.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(ListError::TooLarge { file });
    }
    let text = if text == old.text { old.text } else { &*text.leak() };
    let field = |name| header_field(text, name).unwrap_or_default();
    let date = field("date")
        .parse()
        .ok()
        .or_else(|| Some(jiff::Timestamp::try_from(modified).ok()?.to_zoned(TimeZone::UTC).date()));
    // The name of the file is leaked once: a file that is read again keeps it.
    let source = if old.header.source == file { old.header.source } else { &*file.leak() };
    Ok(ListText {
        text,
        header: ListHeader {
            name: list.name,
            source,
            version: field("version"),
            licence: field("licence"),
            date: date.unwrap_or_else(today),
            fetched: list.fetched,
        },
    })
}

/// What `parse` makes of a list. It gets each entry with the number of its line.
pub(super) fn parsed<T>(
    list: ListText,
    parse: impl FnOnce(&[(usize, &'static str)]) -> Result<T, (usize, String)>,
) -> Result<T, ListError> {
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = list.text.lines().enumerate().filter(|(_, line)| is_entry(line));
    let entries: Vec<(usize, &'static str)> = lines.map(|(index, line)| (index + 1, line)).collect();
    let file = || list.header.source.to_owned();
    if entries.is_empty() {
        return Err(ListError::Empty { file: file() });
    }
    parse(&entries).map_err(|(line, problem)| ListError::Malformed { file: file(), line, problem })
}

#[cfg(test)]
mod tests {
    use super::super::{ALL, CRAWLERS, DATA_CENTRES, ISBOT, REFERRER_SPAM};
    use super::*;
    use crate::enrich::bot::{BotNames, BotPatterns};
    use crate::enrich::network::DataCentres;
    use crate::enrich::spam::SpamHosts;

    fn file(text: &str, list: &BuiltInList) -> ListText {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        std::fs::write(&path, text).unwrap();
        let old = ListText { text: list.text, header: list.header() };
        read(&path, list, &old).unwrap()
    }

    fn problem<T>(result: Result<T, ListError>) -> String {
        let error = result.err().expect("the list is refused").to_string();
        error.split_once("list: ").expect("the file is named").1.to_owned()
    }

    #[test]
    fn a_file_says_where_it_comes_from_or_when_it_was_changed() {
        let list = file("# source: x\n# version: 9\n# date: 2027-01-02\nexamplebot\n", &ISBOT);
        assert_eq!((list.header.version, list.header.date.to_string()), ("9", "2027-01-02".to_owned()));
        let list = file("examplebot\n", &ISBOT);
        assert_eq!((list.header.version, list.header.date), ("", today()));
        assert!(list.header.source.ends_with("list"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for text in ["good\n\n(?<=bad)x\n", "good\n# why\nbad(\n", "good\n\n[\n"] {
            let said = problem(parsed(file(text, &ISBOT), BotPatterns::new));
            assert!(said.starts_with("line 3: "), "{said}");
        }
        for text in ["a b\tA\tsearch\nx\tX", "Ab\tA\tsearch\nx\tX\tfriend", "aa\tA\tsearch\n\tX\tsearch"] {
            let said = problem(parsed(file(text, &CRAWLERS), BotNames::new));
            assert!(said.starts_with("line 2: "), "{said}");
        }
        for text in ["spam.example\nhttp://spam.example/", "spam.example\ncom", "spam.example\nSpam.example"]
        {
            let said = problem(parsed(file(text, &REFERRER_SPAM), SpamHosts::new));
            assert!(said.starts_with("line 2: "), "{said}");
        }
        for text in ["1\tOne\nAS2\tTwo", "1\tOne\n-2", "1\tOne\n99999999999"] {
            let said = problem(parsed(file(text, &DATA_CENTRES), DataCentres::new));
            assert!(said.starts_with("line 2: "), "{said}");
        }
    }

    #[test]
    fn a_file_without_entries_or_text_is_refused() {
        for text in ["", "# only a comment\n\n"] {
            assert_eq!(problem(parsed(file(text, &ISBOT), BotPatterns::new)), "has no entries");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        let old = ListText { text: ISBOT.text, header: ISBOT.header() };
        assert!(problem(read(&path, &ISBOT, &old)).starts_with("cannot be read"));
        std::fs::write(&path, b"examplebot\n\xff").unwrap();
        assert!(problem(read(&path, &ISBOT, &old)).starts_with("cannot be read"));
    }

    #[test]
    fn every_built_in_list_can_be_a_file() {
        for list in ALL {
            assert_eq!(file(list.text, list).text, list.text);
        }
    }
}
