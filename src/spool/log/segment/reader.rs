//! Reads a range of a segment file frame by frame, in bounded memory.

use std::io;
use std::ops::Range;

use crate::spool::log::disk::DiskFile;
use crate::spool::log::frame::{self, FrameRef, HEADER_LEN, MAX_FRAME_LEN, ParsedFrame};

/// Bytes that are read from the disk at once.
const READ_LEN: usize = 1 << 20;

#[derive(Debug)]
pub(crate) enum ReadStep<'a> {
    /// The next frame, which is whole.
    Frame(FrameRef<'a>),
    /// The range ends where a frame ends.
    End,
    /// No whole frame begins here.
    Invalid,
}

pub(crate) struct SegmentReader<'a> {
    file: &'a dyn DiskFile,
    salt: u32,
    /// Offset in the file of the first byte of `buffer`.
    base: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were returned.
    used: usize,
}

impl<'a> SegmentReader<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, salt: u32, range: Range<u64>) -> Self {
        Self { file, salt, base: range.start, end: range.end, buffer: Vec::new(), used: 0 }
    }

    /// Offset of the next frame, or of the place where no whole frame was found.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.used as u64
    }

    pub(crate) fn step(&mut self) -> io::Result<ReadStep<'_>> {
        let mut needed = HEADER_LEN;
        let len = loop {
            if self.offset() >= self.end {
                return Ok(ReadStep::End);
            }
            if self.buffer.len() - self.used < needed && !self.fill(needed)? {
                return Ok(ReadStep::Invalid);
            }
            match frame::parse(&self.buffer[self.used..], self.salt) {
                ParsedFrame::Whole(whole) => break whole.len(),
                ParsedFrame::Incomplete(len) => needed = len,
                ParsedFrame::Invalid => return Ok(ReadStep::Invalid),
            }
        };
        let start = self.used;
        self.used += len;
        Ok(ReadStep::Frame(frame::decode(&self.buffer[start..self.used])))
    }

    /// Searches every byte from the current offset on for a whole frame. Returns whether there is one; then it is the next.
    pub(crate) fn seek(&mut self) -> io::Result<bool> {
        let salt = memchr::memmem::Finder::new(&self.salt.to_le_bytes()).into_owned();
        loop {
            if self.buffer.len() - self.used < HEADER_LEN && !self.fill(HEADER_LEN)? {
                return Ok(false);
            }
            let Some(found) = salt.find(&self.buffer[self.used..]) else {
                // The last three bytes may be the beginning of the salt.
                self.used = self.buffer.len() - 3;
                continue;
            };
            self.used += found;
            let needed = match frame::parse(&self.buffer[self.used..], self.salt) {
                ParsedFrame::Whole(_) => return Ok(true),
                ParsedFrame::Incomplete(len) => Some(len),
                ParsedFrame::Invalid => None,
            };
            let is_filled = match needed {
                Some(len) => self.fill(len)?,
                None => false,
            };
            if !is_filled {
                self.used += 1;
            }
        }
    }

    /// Reads until `needed` bytes are in the buffer; returns whether there are as many.
    fn fill(&mut self, needed: usize) -> io::Result<bool> {
        debug_assert!(needed <= MAX_FRAME_LEN);
        self.buffer.drain(..self.used);
        self.base += self.used as u64;
        self.used = 0;
        let filled = self.buffer.len();
        let left = self.end - (self.base + filled as u64);
        let take = (READ_LEN.max(needed) - filled).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.buffer.resize(filled + take, 0);
        let read = self.file.read_at(&mut self.buffer[filled..], self.base + filled as u64)?;
        self.buffer.truncate(filled + read);
        Ok(self.buffer.len() >= needed)
    }
}
