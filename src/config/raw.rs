//! Settings as they were written, each with its location, and the list of problems.
//!
//! A [`ConfigSection`] returns each value once, by its key; keys that are left at the end are unknown. A bad value is noted
//! and replaced by its default, so that all problems are found. Then the whole configuration is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a problem does to `footfall serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It refuses to start.
    Stops,
    /// It starts and accepts beacons, but cannot do a part of its work.
    Degrades,
    /// It works, and the operator should know all the same.
    Remark,
}

#[derive(Debug, Clone)]
struct Problem {
    location: SettingLocation,
    severity: Severity,
    what: String,
}

/// Most edits between a misspelt key and the key that is suggested.
const MAX_TYPOS: usize = 2;

/// Settings that stand above the first table of a file, for the hint at one that stands below.
pub(super) const TOP_LEVEL: [&str; 13] = [
    "listen",
    "admin",
    "reports",
    "public_url",
    "data",
    "key",
    "key_on_disk",
    "key_fleet",
    "timezone",
    "trusted_proxies",
    "proxy_protocol",
    "geo",
    "policy",
];

/// Every problem of a configuration, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct ConfigProblems {
    found: Vec<Problem>,
    /// The name of the file, for messages.
    file: String,
    /// Keys of settings that have a problem: their default stands in the configuration, and is not worth a second problem.
    refused: BTreeSet<String>,
}

impl ConfigProblems {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    pub(super) fn note(&mut self, location: &SettingLocation, what: impl Into<String>) {
        self.add(location, Severity::Stops, what.into());
    }

    pub(super) fn add(&mut self, location: &SettingLocation, severity: Severity, what: String) {
        self.found.push(Problem { location: location.clone(), severity, what });
    }

    pub(super) fn refuse(&mut self, key: &str) {
        self.refused.insert(key.to_owned());
    }

    pub(super) fn is_refused(&self, key: &str) -> bool {
        self.refused.contains(key)
    }

    /// Whether there is a problem that is at least so severe.
    pub(super) fn has(&self, severity: Severity) -> bool {
        self.found.iter().any(|problem| problem.severity <= severity)
    }

    /// Sorts the problems by line. Those of defaults and variables come last.
    pub(super) fn sorted(mut self) -> Self {
        self.found.sort_by_key(|problem| match problem.location {
            SettingLocation::Line(line) => line,
            SettingLocation::Default | SettingLocation::Variable(_) => usize::MAX,
        });
        self
    }

    /// Each problem with its severity, as one line of text.
    pub fn lines(&self) -> impl Iterator<Item = (Severity, String)> {
        self.found.iter().map(|Problem { location, severity, what }| {
            let line = match location {
                SettingLocation::Line(_) => format!("{}, {location}: {what}", self.file),
                SettingLocation::Default | SettingLocation::Variable(_) => format!("{location}: {what}"),
            };
            (*severity, line)
        })
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, line)) in self.lines().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}  {line}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingLocation {
    /// Line of the file, from 1.
    Line(usize),
    /// Name of an environment variable.
    Variable(String),
    /// Nowhere: the setting has its default.
    Default,
}

impl fmt::Display for SettingLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as it was written. A variable is always a [`RawValue::Text`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawValue {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<(RawValue, SettingLocation)>),
    Table(BTreeMap<String, (RawValue, SettingLocation)>),
    /// A date or a fraction, which no setting is.
    Other(&'static str),
}

impl RawValue {
    /// The whole file as one table.
    pub(super) fn parse(
        text: &str,
        problems: &mut ConfigProblems,
    ) -> BTreeMap<String, (Self, SettingLocation)> {
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(span.start));
            problems.note(&SettingLocation::Line(line), error.message());
        }
        table(document.get_ref(), &line_of)
    }

    /// `true` or `false`, also as text, or the text `1` or `0`.
    pub(super) fn as_flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) if text == "true" || text == "1" => Some(true),
            Self::Text(text) if text == "false" || text == "0" => Some(false),
            _ => None,
        }
    }

    /// The type of the value, for an error that expected another type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

fn table(
    table: &DeTable<'_>,
    line_of: &impl Fn(usize) -> usize,
) -> BTreeMap<String, (RawValue, SettingLocation)> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (
            key.clone().into_owned(),
            (given(value.get_ref(), line_of), SettingLocation::Line(line_of(value.span().start))),
        )
    };
    table.iter().map(entry).collect()
}

fn given(value: &DeValue<'_>, line_of: &impl Fn(usize) -> usize) -> RawValue {
    match value {
        DeValue::String(text) => RawValue::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(RawValue::Other("too large a number"), RawValue::Number),
        DeValue::Boolean(flag) => RawValue::Flag(*flag),
        DeValue::Array(items) => RawValue::List(
            items
                .iter()
                .map(|item| {
                    (given(item.get_ref(), line_of), SettingLocation::Line(line_of(item.span().start)))
                })
                .collect(),
        ),
        DeValue::Table(inner) => RawValue::Table(table(inner, line_of)),
        DeValue::Float(_) => RawValue::Other("a fraction"),
        DeValue::Datetime(_) => RawValue::Other("a date"),
    }
}

