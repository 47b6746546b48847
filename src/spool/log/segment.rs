//! One segment file: its name, its header, its seal, and a reader that goes from frame to frame in bounded memory.
//!
//! Nothing here writes to a disk; [`writer`](crate::spool::log::writer::thread) and [`recovery`](crate::spool::log::recovery) do.

use std::fmt;
use std::io;
use std::ops::Range;

use crate::event;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::frame::{self, Frame, HEADER_LEN, Kind, MAX_FRAME_LEN, Parsed, Whole};

/// First bytes of every segment file.
const MAGIC: &[u8; 8] = b"FOOTSPOL";
/// Version of the format that is written; [`Header::decode`] reads this one alone.
const VERSION: u16 = 1;
/// Before the tables.
const FIXED_LEN: usize = 48;
/// Bound on a header, far above what the columns of three tables take.
const MAX_HEADER_LEN: usize = 64 << 10;
/// Ending of segment files.
const SUFFIX: &str = ".segment";
/// How much the reader takes from the disk at once.
const READ_LEN: usize = 1 << 20;

/// Name of a segment, and its deduplication token: never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Random number of the spool's directory.
    pub collector: u64,
    /// Counts up within the directory.
    pub number: u64,
}

impl Name {
    /// Its file's name.
    pub fn file(self) -> String {
        format!("{self}{SUFFIX}")
    }

    /// The name of the segment in this file, if it is one.
    pub fn of_file(file: &str) -> Option<Self> {
        Self::of_file_with(file, SUFFIX)
    }

    /// The name of the segment that this file with another ending belongs to.
    pub(crate) fn of_file_with(file: &str, suffix: &str) -> Option<Self> {
        Self::of_text(file.strip_suffix(suffix)?)
    }

    /// The name that is written so, if it is one.
    pub fn of_text(text: &str) -> Option<Self> {
        let (collector, number) = text.split_once('-')?;
        let name = Self { collector: u64::from_str_radix(collector, 16).ok()?, number: number.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:010}", self.collector, self.number)
    }
}

/// Where the rows of one kind of frame go: kept in the segment, so that an upgrade ships an older spool as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Comma-separated.
    pub(crate) columns: String,
}

/// The beginning of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: Name,
    /// Unix ms.
    pub(crate) created: i64,
    /// Random; every frame bears it.
    pub(crate) salt: u32,
    pub(crate) tables: Vec<Table>,
}

impl Header {
    /// A header for the tables of this version.
    pub(crate) fn new(name: Name, created: i64, salt: u32) -> Self {
        let tables = [
            (Kind::Events, "events", event::COLUMNS),
            (Kind::Audit, "audit", crate::spool::AUDIT_COLUMNS),
            (Kind::Books, "books", crate::spool::BOOKS_COLUMNS),
        ]
        .map(|(kind, name, columns)| Table {
            kind,
            name: name.to_owned(),
            columns: columns.join(", "),
        });
        Self { name, created, salt, tables: tables.into() }
    }

    pub(crate) fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables.iter().find(|table| table.kind == kind)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 << 10);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 8]); // checksum and length, below
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.tables.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.name.collector.to_le_bytes());
        bytes.extend_from_slice(&self.name.number.to_le_bytes());
        bytes.extend_from_slice(&self.created.to_le_bytes());
        debug_assert_eq!(bytes.len(), FIXED_LEN);
        for table in &self.tables {
            bytes.push(table.kind as u8);
            for text in [&table.name, &table.columns] {
                bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        let len = (bytes.len() as u32).to_le_bytes();
        bytes[12..16].copy_from_slice(&len);
        let checksum = crc32fast::hash(&bytes[12..]).to_le_bytes();
        bytes[8..12].copy_from_slice(&checksum);
        bytes
    }

    /// Reads the header of a file; returns it with its length in bytes.
    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<Result<(Self, u64), String>> {
        let mut bytes = vec![0; 4096];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        if bytes.len() < FIXED_LEN || &bytes[..8] != MAGIC {
            return Ok(Err("the file does not begin as a segment does".into()));
        }
        let len = u32_at(&bytes, 12) as usize;
        if !(FIXED_LEN..=MAX_HEADER_LEN).contains(&len) {
            return Ok(Err(format!("its header claims a length of {len} bytes")));
        }
        if bytes.len() != len {
            bytes.resize(len, 0);
            if file.read_at(&mut bytes, 0)? < len {
                return Ok(Err("the file ends within its header".into()));
            }
        }
        Ok(Self::decode(&bytes).map(|header| (header, len as u64)))
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if crc32fast::hash(&bytes[12..]) != u32_at(bytes, 8) {
            return Err("the checksum of its header does not fit".into());
        }
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let version = u16_at(16);
        if version != VERSION {
            return Err(format!("it is of format {version}; this program reads {VERSION}"));
        }
        let mut rest = &bytes[FIXED_LEN..];
        let mut tables = Vec::new();
        for _ in 0..u16_at(18) {
            let table = table(&mut rest).ok_or("its header names a table that this program does not know")?;
            tables.push(table);
        }
        let name = Name { collector: u64_at(bytes, 24), number: u64_at(bytes, 32) };
        Ok(Self { name, created: u64_at(bytes, 40).cast_signed(), salt: u32_at(bytes, 20), tables })
    }
}

