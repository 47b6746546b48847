//! Settings as they were written, each with where it stands, and the list of what was wrong with them.
//!
//! A [`Section`] hands values out by name, once; what is left at the end is unknown. Nothing stops at the first
//! problem: a bad value is noted, its default stands in, and the configuration as a whole is refused at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Everything that was wrong, in the order of the file.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<(Place, String)>,
}

impl Problems {
    /// Notes one problem.
    pub(super) fn note(&mut self, place: &Place, what: impl Into<String>) {
        self.found.push((place.clone(), what.into()));
    }

    /// Whether nothing was wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Puts the problems into the order of the file; those of variables come last.
    pub(super) fn sorted(mut self) -> Self {
        self.found.sort_by_key(|(place, _)| match place {
            Place::Line(line) => *line,
            Place::Variable(_) => usize::MAX,
        });
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, what)) in self.found.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}  {place}: {what}")?;
        }
        Ok(())
    }
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Line of the file, from 1.
    Line(usize),
    /// Name of an environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A value as it was written. A variable is always a [`Given::Text`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<(Given, Place)>),
    Table(BTreeMap<String, (Given, Place)>),
    /// A date, a float: nothing that any setting is.
    Other(&'static str),
}

impl Given {
    /// The whole file as one table.
    pub(super) fn parse(text: &str, problems: &mut Problems) -> BTreeMap<String, (Self, Place)> {
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(span.start));
            problems.note(&Place::Line(line), error.message());
        }
        table(document.get_ref(), &line_of)
    }

    /// What it is, for who expected something else.
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

fn table(table: &DeTable<'_>, line_of: &impl Fn(usize) -> usize) -> BTreeMap<String, (Given, Place)> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (
            key.clone().into_owned(),
            (given(value.get_ref(), line_of), Place::Line(line_of(value.span().start))),
        )
    };
    table.iter().map(entry).collect()
}

fn given(value: &DeValue<'_>, line_of: &impl Fn(usize) -> usize) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Given::Other("too large a number"), Given::Number),
        DeValue::Boolean(flag) => Given::Flag(*flag),
        DeValue::Array(items) => Given::List(
            items
                .iter()
                .map(|item| (given(item.get_ref(), line_of), Place::Line(line_of(item.span().start))))
                .collect(),
        ),
        DeValue::Table(inner) => Given::Table(table(inner, line_of)),
        DeValue::Float(_) => Given::Other("a fraction"),
        DeValue::Datetime(_) => Given::Other("a date"),
    }
}

/// One table of settings, read by name.
pub(super) struct Section<'p> {
    /// How its keys are named in messages: empty or `store.`.
    prefix: String,
    values: BTreeMap<String, (Given, Place)>,
    place: Place,
    pub(super) problems: &'p mut Problems,
}

impl<'p> Section<'p> {
    pub(super) fn new(
        prefix: impl Into<String>,
        (values, place): (BTreeMap<String, (Given, Place)>, Place),
        problems: &'p mut Problems,
    ) -> Self {
        Self { prefix: prefix.into(), values, place, problems }
    }

    /// The value of `key` as it was written.
    pub(super) fn raw(&mut self, key: &str) -> Option<(Given, Place)> {
        self.values.remove(key)
    }

