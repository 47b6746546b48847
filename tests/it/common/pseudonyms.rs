//! Pseudonyms as `src/privacy/identity.rs` describes them, by another implementation of HMAC. With the key of a running collector they
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

    /// The id of an event in each of the epochs.
    pub fn event_ids(&self, site: &str, page_load: u64, number: u32) -> Vec<u64> {
        let code =
            |key| hmac(key, &[b"event", site.as_bytes(), &page_load.to_le_bytes(), &number.to_le_bytes()]);
        self.0.iter().map(code).collect()
    }

    /// The pseudonym of a page load in the last of the epochs.
    pub fn page_load(&self, site: &str, page_load: u64) -> u64 {
        let key = self.0.last().expect("there is a key");
        hmac(key, &[b"page_load", site.as_bytes(), &page_load.to_le_bytes()])
    }
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> u64 {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is accepted");
    for part in parts {
        mac.update(&u32::try_from(part.len()).expect("a part is short").to_le_bytes());
        mac.update(part);
    }
    u64::from_be_bytes(*mac.finalize().into_bytes().first_chunk().expect("a code has 32 bytes"))
}
