//! Lifetimes of tokens and links, as they are written on the command line.

use jiff::{SignedDuration, Timestamp};

use crate::app::{Exit, ExitError};

/// The moment at the end of a lifetime that begins now; `None` for `never`.
pub(super) fn end_of_lifetime(text: &str) -> Result<Option<Timestamp>, ExitError> {
    if text == "never" {
        return Ok(None);
    }
    let wrong = || {
        ExitError::new(Exit::Usage, format!("a lifetime is written like 30m, 24h, 90d or 8w, not {text:?}"))
    };
    let end = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let unit = match &text[end..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = text[..end].parse::<i64>().ok().filter(|number| *number > 0);
    let seconds = seconds.and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_and_a_unit_or_never() {
        let now = Timestamp::now().as_second();
        let ahead = |text: &str| end_of_lifetime(text).unwrap().map(|end| end.as_second() - now);
        assert!(ahead("never").is_none());
        for (text, seconds) in [("90d", 7_776_000), ("24h", 86_400), ("30m", 1_800), ("2w", 1_209_600)] {
            assert!((seconds..seconds + 5).contains(&ahead(text).unwrap()), "{text}");
        }
        for wrong in ["", "d", "90", "-1d", "0d", "1.5h", "90 d", "99999999999999999999d", "9999999999y"] {
            assert!(end_of_lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
