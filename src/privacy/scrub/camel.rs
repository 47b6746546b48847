//! The words of names in code: `patientBirth_date`.

/// Calls `each` with the words of a name: `patientBirth_date` has three.
pub(super) fn for_each_word<'a>(name: &'a str, mut each: impl FnMut(&'a str)) {
    for part in name.split(|letter: char| !letter.is_alphabetic()) {
        let mut start = 0;
        for end in camel_ends(part) {
            each(&part[start..end]);
            start = end;
        }
    }
}

/// Where the words of `camelCase` and `XMLHttpRequest` end.
pub(super) fn camel_ends(part: &str) -> impl Iterator<Item = usize> {
    // Most words have no capital within.
    let plain = part.is_ascii() && !part.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    let mut letters = if plain { "" } else { part }.char_indices().peekable();
    let mut before = ' ';
    std::iter::from_fn(move || {
        let (at, letter) = letters.next()?;
        let next = letters.peek().map_or(' ', |(_, next)| *next);
        let begins = letter.is_uppercase()
            && (before.is_lowercase() || (before.is_uppercase() && next.is_lowercase()))
            && at > 0;
        before = letter;
        Some((at, begins))
    })
    .filter_map(|(at, begins)| begins.then_some(at))
    .chain((!part.is_empty()).then_some(part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_one_word_are_split_where_capitals_begin() {
        let words = |name| {
            let mut words = Vec::new();
            for_each_word(name, |word| words.push(word));
            words
        };
        assert_eq!(words("patientBirth_date2"), ["patient", "Birth", "date"]);
        assert_eq!(words("XMLHttpRequest"), ["XML", "Http", "Request"]);
        assert_eq!(words("ДатаРождения"), ["Дата", "Рождения"]);
    }
}