/// One table of settings, read by name.
pub(super) struct ConfigSection<'p> {
    /// What stands before its keys in messages: nothing, or `store.`.
    prefix: String,
    values: BTreeMap<String, (RawValue, SettingLocation)>,
    location: SettingLocation,
    /// Keys that the program reads, for the hint at a misspelt one.
    known: Vec<String>,
    pub(super) problems: &'p mut ConfigProblems,
}

impl<'p> ConfigSection<'p> {
    pub(super) fn new(
        prefix: impl Into<String>,
        (values, location): (BTreeMap<String, (RawValue, SettingLocation)>, SettingLocation),
        problems: &'p mut ConfigProblems,
    ) -> Self {
        Self { prefix: prefix.into(), values, location, known: Vec::new(), problems }
    }

    fn remove(&mut self, key: &str) -> Option<(RawValue, SettingLocation)> {
        self.known.push(key.to_owned());
        self.values.remove(key)
    }

    pub(super) fn raw(&mut self, key: &str) -> Option<(RawValue, SettingLocation)> {
        self.remove(key)
    }

    /// The value of `key`, read by `read`. A bad value is noted and counts as absent.
    pub(super) fn read<T>(&mut self, key: &str, read: impl Fn(&RawValue) -> Result<T, String>) -> Option<T> {
        let (value, location) = self.remove(key)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(what) => {
                self.note(&location, key, &what);
                None
            }
        }
    }

    pub(super) fn location(&self, key: &str) -> Option<SettingLocation> {
        self.values.get(key).map(|(_, location)| location.clone())
    }

    pub(super) fn required<T>(
        &mut self,
        key: &str,
        read: impl Fn(&RawValue) -> Result<T, String>,
    ) -> Option<T> {
        if !self.values.contains_key(key) {
            let location = self.location.clone();
            self.note(&location, key, "is missing");
        }
        self.read(key, read)
    }

    /// Whether the setting is written as a list without items.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|(value, _)| match value {
            RawValue::List(items) => items.is_empty(),
            RawValue::Text(text) => text.split(',').all(|item| item.trim().is_empty()),
            _ => false,
        })
    }

    /// The items of a list, each read by `read`. A text, as in a variable, is split at commas.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        read: impl Fn(&RawValue) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (value, location) = self.remove(key)?;
        let items = match value {
            RawValue::List(items) => items,
            RawValue::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| (RawValue::Text(item.to_owned()), location.clone()))
                .collect(),
            other => {
                self.note(&location, key, &format!("must be a list or text, not {}", other.kind()));
                return None;
            }
        };
        let mut read_items = Vec::with_capacity(items.len());
        for (item, location) in items {
            match read(&item) {
                Ok(item) => read_items.push(item),
                Err(what) => self.note(&location, key, &what),
            }
        }
        Some(read_items)
    }

    /// Some of `all`: a list as in [`ConfigSection::list`], `true` for all, `false` for none.
    pub(super) fn some_of<T: Clone>(
        &mut self,
        key: &str,
        all: &[T],
        read: impl Fn(&RawValue) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some((value, location)) = self.values.get(key) else {
            self.known.push(key.to_owned());
            return None;
        };
        if let Some(every) = value.as_flag() {
            self.remove(key);
            return Some(if every { all.to_vec() } else { Vec::new() });
        }
        if matches!(value, RawValue::List(_) | RawValue::Text(_)) {
            return self.list(key, read);
        }
        let (location, what) = (location.clone(), read(value).err());
        self.remove(key);
        self.note(&location, key, &what.unwrap_or_default());
        None
    }

    /// Reports the keys that are left as unknown.
    pub(super) fn finish(mut self) {
        for (key, (_, location)) in std::mem::take(&mut self.values) {
            let distances = self.known.iter().map(|name| (strsim::levenshtein(name, &key), name));
            let near = distances.filter(|(distance, _)| *distance <= MAX_TYPOS).min();
            let hint = match near {
                Some((_, name)) => format!("; did you mean {name:?}?"),
                None if !self.prefix.is_empty() && TOP_LEVEL.contains(&key.as_str()) => {
                    "; it is a setting of the whole collector, and belongs above the first table such as [[site]]".to_owned()
                }
                None => String::new(),
            };
            self.note(&location, &key, &format!("is not a setting{hint}"));
        }
    }

    fn note(&mut self, location: &SettingLocation, key: &str, what: &str) {
        let key = format!("{}{key}", self.prefix);
        self.problems.note(location, format!("{key} {what}"));
        self.problems.refuse(&key);
    }

    /// Notes a problem of a value that was read already, and where it was written.
    pub(super) fn note_read(&mut self, location: Option<SettingLocation>, key: &str, what: &str) {
        let location = location.unwrap_or_else(|| self.location.clone());
        self.note(&location, key, what);
    }
}
