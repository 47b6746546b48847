//! Filters on any column, parsed from `country=RU`, `path~/doctors`, `lcp_ms>2500`, `props.doctor=Ivanov|Petrov`.
//!
//! A filter has a known column, an operator that fits the column's type, and values. Values reach ClickHouse as query parameters and
//! never as text of the query, so that no value can change the query. [`filtered`](super::query::filtered) builds the
//! query around the conditions.

mod columns;
mod error;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;

pub(super) use columns::FilterScope;
use columns::{COLUMNS, FilterColumn, FilterType};
pub use error::FilterError;
use error::{MAX_BYTES, MAX_VALUES};
use jiff::Timestamp;
use jiff::civil::Date;
pub(super) use stored::stored_form;

use super::nearest::nearest;
use crate::event::DeviceClass;

/// Columns of errors, failed resources and speed, as `sql/roles.sql` grants them.
const DIAGNOSTICS_COLUMNS: &[&str] = &[
    "time",
    "host",
    "path",
    "release",
    "kind",
    "name",
    "browser",
    "browser_version",
    "engine",
    "os",
    "os_version",
    "device",
    "bot",
    "bot_category",
    "spoofed",
    "data_centre",
    "country",
    "asn",
    "network",
    "ip_version",
    "error_message",
    "error_source",
    "error_line",
    "error_column",
    "error_stack",
    "error_group",
    "lcp_ms",
    "inp_ms",
    "cls",
    "fcp_ms",
    "ttfb_ms",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "load_ms",
];

#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    column: &'static FilterColumn,
    /// The entry of a map column (`props.doctor`).
    entry: Option<String>,
    operator: FilterOperator,
    /// At least one. Any of them must match; with a negative operator none may.
    values: Vec<String>,
    /// As it was written.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilterOperator {
    Is,
    IsNot,
    Contains,
    ContainsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Operators as they are written. An operator comes before those that it starts with.
const OPERATORS: [(&str, FilterOperator); 8] = [
    ("!=", FilterOperator::IsNot),
    ("!~", FilterOperator::ContainsNot),
    ("<=", FilterOperator::AtMost),
    (">=", FilterOperator::AtLeast),
    ("=", FilterOperator::Is),
    ("~", FilterOperator::Contains),
    ("<", FilterOperator::Less),
    (">", FilterOperator::More),
];

