//! The one place in memory where a key's state lies: a page of its own that is locked (not swappable), left out of core
//! dumps, and wiped before it goes back to the system.

use memmap2::MmapMut;
use zeroize::Zeroize;

use super::KeyError;
use super::file::Secret;
use crate::privacy::mac::{STATE_BYTES, prepare};

/// The state of one key.
pub(super) struct Page {
    memory: MmapMut,
    locked: bool,
}

impl Page {
    /// Makes the state of `key`, which is wiped.
    pub(super) fn new(key: Secret) -> Result<Self, KeyError> {
        let mut memory = MmapMut::map_anon(STATE_BYTES).map_err(KeyError::Memory)?;
        // Where the system does not allow locking (RLIMIT_MEMLOCK) the key still works; `key status` tells.
        let locked = memory.lock().is_ok();
        #[cfg(target_os = "linux")]
        memory.advise(memmap2::Advice::DontDump).map_err(KeyError::Memory)?;
        let state = memory.first_chunk_mut().expect("the page was made of this size");
        prepare(&key, state);
        Ok(Self { memory, locked })
    }

    /// The state, to compute with.
    pub(super) fn state(&self) -> &[u8; STATE_BYTES] {
        self.memory.first_chunk().expect("the page was made of this size")
    }

    /// Whether the page can never be swapped out.
    pub(super) fn locked(&self) -> bool {
        self.locked
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.memory.zeroize();
    }
}
