//! Reads suites: tab-separated rows with a user agent, optional hints and the expected answers.

use std::collections::HashMap;
use std::path::PathBuf;

/// User agents of one kind.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) rows: Vec<SuiteRow>,
}

/// Empty answers are not asserted.
pub(crate) struct SuiteRow {
    pub(crate) user_agent: String,
    /// By column name: hints as in headers (`sec_ch_ua`, `platform`, …) and expected answers.
    pub(crate) columns: HashMap<String, String>,
    pub(crate) weight: f64,
}

impl SuiteRow {
    pub(crate) fn column(&self, name: &str) -> &str {
        self.columns.get(name).map_or("", String::as_str)
    }
}

fn directory() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BENCH_SUITES") {
        return Some(named.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("footfall/suites"))
}

/// Sorted by name. Empty if the directory is missing.
pub(crate) fn read_all() -> Vec<Suite> {
    let Some(entries) = directory().and_then(|directory| std::fs::read_dir(directory).ok()) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "tsv"));
    paths.sort();
    paths.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Suite {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let rows = lines.map(|line| {
        let columns: HashMap<String, String> =
            head.iter().map(|name| (*name).to_owned()).zip(line.split('\t').map(str::to_owned)).collect();
        let weight = columns.get("weight").and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
        SuiteRow { user_agent: columns["ua"].clone(), columns, weight }
    });
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Suite { name, rows: rows.collect() }
}