fn table(rest: &mut &[u8]) -> Option<Table> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let mut text = || {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        *rest = after;
        String::from_utf8(text.to_vec()).ok()
    };
    Some(Table { kind: Kind::of(*kind)?, name: text()?, columns: text()? })
}

/// What a sealed segment says of itself in its last frame, so that it can be known without being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seal {
    /// Where the frames of the books begin.
    pub(crate) books_at: u64,
    /// Rows of `events`.
    pub(crate) events: u64,
    /// Rows of `audit`.
    pub(crate) audit: u64,
    /// Rows of `books`.
    pub(crate) books: u64,
}

impl Seal {
    /// Length of its frame.
    pub(crate) const LEN: usize = HEADER_LEN + 32;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut rows = [0; 32];
        for (slot, number) in
            rows.chunks_exact_mut(8).zip([self.books_at, self.events, self.audit, self.books])
        {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        frame::encode(Kind::Seal, 0, &Frame { site: "", page_load: 0, seqs: &[], rows: &rows }, out);
    }

    /// The seal of a file of `length` bytes, if it has one.
    pub(crate) fn read(file: &dyn DiskFile, length: u64, salt: u32) -> io::Result<Option<Self>> {
        let Some(at) = length.checked_sub(Self::LEN as u64) else { return Ok(None) };
        let mut bytes = [0; Self::LEN];
        if file.read_at(&mut bytes, at)? < bytes.len() {
            return Ok(None);
        }
        Ok(match frame::parse(&bytes, salt) {
            Parsed::Whole(Whole { kind: Kind::Seal, rows, .. }) if rows.len() == 32 => Some(Self {
                books_at: u64_at(rows, 0),
                events: u64_at(rows, 8),
                audit: u64_at(rows, 16),
                books: u64_at(rows, 24),
            }),
            _ => None,
        })
    }
}

/// A step of the [`Reader`].
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// The next frame.
    Frame(Whole<'a>),
    /// The range ends where a frame ends.
    End,
    /// No whole frame begins here.
    Bad,
}

/// Goes from frame to frame through a range of a file.
pub(crate) struct Reader<'a> {
    file: &'a dyn DiskFile,
    salt: u32,
    /// Offset in the file of the first byte of `buffer`.
    base: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    used: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, salt: u32, range: Range<u64>) -> Self {
        Self { file, salt, base: range.start, end: range.end, buffer: Vec::new(), used: 0 }
    }

    /// Where the next frame begins, or where no whole frame was found.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.used as u64
    }

    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let mut need = HEADER_LEN;
        let len = loop {
            if self.offset() >= self.end {
                return Ok(Step::End);
            }
            if self.buffer.len() - self.used < need && !self.fill(need)? {
                return Ok(Step::Bad);
            }
            match frame::parse(&self.buffer[self.used..], self.salt) {
                Parsed::Whole(whole) => break whole.len,
                Parsed::Short(len) => need = len,
                Parsed::Bad => return Ok(Step::Bad),
            }
        };
        let start = self.used;
        self.used += len;
        Ok(frame::unchecked(&self.buffer[start..self.used]).map_or(Step::Bad, Step::Frame))
    }

    /// Looks from the next offset on for a whole frame at any byte; steps to it and says so.
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
            let need = match frame::parse(&self.buffer[self.used..], self.salt) {
                Parsed::Whole(_) => return Ok(true),
                Parsed::Short(len) => Some(len),
                Parsed::Bad => None,
            };
            let more = match need {
                Some(len) => self.fill(len)?,
                None => false,
            };
            if !more {
                self.used += 1;
            }
        }
    }

    /// Reads on until `need` bytes are at hand; says whether there are as many.
    fn fill(&mut self, need: usize) -> io::Result<bool> {
        debug_assert!(need <= MAX_FRAME_LEN);
        self.buffer.drain(..self.used);
        self.base += self.used as u64;
        self.used = 0;
        let filled = self.buffer.len();
        let left = self.end - (self.base + filled as u64);
        let take = (READ_LEN.max(need) - filled).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.buffer.resize(filled + take, 0);
        let read = self.file.read_at(&mut self.buffer[filled..], self.base + filled as u64)?;
        self.buffer.truncate(filled + read);
        Ok(self.buffer.len() >= need)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
