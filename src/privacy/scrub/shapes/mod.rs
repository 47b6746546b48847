//! What personal data look like, whatever stands before them. Each file knows some kinds and decides nothing.

pub(super) mod check_digits;
pub(super) mod dates;
pub(super) mod email;
pub(super) mod letters;
pub(super) mod names;
pub(super) mod network;
pub(super) mod numbers;
pub(super) mod places;
pub(super) mod tokens;
