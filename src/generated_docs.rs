//! Tables of `docs/` that are made from types: tests compare them, `UPDATE_DOCS=1 cargo test --lib document` writes them anew.

use std::path::Path;

/// Compares the part of `file` between the marks of `section` with `expected`.
///
/// # Panics
/// When they differ, or the marks are missing.
pub(crate) fn check(file: &str, section: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (begin, end) = (format!("<!-- {section}: begin -->\n"), format!("<!-- {section}: end -->\n"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("{file} lacks {begin}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("{file} lacks {end}"));
    for line in expected.lines() {
        for cell in line.split(" | ") {
            assert!(cell.chars().count() <= 120, "a cell of over 120 characters: {cell}");
        }
    }
    if text[from..to] == *expected {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{expected}{}", &text[..from], &text[to..])).unwrap();
    } else {
        panic!(
            "{file}, section {section:?}, differs from the types: run UPDATE_DOCS=1 cargo test --lib document"
        );
    }
}
