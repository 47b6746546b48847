//! HMAC-SHA-256 (RFC 2104) over parts that are each preceded by their length, from a precomputed key state.
//!
//! The state is what HMAC computes from the key alone: the digests of its inner and outer padding. It is as secret as the
//! key. It stays in the key's locked page and is read from there. `hmac::Hmac` would keep a copy on the heap, so this module
//! does not use it; the tests compare both.

use sha2::block_api::compress256;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key, and of a whole code.
pub(super) const KEY_BYTES: usize = 32;
/// A key between its file and its page. It is on the heap, because moves would leave copies on the stack.
pub(in crate::privacy) type KeyBytes = Box<Zeroizing<[u8; KEY_BYTES]>>;
pub(super) const STATE_BYTES: usize = 64;

/// Bytes that SHA-256 compresses at once.
const BLOCK: usize = 64;
/// Bytes of a SHA-256 digest.
const DIGEST: usize = 32;
/// Initial hash value (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

pub(super) fn prepare(key: &[u8; KEY_BYTES], state: &mut [u8; STATE_BYTES]) {
    let mut block = [0; BLOCK];
    for (pad, half) in [(0x36, 0), (0x5c, DIGEST)] {
        block.fill(pad);
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        let mut words = INITIAL;
        compress256(&mut words, &[block]);
        write_words(&words, &mut state[half..half + DIGEST]);
        words.zeroize();
    }
    block.zeroize();
}

/// An unfinished HMAC; wiped when dropped.
pub(super) struct PseudonymHmac<'k> {
    state: &'k [u8; STATE_BYTES],
    words: [u32; 8],
    block: [u8; BLOCK],
    filled: usize,
    bytes: u64,
}

impl<'k> PseudonymHmac<'k> {
    pub(super) fn new(state: &'k [u8; STATE_BYTES]) -> Self {
        let words = read_words(&state[..DIGEST]);
        Self { state, words, block: [0; BLOCK], filled: 0, bytes: BLOCK as u64 }
    }

    /// Adds a part, preceded by its length as a 32-bit little-endian number, so that two lists of parts never give the same bytes.
    pub(super) fn part(mut self, part: &[u8]) -> Self {
        // A part is a piece of one request, far below 4 GiB.
        self.update(&(part.len() as u32).to_le_bytes());
        self.update(part);
        self
    }

    /// The first 8 bytes of the code, big-endian.
    pub(super) fn finish(self) -> u64 {
        self.finish_wide().0
    }

    /// The first 8 bytes of the code and the next 8, each big-endian.
    pub(super) fn finish_wide(mut self) -> (u64, u64) {
        self.close();
        let [a, b, c, d, ..] = self.words.map(u64::from);
        (a << 32 | b, c << 32 | d)
    }

    /// Writes the whole code.
    pub(super) fn finish_into(mut self, code: &mut [u8; KEY_BYTES]) {
        self.close();
        write_words(&self.words, code);
    }

    /// Ends the inner digest and computes the outer one.
    fn close(&mut self) {
        self.pad();
        let inner = self.words;
        self.words = read_words(&self.state[DIGEST..]);
        write_words(&inner, &mut self.block[..DIGEST]);
        self.filled = DIGEST;
        self.bytes = (BLOCK + DIGEST) as u64;
        self.pad();
    }

    fn update(&mut self, mut input: &[u8]) {
        self.bytes += input.len() as u64;
        while !input.is_empty() {
            let taken = input.len().min(BLOCK - self.filled);
            let (now, later) = input.split_at(taken);
            self.block[self.filled..self.filled + taken].copy_from_slice(now);
            self.filled += taken;
            input = later;
            if self.filled == BLOCK {
                compress256(&mut self.words, &[self.block]);
                self.filled = 0;
            }
        }
    }

    /// Ends the digest: a 1 bit, zeros, and the length in bits (FIPS 180-4, 5.1.1).
    fn pad(&mut self) {
        self.block[self.filled] = 0x80;
        self.block[self.filled + 1..].fill(0);
        if self.filled >= BLOCK - 8 {
            compress256(&mut self.words, &[self.block]);
            self.block.fill(0);
        }
        self.block[BLOCK - 8..].copy_from_slice(&(self.bytes * 8).to_be_bytes());
        compress256(&mut self.words, &[self.block]);
    }
}

impl Drop for PseudonymHmac<'_> {
    fn drop(&mut self) {
        self.words.zeroize();
        self.block.zeroize();
    }
}

fn read_words(bytes: &[u8]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

fn write_words(words: &[u32; 8], bytes: &mut [u8]) {
    for (word, bytes) in words.iter().zip(bytes.as_chunks_mut().0) {
        *bytes = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac as _};
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;

    fn ours(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> u64 {
        let mut state = [0; STATE_BYTES];
        prepare(key, &mut state);
        parts.iter().fold(PseudonymHmac::new(&state), |mac, part| mac.part(part)).finish()
    }

    fn reference(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> u64 {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        for part in parts {
            mac.update(&u32::try_from(part.len()).unwrap().to_le_bytes());
            mac.update(part);
        }
        u64::from_be_bytes(*mac.finalize().into_bytes().first_chunk().unwrap())
    }

    #[test]
    fn every_length_around_the_blocks_edges_agrees_with_the_hmac_crate() {
        let key = *b"0123456789abcdef0123456789abcdef";
        let bytes = [0x61; 300];
        for length in 0..=300 {
            let parts: [&[u8]; 1] = [&bytes[..length]];
            assert_eq!(ours(&key, &parts), reference(&key, &parts), "length {length}");
        }
    }

    #[test]
    fn a_boundary_between_parts_counts() {
        let key = [7; KEY_BYTES];
        assert_ne!(ours(&key, &[b"ab", b"c"]), ours(&key, &[b"a", b"bc"]));
    }

    proptest! {
        #[test]
        fn any_key_and_parts_agree_with_the_hmac_crate(
            key: [u8; KEY_BYTES],
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6),
        ) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(ours(&key, &parts), reference(&key, &parts));
        }
    }
}
