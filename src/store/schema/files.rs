//! The files of `sql/schema`, embedded in the program.

use sha2::{Digest, Sha256};

include!(concat!(env!("OUT_DIR"), "/schema_files.rs"));

#[derive(Clone, Copy)]
pub(super) struct SchemaFile {
    /// Its name without `.sql`.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

impl SchemaFile {
    /// SHA-256 of its text, in hexadecimal.
    pub(super) fn checksum(&self) -> String {
        Sha256::digest(self.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// In the order in which they are applied.
pub(super) fn all() -> impl Iterator<Item = SchemaFile> {
    FILES.iter().map(|&(name, text)| SchemaFile { name, text })
}

/// The table of the applied files. It is created before all of them.
pub(super) const MIGRATIONS_TABLE: SchemaFile = SchemaFile {
    name: "migrations",
    text: "CREATE TABLE IF NOT EXISTS {database}.migrations{on_cluster}
(
    name String,
    checksum String,
    applied DateTime64(3, 'UTC')
)
ENGINE = {everywhere ReplacingMergeTree(applied)}
ORDER BY (name, checksum);",
};