impl Filter {
    /// # Errors
    /// The error says what would be valid.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_BYTES {
            return Err(FilterError::TooLong);
        }
        let no_operator = || FilterError::NoOperator(text.to_owned());
        let (name, entry, rest) = split_name(text).ok_or_else(no_operator)?;
        let (written, operator) =
            OPERATORS.into_iter().find(|(written, _)| rest.starts_with(written)).ok_or_else(no_operator)?;
        let (column, entry) = find_column(name.trim(), entry)?;
        if !column.kind.takes(operator) {
            return Err(FilterError::Operator { column: &column.name, operator: written });
        }
        let values = alternatives(&rest[written.len()..]);
        if values.len() > MAX_VALUES {
            return Err(FilterError::TooLong);
        }
        let values = values.into_iter().map(|value| column.value(value)).collect::<Result<_, _>>()?;
        Ok(Self { column, entry, operator, values, text: text.to_owned() })
    }

    /// A filter for exactly this value of a column without entries.
    pub(crate) fn text_for(column: &str, value: &str) -> String {
        format!("{column}={}", escaped(value))
    }

    /// The column with its entry, the operator and the values, as they were written.
    pub(crate) fn written_parts(&self) -> (&str, &'static str, &str) {
        let rest = split_name(&self.text).map_or("", |(_, _, rest)| rest);
        let written = OPERATORS.into_iter().find(|(written, _)| rest.starts_with(written));
        let operator = written.map_or("=", |(written, _)| written);
        let column = self.text.strip_suffix(rest).unwrap_or(&self.text);
        (column, operator, rest.strip_prefix(operator).unwrap_or_default())
    }

    /// The values; one of them must match; as the column has them, or as they were written if it holds texts.
    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }

    /// The names of all columns that can be filtered on.
    pub(crate) fn columns() -> impl Iterator<Item = &'static str> {
        COLUMNS.iter().map(|column| column.name.as_str())
    }

    /// The names of the columns that readers of diagnostics may filter by.
    pub(crate) fn columns_of_diagnostics() -> impl Iterator<Item = &'static str> {
        DIAGNOSTICS_COLUMNS.iter().copied()
    }

    /// Whether it is on a column that readers of diagnostics may read in the store, too.
    pub(crate) fn is_of_diagnostics(&self) -> bool {
        DIAGNOSTICS_COLUMNS.contains(&self.column.name.as_str())
    }

    pub(super) fn scope(&self) -> FilterScope {
        self.column.scope
    }

    /// Whether only bots pass it, so that bots must be counted: `bot_category=ai`, `bot=Googlebot`, `bot!=`, `device=bot`.
    pub(super) fn wants_bots(&self) -> bool {
        let mut values = self.values.iter();
        match (self.column.name.as_str(), self.operator) {
            ("bot" | "bot_category", FilterOperator::Is | FilterOperator::Contains) => {
                values.all(|value| !value.is_empty())
            }
            ("bot" | "bot_category", FilterOperator::IsNot | FilterOperator::ContainsNot) => {
                values.any(String::is_empty)
            }
            ("device", FilterOperator::Is) => values.all(|value| value == DeviceClass::Bot.name()),
            _ => false,
        }
    }

    /// The column and the value of a filter that asks for exactly one value of a column without entries.
    pub(super) fn only_value(&self) -> Option<(&str, &str)> {
        match &self.values[..] {
            [value] if self.operator == FilterOperator::Is && self.entry.is_none() => {
                Some((&self.column.name, value))
            }
            _ => None,
        }
    }

    /// The value of a filter that asks for one text.
    pub(super) fn only_text(&self) -> Option<&str> {
        let is_text = matches!(self.column.kind, FilterType::Text | FilterType::Map);
        match &self.values[..] {
            [value] if is_text && self.operator == FilterOperator::Is && self.text.ends_with(value) => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The column, or its entry, in SQL. The name of an entry is added to `parameters`.
    pub(super) fn expression(&self, parameters: &mut Vec<(String, String)>) -> String {
        match &self.entry {
            Some(entry) => format!("{}[{}]", self.column.name, bind(parameters, entry, "String")),
            None => self.column.name.clone(),
        }
    }

    /// The condition in SQL. Its values are added to `parameters` under the names `f0`, `f1`, …
    pub(super) fn condition(&self, parameters: &mut Vec<(String, String)>) -> String {
        let column = self.expression(parameters);
        let mut bind = |value: &str, kind: &str| bind(parameters, value, kind);
        let kind = &self.column.kind;
        let mut one = |value: &String| {
            let bound = match kind {
                FilterType::Number => bind(value, "Float64"),
                FilterType::Score => bind(value, "Float32"),
                FilterType::Id => bind(value, "UInt64"),
                FilterType::Flag => bind(value, "Bool"),
                FilterType::Moment => format!("toDateTime64({}, 3, 'UTC')", bind(value, "String")),
                FilterType::Day => bind(value, "Date"),
                FilterType::Text | FilterType::Word(_) | FilterType::Map => bind(value, "String"),
            };
            let column = match kind {
                FilterType::Word(_) => format!("toString({column})"),
                _ => column.clone(),
            };
            match self.operator {
                FilterOperator::Is => format!("{column} = {bound}"),
                FilterOperator::IsNot => format!("{column} != {bound}"),
                FilterOperator::Contains => format!("positionCaseInsensitiveUTF8({column}, {bound}) > 0"),
                FilterOperator::ContainsNot => format!("positionCaseInsensitiveUTF8({column}, {bound}) = 0"),
                FilterOperator::Less => format!("{column} < {bound}"),
                FilterOperator::AtMost => format!("{column} <= {bound}"),
                FilterOperator::More => format!("{column} > {bound}"),
                FilterOperator::AtLeast => format!("{column} >= {bound}"),
            }
        };
        let conditions: Vec<String> = self.values.iter().map(&mut one).collect();
        let negative = matches!(self.operator, FilterOperator::IsNot | FilterOperator::ContainsNot);
        format!("({})", conditions.join(if negative { " AND " } else { " OR " }))
    }
}

/// A value as a filter has it.
pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('|', "\\|")
}

