//! Reference codes: random names under which a visitor can tell an operator which stored rows are theirs.
//!
//! A code stands for one visitor on one site, until the epoch ends. It lies in this memory alone. It is random. So the key does not give
//! the code, and the code does not give the visitor's pseudonym.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use parking_lot::Mutex;

use super::subject::Subject;

/// Most codes of an epoch. They take some megabytes. Beyond, the oldest code is forgotten.
const MAX_CODES: usize = 50_000;
/// Letters of a code, of 5 bits each: guessing one of 50,000 takes 10¹³ requests on average.
const LETTERS: usize = 12;
const GROUP: usize = 4;
/// Crockford's Base32: no letter is mistaken for a digit or for another letter.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Written as three groups of four letters, such as `7KQ2-M9XD-R3TF`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReferenceCode(u64);

impl ReferenceCode {
    fn random() -> Self {
        let random = getrandom::u64().expect("the system's random numbers do not fail after the start");
        Self(random >> (64 - 5 * LETTERS))
    }
}

impl fmt::Display for ReferenceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..LETTERS).rev() {
            let letter = ALPHABET[(self.0 >> (5 * place)) as usize % ALPHABET.len()];
            write!(f, "{}", char::from(letter))?;
            if place > 0 && place % GROUP == 0 {
                f.write_str("-")?;
            }
        }
        Ok(())
    }
}

/// A code names a visitor's rows, so no log and no panic shows it.
impl fmt::Debug for ReferenceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReferenceCode")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reference code has {LETTERS} letters and digits, such as 7KQ2-M9XD-R3TF")]
pub struct InvalidReferenceCode;

/// Small letters, blanks and missing hyphens are accepted, and the letters that are taken for digits.
impl FromStr for ReferenceCode {
    type Err = InvalidReferenceCode;

    fn from_str(text: &str) -> Result<Self, InvalidReferenceCode> {
        let (mut code, mut letters) = (0, 0);
        for letter in text.bytes().filter(|letter| !matches!(letter, b'-' | b' ')) {
            let letter = match letter.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| *known == letter).ok_or(InvalidReferenceCode)?;
            code = code << 5 | value as u64;
            letters += 1;
            if letters > LETTERS {
                return Err(InvalidReferenceCode);
            }
        }
        if letters == LETTERS { Ok(Self(code)) } else { Err(InvalidReferenceCode) }
    }
}

/// The codes of the epoch in force.
#[derive(Debug, Default)]
pub struct ReferenceCodes(Mutex<Codes>);

#[derive(Debug, Default)]
struct Codes {
    epoch: u32,
    subjects: HashMap<ReferenceCode, Subject>,
    codes: HashMap<Subject, ReferenceCode>,
    oldest_first: VecDeque<ReferenceCode>,
}

impl ReferenceCodes {
    /// The code of a visitor: the same one for as long as it is known.
    pub fn code_of(&self, subject: &Subject) -> ReferenceCode {
        let mut codes = self.0.lock();
        codes.forget_other_epochs(subject.epoch);
        if let Some(code) = codes.codes.get(subject) {
            return *code;
        }
        if codes.oldest_first.len() >= MAX_CODES
            && let Some(oldest) = codes.oldest_first.pop_front()
            && let Some(subject) = codes.subjects.remove(&oldest)
        {
            codes.codes.remove(&subject);
        }
        let code = ReferenceCode::random();
        codes.subjects.insert(code, subject.clone());
        codes.codes.insert(subject.clone(), code);
        codes.oldest_first.push_back(code);
        code
    }

    /// Whom a code stands for; `None` if it is unknown, or from another epoch than `epoch`.
    pub fn subject(&self, code: ReferenceCode, epoch: u32) -> Option<Subject> {
        let mut codes = self.0.lock();
        codes.forget_other_epochs(epoch);
        codes.subjects.get(&code).cloned()
    }
}

impl Codes {
    fn forget_other_epochs(&mut self, epoch: u32) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(epoch: u32, visitor: u64) -> Subject {
        Subject { site: "clinic".into(), epoch, visitor }
    }

    #[test]
    fn a_visitor_has_one_code_until_the_epoch_ends() {
        let codes = ReferenceCodes::default();
        let (one, other) = (codes.code_of(&subject(1, 7)), codes.code_of(&subject(1, 8)));
        assert_ne!(one, other);
        assert_eq!(codes.code_of(&subject(1, 7)), one);
        assert_eq!(codes.subject(one, 1), Some(subject(1, 7)));
        let elsewhere = Subject { site: "shop".into(), ..subject(1, 7) };
        assert_ne!(codes.code_of(&elsewhere), one);
        assert_eq!(codes.subject(one, 2), None, "the epoch is over");
        assert_eq!(codes.subject(one, 1), None, "and its codes are forgotten");
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code: ReferenceCode = "7KQ2-M9XD-R3TF".parse().unwrap();
        assert_eq!(code.to_string(), "7KQ2-M9XD-R3TF");
        for written in ["7kq2m9xdr3tf", " 7KQ2 M9XD R3TF ", "7kq2-m9xd-r3tf"] {
            assert_eq!(written.parse(), Ok(code), "{written}");
        }
        assert_eq!("OIL0-0000-0000".parse::<ReferenceCode>(), "0110-0000-0000".parse());
        for wrong in ["", "7KQ2-M9XD", "7KQ2-M9XD-R3TF-0", "7KQ2-M9XD-R3TU", "пароль"] {
            assert_eq!(wrong.parse::<ReferenceCode>(), Err(InvalidReferenceCode), "{wrong}");
        }
        for _ in 0..100 {
            let code = ReferenceCode::random();
            assert_eq!(code.to_string().parse(), Ok(code));
        }
    }

    #[test]
    fn the_oldest_code_is_forgotten_when_there_are_too_many() {
        let codes = ReferenceCodes::default();
        let first = codes.code_of(&subject(1, 0));
        let second = codes.code_of(&subject(1, 1));
        for visitor in 2..=MAX_CODES as u64 {
            codes.code_of(&subject(1, visitor));
        }
        assert_eq!(codes.subject(first, 1), None);
        assert_eq!(codes.subject(second, 1), Some(subject(1, 1)));
    }
}
