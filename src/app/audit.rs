//! Audit rows for changes of keys and tokens.
//!
//! The caller does not wait for the row to become durable. On a full disk that takes until there is space, and neither a key
//! rotation nor a revoked token may wait for it.

use serde_json::Value;

use crate::spool::Spool;

/// A failure is logged.
pub(crate) fn record(spool: &Spool, action: &'static str, detail: &Value) {
    let appended = spool.append_audit(action, &detail.to_string());
    tokio::spawn(async move {
        let written = match appended {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%error, action, "writing an audit row failed; the row is lost");
        }
    });
}
