//! Lists the files of `sql/schema` and `sql/report`, so that a new file becomes part of the program without a list kept by hand.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    for (folder, list) in [("sql/schema", "schema_files.rs"), ("sql/report", "report_files.rs")] {
        println!("cargo::rerun-if-changed={folder}");
        let mut text =
            format!("/// Name without `.sql` and text of each file of `{folder}`, ordered by name.\n");
        text.push_str("pub(super) const FILES: &[(&str, &str)] = &[\n");
        for file in sql_files(&root.join(folder)) {
            let name = file.file_stem().and_then(|name| name.to_str()).expect("names of SQL files are UTF-8");
            let path = file.to_str().expect("paths of SQL files are UTF-8");
            writeln!(text, "    ({name:?}, include_str!({path:?})),").expect("writing to a string succeeds");
        }
        text.push_str("];\n");
        std::fs::write(out.join(list), text).expect("cargo's output directory can be written");
    }
}

fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is part of the sources");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    files
}
