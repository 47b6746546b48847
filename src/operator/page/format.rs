//! Numbers, durations and dates as each language writes them.

use jiff::civil::{Date, DateTime};
use serde_json::Value;

use crate::report::catalogue::ReportColumn;
use crate::transport::negotiation::Language;

/// What stands for no value.
pub(super) const NONE: &str = "–";
/// Keeps a number and its unit on one line.
const NO_BREAK: char = '\u{a0}';

/// A number with its thousands apart, and with at most so many decimals.
pub(super) fn number(number: f64, decimals: usize, language: Language) -> String {
    let text = fixed(number, decimals, language);
    let point = language.pick(['.', ',']);
    match text.rsplit_once(point) {
        // The last point is that of thousands if there are no decimals.
        Some((whole, fraction)) if decimals > 0 => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}{point}{fraction}") }
        }
        _ => text,
    }
}

/// A number with its thousands apart, and with so many decimals, so that those of a column stand below each other.
fn fixed(number: f64, decimals: usize, language: Language) -> String {
    let (thousands, point) = language.pick([(',', '.'), (NO_BREAK, ',')]);
    // The reports have two or three decimals. A half is rounded up, as people do; the formatter would round 31.25 and 8.35 down.
    let text = format!("{:.decimals$}", number.abs() + 1e-9);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::new();
    if number < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        // In Russian a number of four digits stays whole, as in print.
        let is_apart = language == Language::English || whole.len() > 4;
        if at > 0 && is_apart && (whole.len() - at).is_multiple_of(3) {
            out.push(thousands);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(point);
        out.push_str(fraction);
    }
    out
}

/// A share in per cent, with one decimal.
pub(super) fn percent(share: f64, language: Language) -> String {
    let space = language.pick(["", "\u{a0}"]);
    format!("{}{space}%", fixed(share, 1, language))
}

/// The change from one figure to another, with its sign; `None` if there was nothing before.
pub(super) fn change(now: f64, before: f64, language: Language) -> Option<String> {
    if before == 0.0 {
        return None;
    }
    let change = 100.0 * (now - before) / before;
    let sign = if change >= 0.05 { "+" } else { "" };
    let decimals = usize::from(change.abs() < 9.95);
    let space = language.pick(["", "\u{a0}"]);
    Some(format!("{sign}{}{space}%", number(change, decimals, language)))
}

/// Seconds in words.
pub(super) fn duration(seconds: f64, language: Language) -> String {
    let [hours_unit, minutes_unit, seconds_unit] = language.pick([["h", "m", "s"], ["ч", "мин", "с"]]);
    let space = language.pick(["", "\u{a0}"]);
    // The reports know tenths; a negative duration is none.
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=10 if seconds < 9.95 && seconds.fract() != 0.0 => {
            format!("{}{space}{seconds_unit}", number(seconds, 1, language))
        }
        0..60 => format!("{whole}{space}{seconds_unit}"),
        60..3600 => {
            format!("{}{space}{minutes_unit}{NO_BREAK}{:02}{space}{seconds_unit}", whole / 60, whole % 60)
        }
        _ => format!(
            "{}{space}{hours_unit}{NO_BREAK}{:02}{space}{minutes_unit}",
            whole / 3600,
            whole % 3600 / 60
        ),
    }
}

/// A figure of a column by its unit.
pub(super) fn figure(figure: f64, unit: &str, language: Language) -> String {
    match unit {
        "%" => percent(figure, language),
        "s" => duration(figure, language),
        "ms" => format!("{}{NO_BREAK}{}", number(figure, 0, language), language.pick(["ms", "мс"])),
        "ratio" => fixed(figure, 2, language),
        "unit" => number(figure, 3, language),
        _ => number(figure, 1, language),
    }
}

/// A cell of a table. Texts are as they were stored; the template escapes them. Times of `this_year` do not name it.
pub(super) fn cell(column: &ReportColumn, value: &Value, this_year: i16, language: Language) -> String {
    match value {
        Value::Null => NONE.to_owned(),
        Value::String(text) if column.unit == "time" => time(text, this_year, language),
        Value::String(text) => text.clone(),
        Value::Number(value) => figure(value.as_f64().unwrap_or_default(), column.unit, language),
        other => other.to_string(),
    }
}

