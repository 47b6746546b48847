//! How full the spool is, and how far behind the store.

use std::time::Duration;

use super::spool::Spool;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{REQUEUE, segment_ids_if_any};
use crate::spool::log::state::now_ms;
use crate::spool::log::writer::space::reserve;

#[derive(Debug, Clone)]
pub struct SpoolStatus {
    /// Bytes on disk, quarantined segments included.
    pub bytes: u64,
    /// Bytes beyond which events are refused.
    pub max_bytes: u64,
    /// Number of sealed segments that wait to be shipped.
    pub sealed: usize,
    /// Rows of events that the store has not confirmed.
    pub events: u64,
    /// Age of the oldest segment with rows.
    pub oldest: Option<Duration>,
    /// Why events are refused for now: the disk is nearly full.
    pub no_space: Option<SpoolError>,
    /// Why everything is refused: the spool is broken.
    pub broken: Option<SpoolError>,
}

/// Free space where the spool is.
#[derive(Debug, Clone, Copy)]
pub struct SpoolSpace {
    pub free: u64,
    /// With less free bytes than these, events are refused.
    pub reserve: u64,
}

impl Spool {
    /// Asks the file system; `None` when it does not tell.
    pub fn space(&self) -> Option<SpoolSpace> {
        let state = &self.log.state;
        let space = state.disk.space(&state.directory).ok()?;
        Some(SpoolSpace { free: space.free, reserve: reserve(state.limits.reserve, space) })
    }

    /// Whether no row waits that was synced before `moment` (Unix ms). Requeued segments count.
    ///
    /// # Errors
    /// When the directory of requeued segments cannot be read.
    pub(crate) fn has_shipped_until(&self, moment: i64) -> Result<bool, SpoolError> {
        let state = &self.log.state;
        // First, because a requeued segment passes from there into the queue.
        if !segment_ids_if_any(&*state.disk, &state.directory.join(REQUEUE))?.is_empty()
            || !self.pending_requeues.lock().is_empty()
            || !self.installed_parts.lock().is_empty()
        {
            return Ok(false);
        }
        // Held until the queue is read, as in `status`.
        let active = state.active.lock();
        Ok(!active.may_have_rows_before(moment) && self.queue.all_created_after(moment))
    }

    /// Seals the active segment if it may have rows that were synced before `moment` (Unix ms). While the store is away, it does so once,
    /// however often it is called.
    pub(crate) fn seal_until(&self, moment: i64) {
        let state = &self.log.state;
        if state.active.lock().may_have_rows_before(moment) {
            state.queue.seal();
        }
    }

    pub fn status(&self) -> SpoolStatus {
        let state = &self.log.state;
        // Held until the queue is read: a segment must not pass from one to the other in between.
        let active = state.active.lock();
        let [active_events, _] = active.totals;
        let (sealed, events, oldest) = self.queue.summary();
        let created = oldest.or((active_events > 0).then_some(active.created));
        SpoolStatus {
            bytes: state.usage.total(),
            max_bytes: state.limits.max_bytes,
            sealed,
            events: active_events + events,
            oldest: created.map(|created| Duration::from_millis((now_ms() - created).max(0).cast_unsigned())),
            no_space: state.queue.no_space(),
            broken: state.broken.get().cloned(),
        }
    }
}
