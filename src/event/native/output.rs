//! Passes an encoded block on in chunks.

use bytes::{Bytes, BytesMut};

/// A block is passed on in chunks of about this many bytes.
const CHUNK: usize = 1 << 20;
/// Parts from this length on are not copied.
const LARGE: usize = 64 << 10;

pub(in crate::event) struct BlockOutput<'a> {
    chunk: BytesMut,
    send: &'a mut dyn FnMut(Bytes) -> bool,
    is_wanted: bool,
}

impl<'a> BlockOutput<'a> {
    /// `send` returns whether it wants more.
    pub(super) fn new(send: &'a mut dyn FnMut(Bytes) -> bool) -> Self {
        Self { chunk: BytesMut::new(), send, is_wanted: true }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn put(&mut self, part: Vec<u8>) {
        if part.len() < LARGE {
            return self.copy(&part);
        }
        self.flush();
        let mut part = Bytes::from(part);
        while self.is_wanted && !part.is_empty() {
            let chunk = part.split_to(part.len().min(CHUNK));
            self.is_wanted = (self.send)(chunk);
        }
    }

    pub(super) fn copy(&mut self, part: &[u8]) {
        self.chunk.extend_from_slice(part);
        if self.chunk.len() >= CHUNK {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        let chunk = std::mem::take(&mut self.chunk).freeze();
        if self.is_wanted && !chunk.is_empty() {
            self.is_wanted = (self.send)(chunk);
        }
    }
}
