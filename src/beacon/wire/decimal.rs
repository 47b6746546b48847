//! Numbers as short decimal text, which measures something and identifies nobody.

/// Digits before the decimal point from which a number is rounded: phone numbers, cards and ids have so many.
const LONG: i32 = 6;
/// Digits that are kept of a long number: an id of six digits is one of a hundred then.
const KEPT_OF_LONG: i32 = 4;
/// Decimal places. Two numbers with more may be a place: 0.01° is a kilometre.
const PLACES: i32 = 2;
/// Digits that are kept of a number below 1.
const KEPT_OF_SMALL: i32 = 3;
/// Numbers from 10 to this power, or below its inverse, are written with an exponent.
const FAR: i32 = 21;

/// A number, rounded: to two decimal places, below 1 to three digits, from six digits before the point to four.
pub fn short_decimal(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0".to_owned();
    }
    // Digits before the point; 0 for 0.5, -1 for 0.05.
    let before_point = split(&format!("{:e}", number.abs())).1 + 1;
    let kept = match before_point {
        LONG.. => KEPT_OF_LONG,
        1.. => before_point + PLACES,
        _ => KEPT_OF_SMALL,
    };
    let rounded = format!("{:.*e}", (kept - 1) as usize, number.abs());
    let (digits, power) = split(&rounded);
    let digits = digits.trim_end_matches('0');
    let sign = if number < 0.0 { "-" } else { "" };
    if power.abs() >= FAR {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}e{power}");
    }
    let (whole, fraction) = match usize::try_from(power) {
        Ok(power) if digits.len() > power => {
            let (whole, fraction) = digits.split_at(power + 1);
            (whole.to_owned(), fraction.to_owned())
        }
        Ok(power) => (format!("{digits:0<width$}", width = power + 1), String::new()),
        Err(_) => ("0".to_owned(), format!("{}{digits}", "0".repeat(power.unsigned_abs() as usize - 1))),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// The digits of a number in scientific notation, without their point, and its power of ten.
fn split(scientific: &str) -> (String, i32) {
    let (digits, power) = scientific.split_once('e').expect("the notation has an exponent");
    (digits.replace('.', ""), power.parse().expect("an exponent is a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_stay_numbers() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (42.0, "42"),
            (12_345.0, "12345"),
            (99_999.0, "99999"),
            (1.0 / 3.0, "0.333"),
            (0.1 + 0.2, "0.3"),
            (0.05, "0.05"),
            (0.000_123_456, "0.000123"),
            (std::f64::consts::PI, "3.14"),
            (1_299.99, "1299.99"),
            (1_299.999, "1300"),
            (-0.127_758, "-0.128"),
            (55.751_244, "55.75"),
            (9.999_9, "10"),
            (0.999_99, "1"),
            (99_999.999, "100000"),
            // Six digits and more: no id, card or phone number stays.
            (123_456.78, "123500"),
            (1_500_000.0, "1500000"),
            (1_234_567.0, "1235000"),
            (79_161_234_567.0, "79160000000"),
            (-4_506_123_456.0, "-4506000000"),
            (1_763_800_000_123.0, "1764000000000"),
            (18_446_744_073_709_551_615.0, "18450000000000000000"),
            (1e21, "1e21"),
            (1.5e300, "1.5e300"),
            (5e-324, "4.94e-324"),
        ] {
            assert_eq!(short_decimal(number), text);
            let read: f64 = text.parse().unwrap();
            assert!((read - number).abs() <= number.abs() * 0.005, "{number}");
        }
        assert_eq!(short_decimal(f64::NAN), "0");
    }
}
