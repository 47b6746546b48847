//! One frame: what is kept whole or not at all. Layout: the module doc of [`spool`](super).
//!
//! Encoding leaves the salt, batch and checksum open; [`stamp`] fills them in for a whole batch at once, on the
//! writer's thread. Parsing believes nothing before the checksum fits.

/// Bytes before a frame's site.
pub(crate) const HEADER_LEN: usize = 32;
/// Bound on one frame. A beacon of 64 KiB makes rows of well under 1 MiB.
pub const MAX_FRAME_LEN: usize = 4 << 20;

const CHECKSUM: std::ops::Range<usize> = 4..8;
const LENGTH: std::ops::Range<usize> = 8..12;
const BATCH: std::ops::Range<usize> = 12..16;
const KIND: usize = 16;
const FLAGS: usize = 17;
const SITE_LEN: std::ops::Range<usize> = 18..20;
const COUNT: std::ops::Range<usize> = 20..24;
const PAGE_LOAD: std::ops::Range<usize> = 24..32;
/// The last frame of its batch.
const LAST: u8 = 1;

/// The events of one beacon, received at one time: all of them or none.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Site id.
    pub site: &'a str,
    /// Id of the page load.
    pub page_load: u64,
    /// Number of each event, in the order of the rows.
    pub seqs: &'a [u32],
    /// As many rows, encoded by [`Row::encode`](crate::event::Row::encode), with one time of receipt: by that of the first the store
    /// is asked for all of them.
    pub rows: &'a [u8],
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Rows of `events`.
    Events = 1,
    /// Rows of `audit`.
    Audit = 2,
    /// A day (u16, days since 1970) and one u32 for each reason of [`Dropped`](crate::event::Dropped).
    Dropped = 3,
    /// Rows of `books`, written at seal.
    Books = 4,
    /// The end of a sealed segment.
    Seal = 5,
}

