//! Reads a sealed segment for shipping: first all of it, to see that it is whole, then the rows, in bounded memory.
//!
//! Both passes run on the calling thread, which may block. The store is told nothing about a segment before it is known
//! to be whole: an insert broken off in its middle is the one thing that no token mends.

use std::io;
use std::ops::{Range, RangeInclusive};

use bytes::{Bytes, BytesMut};

use super::disk::DiskFile;
use super::frame::{Kind, Whole};
use super::recent::Identity;
use super::segment::{Header, Name, Reader, Step, Table};
use super::{Sealed, Spool, SpoolError, tally};

/// Rows are handed on in chunks of about this many bytes.
pub(crate) const CHUNK: usize = 1 << 20;

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnloadError {
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// A sealed segment that was read once and found whole.
pub(crate) struct Unload {
    sealed: Sealed,
    file: Box<dyn DiskFile>,
    header: Header,
    start: u64,
    identities: Vec<Identity>,
    /// When the first and the last event were received, Unix ms.
    received: Option<RangeInclusive<i64>>,
}

/// The rows of a segment that go into one table.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    kind: Kind,
    pub(crate) table: String,
    pub(crate) columns: String,
    pub(crate) token: String,
}

impl Unload {
    /// Opens a segment and reads it through.
    pub(crate) fn open(spool: &Spool, sealed: Sealed) -> Result<Self, UnloadError> {
        let file = spool.read(&sealed)?;
        let failed = |source| SpoolError::io("read", spool.directory(), source);
        let (header, start) = Header::read(&*file).map_err(failed)?.map_err(UnloadError::Damaged)?;
        let mut unload = Self { sealed, file, header, start, identities: Vec::new(), received: None };
        let (mut rows, mut identities, mut received) = ([0; 3], Vec::new(), None::<RangeInclusive<i64>>);
        unload
            .range(start..sealed.bytes, &mut |frame| {
                if let Some(rows) = rows.get_mut(frame.kind as usize - 1) {
                    *rows += u64::from(frame.count);
                }
                identities.extend(frame.identities());
                if let Some(at) = (frame.kind == Kind::Events).then(|| tally::received(frame.rows)).flatten()
                {
                    let (first, last) = received.take().map_or((at, at), RangeInclusive::into_inner);
                    received = Some(first.min(at)..=last.max(at));
                }
                true
            })
            .map_err(failed)??;
        (unload.identities, unload.received) = (identities, received);
        let [events, audit, _] = rows;
        if (events, audit) != (sealed.seal.events, sealed.seal.audit) {
            return Err(UnloadError::Damaged(format!(
                "its seal names {} events and {} audit rows, but it holds {events} and {audit}",
                sealed.seal.events, sealed.seal.audit
            )));
        }
        Ok(unload)
    }

    /// Page load and number of its events, in order.
    pub(crate) fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The table of its events and when the first and the last were received, Unix ms; none without events.
    pub(crate) fn events(&self) -> Option<(&str, RangeInclusive<i64>)> {
        Some((&self.header.table(Kind::Events)?.name, self.received.clone()?))
    }

    /// Its name.
    pub(crate) fn name(&self) -> Name {
        self.sealed.name
    }

    /// What is to be inserted, in this order: the books tell of events that the store has.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let seal = &self.sealed.seal;
        [(Kind::Events, seal.events), (Kind::Audit, seal.audit), (Kind::Books, seal.books)]
            .into_iter()
            .filter(|(_, rows)| *rows > 0)
            .filter_map(|(kind, _)| {
                let Table { name, columns, .. } = self.header.table(kind)?.clone();
                let token = match kind {
                    Kind::Events => self.sealed.name.to_string(),
                    _ => format!("{}-{name}", self.sealed.name),
                };
                Some(Part { kind, table: name, columns, token })
            })
            .collect()
    }

    /// Hands the rows of a part to `send`, chunk by chunk, until that says that it takes no more.
    pub(crate) fn rows(&self, part: &Part, mut send: impl FnMut(Bytes) -> bool) -> Result<(), UnloadError> {
        let books_at = self.sealed.seal.books_at;
        let range = match part.kind {
            Kind::Books => books_at..self.sealed.bytes,
            _ => self.start..books_at,
        };
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let mut wanted = true;
        let mut each = |frame: &Whole<'_>| {
            if frame.kind == part.kind {
                let rows = frame.rows;
                if chunk.len() + rows.len() > CHUNK && !chunk.is_empty() {
                    let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK));
                    wanted = send(full.freeze());
                }
                chunk.extend_from_slice(rows);
            }
            wanted
        };
        self.range(range, &mut each).map_err(|source| SpoolError::Io {
            action: "read segment",
            path: self.sealed.name.file().into(),
            source: source.into(),
        })??;
        if wanted && !chunk.is_empty() {
            send(chunk.freeze());
        }
        Ok(())
    }

    fn range(
        &self,
        range: Range<u64>,
        see: &mut impl FnMut(&Whole<'_>) -> bool,
    ) -> io::Result<Result<(), UnloadError>> {
        let mut reader = Reader::new(&*self.file, self.header.salt, range);
        loop {
            match reader.step()? {
                Step::Frame(frame) => {
                    if !see(&frame) {
                        return Ok(Ok(()));
                    }
                }
                Step::End => return Ok(Ok(())),
                Step::Bad => {
                    let reason = format!("no whole frame at byte {}", reader.offset());
                    return Ok(Err(UnloadError::Damaged(reason)));
                }
            }
        }
    }
}

impl Part {
    /// Whether it is the events.
    pub(crate) fn is_events(&self) -> bool {
        self.kind == Kind::Events
    }
}

#[cfg(test)]
impl Part {
    /// A part to blame in a test of errors.
    pub(crate) fn of_test() -> Self {
        Self { kind: Kind::Events, table: "events".into(), columns: String::new(), token: "token".into() }
    }
}
