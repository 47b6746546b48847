//! Share links: addresses that show one site's published figures to whoever has them, until they expire or are revoked.
//!
//! A link is signed, so that a forged one is told without a list, and listed, so that it can be revoked. Both the key and the list
//! lie in `DATA/shares.json`. Collectors with the same file accept the same links.

mod file;
mod link;
mod password;
mod verifier;

pub use file::{NewShareLink, ShareFile, ShareFileError};
pub use link::ShareLink;
pub use password::{MIN_PASSWORD, PasswordHash};
pub use verifier::{ShareChange, ShareVerifier};
