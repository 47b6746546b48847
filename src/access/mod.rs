//! Who may do what: named tokens with roles, the same-origin rules for browsers, and signed site names.
//!
//! ```text
//! footfall token add ─► TokenFile (DATA/tokens.json, hashes only) ─► TokenVerifier (in memory, follows the file) ─► Principal
//! ```
//!
//! It does not listen, limit rates or see addresses. A token is printed once, when it is made. It appears in no log, error or
//! answer.

mod role;
pub mod same_origin;
pub mod signature;
mod token;
mod token_file;
mod token_verifier;

pub use role::{Permission, Principal, Role, TokenHolder};
pub use token::{AccessToken, TokenFingerprint};
pub use token_file::{TokenEntry, TokenFile, TokenFileError};
pub use token_verifier::{InvalidToken, TokenChange, TokenVerifier};
