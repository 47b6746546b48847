//! The settings as they were written, and where: for problems that only the machine shows, and for what a reload changes.

use std::collections::BTreeMap;

use super::raw::{RawValue, SettingLocation};

/// Tables and keys whose changes a reload applies.
const RELOADED: [&str; 3] = ["site", "policy", "lists"];

/// Each setting of the file and the environment by its key: `listen`, `store.url`, and `geo[1]` for the second one of a list.
#[derive(Clone, Default)]
pub(crate) struct WrittenSettings {
    values: BTreeMap<String, (RawValue, SettingLocation)>,
}

impl WrittenSettings {
    pub(super) fn new(settings: &BTreeMap<String, (RawValue, SettingLocation)>) -> Self {
        let mut written = Self::default();
        written.add("", settings);
        written
    }

    fn add(&mut self, prefix: &str, settings: &BTreeMap<String, (RawValue, SettingLocation)>) {
        for (key, (value, location)) in settings {
            let key = format!("{prefix}{key}");
            match value {
                RawValue::Table(inner) => self.add(&format!("{key}."), inner),
                RawValue::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.values.insert(format!("{key}[{index}]"), item.clone());
                    }
                }
                _ => {}
            }
            self.values.insert(key, (value.clone(), location.clone()));
        }
    }

    /// Where a setting was written. A part of a setting that was written as one text stands where that text does.
    pub(super) fn location(&self, key: &str) -> SettingLocation {
        let whole = key.split('[').next().unwrap_or(key);
        let table = whole.split('.').next().unwrap_or(whole);
        let found = [key, whole].into_iter().find_map(|key| self.values.get(key));
        // `store = "http://…"` is the table's `url`.
        let found = found.or_else(|| {
            self.values
                .get(table)
                .filter(|(value, _)| whole == "store.url" && matches!(value, RawValue::Text(_)))
        });
        found.map_or(SettingLocation::Default, |(_, location)| location.clone())
    }

    /// Whether the file has any setting.
    pub(crate) fn has_lines(&self) -> bool {
        self.values.values().any(|(_, location)| matches!(location, SettingLocation::Line(_)))
    }

    /// Whether it was written at all.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The keys whose values differ in `later`, except those that a reload applies.
    pub(crate) fn changed_for_restart(&self, later: &Self) -> Vec<String> {
        let value = |settings: &Self, key: &str| settings.values.get(key).map(|(value, _)| plain(value));
        let is_part = |key: &&String| key.contains('[');
        let is_table = |key: &&String| {
            let is_table = |settings: &Self| {
                settings.values.get(*key).is_some_and(|(value, _)| matches!(value, RawValue::Table(_)))
            };
            is_table(self) || is_table(later)
        };
        let is_reloaded = |key: &&String| RELOADED.contains(&key.split('.').next().unwrap_or_default());
        let mut keys: Vec<&String> = self.values.keys().chain(later.values.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let keys = keys.into_iter().filter(|key| !is_part(key) && !is_table(key) && !is_reloaded(key));
        keys.filter(|key| value(self, key) != value(later, key)).cloned().collect()
    }
}

/// A value without its locations: moving a setting to another line does not count as a change.
fn plain(value: &RawValue) -> String {
    match value {
        RawValue::List(items) => items.iter().map(|(item, _)| plain(item)).collect::<Vec<_>>().join("\u{1f}"),
        other => format!("{other:?}"),
    }
}