/// Adds a parameter and returns its placeholder.
fn bind(parameters: &mut Vec<(String, String)>, value: &str, kind: &str) -> String {
    let name = format!("f{}", parameters.len());
    let bound = format!("{{{name}:{kind}}}");
    parameters.push((name, value.to_owned()));
    bound
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FilterType {
    fn takes(&self, operator: FilterOperator) -> bool {
        match operator {
            FilterOperator::Is | FilterOperator::IsNot => true,
            FilterOperator::Contains | FilterOperator::ContainsNot => matches!(self, Self::Text | Self::Map),
            _ => matches!(self, Self::Number | Self::Score | Self::Moment | Self::Day),
        }
    }
}

impl FilterColumn {
    /// A value in the form in which ClickHouse takes it as a parameter.
    fn value(&'static self, text: String) -> Result<String, FilterError> {
        let (value, takes) = match &self.kind {
            FilterType::Text => (Some(stored_form(&self.name, &text).into_owned()), String::new()),
            FilterType::Map => (Some(text.clone()), String::new()),
            FilterType::Number | FilterType::Score => {
                let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                (number.map(|number| number.to_string()), "a number".to_owned())
            }
            FilterType::Id => {
                let digits = Some(text.trim()).filter(|text| text.len() == 16);
                let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
                (number.map(|number| number.to_string()), "16 hexadecimal digits, as reports show".to_owned())
            }
            FilterType::Flag => {
                let flag = match text.trim() {
                    "true" | "1" => Some("true"),
                    "false" | "0" => Some("false"),
                    _ => None,
                };
                (flag.map(str::to_owned), "true or false".to_owned())
            }
            FilterType::Word(words) => {
                let known = words.iter().map(|word| if word.is_empty() { "nothing" } else { word.as_str() });
                let takes = known.collect::<Vec<_>>().join(", ");
                (words.contains(&text).then(|| text.clone()), takes)
            }
            FilterType::Moment => {
                let moment = text.trim().parse::<Timestamp>().ok();
                let value = moment.map(|moment| moment.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string());
                (value, "a moment like 2026-11-22T10:00:00Z".to_owned())
            }
            FilterType::Day => {
                let day = text.trim().parse::<Date>().ok();
                (day.map(|day| day.to_string()), "a date like 2026-11-22".to_owned())
            }
        };
        value.ok_or(FilterError::Value { column: &self.name, value: text, takes })
    }
}

/// The name before the operator, the entry if it is in quotes (`props."a=b"`), and the rest.
fn split_name(text: &str) -> Option<(&str, Option<String>, &str)> {
    let at = text.find(['=', '!', '~', '<', '>', '"'])?;
    let (name, rest) = text.split_at(at);
    let Some(quoted) = rest.strip_prefix('"') else { return Some((name, None, rest)) };
    let mut entry = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                return Some((
                    name.trim_end().strip_suffix('.')?,
                    Some(entry),
                    quoted[at + 1..].trim_start(),
                ));
            }
            '\\' => entry.push(letters.next()?.1),
            _ => entry.push(letter),
        }
    }
    None
}

/// The column of a name, and the entry of a map column, which is `quoted` or follows the name.
fn find_column(
    name: &str,
    quoted: Option<String>,
) -> Result<(&'static FilterColumn, Option<String>), FilterError> {
    let (base, entry) = match name.split_once('.') {
        Some((base, entry)) => (base, Some(entry.to_owned())),
        None => (name, None),
    };
    if quoted.is_some() && entry.is_some() {
        return Err(FilterError::SeveralEntries(base.to_owned()));
    }
    let entry = quoted.or(entry);
    let Some(column) = COLUMNS.iter().find(|column| column.name == base) else {
        let known = || COLUMNS.iter().map(|column| column.name.as_str());
        let nearest = nearest(base, known());
        return Err(FilterError::UnknownColumn {
            name: name.to_owned(),
            nearest,
            known: known().collect::<Vec<_>>().join(", "),
        });
    };
    match (column.kind == FilterType::Map, entry) {
        (true, Some(entry)) if !entry.is_empty() => Ok((column, Some(entry))),
        (true, _) => Err(FilterError::NoEntry(base.to_owned())),
        (false, Some(_)) => Err(FilterError::PlainColumn(base.to_owned())),
        (false, None) => Ok((column, None)),
    }
}

/// The values between `|`. `\|` is a bar and `\\` a backslash.
fn alternatives(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = values.len() - 1;
        match letter {
            '|' => values.push(String::new()),
            '\\' if matches!(letters.peek(), Some('|' | '\\')) => values[last].extend(letters.next()),
            other => values[last].push(other),
        }
    }
    values
}
