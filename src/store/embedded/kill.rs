//! Kills statements whose clients are gone.
//!
//! The engine gives no handle on a statement before its first row, and takes no name for one. So each statement ends in
//! a comment of its own, by which one thread with a connection of its own finds and kills it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::engine::Connection;
use super::reply::{Cancel, Guard};
use super::session::quote;

/// Between two tries: a statement that has not started yet cannot be found.
const AGAIN: Duration = Duration::from_millis(50);

/// The thread that kills.
pub(super) struct Killer {
    wanted: Sender<(Arc<Cancel>, String)>,
    marks: AtomicU64,
}

impl Killer {
    /// Starts it. It ends with this value.
    pub(super) fn new(mut connection: Connection) -> Self {
        let (wanted, received) = channel::<(Arc<Cancel>, String)>();
        std::thread::Builder::new()
            .name("kill".to_owned())
            .spawn(move || {
                let mut doomed: Vec<(Arc<Cancel>, String)> = Vec::new();
                loop {
                    let next = if doomed.is_empty() {
                        received.recv().map_err(|_| RecvTimeoutError::Disconnected)
                    } else {
                        received.recv_timeout(AGAIN)
                    };
                    match next {
                        Ok(one) => doomed.push(one),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                    doomed.retain(|(cancel, _)| !cancel.has_ended());
                    for (_, mark) in &doomed {
                        let sql = format!("KILL QUERY WHERE endsWith(query, {}) ASYNC", quote(mark));
                        if let Err(error) = connection.execute(&sql) {
                            tracing::warn!(error = error.message, "cannot kill a statement");
                        }
                    }
                }
            })
            .expect("the system starts a thread");
        Self { wanted, marks: AtomicU64::new(0) }
    }

    /// A comment that no other statement of this process ends in.
    pub(super) fn mark(&self) -> String {
        format!("/* footfall {} */", self.marks.fetch_add(1, Ordering::Relaxed))
    }

    /// Kills the statement with this mark when it is dropped early.
    pub(super) fn guard(&self, cancel: Arc<Cancel>, mark: String) -> Guard {
        let wanted = self.wanted.clone();
        let doomed = Arc::clone(&cancel);
        // A killer that is gone has nothing left to kill: the store is closing.
        Guard::new(cancel, move || drop(wanted.send((doomed, mark))))
    }
}