const MONTHS: [[&str; 2]; 12] = [
    ["January", "января"],
    ["February", "февраля"],
    ["March", "марта"],
    ["April", "апреля"],
    ["May", "мая"],
    ["June", "июня"],
    ["July", "июля"],
    ["August", "августа"],
    ["September", "сентября"],
    ["October", "октября"],
    ["November", "ноября"],
    ["December", "декабря"],
];
const MONTHS_ALONE: [&str; 12] = [
    "январь",
    "февраль",
    "март",
    "апрель",
    "май",
    "июнь",
    "июль",
    "август",
    "сентябрь",
    "октябрь",
    "ноябрь",
    "декабрь",
];
const WEEKDAYS: [[&str; 2]; 7] =
    [["Mon", "пн"], ["Tue", "вт"], ["Wed", "ср"], ["Thu", "чт"], ["Fri", "пт"], ["Sat", "сб"], ["Sun", "вс"]];

/// The weekdays from Monday, short.
pub(super) fn weekdays(language: Language) -> [&'static str; 7] {
    WEEKDAYS.map(|names| language.pick(names))
}

fn month(date: Date, language: Language) -> &'static str {
    // Months are from 1 to 12.
    language.pick(MONTHS[usize::try_from(date.month() - 1).unwrap_or_default()])
}

/// `27 November`, `27 ноября`.
pub(super) fn day(date: Date, language: Language) -> String {
    format!("{}{NO_BREAK}{}", date.day(), month(date, language))
}

/// `Nov`, `ноя`.
fn short_month_name(date: Date, language: Language) -> String {
    // The first three letters tell all months apart in both languages.
    let name: String = month(date, language).chars().take(3).collect();
    if name == "мая" { "май".to_owned() } else { name }
}

/// `Nov 2026`, `ноя 2026`.
pub(super) fn short_month(date: Date, language: Language) -> String {
    format!("{}{NO_BREAK}{}", short_month_name(date, language), date.year())
}

/// `27 Nov`, `27 ноя`: for places without much room. A day of another year than `this_year` names its own: `27 Nov 2025`.
pub(super) fn short_day(date: Date, this_year: i16, language: Language) -> String {
    let name = short_month_name(date, language);
    let year = match date.year() {
        year if year == this_year => String::new(),
        year => format!("{NO_BREAK}{year}"),
    };
    format!("{}{NO_BREAK}{name}{year}", date.day())
}

/// `Fri 27 Nov`, `пт 27 ноя`; of another year `Thu 27 Nov 2025`.
pub(super) fn day_of_week(date: Date, this_year: i16, language: Language) -> String {
    let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
    format!("{}{NO_BREAK}{}", weekdays(language)[weekday], short_day(date, this_year, language))
}

/// `27 November 2026`, `27 ноября 2026 г.`
pub(super) fn date(date: Date, language: Language) -> String {
    let year = language.pick(["", "\u{a0}г."]);
    format!("{} {}{year}", day(date, language), date.year())
}

/// The days of a period, with what both have in common written once.
pub(super) fn period(from: Date, to: Date, language: Language) -> String {
    if from == to {
        return date(to, language);
    }
    let start = if from.year() != to.year() {
        date(from, language)
    } else if from.month() != to.month() {
        day(from, language)
    } else {
        from.day().to_string()
    };
    format!("{start} – {}", date(to, language))
}

/// `27 November 2026, 14:05`.
pub(in crate::operator) fn moment(moment: DateTime, language: Language) -> String {
    format!("{}, {:02}:{:02}", date(moment.date(), language), moment.hour(), moment.minute())
}

/// `November 2026`, `ноябрь 2026`.
pub(super) fn month_of_year(date: Date, language: Language) -> String {
    let name = match language {
        Language::English => month(date, language),
        Language::Russian => MONTHS_ALONE[usize::try_from(date.month() - 1).unwrap_or_default()],
    };
    format!("{name} {}", date.year())
}

