//! Dates: those of pages stay, and a day of birth is a person's.

use super::super::words;

/// Beginnings of the names of months: Russian and English, German, French, Spanish, Italian, Polish, Turkish, Ukrainian.
const MONTHS: &str = "янв фев мар апр мая май июн июл авг сен окт ноя дек jan feb mar apr may jun jul aug sep oct nov dec yanv \
    mai okt dez jän mär fév avr aoû déc ene abr ago dic gen mag giu lug set ott sty lut kwi maj cze lip sie wrz paź lis gru \
    oca şub nis haz tem ağu eyl eki kas ara січ лют бер кві тра чер лип сер вер жов лис гру";

/// Where the date ends that begins at `at` with a digit: `2026-11-22`, `22.11.2026`, `20261122`, `2026/11`.
pub(in crate::privacy::scrub) fn date_end(bytes: &[u8], at: usize) -> Option<usize> {
    let first = digits(&bytes[at..]);
    if first == 8 {
        let rest = &bytes[at..at + 8];
        return is_date(&rest[..4], &rest[4..6], &rest[6..]).then_some(at + 8);
    }
    if !matches!(first, 1 | 2 | 4) {
        return None;
    }
    let separator = *bytes.get(at + first).filter(|byte| matches!(byte, b'-' | b'.' | b'/'))?;
    let second = at + first + 1;
    let second_end = second + digits(&bytes[second..]);
    let third = second_end + 1;
    let third_end = match bytes.get(second_end) {
        Some(byte) if *byte == separator => third + digits(&bytes[third..]),
        _ => second_end,
    };
    // More groups make it something else, unless they are segments of a path.
    let ends = |end: usize| {
        separator == b'/'
            || bytes
                .get(end)
                .is_none_or(|byte| *byte != separator || !bytes.get(end + 1).is_some_and(u8::is_ascii_digit))
    };
    let (a, b) = (&bytes[at..at + first], &bytes[second..second_end]);
    if third_end > third && ends(third_end) {
        let c = &bytes[third..third_end];
        let is_date = is_date(a, b, c) || is_date(c, b, a) || (separator == b'/' && is_date(c, a, b));
        return is_date.then_some(third_end);
    }
    (third_end == second_end && first == 4 && is_date(a, b, b"1") && ends(second_end)).then_some(second_end)
}

/// Whether the parts are a year from 1900 to 2099, a month and a day.
fn is_date(year: &[u8], month: &[u8], day: &[u8]) -> bool {
    year.len() == 4
        && (1900..2100).contains(&number(year))
        && matches!(month.len(), 1 | 2)
        && (1..=12).contains(&number(month))
        && matches!(day.len(), 1 | 2)
        && (1..=31).contains(&number(day))
}

/// Whether eight digits are a date on which a page can have been written.
pub(in crate::privacy::scrub) fn is_recent(date: &[u8]) -> bool {
    date.len() == 8 && (2000..=2035).contains(&number(&date[..4]))
}

/// Whether a number is the time at which a file was built, in seconds or milliseconds from 2015 to 2035.
pub(in crate::privacy::scrub) fn is_timestamp(digits: &[u8]) -> bool {
    matches!(digits.len(), 10 | 13) && (142..=205).contains(&number(&digits[..3]))
}

/// Whether four digits are a year that pages mention.
pub(in crate::privacy::scrub) fn is_year(digits: &[u8]) -> bool {
    digits.len() == 4 && (1900..=2035).contains(&number(digits))
}

/// Where a day of birth ends that begins at `at`, in digits and names of months: `12 марта 1980 г.`, `March 3, 1980`.
pub(in crate::privacy::scrub) fn birth_end(text: &str, at: usize) -> Option<usize> {
    /// Day, month and year, and the words `г.` or `года`.
    const MOST_PARTS: usize = 5;
    let (mut end, mut from, mut digits, mut parts) = (at, at, 0, 0);
    while parts < MOST_PARTS {
        let rest = &text[from..];
        let length = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let part = &rest[..length];
        // `1985年3月12日` has no signs between its parts.
        let is_numbers = part.chars().all(|c| c.is_ascii_digit() || matches!(c, '年' | '月' | '日'));
        let count = part.bytes().filter(u8::is_ascii_digit).count();
        if is_numbers && (1..=8).contains(&count) {
            digits += count;
        } else if !(is_month(part) || (digits > 0 && matches!(part, "г" | "года" | "г\u{2e}" | "de" | "of")))
        {
            break;
        }
        parts += 1;
        end = from + length;
        let separators =
            text[end..].find(|c: char| !matches!(c, ' ' | '.' | '-' | '/' | ',' | '\u{a0}')).unwrap_or(0);
        if separators == 0 || separators > 3 {
            break;
        }
        from = end + separators;
    }
    (digits >= 2).then_some(end)
}

/// Whether a text says that the date or year before it is one of birth: `1980 г.р.`
pub(in crate::privacy::scrub) fn says_birth(rest: &str) -> bool {
    const WORDS: [&str; 6] = ["г.р", "г. р", "г/р", "года рождения", "г. рождения", "year of birth"];
    let rest = rest.trim_start_matches(' ');
    WORDS.iter().any(|word| rest.starts_with(word))
}

fn is_month(word: &str) -> bool {
    let lower = word.to_lowercase();
    word.len() <= 20
        && words::look_up(word).is_none()
        && MONTHS.split_whitespace().any(|month| lower.starts_with(month))
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count()
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_other_groups_of_digits() {
        for date in ["2026-11-22", "22.11.2026", "1/2/2026", "20261122", "2026/11", "2026-1-5"] {
            assert_eq!(date_end(date.as_bytes(), 0), Some(date.len()), "{date}");
        }
        for other in
            ["2026-13-22", "36-10-314712", "20261322", "2026", "916-12-34", "2026-11-22-33", "8-916-123"]
        {
            assert_eq!(date_end(other.as_bytes(), 0), None, "{other}");
        }
        assert_eq!(date_end(b"2026-11-22 10:15", 0), Some(10));
    }

    #[test]
    fn a_day_of_birth_is_read_in_any_writing() {
        for date in ["12 марта 1980 г", "March 3, 1980", "1980", "03.01.1983", "9/6/1953", "19800312"] {
            let text = format!("{date} и далее");
            assert_eq!(birth_end(&text, 0), Some(date.len()), "{date}");
        }
        assert_eq!(birth_end("in 1980", 0), None);
    }
}
