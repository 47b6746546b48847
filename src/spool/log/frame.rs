//! The frame: an opaque payload with a checksum, kept whole or not at all.
//!
//! ```text
//! offset  bytes  field
//!      0      4  salt of the segment
//!      4      4  CRC-32 of everything from offset 8 on, with the salt as the initial value
//!      8      4  length of the frame
//!     12      4  number of the batch, from 0
//!     16      1  kind
//!     17      1  flags: bit 0 is set in the last frame of a batch
//!     18         payload
//! ```
//!
//! Encoding leaves salt, batch and checksum empty. [`stamp`] fills them for a whole batch, on the writer's thread. Parsing uses no
//! field but salt and length before the checksum is verified.

use std::ops::Range;

/// Bytes before a frame's payload.
pub(crate) const HEADER_LEN: usize = 18;
/// The longest frame. A beacon of 64 KiB makes rows of well under 1 MiB.
pub const MAX_FRAME_LEN: usize = 4 << 20;

const SALT: Range<usize> = 0..4;
const CHECKSUM: Range<usize> = 4..8;
const LENGTH: Range<usize> = 8..12;
const BATCH: Range<usize> = 12..16;
const KIND: usize = 16;
const FLAGS: usize = 17;
/// Flag of the last frame of a batch.
const LAST: u8 = 1;
const SUMMARY: u8 = 4;
const SEAL: u8 = 5;

/// What a frame is for. On disk it is one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A record of the layer above, which gives the numbers their meaning. They differ from those of the other kinds.
    Record(u8),
    /// A part of the account of a sealed segment.
    Summary,
    /// The end of a sealed segment.
    Seal,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Self {
        match byte {
            SUMMARY => Self::Summary,
            SEAL => Self::Seal,
            record => Self::Record(record),
        }
    }

    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Record(record) => record,
            Self::Summary => SUMMARY,
            Self::Seal => SEAL,
        }
    }
}

/// A record that is to be appended.
pub(crate) trait EncodeRecord {
    fn kind(&self) -> u8;
    fn payload_len(&self) -> usize;
    fn encode_payload(&self, out: &mut Vec<u8>);
}

/// A frame that was read and whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FrameRef<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) batch: u32,
    /// Whether this frame ends its batch.
    pub(crate) is_last: bool,
    pub(crate) payload: &'a [u8],
}

impl FrameRef<'_> {
    pub(crate) fn len(&self) -> usize {
        HEADER_LEN + self.payload.len()
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq)]
pub(crate) enum ParsedFrame<'a> {
    Whole(FrameRef<'a>),
    /// A frame may begin here; this many bytes are needed to tell.
    Incomplete(usize),
    Invalid,
}

pub(crate) fn encoded_len(record: &impl EncodeRecord) -> usize {
    HEADER_LEN + record.payload_len()
}

/// Appends the frame of a record, to be stamped later.
pub(crate) fn encode_record(record: &impl EncodeRecord, out: &mut Vec<u8>) {
    put_header(FrameKind::Record(record.kind()), record.payload_len(), out);
    record.encode_payload(out);
}

/// Appends a frame, to be stamped later.
pub(crate) fn encode(kind: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
    put_header(kind, payload.len(), out);
    out.extend_from_slice(payload);
}

/// The caller checks the bound on the length, so the length fits its field.
fn put_header(kind: FrameKind, payload_len: usize, out: &mut Vec<u8>) {
    let len = HEADER_LEN + payload_len;
    debug_assert!(len <= MAX_FRAME_LEN);
    let mut header = [0; HEADER_LEN];
    header[LENGTH].copy_from_slice(&(len as u32).to_le_bytes());
    header[KIND] = kind.to_byte();
    out.reserve(len);
    out.extend_from_slice(&header);
}

