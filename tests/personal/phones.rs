//! Phone numbers as `phonenumber` writes them, the port of the library that Android uses: a text that it calls a number must not survive.

use phonenumber::{Mode, country::Id};

use footfall::privacy::scrub;

/// Countries whose people visit Russian sites, and those with unusual groups.
const COUNTRIES: [Id; 24] = [
    Id::RU,
    Id::KZ,
    Id::BY,
    Id::UA,
    Id::UZ,
    Id::AM,
    Id::GE,
    Id::AZ,
    Id::TR,
    Id::DE,
    Id::FR,
    Id::GB,
    Id::US,
    Id::CN,
    Id::IL,
    Id::ES,
    Id::IT,
    Id::PL,
    Id::FI,
    Id::RS,
    Id::AE,
    Id::TH,
    Id::IN,
    Id::BR,
];
/// Numbers of each country.
const NUMBERS: usize = 20;
/// Longer than any text here.
const MAX_BYTES: usize = 200;

/// Spellings that survive, as country, text and what came out.
pub fn survivors() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut survivors = Vec::new();
    for country in COUNTRIES {
        for _ in 0..NUMBERS {
            let number = some_number(&mut random, country);
            let spelt = |mode| number.format().mode(mode).to_string();
            let digits: String = spelt(Mode::E164).chars().filter(char::is_ascii_digit).collect();
            let tail = &digits[digits.len() - 5..];
            for text in [spelt(Mode::E164), spelt(Mode::International), spelt(Mode::Rfc3966)] {
                for text in [
                    format!("call {text} now"),
                    format!("/call/{text}/now"),
                    format!("{{\"to\":\"{text}\"}}"),
                ] {
                    survivors.extend(survivor(country, tail, &text, &scrub::text(&text, MAX_BYTES)));
                }
            }
            let national = spelt(Mode::National);
            survivors.extend(survivor(
                country,
                tail,
                &national,
                &scrub::value("phone", &national, MAX_BYTES),
            ));
            let named = format!("Invalid phone number: {national}");
            survivors.extend(survivor(country, tail, &named, &scrub::text(&named, MAX_BYTES)));
            if matches!(country, Id::RU | Id::KZ | Id::US) {
                survivors.extend(survivor(country, tail, &national, &scrub::text(&national, MAX_BYTES)));
            }
        }
    }
    survivors
}

/// A number that is valid in a country.
fn some_number(random: &mut fastrand::Rng, country: Id) -> phonenumber::PhoneNumber {
    loop {
        let length = random.usize(7..=11);
        let digits: String = (0..length).map(|_| random.digit(10)).collect();
        if let Ok(number) = phonenumber::parse(Some(country), &digits)
            && phonenumber::is_valid(&number)
        {
            return number;
        }
    }
}

fn survivor(country: Id, tail: &str, text: &str, scrubbed: &str) -> Option<String> {
    let digits: String = scrubbed.chars().filter(char::is_ascii_digit).collect();
    (digits.contains(tail) || digits.len() > 4).then(|| format!("{country:?}: {text} => {scrubbed}"))
}
