//! The only memory that holds a key's state: a page that is locked (not swapped), excluded from core dumps, and wiped
//! before it returns to the system.

use memmap2::MmapMut;
use zeroize::Zeroize;

use super::error::KeyError;
use crate::privacy::mac::{KeyBytes, STATE_BYTES, prepare};

pub(super) struct LockedPage {
    memory: MmapMut,
    locked: bool,
}

impl LockedPage {
    /// Computes the state of `key` and wipes `key`.
    pub(super) fn new(key: KeyBytes) -> Result<Self, KeyError> {
        let mut memory = MmapMut::map_anon(STATE_BYTES).map_err(KeyError::Memory)?;
        // Without permission to lock (RLIMIT_MEMLOCK) the key still works; `key status` reports it.
        let locked = memory.lock().is_ok();
        #[cfg(target_os = "linux")]
        memory.advise(memmap2::Advice::DontDump).map_err(KeyError::Memory)?;
        let state = memory.first_chunk_mut().expect("the page was made of this size");
        prepare(&key, state);
        Ok(Self { memory, locked })
    }

    pub(super) fn state(&self) -> &[u8; STATE_BYTES] {
        self.memory.first_chunk().expect("the page was made of this size")
    }

    /// Whether the page cannot be swapped out.
    pub(super) fn locked(&self) -> bool {
        self.locked
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        self.memory.zeroize();
    }
}
