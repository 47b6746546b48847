//! The ledger: which events were acknowledged. The store must hold each of them exactly once.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a ledger in a file is synced.
const SYNC_EVERY: Duration = Duration::from_millis(100);

/// Acknowledged events by page load and number.
#[derive(Debug, Default)]
pub struct Ledger {
    events: Vec<(u64, u32)>,
    file: Option<Synced>,
}

#[derive(Debug)]
struct Synced {
    file: File,
    unsynced: Vec<u8>,
    last: Instant,
}

impl Ledger {
    /// A ledger in memory, which also writes each event as a line `page_load seq` to a file and syncs it, so that it
    /// can be read after the test.
    pub fn kept_in(path: &Path) -> io::Result<Self> {
        let file = Synced { file: File::create(path)?, unsynced: Vec::new(), last: Instant::now() };
        Ok(Self { events: Vec::new(), file: Some(file) })
    }

    /// Notes an acknowledged beacon: `count` events of a page load from number `first` on.
    pub fn note(&mut self, page_load: u64, first: u32, count: u32) -> io::Result<()> {
        for seq in first..first + count {
            self.events.push((page_load, seq));
            if let Some(file) = &mut self.file {
                writeln!(file.unsynced, "{page_load} {seq}")?;
            }
        }
        Ok(())
    }

    /// Brings the file to disk, if it is time to.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.unsynced.is_empty() || file.last.elapsed() < SYNC_EVERY {
            return Ok(());
        }
        file.file.write_all(&file.unsynced)?;
        file.file.sync_data()?;
        file.unsynced.clear();
        file.last = Instant::now();
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Compares with the ids of the events that the store holds: every acknowledged event exactly once, and nothing else. `ids` gives the
    /// ids that an event may have there, by page load and number.
    pub fn compare(
        &self,
        stored: impl IntoIterator<Item = u64>,
        ids: impl Fn(u64, u32) -> Vec<u64>,
    ) -> Difference {
        let events: HashSet<(u64, u32)> = self.events.iter().copied().collect();
        let by_id: HashMap<u64, (u64, u32)> = events
            .iter()
            .flat_map(|&event| ids(event.0, event.1).into_iter().map(move |id| (id, event)))
            .collect();
        let mut counts: HashMap<(u64, u32), u32> = events.iter().map(|event| (*event, 0)).collect();
        let mut difference = Difference { acknowledged: counts.len(), ..Difference::default() };
        for id in stored {
            let Some(event) = by_id.get(&id) else {
                difference.unknown.push(id);
                continue;
            };
            let count = counts.entry(*event).or_default();
            *count += 1;
            if *count == 2 {
                difference.twice.push(*event);
            }
        }
        difference.missing =
            counts.iter().filter(|(_, count)| **count == 0).map(|(event, _)| *event).collect();
        difference
    }
}

/// What the store holds wrongly.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub acknowledged: usize,
    /// Acknowledged but not stored.
    pub missing: Vec<(u64, u32)>,
    pub twice: Vec<(u64, u32)>,
    /// Ids of events that are stored but were never acknowledged.
    pub unknown: Vec<u64>,
}

impl Difference {
    /// Whether the store holds what was acknowledged, once each, and nothing else.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.twice.is_empty() && self.unknown.is_empty()
    }

    pub fn assert_none(&self) {
        assert!(
            self.is_none(),
            "of {} acknowledged events {} are missing, {} are stored twice, {} were never acknowledged; first: {:?} {:?} {:?}",
            self.acknowledged,
            self.missing.len(),
            self.twice.len(),
            self.unknown.len(),
            self.missing.first(),
            self.twice.first(),
            self.unknown.first(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_sees_what_is_missing_double_and_unknown() {
        // An event has one id in each of two epochs.
        let ids = |page_load: u64, seq: u32| {
            vec![page_load * 10 + u64::from(seq), page_load * 1_000 + u64::from(seq)]
        };
        let mut ledger = Ledger::default();
        ledger.note(7, 0, 3).expect("there is no file to fail");
        assert!(ledger.compare([72, 7_000, 71], ids).is_none());
        let difference = ledger.compare([70, 7_000, 71, 80], ids);
        assert_eq!(difference.missing, [(7, 2)]);
        assert_eq!(difference.twice, [(7, 0)]);
        assert_eq!(difference.unknown, [80]);
    }
}
