//! The audit for a privacy officer: what was done to keys and access, and when. It holds nothing of any visitor.

use serde_json::{Value, json};

use super::run::{ReportError, Reports};

/// The latest entries that are shown.
const QUERY: &str = "SELECT toString(time), action, detail FROM audit ORDER BY time DESC LIMIT 1000";

/// The latest entries, the newest first.
///
/// # Errors
/// When the store does not answer, or the audit holds what is no JSON.
pub(crate) async fn read(reports: &Reports) -> Result<Value, ReportError> {
    let bytes = reports.client().query(QUERY).fetch_bytes("JSONCompactEachRow")?.collect().await?;
    let entry = |line: &[u8]| {
        let [time, action, detail]: [String; 3] = serde_json::from_slice(line)?;
        let detail: Value = serde_json::from_str(&detail)?;
        Ok(json!({ "time": time, "action": action, "detail": detail }))
    };
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let entries: Result<Vec<Value>, serde_json::Error> = lines.map(entry).collect();
    entries
        .map(|entries| json!({ "audit": entries }))
        .map_err(|error| ReportError::Nonsense(error.to_string()))
}
