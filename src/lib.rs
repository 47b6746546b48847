//! Footfall, a privacy-preserving web analytics collector.
//!
//! The path of the data:
//!
//! ```text
//! browser ── /s.js ──► server ─► beacon ─► privacy ─► enrich ─► event ─► spool ══► store ─► ClickHouse
//!    └────── POST /b ───┘        (parse)   (address   (browser, (the     (disk,    (ship)     │
//!                                           ends here) source)   row)     fsync)              ▼
//!                          pages, API, CLI ◄─ operator, command ◄─ report ◄─ sql/report/*.sql
//! ```
//!
//! Three rules hold throughout:
//!
//! 1. Nothing after [`privacy`] sees an IP address or a raw user agent.
//! 2. A 2xx response to a beacon means that its events are on disk and synced. They reach ClickHouse exactly once.
//! 3. Nothing calls a third party at run time.

// A module imports only from the groups above its own, and inside a group as `ARCHITECTURE.md` says.

mod error_chain;

pub mod event;
pub mod secret;

pub mod beacon;
pub mod config;

pub mod access;
pub mod privacy;
pub mod spool;

pub mod enrich;
pub mod store;

pub mod ingest;
pub mod report;
pub mod transport;

pub mod subject;

pub mod demo;
pub mod operator;
pub mod server;

pub mod app;
pub mod command;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod generated_docs;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn files(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn unsafe_code_is_allowed_in_one_file_here_and_in_one_of_the_embedded_engine() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        files(&root.join("src"), &mut found);
        files(&root.join("crates"), &mut found);
        let allow = concat!("allow(", "unsafe_code)");
        found.retain(|file| std::fs::read_to_string(file).unwrap().contains(allow));
        found.sort();
        let expected = ["crates/embedded/src/engine.rs", "src/privacy/place/file.rs"];
        assert_eq!(found, expected.map(|file| root.join(file)));
    }
}
