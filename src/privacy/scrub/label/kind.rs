//! What words can say about a value, and how they are linked to it.

use crate::privacy::scrub::words::WordClass;

/// What the last words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::privacy::scrub) enum Label {
    /// There is no word.
    #[default]
    Unnamed,
    /// An id of something that is not named.
    Id,
    /// A word that says nothing.
    Plain,
    Word(WordClass),
}

/// What stands between the label and the next part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::privacy::scrub) enum Link {
    #[default]
    None,
    /// Nothing, or a hyphen, an underscore, a dot.
    Joined,
    /// Spaces, quotes, `#`.
    Near,
    /// A slash.
    Path,
    /// `=` or `:`.
    Assigned,
    /// `:` and a space, as in sentences.
    Prose,
}
