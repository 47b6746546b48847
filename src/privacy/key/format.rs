//! The bytes of the files of keys ([`file`](super::file) describes them).

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::fleet::{FleetId, FleetState};
use crate::privacy::mac::{KEY_BYTES, KeyBytes};

const FORMAT: &[u8; 15] = b"footfall key 1\n";
const FLEET_FORMAT: &[u8; 17] = b"footfall fleet 1\n";
const CHECKSUM: usize = 8;
const LENGTH: usize = FORMAT.len() + 4 + 8 + KEY_BYTES + CHECKSUM;
const FLEET_LENGTH: usize = FLEET_FORMAT.len() + 4 + 8 + FleetId::BYTES + 4 + KEY_BYTES + CHECKSUM;
/// Most bytes of a file of a key.
pub(super) const LONGEST_KEY: usize = FLEET_LENGTH;
const _: () = assert!(LONGEST_KEY > LENGTH);

const FILTER_FORMAT: &[u8; 18] = b"footfall filter 1\n";
/// Bytes of one key of the filter's file.
const FILTER_ENTRY: usize = 8 + KEY_BYTES;
/// Turns in an hour are one, unless an operator or a clock that jumps makes more. Of more than these, the oldest is wiped early.
pub(super) const MOST_FILTERS: usize = 8;
pub(super) const LONGEST_FILTERS: usize = FILTER_FORMAT.len() + MOST_FILTERS * FILTER_ENTRY + CHECKSUM;

/// What the file of a key holds.
pub(super) struct StoredKey {
    pub(super) epoch: u32,
    pub(super) since: Timestamp,
    pub(super) secret: StoredSecret,
}

pub(super) enum StoredSecret {
    /// The key of this collector.
    Own(KeyBytes),
    /// The state from which the fleet's keys are derived.
    Fleet(FleetState),
}

/// The key of an ended epoch's duplicate filter.
pub(super) struct StoredFilterKey {
    /// The machine's uptime at which it must be wiped.
    pub(super) ends: SignedDuration,
    pub(super) key: KeyBytes,
}

/// Whether bytes begin as a file of this or another version.
pub(super) fn is_other_version(bytes: &[u8]) -> bool {
    bytes.starts_with(b"footfall ") && !bytes.starts_with(FORMAT) && !bytes.starts_with(FLEET_FORMAT)
}

pub(super) fn encode(stored: &StoredKey) -> Zeroizing<Vec<u8>> {
    let (epoch, since) = (stored.epoch.to_le_bytes(), stored.since.as_second().to_le_bytes());
    match &stored.secret {
        StoredSecret::Own(key) => joined(&[FORMAT, &epoch, &since, key.as_slice()]),
        StoredSecret::Fleet(state) => {
            let day = state.day().to_le_bytes();
            joined(&[FLEET_FORMAT, &epoch, &since, state.fleet().as_bytes(), &day, state.secret().as_slice()])
        }
    }
}

pub(super) fn decode(bytes: &[u8]) -> Option<StoredKey> {
    let body = checked(bytes)?;
    let (is_fleet, rest) = match body.strip_prefix(FORMAT) {
        Some(rest) if bytes.len() == LENGTH => (false, rest),
        Some(_) => return None,
        None => (true, body.strip_prefix(FLEET_FORMAT).filter(|_| bytes.len() == FLEET_LENGTH)?),
    };
    let (epoch, rest) = rest.split_first_chunk()?;
    let (since, rest) = rest.split_first_chunk()?;
    let secret = if is_fleet {
        let (fleet, rest) = rest.split_first_chunk()?;
        let (day, rest) = rest.split_first_chunk()?;
        let state = FleetState::new(FleetId::from(*fleet), i32::from_le_bytes(*day), key_bytes(rest)?);
        StoredSecret::Fleet(state)
    } else {
        StoredSecret::Own(key_bytes(rest)?)
    };
    let since = Timestamp::from_second(i64::from_le_bytes(*since)).ok()?;
    Some(StoredKey { epoch: u32::from_le_bytes(*epoch), since, secret })
}

pub(super) fn encode_filters(filters: &[StoredFilterKey]) -> Zeroizing<Vec<u8>> {
    let ends: Vec<_> = filters.iter().map(|filter| filter.ends.as_secs().to_le_bytes()).collect();
    let keys = filters.iter().zip(&ends).flat_map(|(filter, ends)| [&ends[..], filter.key.as_slice()]);
    let parts: Vec<&[u8]> = std::iter::once(&FILTER_FORMAT[..]).chain(keys).collect();
    joined(&parts)
}

pub(super) fn decode_filters(bytes: &[u8]) -> Option<Vec<StoredFilterKey>> {
    let (entries, rest) = checked(bytes)?.strip_prefix(FILTER_FORMAT)?.as_chunks::<FILTER_ENTRY>();
    let decode = |entry: &[u8; FILTER_ENTRY]| {
        let (ends, key) = entry.split_first_chunk()?;
        let ends = SignedDuration::from_secs(i64::from_le_bytes(*ends));
        Some(StoredFilterKey { ends, key: key_bytes(key)? })
    };
    if rest.is_empty() { entries.iter().map(decode).collect() } else { None }
}

/// The parts and their checksum.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // Bytes that grow would leave copies of themselves in freed memory.
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + CHECKSUM;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        bytes.extend_from_slice(part);
    }
    let checksum = Sha256::digest(bytes.as_slice());
    bytes.extend_from_slice(&checksum[..CHECKSUM]);
    bytes
}

/// What lies before the checksum, if that is right.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    (Sha256::digest(body)[..CHECKSUM] == checksum[..]).then_some(body)
}

fn key_bytes(bytes: &[u8]) -> Option<KeyBytes> {
    let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
    key.copy_from_slice(bytes.get(..KEY_BYTES)?);
    Some(key)
}
