//! Gathers texts that repeat: each text once, and for each row its number.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::column::NativeColumn;
use super::output::BlockOutput;
use crate::event::row_binary::read_encoded_text;

/// How ClickHouse serialises `LowCardinality`: a dictionary with each block.
const VERSION: u64 = 1;
/// The block brings the keys of its dictionary, and no earlier ones count.
const HAS_KEYS: u64 = 1 << 9 | 1 << 10;
/// Encoding of the empty text.
const EMPTY: &[u8] = &[0];

/// A column of type `LowCardinality(String)`.
pub(in crate::event) struct Dictionary {
    /// Each text as it is sent, length first. The first is empty.
    keys: Vec<u8>,
    /// Where each text ends in `keys`.
    ends: Vec<usize>,
    /// Numbers of all texts but the empty one.
    numbers: HashTable<u32>,
    /// Visitors choose the texts, so they must not know the hashes.
    hasher: RandomState,
    last: u32,
    rows: Numbers,
}

impl Dictionary {
    pub(in crate::event) fn new(rows: usize) -> Self {
        Self {
            keys: EMPTY.to_vec(),
            ends: vec![EMPTY.len()],
            numbers: HashTable::new(),
            hasher: RandomState::default(),
            last: 0,
            rows: Numbers { bytes: Vec::with_capacity(rows), width: 1, owed: 0 },
        }
    }

    /// The number of a text that is not the empty one.
    fn number(&mut self, encoded: &[u8]) -> u32 {
        let Self { keys, ends, numbers, hasher, .. } = self;
        if key(keys, ends, self.last) == encoded {
            return self.last;
        }
        let hash = hasher.hash_one(encoded);
        let is_same = |number: &u32| key(keys, ends, *number) == encoded;
        let found = numbers.find(hash, is_same).copied();
        self.last = found.unwrap_or_else(|| {
            let number = u32::try_from(ends.len()).expect("a segment has fewer texts");
            keys.extend_from_slice(encoded);
            ends.push(keys.len());
            numbers.insert_unique(hash, number, |number| hasher.hash_one(key(keys, ends, *number)));
            number
        });
        self.last
    }
}

fn key<'a>(keys: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &keys[start..ends[number]]
}

impl NativeColumn for Dictionary {
    fn push(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let encoded = read_encoded_text(bytes)?;
        if encoded == EMPTY {
            self.rows.owed += 1;
        } else {
            let number = self.number(encoded);
            self.rows.push(number);
        }
        Some(())
    }

    fn push_defaults(&mut self, count: usize) {
        self.rows.owed += count;
    }

    fn put_prefix(&self, out: &mut BlockOutput<'_>) {
        out.copy(&VERSION.to_le_bytes());
    }

    fn put_values(mut self: Box<Self>, out: &mut BlockOutput<'_>) {
        self.rows.settle();
        // ClickHouse expects nothing more of a dictionary without rows, which a map without pairs has.
        if self.rows.bytes.is_empty() {
            return;
        }
        out.copy(&(u64::from(self.rows.width.ilog2()) | HAS_KEYS).to_le_bytes());
        out.copy(&(self.ends.len() as u64).to_le_bytes());
        out.put(self.keys);
        out.copy(&((self.rows.bytes.len() / self.rows.width as usize) as u64).to_le_bytes());
        out.put(self.rows.bytes);
    }
}

/// Numbers that are as wide as the largest needs: 1, 2 or 4 bytes.
struct Numbers {
    bytes: Vec<u8>,
    width: u32,
    /// How many zeros at the end are not in `bytes` yet: most columns are empty in most rows.
    owed: usize,
}

impl Numbers {
    fn push(&mut self, number: u32) {
        self.settle();
        while u64::from(number) >> (8 * self.width) != 0 {
            self.widen();
        }
        match self.width {
            1 => self.bytes.push(number as u8),
            2 => self.bytes.extend_from_slice(&(number as u16).to_le_bytes()),
            _ => self.bytes.extend_from_slice(&number.to_le_bytes()),
        }
    }

    fn settle(&mut self) {
        let owed = std::mem::take(&mut self.owed) * self.width as usize;
        if owed > 0 {
            self.bytes.resize(self.bytes.len() + owed, 0);
        }
    }

    /// Doubles the width.
    fn widen(&mut self) {
        let width = self.width as usize;
        let mut wide = Vec::with_capacity(self.bytes.capacity() * 2);
        for number in self.bytes.chunks_exact(width) {
            wide.extend_from_slice(number);
            wide.resize(wide.len() + width, 0);
        }
        (self.bytes, self.width) = (wide, self.width * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_wider_when_they_need_to() {
        let mut numbers = Numbers { bytes: Vec::new(), width: 1, owed: 0 };
        for number in [7, 255] {
            numbers.push(number);
        }
        assert_eq!((numbers.width, &*numbers.bytes), (1, &[7, 255][..]));
        numbers.push(256);
        assert_eq!((numbers.width, &*numbers.bytes), (2, &[7, 0, 255, 0, 0, 1][..]));
        numbers.push(1 << 16);
        assert_eq!(numbers.width, 4);
        assert_eq!(numbers.bytes, [7, 0, 0, 0, 255, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
        numbers.owed += 1;
        numbers.push(2);
        assert_eq!(numbers.bytes[16..], [0, 0, 0, 0, 2, 0, 0, 0]);
    }
}
