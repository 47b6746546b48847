//! `footfall backup TO` and `footfall restore FROM`.
//!
//! ```text
//! TO/footfall-backup.json   what the backup holds; written last
//! TO/configuration/         the configuration file
//! TO/tokens.json            names, roles and fingerprints of tokens
//! TO/shares.json            share links, with the key that signs them
//! TO/noise.key              the noise key of published figures
//! TO/subjects.json          requests of visitors
//! TO/spool/                 segments that wait to be shipped, and the quarantine
//! TO/store/                 the tables, as ClickHouse's BACKUP writes them
//! ```
//!
//! Never in a backup: the key of pseudonyms, the keys of ended epochs' filters, the passwords of the store, and files of secrets that the configuration
//! names.

mod back_up;
mod manifest;
mod place;
mod restore;

pub(super) use back_up::{BackupArguments, run as back_up};
pub(super) use restore::{RestoreArguments, run as restore};

/// Directories and files of a backup.
const SPOOL: &str = "spool";
const STORE: &str = "store";
const CONFIGURATION: &str = "configuration";
const TOKENS: &str = "tokens.json";
const SHARES: &str = "shares.json";
const NOISE_KEY: &str = "noise.key";
const SUBJECTS: &str = crate::subject::REQUEST_FILE;
/// Private files of the data directory that are copied and restored as they are.
const PRIVATE: [&str; 3] = [TOKENS, SHARES, SUBJECTS];
