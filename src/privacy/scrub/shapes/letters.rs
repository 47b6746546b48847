//! Tells words from random letters, by how rare three letters in a row are in words.

/// Two bits for each three letters, made by `tools/trigrams/make.py` from word lists.
static TRIGRAMS: &[u8; 4_394] = include_bytes!("trigrams.bin");

/// How rare three letters in a row are in English, German and Russian words, in Latin letters of any case: 0 (common) to 3.
fn rarity(three: [u8; 3]) -> u32 {
    let index = three.iter().fold(0, |index, letter| index * 26 + usize::from((letter | 0x20) - b'a'));
    u32::from(TRIGRAMS[index / 4] >> (index % 4 * 2) & 3)
}

/// How unlike words and identifiers a run of letters and digits is, in sixteenths a character. Words have 0 to 8, random letters and digits
/// about 20.
pub(in crate::privacy::scrub) fn noise(run: &[u8]) -> u32 {
    let mut noise = 0;
    let mut hump = 0;
    for pair in run.windows(2) {
        hump += 1;
        // Words of an identifier have three and more letters.
        if LetterKind::from_byte(pair[0]) == LetterKind::Lower
            && LetterKind::from_byte(pair[1]) == LetterKind::Upper
        {
            noise += if hump < 3 { 4 } else { 0 };
            hump = 0;
        } else if LetterKind::from_byte(pair[1]) == LetterKind::Joint {
            hump = 0;
        }
        noise += match (LetterKind::from_byte(pair[0]), LetterKind::from_byte(pair[1])) {
            (LetterKind::Joint, _) | (_, LetterKind::Joint) => 0,
            (LetterKind::Digit, LetterKind::Digit) => 0,
            (LetterKind::Digit, _) | (_, LetterKind::Digit) => 4,
            (LetterKind::Lower, LetterKind::Upper) => 3,
            _ => 0,
        };
    }
    for three in run.windows(3) {
        let [a, b, c] = [three[0], three[1], three[2]];
        let begins = |before: u8, letter: u8| before.is_ascii_lowercase() && letter.is_ascii_uppercase();
        // Words of an identifier begin anew, also behind an abbreviation: `HTMLDocument`.
        let anew = begins(a, b)
            || begins(b, c)
            || (a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_lowercase());
        if three.iter().all(u8::is_ascii_alphabetic) && !anew {
            noise += 2 * rarity([a, b, c]);
        }
    }
    let joints = run.iter().filter(|byte| LetterKind::from_byte(**byte) == LetterKind::Joint).count();
    noise * 8 / u32::try_from(run.len() - joints).unwrap_or(u32::MAX).max(1)
}

/// The same where no identifiers in camel case are expected: capitals anywhere but at the beginning count, and hide no letters.
pub(in crate::privacy::scrub) fn noise_of_one_word(run: &[u8]) -> u32 {
    let is_change = |pair: &[u8]| {
        pair[0].is_ascii_alphabetic()
            && pair[1].is_ascii_alphabetic()
            && pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase()
    };
    let changes = run
        .windows(2)
        .skip(usize::from(run.first().is_some_and(u8::is_ascii_uppercase)))
        .filter(|pair| is_change(pair))
        .count();
    let changes = u32::try_from(changes).unwrap_or(u32::MAX / 32) * 24
        / u32::try_from(run.len()).unwrap_or(u32::MAX).max(1);
    noise(&run.to_ascii_lowercase()) + changes
}

#[derive(PartialEq, Eq)]
enum LetterKind {
    Lower,
    Upper,
    Digit,
    Joint,
}

impl LetterKind {
    fn from_byte(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' => Self::Lower,
            b'A'..=b'Z' => Self::Upper,
            b'0'..=b'9' => Self::Digit,
            _ => Self::Joint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quieter_than_random_letters() {
        for word in [
            "newsletter",
            "otorhinolaryngologist",
            "useDebouncedSearchQuery",
            "podgotovka",
            "XMLHttpRequestEventTarget",
            "Lebensversicherung",
        ] {
            assert!(noise(word.as_bytes()) < 11, "{word}: {}", noise(word.as_bytes()));
        }
        for random in ["gtHIcPVv", "nMdjaKsn", "XKqVzBTw"] {
            assert!(
                noise_of_one_word(random.as_bytes()) > 11,
                "{random}: {}",
                noise_of_one_word(random.as_bytes())
            );
        }
        for random in
            ["lhtwokfoqlqxlvvvfnroiylq", "2kQG3usJIiTEUNhirttRmINYX8K", "01HPSPQWH84K5CV22JBT58F68W"]
        {
            assert!(noise(random.as_bytes()) > 11, "{random}: {}", noise(random.as_bytes()));
        }
    }
}
