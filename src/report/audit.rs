//! The audit for a privacy officer: what was done to keys and access, and when. It has no data of visitors.

use serde_json::{Value, json};

use super::answer::lines;
use super::error::ReportError;
use super::reports::Reports;

const QUERY: &str = "SELECT toString(time), action, detail FROM audit FINAL ORDER BY time DESC LIMIT 1000";

/// The latest entries, the newest first.
///
/// # Errors
/// When the store does not answer, and when an entry is not JSON.
pub(crate) async fn read(reports: &Reports) -> Result<Value, ReportError> {
    let bytes = reports.client().query(QUERY).fetch_bytes("JSONCompactEachRow")?.collect().await?;
    let entry = |line: &[u8]| {
        let [time, action, detail]: [String; 3] = serde_json::from_slice(line)?;
        let detail: Value = serde_json::from_str(&detail)?;
        Ok(json!({ "time": time, "action": action, "detail": detail }))
    };
    let entries: Result<Vec<Value>, serde_json::Error> = lines(&bytes).map(entry).collect();
    entries
        .map(|entries| json!({ "audit": entries }))
        .map_err(|error| ReportError::MalformedAnswer(error.to_string()))
}
