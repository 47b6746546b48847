//! Who may do what: named tokens with roles, sessions of browsers, share links, the same-origin rules for browsers, and signed
//! site names.
//!
//! ```text
//! footfall token add ─► TokenFile (DATA/tokens.json, hashes only) ─► TokenVerifier (in memory, follows the file) ─► Principal
//! footfall share add ─► ShareFile (DATA/shares.json, with the key that signs) ─► ShareVerifier (in memory, follows the file) ─► Principal
//! ```
//!
//! It does not listen, limit rates or see addresses. A token is printed once, when it is made. It appears in no log, error or
//! answer.

mod role;
pub mod same_origin;
mod session;
mod share;
pub mod signature;
mod token;
mod token_file;
mod token_verifier;

pub use role::{Permission, Principal, Role, ShareVisitor, TokenHolder};
pub(crate) use session::LIFE as SESSION_LIFE;
pub use session::{SessionSubject, Sessions};
pub use share::{
    MIN_PASSWORD, NewShareLink, PasswordHash, ShareChange, ShareFile, ShareFileError, ShareLink,
    ShareVerifier,
};
pub use token::{AccessToken, TokenFingerprint};
pub(crate) use token_file::MAX_NAME;
pub use token_file::{TokenEntry, TokenFile, TokenFileError};
pub use token_verifier::{InvalidToken, TokenChange, TokenVerifier};
