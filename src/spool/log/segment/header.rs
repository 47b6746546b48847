//! The header of a segment file.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, FOOTSPOL
//!      8      4  CRC-32 of the header from offset 12 to its end
//!     12      4  length of the header
//!     16      2  version of the format
//!     18      2  number of payload schemas
//!     20      4  salt, random for each file
//!     24      8  collector of the id
//!     32      8  number of the id
//!     40      8  time of creation, Unix ms
//!     48      8  collector that wrote the records first
//!     56         payload schemas: kind of frame (1), length of the text (2), text
//! ```

use std::io;

use super::id::SegmentId;
use crate::spool::log::account::PayloadSchema;
use crate::spool::log::disk::DiskFile;

const MAGIC: &[u8; 8] = b"FOOTSPOL";
/// Version of the spool's format. Recovery reads no other.
pub(crate) const FORMAT: u16 = 4;
/// Length before the schemas.
const FIXED_LEN: usize = 56;
/// The longest header: far above the columns of the rows that a segment holds.
const MAX_HEADER_LEN: usize = 64 << 10;
/// Bytes that are read at once; longer headers take a second read.
const FIRST_READ: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: SegmentId,
    /// The collector that wrote the records first. A segment that is made from another one has an id of its own and keeps this.
    pub(crate) origin: u64,
    /// Unix ms.
    pub(crate) created: i64,
    /// Random; every frame carries it.
    pub(crate) salt: u32,
    pub(crate) schemas: Vec<PayloadSchema>,
}

impl Header {
    pub(crate) fn schema(&self, kind: u8) -> Option<&str> {
        self.schemas.iter().find(|schema| schema.kind == kind).map(|schema| schema.text.as_str())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 << 10);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 8]); // checksum and length, below
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(self.schemas.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.id.collector.to_le_bytes());
        bytes.extend_from_slice(&self.id.number.to_le_bytes());
        bytes.extend_from_slice(&self.created.to_le_bytes());
        bytes.extend_from_slice(&self.origin.to_le_bytes());
        debug_assert_eq!(bytes.len(), FIXED_LEN);
        for schema in &self.schemas {
            bytes.push(schema.kind);
            bytes.extend_from_slice(&(schema.text.len() as u16).to_le_bytes());
            bytes.extend_from_slice(schema.text.as_bytes());
        }
        let len = (bytes.len() as u32).to_le_bytes();
        bytes[12..16].copy_from_slice(&len);
        let checksum = crc32fast::hash(&bytes[12..]).to_le_bytes();
        bytes[8..12].copy_from_slice(&checksum);
        bytes
    }

    /// Returns the header with its length in bytes, or says why it is damaged.
    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<Result<(Self, u64), String>> {
        let mut bytes = vec![0; FIRST_READ];
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
            return Err("the checksum of its header is wrong".into());
        }
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let format = u16_at(16);
        if format != FORMAT {
            return Err(format!("it is of format {format}; this program reads {FORMAT}"));
        }
        let mut rest = &bytes[FIXED_LEN..];
        let mut schemas = Vec::new();
        for _ in 0..u16_at(18) {
            schemas.push(schema(&mut rest).ok_or("its header is incomplete")?);
        }
        let id = SegmentId { collector: u64_at(bytes, 24), number: u64_at(bytes, 32) };
        let (created, origin) = (u64_at(bytes, 40).cast_signed(), u64_at(bytes, 48));
        Ok(Self { id, origin, created, salt: u32_at(bytes, 20), schemas })
    }
}

fn schema(rest: &mut &[u8]) -> Option<PayloadSchema> {
    let ([kind], after) = rest.split_first_chunk()?;
    let (len, after) = after.split_first_chunk()?;
    let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    *rest = after;
    Some(PayloadSchema { kind: *kind, text: String::from_utf8(text.to_vec()).ok()? })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
