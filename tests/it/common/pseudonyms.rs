//! Pseudonyms as `src/privacy/identity/mod.rs` describes them, by another implementation of HMAC. With the key of a running collector they
//! tell which stored event is which beacon's.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The keys of some epochs of a collector.
#[derive(Debug, Clone, Default)]
pub struct EpochKeys(Vec<[u8; 32]>);

impl EpochKeys {
    /// The key in a collector's key directory.
    pub fn read(directory: &Path) -> Self {
        let mut keys = Self::default();
        keys.add(directory);
        assert!(!keys.0.is_empty(), "there is a key in {}", directory.display());
        keys
    }

    /// Adds the key in a key directory, unless it is known or is being replaced.
    pub fn add(&mut self, directory: &Path) {
        let file = std::fs::read(directory.join("key")).unwrap_or_default();
        // Behind the format, the epoch and the time; a checksum follows.
        let Some(key) = file.get(27..59).and_then(|key| key.try_into().ok()) else { return };
        if file.len() == 67 && !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    /// How many different keys are known.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The identity of an event in each of the epochs.
    pub fn event_ids(&self, site: &str, page_load: u64, number: u32) -> Vec<u64> {
        let identity = |key| {
            let [page_load, next] = page_load_of(key, site, page_load);
            // The first number has 31 bits.
            event_identity(page_load, (next >> 33) as u32 + number)
        };
        self.0.iter().map(identity).collect()
    }

    /// The pseudonym of a page load in the last of the epochs.
    pub fn page_load(&self, site: &str, page_load: u64) -> u64 {
        page_load_of(self.0.last().expect("there is a key"), site, page_load)[0]
    }
}

/// Page load and number of a stored event as one number, which is the page load for number 0.
pub fn event_identity(page_load: u64, seq: u32) -> u64 {
    page_load.wrapping_add(u64::from(seq).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn page_load_of(key: &[u8; 32], site: &str, page_load: u64) -> [u64; 2] {
    hmac(key, &[b"page_load", site.as_bytes(), &page_load.to_le_bytes()])
}

/// The first 16 bytes of a code.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u64; 2] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is accepted");
    for part in parts {
        mac.update(&u32::try_from(part.len()).expect("a part is short").to_le_bytes());
        mac.update(part);
    }
    let code = mac.finalize().into_bytes();
    let [first, second, ..] = code.as_chunks().0 else { panic!("a code has 32 bytes") };
    [*first, *second].map(u64::from_be_bytes)
}
