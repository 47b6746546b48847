//! Parts of version numbers.

use woothee::woothee::VALUE_UNKNOWN;

/// Most bytes of a version.
pub(super) const MAX_VERSION: usize = 16;

/// The text, or nothing for `woothee`'s word for an unknown value.
pub(super) fn known(text: &str) -> &str {
    if text == VALUE_UNKNOWN { "" } else { text }
}

/// The digits before the first dot.
pub(super) fn major(version: &str) -> &str {
    let end = version.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(version.len());
    &version[..end.min(MAX_VERSION)]
}

/// The first two numbers of a version.
pub(super) fn two_parts(version: &str) -> &str {
    let mut dots = 0;
    let end = version.bytes().position(|byte| {
        dots += usize::from(byte == b'.');
        dots == 2 || !(byte.is_ascii_digit() || byte == b'.')
    });
    version[..end.unwrap_or(version.len()).min(MAX_VERSION)].trim_end_matches('.')
}
