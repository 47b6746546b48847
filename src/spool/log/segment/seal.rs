//! The seal: the last frame of a sealed segment.

use std::io;

use crate::spool::log::account::{SealTotals, SegmentAccount};
use crate::spool::log::disk::DiskFile;
use crate::spool::log::frame::{self, FrameKind, FrameRef, HEADER_LEN, ParsedFrame};

const PAYLOAD_LEN: usize = 8 * 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seal {
    /// Offset of the first summary frame; of the seal when there is none.
    pub(crate) summary_at: u64,
    pub(crate) totals: SealTotals,
}

impl Seal {
    pub(crate) const LEN: usize = HEADER_LEN + PAYLOAD_LEN;

    fn encode(&self, out: &mut Vec<u8>) {
        let mut payload = [0; PAYLOAD_LEN];
        let numbers = [self.summary_at, self.totals[0], self.totals[1]];
        for (slot, number) in payload.chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        frame::encode(FrameKind::Seal, &payload, out);
    }

    /// The seal of a file of `length` bytes, or `None` if the file does not end with one.
    pub(crate) fn read(file: &dyn DiskFile, length: u64, salt: u32) -> io::Result<Option<Self>> {
        let Some(at) = length.checked_sub(Self::LEN as u64) else { return Ok(None) };
        let mut bytes = [0; Self::LEN];
        if file.read_at(&mut bytes, at)? < bytes.len() {
            return Ok(None);
        }
        Ok(match frame::parse(&bytes, salt) {
            ParsedFrame::Whole(FrameRef { kind: FrameKind::Seal, payload, .. }) => Self::decode(payload),
            _ => None,
        })
    }

    fn decode(payload: &[u8]) -> Option<Self> {
        let (numbers, []) = payload.as_chunks::<8>() else { return None };
        let [summary_at, first, second] = numbers else { return None };
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        Some(Self { summary_at: number(summary_at), totals: [number(first), number(second)] })
    }
}

/// Seals a segment's file behind its last frame, at offset `at`: writes summary and seal, sets the exact length and syncs.
/// Returns the seal and the file's length.
pub(crate) fn seal_file(
    file: &dyn DiskFile,
    salt: u32,
    at: u64,
    batch: u32,
    account: &impl SegmentAccount,
) -> io::Result<(Seal, u64)> {
    let mut bytes = Vec::new();
    for payload in account.encode_summary() {
        frame::encode(FrameKind::Summary, &payload, &mut bytes);
    }
    let seal = Seal { summary_at: at, totals: account.totals() };
    seal.encode(&mut bytes);
    frame::stamp(&mut bytes, salt, batch, |_| {});
    let length = at + bytes.len() as u64;
    file.write_at(&bytes, at)?;
    file.set_length(length)?;
    file.sync()?;
    Ok((seal, length))
}
