//! The files of `sql/schema`, embedded in the program.

include!(concat!(env!("OUT_DIR"), "/schema_files.rs"));

#[derive(Clone, Copy)]
pub(super) struct SchemaFile {
    /// Its name without `.sql`.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// In the order in which they are applied.
pub(super) fn all() -> impl Iterator<Item = SchemaFile> {
    FILES.iter().map(|&(name, text)| SchemaFile { name, text })
}

/// The table of the applied files. It is created before all of them.
pub(super) const MIGRATIONS_TABLE: SchemaFile = SchemaFile {
    name: "migrations",
    text: "CREATE TABLE IF NOT EXISTS {database}.migrations
(
    name String,
    checksum String,
    applied DateTime64(3, 'UTC')
)
ENGINE = {everywhere ReplacingMergeTree(applied)}
ORDER BY (name, checksum);",
};
