//! Where keys come from.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// Each one is random, and no other collector has it.
    Own,
    /// They are derived from the state of a fleet.
    Fleet,
}
