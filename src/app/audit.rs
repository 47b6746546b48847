//! Rows of the audit: of the collector, and of commands.
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
//! A row that a crash or a full disk cut off was never reported as done. The next row begins on a line of its own, and whatever is not a row is
//! logged and skipped.
//!
//! The caller does not wait for the row to become durable. On a full disk that takes until there is space, and neither a key
//! rotation nor a revoked token may wait for it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::privacy::KeyTurn;
use crate::secret::file_lock::{FileLock, open_or_create};
use crate::secret::private_file::give_to_directory_owner;
use crate::spool::{AuditHead, Spool, SpoolError};

pub(crate) const KEY_TURNED: &str = "key turned";
pub(crate) const KEY_EXPIRED: &str = "key expired";
/// The first key after a time without one.
pub(crate) const KEY_BEGAN: &str = "key began";
pub(crate) const FLEET_BEGUN: &str = "fleet begun";
pub(crate) const FLEET_KEY_EXPORTED: &str = "fleet key exported";
pub(crate) const FLEET_KEY_IMPORTED: &str = "fleet key imported";

const WAITING: &str = "audit.waiting";
const TAKEN: &str = "audit.taken";
const LOCK: &str = "audit.lock";

/// The action and the detail of the audit row for a turn of the key.
pub(crate) fn turn_row(turn: &KeyTurn) -> (&'static str, Value) {
    let (ended, began) = (turn.ended.to_string(), turn.began.to_string());
    match turn.ended.is_none() {
        true => (KEY_BEGAN, json!({ "began": began, "epoch": turn.epoch })),
        false => (KEY_TURNED, json!({ "ended": ended, "began": began, "epoch": turn.epoch })),
    }
}

/// Appends a row to the audit. It does not wait, and a failure is logged.
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
    let mut file = File::options().read(true).append(true).create(true).mode(0o600).open(&path)?;
    give_to_directory_owner(&file, &path)?;
    let begin = if ends_within_line(&mut file)? { "\n" } else { "" };
    file.write_all(format!("{begin}{}\n", json!([action, detail])).as_bytes())?;
    file.sync_all()?;
    File::open(data)?.sync_all()
}

/// Whether a file ends with a line that was cut off.
fn ends_within_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
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
    // A line that a crash cut off may end within a character.
    let text = fs::read(&taken)?;
    let mut acks = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let (line_number, bytes) = (number + 1, line.len());
        let (action, detail) = match serde_json::from_slice::<(String, Value)>(line) {
            Ok(row) => row,
            Err(error) => {
                tracing::warn!(line_number, bytes, %error, "a line of {TAKEN} is not an audit row; it is skipped");
                continue;
            }
        };
        match spool.append_audit(&action, &detail.to_string()) {
            Ok(ack) => acks.push(ack),
            // It would stop the rows behind it for good.
            Err(error @ SpoolError::TooLarge { .. }) => {
                tracing::error!(line_number, bytes, action, %error, "an audit row of a command is skipped");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let rows = acks.len();
    for ack in acks {
        ack.await?;
    }
    fs::remove_file(&taken)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::testing::limits;

    #[tokio::test]
    async fn a_line_that_is_no_row_swallows_no_other_row_and_stops_none() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let (spool, _) = Spool::open(&data.join("spool"), &limits()).unwrap();
        let spool = Arc::new(spool);
        let torn: [&[u8]; 6] = [
            b"[\"key turned\",{\"finger",
            "[\"key turned\",{\"by\":\"О".as_bytes().strip_suffix(b"\x9e").unwrap(),
            b"\0\0\0\0",
            b"{}",
            b"\n\n\xff",
            b"[\"key turned\",{}]",
        ];
        for (number, torn) in torn.into_iter().enumerate() {
            keep_for_collector(data, "before", json!({ "number": number })).unwrap();
            File::options().append(true).open(data.join(WAITING)).unwrap().write_all(torn).unwrap();
            keep_for_collector(data, "after", json!({ "number": number })).unwrap();
            // The last one is whole but for its line feed.
            let whole = if number == 5 { 3 } else { 2 };
            assert_eq!(take_over_rows(data, &spool).await.unwrap(), whole, "{number}");
            assert!(!data.join(TAKEN).exists() && !data.join(WAITING).exists());
        }
    }

    #[tokio::test]
    async fn a_row_that_is_too_long_for_the_spool_stops_no_other_row() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let (spool, _) = Spool::open(&data.join("spool"), &limits()).unwrap();
        let spool = Arc::new(spool);
        keep_for_collector(data, "long", json!({ "text": "x".repeat(64 << 20) })).unwrap();
        keep_for_collector(data, "short", json!({})).unwrap();
        assert_eq!(take_over_rows(data, &spool).await.unwrap(), 1);
    }
}
