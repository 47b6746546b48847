//! Rows of the audit for what happens beside the beacons: turns of keys, changes of tokens.
//!
//! Whoever acts hands its row in and goes on. On a full disk a row becomes durable only once there is space, and neither the
//! next turn of a key nor the next revoked token may wait for that.

use serde_json::Value;

use crate::spool::Spool;

/// Hands in a row; one that does not become durable is in the log.
pub(crate) fn record(spool: &Spool, action: &'static str, detail: &Value) {
    let taken = spool.append_audit(action, &detail.to_string());
    tokio::spawn(async move {
        let written = match taken {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%error, action, "this is not in the audit");
        }
    });
}