/// Fills in salt, batch and checksum of every frame of a batch, and passes each frame to `visit`.
pub(crate) fn stamp(frames: &mut [u8], salt: u32, batch: u32, mut visit: impl FnMut(&FrameRef<'_>)) {
    let mut rest = frames;
    while !rest.is_empty() {
        let len = u32_at(rest, LENGTH) as usize;
        let (frame, after) = rest.split_at_mut(len);
        frame[SALT].copy_from_slice(&salt.to_le_bytes());
        frame[BATCH].copy_from_slice(&batch.to_le_bytes());
        frame[FLAGS] = if after.is_empty() { LAST } else { 0 };
        let checksum = checksum(salt, &frame[LENGTH.start..]);
        frame[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        visit(&decode(frame));
        rest = after;
    }
}

pub(crate) fn parse(bytes: &[u8], salt: u32) -> ParsedFrame<'_> {
    if bytes.len() < HEADER_LEN {
        return ParsedFrame::Incomplete(HEADER_LEN);
    }
    if u32_at(bytes, SALT) != salt {
        return ParsedFrame::Invalid;
    }
    let len = u32_at(bytes, LENGTH) as usize;
    if !(HEADER_LEN..=MAX_FRAME_LEN).contains(&len) {
        return ParsedFrame::Invalid;
    }
    let Some(frame) = bytes.get(..len) else { return ParsedFrame::Incomplete(len) };
    if u32_at(frame, CHECKSUM) != checksum(salt, &frame[LENGTH.start..]) {
        return ParsedFrame::Invalid;
    }
    ParsedFrame::Whole(decode(frame))
}

/// The fields of a frame of at least [`HEADER_LEN`] bytes whose checksum was verified before.
pub(crate) fn decode(frame: &[u8]) -> FrameRef<'_> {
    FrameRef {
        kind: FrameKind::from_byte(frame[KIND]),
        batch: u32_at(frame, BATCH),
        is_last: frame[FLAGS] & LAST != 0,
        payload: &frame[HEADER_LEN..],
    }
}

/// The salt is the initial value, so a frame left over from another segment never passes.
fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], range: Range<usize>) -> u32 {
    u32::from_le_bytes(bytes[range].try_into().expect("the range is four bytes long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST_SALT: u32 = 0xfeed_beef;

    fn batch() -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..3 {
            encode(FrameKind::Record(number), b"an opaque payload", &mut bytes);
        }
        stamp(&mut bytes, TEST_SALT, 9, |_| {});
        bytes
    }

    #[test]
    fn what_was_encoded_and_stamped_is_read_back() {
        let bytes = batch();
        let mut rest = bytes.as_slice();
        for number in 0..3 {
            let ParsedFrame::Whole(frame) = parse(rest, TEST_SALT) else { panic!("frame {number} is whole") };
            assert_eq!((frame.kind, frame.batch), (FrameKind::Record(number), 9));
            assert_eq!((frame.is_last, frame.payload), (number == 2, b"an opaque payload".as_slice()));
            rest = &rest[frame.len()..];
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_cut_frame_is_incomplete_and_a_changed_one_is_invalid() {
        let bytes = batch();
        let ParsedFrame::Whole(frame) = parse(&bytes, TEST_SALT) else { panic!("the first frame is whole") };
        let len = frame.len();
        for cut in 0..len {
            assert!(matches!(parse(&bytes[..cut], TEST_SALT), ParsedFrame::Incomplete(_)), "cut at {cut}");
        }
        for byte in 0..len {
            let mut changed = bytes[..len].to_vec();
            changed[byte] ^= 0x10;
            assert!(!matches!(parse(&changed, TEST_SALT), ParsedFrame::Whole(_)), "byte {byte} changed");
        }
    }

    #[test]
    fn a_frame_of_another_segment_is_invalid() {
        assert_eq!(parse(&batch(), TEST_SALT + 1), ParsedFrame::Invalid);
        let mut forged = batch();
        forged[..4].copy_from_slice(&(TEST_SALT + 1).to_le_bytes());
        assert_eq!(parse(&forged, TEST_SALT + 1), ParsedFrame::Invalid);
    }
}
