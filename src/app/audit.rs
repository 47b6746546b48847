//! Audit rows for changes of keys and tokens.
//!
//! A command that changes something, or reads exact figures, leaves its row in a file of the data directory. The running collector, or the next one,
//! takes it over:
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
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::secret::file_lock::{FileLock, open_or_create};
use crate::secret::private_file::give_to_directory_owner;
use crate::spool::{AuditHead, Spool};

pub(crate) const KEY_TURNED: &str = "key turned";
pub(crate) const KEY_EXPIRED: &str = "key expired";

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

/// How often rows of commands are looked for, and the head of the chain is noted.
const EVERY: Duration = Duration::from_secs(2);

/// Takes over the rows that commands leave, and notes the head of the audit's chain once it is durable. It never returns.
pub(crate) async fn follow(data: PathBuf, spool: Arc<Spool>) {
    let mut noted = None;
    loop {
        take_over(&data, &spool).await;
        noted = note_head(&spool, noted).await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Notes the head if it is another one than the noted one. Returns the noted one.
async fn note_head(spool: &Arc<Spool>, noted: Option<AuditHead>) -> Option<AuditHead> {
    let head = spool.audit_head();
    let Some(head) = head.filter(|head| noted.as_ref() != Some(head)) else { return noted };
    // Rows before a sync point are durable once it is.
    if spool.sync_point().await.is_err() {
        return noted;
    }
    let (spool, kept) = (spool.clone(), head.clone());
    let written = tokio::task::spawn_blocking(move || spool.keep_audit_head(&kept)).await;
    match written.expect("it does not panic and is not aborted") {
        Ok(()) => Some(head),
        Err(error) => {
            tracing::warn!(%error, "noting the head of the audit failed; trying again");
            noted
        }
    }
}

/// Notes the head of a spool that is closed, in which everything is durable.
pub(crate) fn note_last_head(spool: &Spool) {
    let Some(head) = spool.audit_head() else { return };
    log_head(&head);
    if let Err(error) = spool.keep_audit_head(&head) {
        tracing::warn!(%error, "noting the head of the audit failed; the next run links to an earlier row");
    }
}

/// A head in the log shows later that no row before it was altered or removed: `footfall audit verify --head`.
pub(crate) fn log_head(head: &AuditHead) {
    tracing::info!(head = head.digest, run = head.run, number = head.number, "head of the audit");
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

/// Appends the rows that commands left. Errors are logged, and the rows stay for the next time.
async fn take_over(data: &Path, spool: &Arc<Spool>) {
    match take_over_rows(data, spool).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "audit rows of commands were taken over"),
        Err(error) => {
            tracing::error!(%error, "audit rows of commands cannot be taken over; trying again");
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
