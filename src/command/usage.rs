//! The record that a command read exact figures or rows.

use serde_json::Value;

use crate::app::audit;
use crate::config::Config;
use crate::report;

/// The reader in the audit: a command does not know who runs it.
pub(super) const READER: &str = "command line";

/// Leaves a row for the audit, which the collector takes over within seconds. A failure is logged: a user who may not write to the
/// data directory could read the same figures from the store.
pub(super) fn record(config: &Config, detail: Value) {
    if !config.data.is_dir() {
        return;
    }
    if let Err(error) = audit::keep_for_collector(&config.data, report::EXACT_READ, detail) {
        tracing::warn!(%error, "recording that exact figures were read failed; the audit lacks it");
    }
}