impl Kind {
    pub(crate) fn of(number: u8) -> Option<Self> {
        [Self::Events, Self::Audit, Self::Dropped, Self::Books, Self::Seal]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// A frame that was read and whose checksum fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Whole<'a> {
    pub(crate) kind: Kind,
    pub(crate) batch: u32,
    /// Whether the batch ends here.
    pub(crate) last: bool,
    pub(crate) site: &'a str,
    /// Rows.
    pub(crate) count: u32,
    pub(crate) page_load: u64,
    seqs: &'a [u8],
    pub(crate) rows: &'a [u8],
    /// Length of the whole frame in bytes.
    pub(crate) len: usize,
}

impl Whole<'_> {
    /// Page load and number of each event.
    pub(crate) fn identities(&self) -> impl Iterator<Item = (u64, u32)> {
        self.seqs.chunks_exact(4).map(|seq| (self.page_load, u32_at(seq, 0..4)))
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed<'a> {
    Whole(Whole<'a>),
    /// A frame may start here; it takes this many bytes.
    Short(usize),
    Bad,
}

/// Length of a frame once encoded.
pub(crate) fn encoded_len(frame: &Frame<'_>) -> usize {
    HEADER_LEN + frame.site.len() + 4 * frame.seqs.len() + frame.rows.len()
}

/// Appends a frame with `count` rows, to be stamped later. Only frames of events have `seqs`.
///
/// The caller has checked that it is no longer than [`MAX_FRAME_LEN`], so that no length here can overflow.
pub(crate) fn encode(kind: Kind, count: u32, frame: &Frame<'_>, out: &mut Vec<u8>) {
    let len = encoded_len(frame);
    debug_assert!(len <= MAX_FRAME_LEN && frame.site.len() <= usize::from(u16::MAX));
    let mut header = [0; HEADER_LEN];
    header[LENGTH].copy_from_slice(&(len as u32).to_le_bytes());
    header[KIND] = kind as u8;
    header[SITE_LEN].copy_from_slice(&(frame.site.len() as u16).to_le_bytes());
    header[COUNT].copy_from_slice(&count.to_le_bytes());
    header[PAGE_LOAD].copy_from_slice(&frame.page_load.to_le_bytes());
    out.reserve(len);
    out.extend_from_slice(&header);
    out.extend_from_slice(frame.site.as_bytes());
    for seq in frame.seqs {
        out.extend_from_slice(&seq.to_le_bytes());
    }
    out.extend_from_slice(frame.rows);
}

/// Stamps every frame of a batch with the segment's salt, the batch's number and its checksum, and shows each to `see`.
pub(crate) fn stamp(frames: &mut [u8], salt: u32, batch: u32, mut see: impl FnMut(&Whole<'_>)) {
    let mut rest = frames;
    while !rest.is_empty() {
        let len = u32_at(rest, LENGTH) as usize;
        let (frame, after) = rest.split_at_mut(len);
        frame[..4].copy_from_slice(&salt.to_le_bytes());
        frame[BATCH].copy_from_slice(&batch.to_le_bytes());
        frame[FLAGS] = if after.is_empty() { LAST } else { 0 };
        let checksum = checksum(salt, &frame[LENGTH.start..]);
        frame[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        see(&unchecked(frame).expect("encode wrote these fields"));
        rest = after;
    }
}

/// Reads the frame at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8], salt: u32) -> Parsed<'_> {
    if bytes.len() < HEADER_LEN {
        return Parsed::Short(HEADER_LEN);
    }
    if u32_at(bytes, 0..4) != salt {
        return Parsed::Bad;
    }
    let len = u32_at(bytes, LENGTH) as usize;
    if !(HEADER_LEN..=MAX_FRAME_LEN).contains(&len) {
        return Parsed::Bad;
    }
    let Some(frame) = bytes.get(..len) else { return Parsed::Short(len) };
    if u32_at(frame, CHECKSUM) != checksum(salt, &frame[LENGTH.start..]) {
        return Parsed::Bad;
    }
    unchecked(frame).map_or(Parsed::Bad, Parsed::Whole)
}

/// The fields of a frame whose checksum was seen to.
pub(crate) fn unchecked(frame: &[u8]) -> Option<Whole<'_>> {
    let kind = Kind::of(frame[KIND])?;
    let count = u32_at(frame, COUNT);
    let site_len = usize::from(u16::from_le_bytes(frame[SITE_LEN].try_into().ok()?));
    let (site, rest) = frame[HEADER_LEN..].split_at_checked(site_len)?;
    let seqs = if kind == Kind::Events { 4 * count as usize } else { 0 };
    let (seqs, rows) = rest.split_at_checked(seqs)?;
    Some(Whole {
        kind,
        batch: u32_at(frame, BATCH),
        last: frame[FLAGS] & LAST != 0,
        site: std::str::from_utf8(site).ok()?,
        count,
        page_load: u64::from_le_bytes(frame[PAGE_LOAD].try_into().ok()?),
        seqs,
        rows,
        len: frame.len(),
    })
}

/// CRC-32 over everything from the length on, begun with the salt: a frame left over from another segment never fits.
fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], range: std::ops::Range<usize>) -> u32 {
    u32::from_le_bytes(bytes[range].try_into().expect("the range is four bytes long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u32 = 0xfeed_beef;

    fn batch() -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..3 {
            let frame = Frame {
                site: "clinic",
                page_load: 7,
                seqs: &[number, number + 100],
                rows: b"two rows of bytes",
            };
            encode(Kind::Events, 2, &frame, &mut bytes);
        }
        stamp(&mut bytes, SALT, 9, |_| {});
        bytes
    }

    #[test]
    fn what_was_encoded_and_stamped_is_read_back() {
        let bytes = batch();
        let mut rest = bytes.as_slice();
        for number in 0..3 {
            let Parsed::Whole(frame) = parse(rest, SALT) else { panic!("frame {number} is whole") };
            assert_eq!((frame.kind, frame.batch, frame.last), (Kind::Events, 9, number == 2));
            assert_eq!((frame.site, frame.count, frame.rows), ("clinic", 2, b"two rows of bytes".as_slice()));
            assert_eq!(frame.identities().collect::<Vec<_>>(), [(7, number), (7, number + 100)]);
            rest = &rest[frame.len..];
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_cut_frame_is_short_and_a_changed_one_is_bad() {
        let bytes = batch();
        let Parsed::Whole(Whole { len, .. }) = parse(&bytes, SALT) else {
            panic!("the first frame is whole")
        };
        for cut in 0..len {
            assert!(matches!(parse(&bytes[..cut], SALT), Parsed::Short(_)), "cut at {cut}");
        }
        for byte in 0..len {
            let mut changed = bytes[..len].to_vec();
            changed[byte] ^= 0x10;
            assert!(!matches!(parse(&changed, SALT), Parsed::Whole(_)), "byte {byte} changed");
        }
    }

    #[test]
    fn a_frame_of_another_segment_is_bad() {
        assert_eq!(parse(&batch(), SALT + 1), Parsed::Bad);
        let mut forged = batch();
        forged[..4].copy_from_slice(&(SALT + 1).to_le_bytes());
        assert_eq!(parse(&forged, SALT + 1), Parsed::Bad);
    }
}