    /// The value of `key`, read by `read`; a problem is noted and counts as absent.
    pub(super) fn read<T>(&mut self, key: &str, read: impl Fn(&Given) -> Result<T, String>) -> Option<T> {
        let (value, place) = self.values.remove(key)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(what) => {
                self.note(&place, key, &what);
                None
            }
        }
    }

    /// Where `key` stands, if it was given.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.values.get(key).map(|(_, place)| place.clone())
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(&mut self, key: &str, read: impl Fn(&Given) -> Result<T, String>) -> Option<T> {
        if !self.values.contains_key(key) {
            let place = self.place.clone();
            self.note(&place, key, "is missing");
        }
        self.read(key, read)
    }

    /// The items of a list, each read by `read`; a text is taken apart at commas, as in a variable.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        read: impl Fn(&Given) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (value, place) = self.values.remove(key)?;
        let items = match value {
            Given::List(items) => items,
            Given::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| (Given::Text(item.to_owned()), place.clone()))
                .collect(),
            other => {
                self.note(&place, key, &format!("must be a list, not {}", other.kind()));
                return None;
            }
        };
        let mut read_items = Vec::with_capacity(items.len());
        for (item, place) in items {
            match read(&item) {
                Ok(item) => read_items.push(item),
                Err(what) => self.note(&place, key, &what),
            }
        }
        Some(read_items)
    }

    /// Some of `all`: a list as [`Section::list`] takes it, `true` for all, `false` for none.
    pub(super) fn some_of<T: Clone>(
        &mut self,
        key: &str,
        all: &[T],
        read: impl Fn(&Given) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (value, place) = self.values.get(key)?;
        if let Ok(every) = flag(value) {
            self.values.remove(key);
            return Some(if every { all.to_vec() } else { Vec::new() });
        }
        if matches!(value, Given::List(_) | Given::Text(_)) {
            return self.list(key, read);
        }
        let (place, what) = (place.clone(), read(value).err());
        self.values.remove(key);
        self.note(&place, key, &what.unwrap_or_default());
        None
    }

    /// Notes what is left over as unknown.
    pub(super) fn finish(mut self, known: &[&str]) {
        for (key, (_, place)) in std::mem::take(&mut self.values) {
            let near = known.iter().find(|name| alike(name, &key));
            let hint = near.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            self.note(&place, &key, &format!("is not a setting{hint}"));
        }
    }

    fn note(&mut self, place: &Place, key: &str, what: &str) {
        self.problems.note(place, format!("{}{key} {what}", self.prefix));
    }
}

/// Whether two names differ by at most two letters put in, left out or changed.
fn alike(left: &str, right: &str) -> bool {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()] <= 2
}

/// A text that is not empty.
pub(super) fn text(value: &Given) -> Result<String, String> {
    match value {
        Given::Text(text) if text.is_empty() => Err("must not be empty".to_owned()),
        Given::Text(text) => Ok(text.clone()),
        other => Err(format!("must be text, not {}", other.kind())),
    }
}

/// A text that says what it is by its type's own parser.
pub(super) fn parsed<T: FromStr>(what: &'static str) -> impl Fn(&Given) -> Result<T, String> {
    move |value| {
        let text = text(value)?;
        text.parse().map_err(|_| format!("must be {what}, not {text:?}"))
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Given) -> Result<bool, String> {
    match value {
        Given::Flag(flag) => Ok(*flag),
        Given::Text(text) if text == "true" || text == "1" => Ok(true),
        Given::Text(text) if text == "false" || text == "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A whole number within bounds.
pub(super) fn number(low: u64, high: u64) -> impl Fn(&Given) -> Result<u64, String> {
    move |value| {
        let number = match value {
            Given::Number(number) => u64::try_from(*number).ok(),
            Given::Text(text) => text.parse().ok(),
            _ => None,
        };
        number
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("must be a whole number from {low} to {high}"))
    }
}

/// A time such as `"500ms"`, `"2s"`, `"5m"`.
pub(super) fn duration(value: &Given) -> Result<Duration, String> {
    let text = text(value)?;
    let (number, unit) = split_unit(&text);
    let number: Option<u64> = number.parse().ok();
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    number
        .zip(milliseconds)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("must be a time such as \"500ms\", \"2s\" or \"5m\", not {text:?}"))
}

/// A size such as `"64 KiB"`, `"32 MiB"`, `"8 GiB"`, or a number of bytes.
pub(super) fn bytes(value: &Given) -> Result<u64, String> {
    let text = match value {
        Given::Number(number) => number.to_string(),
        other => text(other)?,
    };
    let (number, unit) = split_unit(&text);
    let number: Option<u64> = number.parse().ok();
    let shift = match unit {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        "TiB" => Some(40),
        _ => None,
    };
    number
        .zip(shift)
        .and_then(|(number, shift)| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("must be a size such as \"32 MiB\" or \"8 GiB\", not {text:?}"))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}
