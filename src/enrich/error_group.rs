//! Groups of script errors.
//!
//! Two errors belong to one group if they come from the same script and their messages differ only in numbers and in what
//! quoted values have besides letters. Lines and columns do not count, because they change with every release of the site.

use sha2::{Digest, Sha256};

/// The group of an error: the first 8 bytes of a SHA-256, the same on every collector and in every release.
///
/// `message` and `source` are scrubbed already.
pub fn error_group(message: &str, source: &str) -> u64 {
    let mut plain = String::with_capacity(message.len());
    let mut rest = message.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_digit() {
            plain.push('0');
            while rest.next_if(char::is_ascii_digit).is_some() {}
        } else if matches!(c, '"' | '\'' | '`' | '«') {
            let end = if c == '«' { '»' } else { c };
            // A quotation must be closed; an apostrophe is not a quotation.
            let closed = rest.clone().any(|c| c == end);
            plain.push(c);
            if closed {
                for c in rest.by_ref().take_while(|c| *c != end) {
                    // Names of functions and properties distinguish errors, values do not.
                    if c.is_alphabetic() || c == '_' || c == '.' {
                        plain.push(c);
                    }
                }
                plain.push(end);
            }
        } else {
            plain.push(c);
        }
    }
    let mut hash = Sha256::new();
    hash.update((plain.len() as u64).to_le_bytes());
    hash.update(plain.as_bytes());
    hash.update(source.as_bytes());
    let digest = hash.finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("SHA-256 gives 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_tell_errors_apart() {
        let group = |message| error_group(message, "clinic.example/app.js");
        assert_eq!(group("timeout after 3000 ms"), group("timeout after 12 ms"));
        assert_eq!(group("no such id \"12:7\""), group("no such id \"9-1\""));
        assert_ne!(group("x is not a function"), group("y is not a function"));
        assert_ne!(group("Cannot read 'length'"), group("Cannot read 'name'"));
    }

    #[test]
    fn an_apostrophe_is_no_quotation() {
        assert_ne!(error_group("can't open it", ""), error_group("can't close it", ""));
    }

    #[test]
    fn the_same_message_from_another_script_is_another_error() {
        assert_ne!(error_group("boom", "a.example/a.js"), error_group("boom", "a.example/b.js"));
    }
}
