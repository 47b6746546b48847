//! What stands in the place of personal data. Reports and filters know these texts, so they never change.

/// All placeholders, each for its kind of data.
pub(super) const ALL: [&str; 7] = [":email", ":phone", ":uuid", ":number", ":token", ":name", ":address"];

/// Length of the placeholder at the beginning of a text.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let found = ALL.iter().find(|placeholder| bytes.starts_with(placeholder.as_bytes()))?;
    bytes.get(found.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric()).then_some(found.len())
}

/// Whether something was replaced in a text.
pub fn is_in(text: &str) -> bool {
    text.match_indices(':').any(|(at, _)| length(&text.as_bytes()[at..]).is_some())
}

/// Whether a text has nothing but placeholders and signs between them.
pub(super) fn is_all(text: &str) -> bool {
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(':') {
        let Some(length) = length(&rest.as_bytes()[at..]) else { return false };
        if rest[..at].chars().any(char::is_alphanumeric) {
            return false;
        }
        found = true;
        rest = &rest[at + length..];
    }
    found && !rest.chars().any(char::is_alphanumeric)
}
