//! Audit rows for changes of keys and tokens.
//!
//! A command that changes something while no collector runs, or reads exact figures, leaves its row in a file of the data directory. The collector
//! takes it over at its start, and once a minute:
//!
//! 1. It renames `audit.waiting` to `audit.taken`, unless one is there already.
//! 2. It appends the rows of `audit.taken` to the spool and waits until they are synced.
//! 3. It deletes `audit.taken`.
//!
//! | a crash after | the next time |
//! |---|---|
//! | 1 | appends the rows |
//! | 2 | appends them again: the audit has them twice, each with the time of the change in its detail |
//!
//! The caller does not wait for the row to become durable. On a full disk that takes until there is space, and neither a key
//! rotation nor a revoked token may wait for it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::secret::file_lock::{FileLock, open_or_create};
use crate::secret::private_file::give_to_directory_owner;
use crate::spool::Spool;

pub(crate) const KEY_TURNED: &str = "key turned";
pub(crate) const KEY_EXPIRED: &str = "key expired";

/// How often the file of commands is looked for.
const INTERVAL: Duration = Duration::from_secs(60);
const WAITING: &str = "audit.waiting";
const TAKEN: &str = "audit.taken";
const LOCK: &str = "audit.lock";

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

/// Keeps a row for the next collector. `data` is the data directory, which is created if need be.
///
/// # Errors
/// When the file cannot be written and synced.
pub(crate) fn keep_for_collector(data: &Path, action: &str, mut detail: Value) -> io::Result<()> {
    detail["at"] = jiff::Timestamp::now().to_string().into();
    fs::create_dir_all(data)?;
    let (lock, path) = (data.join(LOCK), data.join(WAITING));
    give_to_directory_owner(&open_or_create(&lock)?, &lock)?;
    let _lock = FileLock::acquire(&lock)?;
    let mut file = File::options().append(true).create(true).mode(0o600).open(&path)?;
    give_to_directory_owner(&file, &path)?;
    file.write_all(format!("{}\n", serde_json::json!([action, detail])).as_bytes())?;
    file.sync_all()?;
    File::open(data)?.sync_all()
}

/// Takes over what commands have left, and what they leave from then on.
pub(crate) async fn follow(data: &Path, spool: &Arc<Spool>) {
    loop {
        take_over(data, spool).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Appends the rows that commands left. Errors are logged, and the rows stay for the next time.
async fn take_over(data: &Path, spool: &Arc<Spool>) {
    match take_over_rows(data, spool).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "audit rows of commands were taken over"),
        Err(error) => {
            tracing::error!(%error, "audit rows of commands cannot be taken over; trying again in a minute");
        }
    }
}

async fn take_over_rows(data: &Path, spool: &Arc<Spool>) -> Result<usize, Box<dyn std::error::Error>> {
    let taken = data.join(TAKEN);
    if !taken.exists() {
        if !data.join(WAITING).exists() {
            return Ok(0);
        }
        let _lock = FileLock::acquire(&data.join(LOCK))?;
        fs::rename(data.join(WAITING), &taken)?;
    }
    let text = fs::read_to_string(&taken)?;
    let mut acks = Vec::new();
    for line in text.lines() {
        // A line that a crash cut off was never reported as done.
        let Ok((action, detail)) = serde_json::from_str::<(String, Value)>(line) else { continue };
        acks.push(spool.append_audit(&action, &detail.to_string())?);
    }
    let rows = acks.len();
    for ack in acks {
        ack.await?;
    }
    fs::remove_file(&taken)?;
    Ok(rows)
}
