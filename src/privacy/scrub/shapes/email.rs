//! E-mail addresses: plain, in the disguise of an encoder, and spelt out by a person.

use std::borrow::Cow;

use memchr::{memchr, memchr3_iter};

/// The first e-mail address in `start..end`, which lies within one word.
pub(in crate::privacy::scrub) fn find(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let mut from = start;
    while let Some(at) = memchr(b'@', &bytes[from..end]).map(|at| from + at) {
        let after = &bytes[at + 1..end];
        let domain =
            &after[..after.iter().position(|byte| matches!(byte, b'@' | b'+' | b'~')).unwrap_or(after.len())];
        let domain = trim_dots(domain);
        let is_url = bytes[at + 1 + domain.len()..].starts_with(b"://");
        if at > from && is_domain(domain) && !is_url {
            // A part after another `@` belongs to it: `user@mail@host`.
            let whole =
                &after[..after.iter().position(|byte| matches!(byte, b'+' | b'~')).unwrap_or(after.len())];
            return Some((from, at + 1 + trim_dots(whole).len()));
        }
        from = at + 1;
    }
    None
}

/// Whether the last label begins with a letter, or four labels may be an IPv4 address. Versions (`react@18.2.0`) have
/// neither.
fn is_domain(domain: &[u8]) -> bool {
    // `parser@v0.8.1`
    if domain.first() == Some(&b'v')
        && domain[1..]
            .split(|byte| *byte == b'.')
            .take(2)
            .all(|number| number.first().is_some_and(u8::is_ascii_digit))
    {
        return false;
    }
    let last = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    last.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
        || domain.split(|byte| *byte == b'.').filter(|label| !label.is_empty()).count() == 4
}

/// The text without dots at its end, which end a sentence.
fn trim_dots(text: &[u8]) -> &[u8] {
    &text[..text.len() - text.iter().rev().take_while(|byte| **byte == b'.').count()]
}

/// Length of `user:password@` at the beginning of what follows `://`.
pub(in crate::privacy::scrub) fn user_info(authority: &[u8]) -> Option<usize> {
    const MOST: usize = 256;
    let length = authority
        .iter()
        .take(MOST)
        .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b' ' | b'"' | b'\'' | b'\n'));
    let authority = &authority[..length.unwrap_or(authority.len().min(MOST))];
    authority.iter().rposition(|byte| *byte == b'@').map(|at| at + 1)
}