/// A time of a report: `2026-11-27 14:05:00`, or a date, or a time of the day. A time of `this_year` does not name it.
pub(super) fn time(text: &str, this_year: i16, language: Language) -> String {
    // Hours have the zone's offset after a space.
    let local: String = text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let with_seconds = if local.matches(':').count() == 1 { format!("{local}:00") } else { local };
    if let Ok(moment) = with_seconds.parse::<DateTime>()
        && text.contains(':')
    {
        return format!(
            "{}, {:02}:{:02}",
            short_day(moment.date(), this_year, language),
            moment.hour(),
            moment.minute()
        );
    }
    text.parse::<Date>().map_or_else(|_| text.to_owned(), |day| date(day, language))
}

#[cfg(test)]
mod tests {
    use jiff::civil;

    use super::*;

    const BOTH: [Language; 2] = [Language::English, Language::Russian];

    #[test]
    fn numbers_are_written_as_each_language_writes_them() {
        for (value, decimals, texts) in [
            (0.0, 0, ["0", "0"]),
            (1234.0, 0, ["1,234", "1234"]),
            (12345.678, 1, ["12,345.7", "12\u{a0}345,7"]),
            (1234567.0, 1, ["1,234,567", "1\u{a0}234\u{a0}567"]),
            (-0.04, 1, ["0", "0"]),
            (-1234.5, 1, ["−1,234.5", "−1234,5"]),
        ] {
            assert_eq!(BOTH.map(|language| number(value, decimals, language)), texts);
        }
        assert_eq!(BOTH.map(|language| percent(34.0, language)), ["34.0%", "34,0\u{a0}%"]);
        assert_eq!(BOTH.map(|language| percent(12.34, language)), ["12.3%", "12,3\u{a0}%"]);
        assert_eq!(BOTH.map(|language| percent(100.0, language)), ["100.0%", "100,0\u{a0}%"]);
        let changes = [
            (110.0, 100.0, Some("+10%")),
            (99.0, 100.0, Some("−1%")),
            (1.0, 0.0, None),
            (5.0, 5.0, Some("0%")),
        ];
        for (now, before, text) in changes {
            assert_eq!(change(now, before, Language::English).as_deref(), text);
        }
    }

    #[test]
    fn durations_are_written_as_each_language_writes_them() {
        for (seconds, texts) in [
            (0.0, ["0s", "0\u{a0}с"]),
            (9.54, ["9.5s", "9,5\u{a0}с"]),
            (59.7, ["1m\u{a0}00s", "1\u{a0}мин\u{a0}00\u{a0}с"]),
            (396.0, ["6m\u{a0}36s", "6\u{a0}мин\u{a0}36\u{a0}с"]),
            (3900.0, ["1h\u{a0}05m", "1\u{a0}ч\u{a0}05\u{a0}мин"]),
        ] {
            assert_eq!(BOTH.map(|language| duration(seconds, language)), texts);
        }
    }

    #[test]
    fn dates_are_written_as_each_language_writes_them() {
        let (first, last) = (civil::date(2026, 10, 31), civil::date(2026, 11, 27));
        assert_eq!(
            BOTH.map(|language| period(first, last, language)),
            ["31\u{a0}October – 27\u{a0}November 2026", "31\u{a0}октября – 27\u{a0}ноября 2026\u{a0}г."]
        );
        assert_eq!(period(civil::date(2026, 11, 1), last, Language::English), "1 – 27\u{a0}November 2026");
        assert_eq!(period(last, last, Language::Russian), "27\u{a0}ноября 2026\u{a0}г.");
        assert_eq!(month_of_year(last, Language::Russian), "ноябрь 2026");
        assert_eq!(day_of_week(last, 2026, Language::Russian), "пт\u{a0}27\u{a0}ноя");
        for (text, shown) in [
            ("2026-11-27 14:00 +0300", "27\u{a0}ноя, 14:00"),
            ("2026-11-27 14:05:09", "27\u{a0}ноя, 14:05"),
            ("2026-11-27", "27\u{a0}ноября 2026\u{a0}г."),
            ("14:05", "14:05"),
            ("<b>", "<b>"),
        ] {
            assert_eq!(time(text, 2026, Language::Russian), shown);
        }
        assert_eq!(time("2026-11-27 14:00 +0300", 2027, Language::English), "27\u{a0}Nov\u{a0}2026, 14:00");
    }
}
