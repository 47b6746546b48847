//! Random texts that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

/// 256 bits: too many to try them all.
const TOKEN_BYTES: usize = 32;
/// Length of [`TOKEN_BYTES`] in base64 without padding.
pub(crate) const TOKEN_LETTERS: usize = (TOKEN_BYTES * 8).div_ceil(6);

/// `prefix`, followed by 256 random bits as [`TOKEN_LETTERS`] letters of base64url.
pub(crate) fn token(prefix: &str) -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    // A text that grows would leave copies of itself in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + TOKEN_LETTERS));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    bytes.zeroize();
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_each_time_and_as_long_as_announced() {
        let (one, other) = (token("x_").unwrap(), token("x_").unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with("x_"));
        assert_eq!(one.len(), 2 + TOKEN_LETTERS);
    }
}
