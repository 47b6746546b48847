//! Values and headings as people read them.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::visible;
use crate::report::catalogue::ReportColumn;

/// What stands for no value.
pub(super) const NONE: &str = "–";

pub(super) fn is_count(column: &ReportColumn) -> bool {
    !column.is_text() && !matches!(column.unit, "%" | "s" | "ms" | "ratio" | "unit")
}

/// The heading of a column: its name in words, with the unit if the cells do not show it.
pub(super) fn label(column: &ReportColumn) -> String {
    let name = column.name.replace('_', " ");
    if column.unit == "ms" { format!("{name} ms") } else { name }
}

pub(super) fn cell(column: &ReportColumn, value: &Value) -> String {
    match (value, column.unit) {
        (Value::String(text), _) if text.is_empty() => "(none)".to_owned(),
        (Value::String(text), _) => visible(text),
        (Value::Number(number), unit) => {
            let number = number.as_f64().unwrap_or(0.0);
            match unit {
                "%" => format!("{number:.1}%"),
                "s" => duration(number),
                "ratio" => format!("{number:.2}"),
                _ => thousands(number),
            }
        }
        (Value::Null, _) => NONE.to_owned(),
        (other, _) => other.to_string(),
    }
}

/// A text shortened to `width`, with an ellipsis at the end. Numbers and times stay whole.
pub(super) fn cut(column: &ReportColumn, text: &str, width: usize) -> String {
    if column.unit != "text" || text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(letter);
    }
    out.push('…');
    out
}

/// Seconds as `9.5s`, `6m 36s` or `1h 05m`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1}s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// A number with commas between thousands; decimals only where there are any.
pub(super) fn thousands(number: f64) -> String {
    let text = if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.3}") };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() { out } else { format!("{out}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1234567.5, "1,234,567.5"),
            (-1234.0, "-1,234"),
            (0.125, "0.125"),
        ] {
            assert_eq!(thousands(number), text);
        }
        for (seconds, text) in
            [(0.0, "0.0s"), (9.54, "9.5s"), (59.7, "1m 00s"), (396.0, "6m 36s"), (3900.0, "1h 05m")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
