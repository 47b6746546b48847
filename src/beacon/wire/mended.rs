//! A body whose texts are not Unicode, made readable.
//!
//! JavaScript cuts texts between the halves of a character (`"😀".slice(0, 1)`), and JSON then writes a lone surrogate, `\ud83d`. Other
//! senders write bytes that are not UTF-8. Either would make the whole beacon unreadable.

use std::borrow::Cow;
use std::cell::OnceCell;

/// Keeps the mended body for as long as the beacon that borrows from it.
#[derive(Debug, Default)]
pub struct MendedBody(OnceCell<String>);

impl MendedBody {
    /// The body as text. Each lone surrogate and each sequence of bytes that is not UTF-8 has become U+FFFD. Borrowed if there is none.
    pub(in crate::beacon) fn mend<'a>(&'a self, body: &'a [u8]) -> &'a str {
        match with_whole_characters(String::from_utf8_lossy(body)) {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.0.get_or_init(|| text),
        }
    }
}

/// Replaces the escapes of lone surrogates by that of U+FFFD. JSON has backslashes only in texts.
fn with_whole_characters(mut json: Cow<'_, str>) -> Cow<'_, str> {
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\\', &json.as_bytes()[from..]).map(|at| from + at) {
        let rest = &json.as_bytes()[at..];
        from = at
            + match (unit(rest), rest.get(ESCAPE..).and_then(unit)) {
                (None, _) => 2.min(rest.len()),
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
                (Some(0xd800..=0xdfff), _) => {
                    json.to_mut().replace_range(at..at + ESCAPE, r"\ufffd");
                    ESCAPE
                }
                (Some(_), _) => ESCAPE,
            };
    }
    json
}

/// Bytes of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// The UTF-16 code unit that an escape at the beginning stands for.
fn unit(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(br"\u")?.first_chunk::<4>()?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_and_other_bytes_become_the_replacement_character() {
        for (body, text) in [
            (&br#""a""#[..], "a"),
            (br#""\ud83d""#, "\u{fffd}"),
            (br#""\uDE00b""#, "\u{fffd}b"),
            (br#""\ud83d\ude00""#, "😀"),
            (br#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (br#""\ud83d\n\ude00""#, "\u{fffd}\n\u{fffd}"),
            (br#""\\ud83d""#, r"\ud83d"),
            (br#""\\\ud83d\"""#, "\\\u{fffd}\""),
            (b"\"caf\xe9\"", "caf\u{fffd}"),
            (b"\"\xd0\\ud83d\xd0\xb2\"", "\u{fffd}\u{fffd}в"),
        ] {
            let mended = MendedBody::default();
            let json = mended.mend(body);
            assert_eq!(serde_json::from_str::<String>(json).unwrap(), text, "{json}");
        }
    }

    #[test]
    fn a_body_that_needs_no_mending_is_borrowed() {
        let mended = MendedBody::default();
        for body in
            [&br#"{"n":"\ud83d\ude00 \u0041 \\ud83d"}"#[..], b"", b"\\", b"\\u", br"\u+123", br"\ud83"]
        {
            assert!(std::ptr::eq(mended.mend(body).as_bytes(), body));
        }
        assert!(mended.0.get().is_none());
    }
}
