//! Check digits of identifiers. Each function takes ASCII digits alone.

/// Bank cards, and the Russian health insurance (OMS).
pub(in crate::privacy::scrub) fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let values = digits.iter().rev().map(value).enumerate();
    values.map(|(at, digit)| if at % 2 == 1 { doubled(digit) } else { digit }).sum::<u32>() % 10 == 0
}

/// The Russian pension insurance: 11 digits, the last two are the check.
pub(in crate::privacy::scrub) fn snils(digits: &[u8]) -> bool {
    digits.len() == 11
        && weighted(&digits[..9], &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100
            == value(&digits[9]) * 10 + value(&digits[10])
}

/// The tax number of a Russian person: 12 digits; the last two are check digits.
pub(in crate::privacy::scrub) fn inn12(digits: &[u8]) -> bool {
    digits.len() == 12
        && weighted(&digits[..10], &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == value(&digits[10])
        && weighted(&digits[..11], &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == value(&digits[11])
}

/// The register number of a Russian company (OGRN, 13 digits) or entrepreneur (OGRNIP, 15 digits).
pub(in crate::privacy::scrub) fn ogrn(digits: &[u8]) -> bool {
    let Some((check, number)) = digits.split_last() else { return false };
    let divisor = digits.len() as u64 - 2;
    let number = number.iter().fold(0, |number, digit| number * 10 + u64::from(value(digit)));
    matches!((digits.len(), digits[0]), (13, b'1' | b'5') | (15, b'3'))
        && number % divisor % 10 == u64::from(value(check))
}

/// Goods (EAN-13) and books (ISBN-13).
pub(in crate::privacy::scrub) fn ean13(digits: &[u8]) -> bool {
    digits.len() == 13 && weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Books with ten digits (ISBN-10); the last may be an X.
pub(in crate::privacy::scrub) fn isbn10(book: &[u8]) -> bool {
    let value = |digit: &u8| if *digit == b'X' { 10 } else { value(digit) };
    book.len() == 10
        && book[..9].iter().all(u8::is_ascii_digit)
        && (book[9] == b'X' || book[9].is_ascii_digit())
        && book.iter().rev().zip(1..).map(|(digit, weight)| value(digit) * weight).sum::<u32>() % 11 == 0
}

/// Bank accounts (IBAN): country, check digits, account, in letters and digits without spaces.
pub(in crate::privacy::scrub) fn iban(account: &[u8]) -> bool {
    let Some((country, rest)) = account.split_at_checked(4) else { return false };
    rest.iter().chain(country).try_fold(0, |rest, letter| {
        let number = char::from(*letter).to_digit(36)?;
        Some((rest * if number > 9 { 100 } else { 10 } + number) % 97)
    }) == Some(1)
}

fn value(digit: &u8) -> u32 {
    u32::from(digit - b'0')
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| value(digit) * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digit_is_noticed() {
        type Check = fn(&[u8]) -> bool;
        let checks: [(Check, &str); 7] = [
            (luhn, "4111111111111111"),
            (snils, "11223344595"),
            (inn12, "500100732259"),
            (ogrn, "1027700132195"),
            (ogrn, "304500116000157"),
            (ean13, "9785170800834"),
            (iban, "DE89370400440532013000"),
        ];
        for (check, right) in checks {
            assert!(check(right.as_bytes()), "{right}");
            let mut wrong = right.as_bytes().to_vec();
            wrong[5] = if wrong[5] == b'9' { b'8' } else { wrong[5] + 1 };
            assert!(!check(&wrong), "{right} with another digit");
        }
    }
}
