//! Reads a sealed segment for shipping: first all of it, to see that it is whole, then the rows, in bounded memory.
//!
//! Both passes run on the calling thread, which may block. The store is told nothing about a segment before it is known
//! to be whole: an insert broken off in its middle is the one thing that no token mends.

use std::borrow::Cow;
use std::io;
use std::ops::{Range, RangeInclusive};

use bytes::{Bytes, BytesMut};

use crate::spool::accounting::digests::{self, Prints};
use crate::spool::accounting::row_layout::Layout;
use crate::spool::accounting::shipped_ids::Identity;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::frame::{Kind, Whole};
use crate::spool::log::segment::{Header, Name, Reader, Step, Table};
use crate::spool::{Sealed, Spool, SpoolError};

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
    prints: Prints,
}

/// Where the rows of a part come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The segment's frames.
    Frames(Kind),
    /// What was found out about it when it was read through.
    Prints,
}

/// The rows of a segment that go into one table.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    source: Source,
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
        let mut unload =
            Self { sealed, file, header, start, identities: Vec::new(), prints: Prints::default() };
        let (mut events, mut audit) = (0, 0);
        let (mut identities, mut prints) = (Vec::new(), Prints::default());
        unload
            .range(start..sealed.bytes, &mut |frame| {
                identities.extend(frame.identities());
                match frame.kind {
                    Kind::Events => events += u64::from(frame.count),
                    Kind::Audit => audit += u64::from(frame.count),
                    Kind::Dropped | Kind::Books | Kind::Seal => {}
                }
                prints.add(frame, sealed.created);
                true
            })
            .map_err(failed)??;
        (unload.identities, unload.prints) = (identities, prints);
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
        let first = self.prints.iter().map(|(_, _, print)| print.first).min()?;
        let last = self.prints.iter().map(|(_, _, print)| print.last).max()?;
        Some((&self.header.table(Kind::Events)?.name, first..=last))
    }

    /// Sites of its events, some more than once.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &str> {
        self.prints.iter().map(|(_, site, _)| site)
    }

    /// Whether its events say when they were received.
    pub(crate) fn tells_receipt(&self) -> bool {
        let columns = self.header.table(Kind::Events).map_or("", |table| &table.columns);
        columns.split(',').any(|column| column.trim() == "received")
    }

    /// Its name.
    pub(crate) fn name(&self) -> Name {
        self.sealed.name
    }

    /// What is to be inserted, in this order: segments and books tell of events that the store has.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let seal = &self.sealed.seal;
        let frames = |kind, rows: u64| {
            let Table { name, columns, .. } = self.header.table(kind).filter(|_| rows > 0)?.clone();
            Some(Part { source: Source::Frames(kind), token: self.token(&name), table: name, columns })
        };
        let prints = Part {
            source: Source::Prints,
            table: digests::TABLE.to_owned(),
            columns: digests::COLUMNS.join(", "),
            token: self.token(digests::TABLE),
        };
        [
            frames(Kind::Events, seal.events),
            frames(Kind::Audit, seal.audit),
            Some(prints),
            frames(Kind::Books, seal.books),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The deduplication token of the rows that go into a table.
    fn token(&self, table: &str) -> String {
        match table {
            "events" => self.sealed.name.to_string(),
            _ => format!("{}-{table}", self.sealed.name),
        }
    }

    /// Hands the rows of a part to `send`, chunk by chunk, until that says that it takes no more. Of the events those are left out that are
    /// `held`, which tells of each in their order, or of none.
    pub(crate) fn rows(
        &self,
        part: &Part,
        held: &[bool],
        mut send: impl FnMut(Bytes) -> bool,
    ) -> Result<(), UnloadError> {
        let books_at = self.sealed.seal.books_at;
        let (kind, range) = match part.source {
            Source::Prints => {
                send(self.prints.encode(self.sealed.name, self.sealed.created).into());
                return Ok(());
            }
            Source::Frames(Kind::Books) => (Kind::Books, books_at..self.sealed.bytes),
            Source::Frames(kind) => (kind, self.start..books_at),
        };
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let mut wanted = true;
        let layout = self.header.table(Kind::Events).filter(|_| held.contains(&true)).and_then(Layout::of);
        let mut held = held.iter().copied();
        let mut each = |frame: &Whole<'_>| {
            if frame.kind == kind {
                let held: Vec<bool> = match kind {
                    Kind::Events => held.by_ref().take(frame.count as usize).collect(),
                    _ => Vec::new(),
                };
                let rows = without(frame, &held, layout.as_ref());
                if chunk.len() + rows.len() > CHUNK && !chunk.is_empty() {
                    let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK));
                    wanted = send(full.freeze());
                }
                chunk.extend_from_slice(&rows);
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

/// The rows of a frame but for those that are held. A frame of columns that this version does not know stays whole: rather a copy,
/// which is taken out when the day closes, than a row that is lost.
fn without<'a>(frame: &Whole<'a>, held: &[bool], layout: Option<&Layout>) -> Cow<'a, [u8]> {
    if !held.contains(&true) {
        return frame.rows.into();
    }
    if !held.contains(&false) {
        return Cow::default();
    }
    let Some(lengths) = layout.and_then(|layout| layout.lengths(frame.rows, frame.count)) else {
        return frame.rows.into();
    };
    let (mut rest, mut left) = (frame.rows, Vec::new());
    for (length, held) in lengths.into_iter().zip(held) {
        let (row, after) = rest.split_at(length);
        left.extend_from_slice(if *held { &[] } else { row });
        rest = after;
    }
    left.into()
}

impl Part {
    /// Whether it is the events.
    pub(crate) fn is_events(&self) -> bool {
        self.source == Source::Frames(Kind::Events)
    }
}

#[cfg(test)]
impl Part {
    /// A part to blame in a test of errors.
    pub(crate) fn of_test() -> Self {
        Self {
            source: Source::Frames(Kind::Events),
            table: "events".into(),
            columns: String::new(),
            token: "token".into(),
        }
    }
}
