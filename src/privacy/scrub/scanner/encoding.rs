//! Percent-encoded chunks, which may hide anything, even blanks.

use std::borrow::Cow;

use super::{TextScanner, pass};
use crate::privacy::scrub::label::Link;
use crate::privacy::scrub::percent::{MAX_DEPTH, decode, encode};

impl TextScanner<'_> {
    /// Decodes a chunk, scrubs it and, if something was found, encodes it again.
    pub(super) fn encoded_chunk(&mut self, start: usize, end: usize) {
        if self.depth >= MAX_DEPTH {
            self.replace(start, end, ":token");
            return;
        }
        let decoded = decode(&self.text[start..end]);
        let (scrubbed, context) = pass(&decoded, self.depth + 1, self.context);
        if let Cow::Owned(scrubbed) = scrubbed {
            let mut encoded = String::with_capacity(scrubbed.len());
            encode(&scrubbed, &mut encoded);
            self.replace(start, end, &encoded);
        }
        let path = self.context.is_path();
        self.context = context;
        // An encoded slash or blank does not end the segment of the path.
        if path {
            self.context.stay_in_path();
        }
        if self.context.link == Link::None {
            self.context.reset();
        }
        self.forget_words();
    }
}
