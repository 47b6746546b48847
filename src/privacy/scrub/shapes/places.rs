//! Where a person is: coordinates, and plates of cars.

use super::numbers::FINE;

/// Where a pair of coordinates ends that begins at `at` with a digit: `55.7512, 37.6184`.
pub(in crate::privacy::scrub) fn pair_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (first, whole, decimals) = coordinate(bytes, at)?;
    if decimals < FINE || whole > 180 {
        return None;
    }
    // `55.7512° N, 37.6184° E`
    let first = hemisphere_end(bytes, first);
    let between = bytes[first..]
        .iter()
        .take(3)
        .take_while(|byte| matches!(byte, b',' | b';' | b' ' | b'/' | b'|'))
        .count();
    let second = first + between + usize::from(matches!(bytes.get(first + between), Some(b'-' | b'+')));
    let (end, whole, decimals) = coordinate(bytes, second).filter(|_| between > 0)?;
    (decimals >= FINE && whole <= 180).then(|| hemisphere_end(bytes, end))
}

/// Where the sign for degrees and the letter of a half of the earth end that may follow a coordinate.
fn hemisphere_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    if bytes[end..].starts_with("°".as_bytes()) {
        end += "°".len();
    }
    let letter = end + usize::from(bytes.get(end) == Some(&b' '));
    let is_letter = matches!(bytes.get(letter), Some(b'N' | b'S' | b'E' | b'W'))
        && bytes.get(letter + 1).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    if is_letter { letter + 1 } else { end }
}

/// Where a coordinate in degrees and minutes ends: `55°45'20.9"N`.
pub(in crate::privacy::scrub) fn degrees_end(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let minutes = at + digits(at) + "°".len();
    let rest = bytes.get(minutes - "°".len()..)?;
    if !rest.starts_with("°".as_bytes()) || digits(minutes) == 0 {
        return None;
    }
    let mut end = minutes;
    while end < minutes + 24 {
        end += match &bytes[end..] {
            [b'0'..=b'9' | b'.' | b'\'' | b'"', ..] => 1,
            // The signs of minutes and seconds: ’ ” ′ ″
            [0xE2, 0x80, 0x99 | 0x9D | 0xB2 | 0xB3, ..] => 3,
            _ => break,
        };
    }
    Some(hemisphere_end(bytes, end))
}

/// Where a single fine coordinate ends, behind a word that announces it.
pub(in crate::privacy::scrub) fn single_end(bytes: &[u8], at: usize) -> Option<usize> {
    coordinate(bytes, at)
        .filter(|(_, whole, decimals)| *whole <= 180 && *decimals >= FINE)
        .map(|(end, ..)| end)
}

/// End, degrees and number of decimals.
fn coordinate(bytes: &[u8], at: usize) -> Option<(usize, u32, usize)> {
    let whole = bytes.get(at..)?.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&whole) || bytes.get(at + whole) != Some(&b'.') {
        return None;
    }
    let decimals = bytes[at + whole + 1..].iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let end = at + whole + 1 + decimals;
    let degrees =
        bytes[at..at + whole].iter().fold(0, |degrees, digit| degrees * 10 + u32::from(digit - b'0'));
    // Another dot makes it a version or an address.
    (bytes.get(end) != Some(&b'.') || !bytes.get(end + 1).is_some_and(u8::is_ascii_digit))
        .then_some((end, degrees, decimals))
}

/// Where a Russian number plate ends: `А123ВС77`, in Cyrillic letters also with spaces.
pub(in crate::privacy::scrub) fn plate_end(text: &str, at: usize) -> Option<usize> {
    const CYRILLIC: &str = "АВЕКМНОРСТУХавекмнорстух";
    const LATIN: &str = "ABEKMHOPCTYX";
    let is_latin = text.as_bytes()[at].is_ascii();
    let letters = if is_latin { LATIN } else { CYRILLIC };
    let mut rest =
        text[at..].char_indices().filter(|(_, c)| is_latin || !matches!(c, ' ' | '\u{a0}')).peekable();
    for kind in b"ldddll" {
        let (_, c) = rest.next()?;
        let fits = match kind {
            b'l' => letters.contains(c),
            _ => c.is_ascii_digit(),
        };
        if !fits {
            return None;
        }
    }
    let mut end = 0;
    let mut region = 0;
    while let Some((start, _)) = rest.next_if(|(_, c)| c.is_ascii_digit()) {
        end = start + 1;
        region += 1;
    }
    let ends = text[at + end..].chars().next().is_none_or(|c| !c.is_alphanumeric());
    (matches!(region, 2 | 3) && ends).then_some(at + end)
}