/// The text with every character as itself that JSON, HTML or `escape()` writes by its number: `\u0040`, `&#64;`, `%u0040`. Borrowed when
/// there is none, also of wide forms such as `＠`.
pub(in crate::privacy::scrub) fn without_disguise(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let begins = |at: &usize| {
        matches!(bytes[*at..], [b'\\', b'u' | b'x', ..] | [b'&', b'#' | b'c' | b'C', ..] | [b'%', b'u', ..])
    };
    let mut disguises: Vec<usize> =
        memchr3_iter(b'\\', b'&', b'%', bytes).filter(begins).chain(wide_signs(bytes)).collect();
    if disguises.is_empty() {
        return Cow::Borrowed(text);
    }
    disguises.sort_unstable();
    let mut out = String::new();
    let mut copied = 0;
    for at in disguises {
        if at >= copied
            && let Some((character, length)) = disguised(&text[at..])
        {
            out.push_str(&text[copied..at]);
            out.push(character);
            copied = at + length;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Where the sign `﹫` and the wide forms of ASCII stand: `＠`, `＋７`.
fn wide_signs(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr_iter(0xef, bytes).filter(|at| {
        matches!(
            bytes[*at..],
            [0xef, 0xbc, 0x81..=0xbf, ..] | [0xef, 0xbd, 0x80..=0x9e, ..] | [0xef, 0xb9, 0xab, ..]
        )
    })
}

/// The character that a disguise at the beginning stands for, and the length of the disguise.
fn disguised(text: &str) -> Option<(char, usize)> {
    /// What lies between a character and its wide form.
    const WIDE: u32 = 0xfee0;
    const AT: [&str; 3] = ["&commat;", "&COMMAT;", "﹫"];
    if let Some(sign) = AT.iter().find(|sign| text.starts_with(**sign)) {
        return Some(('@', sign.len()));
    }
    if let Some(wide @ '！'..='～') = text.chars().next() {
        return char::from_u32(u32::from(wide) - WIDE).map(|plain| (plain, wide.len_utf8()));
    }
    let (digits, radix, end, before) =
        if let Some(rest) = text.strip_prefix("\\u").or_else(|| text.strip_prefix("%u")) {
            (rest.get(..4)?, 16, 0, 2)
        } else if let Some(rest) = text.strip_prefix("\\x") {
            (rest.get(..2)?, 16, 0, 2)
        } else {
            let rest = text.strip_prefix("&#")?;
            let (rest, radix, before) = match rest.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => (hexadecimal, 16, 3),
                None => (rest, 10, 2),
            };
            let length = rest.bytes().take(8).position(|byte| byte == b';')?;
            (&rest[..length], radix, 1, before)
        };
    let number = u32::from_str_radix(digits, radix)
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    let character = char::from_u32(number).filter(|character| !character.is_control())?;
    Some((character, before + digits.len() + end))
}

/// Where an address ends that is spelt out, from the sign or word for `@` at `at`: `[at] mail dot ru`. `None` when that word stands for itself.
pub(in crate::privacy::scrub) fn spelt_end(text: &str, at: usize) -> Option<usize> {
    const MOST: usize = 100;
    let rest = &text[at..text.floor_char_boundary(at + MOST)];
    let (sign, is_clear) = spelt_sign(rest, &["at", "собака", "sobaka", "@", "собачка"])?;
    let mut end = sign;
    let mut labels = 0;
    let mut spelt_dots = 0;
    loop {
        let label = rest[end..].trim_start_matches(' ');
        let start = rest.len() - label.len();
        let length = label.find(|c: char| !(c.is_alphanumeric() || c == '-')).unwrap_or(label.len());
        if length == 0 || start > end + 1 {
            break;
        }
        labels += 1;
        end = start + length;
        let after = &rest[end..];
        if let Some(host) = after.strip_prefix('.').filter(|host| host.starts_with(char::is_alphanumeric)) {
            end = rest.len() - host.len();
        } else if let Some((dot, _)) = spelt_sign(after, &["dot", "точка", "tochka"]) {
            spelt_dots += 1;
            end += dot;
        } else {
            break;
        }
    }
    (labels >= 2 && (is_clear || spelt_dots > 0)).then_some(at + end)
}

/// Length of one of the words with blanks or brackets around it, and whether there are brackets.
fn spelt_sign(text: &str, words: &[&str]) -> Option<(usize, bool)> {
    let rest = text.trim_start_matches(' ');
    let inner = rest.trim_start_matches(['[', '(', '{', '<']);
    let brackets = inner.len() < rest.len();
    let word = words
        .iter()
        .find(|word| inner.get(..word.len()).is_some_and(|start| start.to_lowercase() == **word))?;
    let after = &inner[word.len()..];
    let closed = after.trim_start_matches([']', ')', '}', '>']);
    let is_whole =
        if brackets { closed.len() < after.len() } else { after.starts_with(' ') && rest.len() < text.len() };
    is_whole.then_some((
        text.len() - if brackets { closed.len() } else { after.len() },
        brackets || *word != "at",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_by_its_number_is_that_character() {
        for (given, plain) in [
            ("a\\u0040b", "a@b"),
            ("a&#64;b&#x40;c", "a@b@c"),
            ("a%u0040b", "a@b"),
            ("a＠b﹫c&commat;d", "a@b@c@d"),
            ("a\\x40b", "a@b"),
            ("&amp;\\n%20\\u12", "&amp;\\n%20\\u12"),
            ("&#;&#99999999999;", "&#;&#99999999999;"),
        ] {
            assert_eq!(without_disguise(given), plain, "{given}");
        }
    }

    #[test]
    fn an_address_that_is_spelt_out_ends_with_its_domain() {
        for (text, end) in [
            (" [at] ya dot ru please", Some(" [at] ya dot ru".len())),
            ("(at)mail(dot)ru", Some(15)),
            (" (собака) mail.ru,", Some(" (собака) mail.ru".len())),
            (" собака mail точка ru", Some(" собака mail точка ru".len())),
            (" at home", None),
            (" at mail.ru", None),
            (" at mail dot ru", Some(15)),
            (" собака лает", None),
        ] {
            assert_eq!(spelt_end(text, 0), end, "{text}");
        }
    }
}
