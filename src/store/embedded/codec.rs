//! Compression both ways: HTTP content encodings and ClickHouse's own compressed blocks.
//!
//! All of it works on streams, block by block, so that a body is never held whole. A block's checksum is checked before
//! anything of it is used, and no length that a client claims makes this allocate more than [`MAX_BLOCK`].

use std::io::{self, Read, Write};

use cityhash_rs::cityhash_102_128;

use super::engine::Exception;
use super::wire::code;

/// The largest block of ClickHouse's own compression that is read, compressed or not: ClickHouse's limit is 1 GiB, its
/// clients write 1 MiB.
pub(super) const MAX_BLOCK: usize = 64 << 20;
/// The largest window of a zstd body, as a power of two: 8 MiB, which is what RFC 9659 allows a content encoding. The
/// library's own bound is 128 MiB for each request.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Uncompressed bytes of the blocks written here, as ClickHouse's `max_compress_block_size`.
const WRITE_BLOCK: usize = 1 << 20;
/// Checksum, method, and both sizes.
const HEADER: usize = 16 + 1 + 4 + 4;

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `gzip`
    Gzip,
    /// `deflate`, which is zlib on the wire.
    Deflate,
    /// `zstd`
    Zstd,
    /// `lz4`, the frame format.
    Lz4,
    /// `br`
    Brotli,
}

impl Encoding {
    /// Its name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Brotli => "br",
        }
    }

    /// The encoding of a `Content-Encoding`; `None` for none.
    ///
    /// # Errors
    /// With ClickHouse's `UNKNOWN_COMPRESSION_METHOD` for one that is not served.
    pub(super) fn of_content(value: &str) -> Result<Option<Self>, Exception> {
        let value = value.trim().to_ascii_lowercase();
        match value.as_str() {
            "" | "identity" => Ok(None),
            "x-gzip" => Ok(Some(Self::Gzip)),
            name => Self::named(name).map(Some).ok_or_else(|| {
                Exception::new(
                    code::UNKNOWN_COMPRESSION_METHOD,
                    "UNKNOWN_COMPRESSION_METHOD",
                    format_args!(
                        "Unknown compression method {name}. Footfall takes gzip, deflate, zstd, lz4, br"
                    ),
                )
            }),
        }
    }

    /// The first encoding of an `Accept-Encoding` in ClickHouse's order of preference.
    pub(super) fn accepted(value: &str) -> Option<Self> {
        let offered = |name: &str| {
            value.split(',').any(|item| {
                let mut parts = item.split(';');
                let named = parts.next().is_some_and(|part| part.trim().eq_ignore_ascii_case(name));
                let refused = parts.any(|part| matches!(part.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                named && !refused
            })
        };
        ["br", "lz4", "zstd", "gzip", "deflate"].into_iter().find(|name| offered(name)).and_then(Self::named)
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate, Self::Zstd, Self::Lz4, Self::Brotli]
            .into_iter()
            .find(|encoding| encoding.name() == name)
    }

    /// Decodes what `source` gives.
    ///
    /// # Errors
    /// When the decoder cannot be set up.
    pub(super) fn decode<'a>(self, source: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(source)),
            Self::Deflate => Box::new(flate2::read::ZlibDecoder::new(source)),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::new(source)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(source)),
            Self::Brotli => Box::new(brotli::Decompressor::new(source, 64 << 10)),
        })
    }
}

/// Where a response's bytes go: through the encodings that the client asked for, into `sink`.
pub(super) enum Encoder<W: Write> {
    /// As they are.
    Plain(W),
    /// ClickHouse's blocks.
    Native(NativeWriter<W>),
    /// A content encoding.
    Gzip(flate2::write::GzEncoder<W>),
    /// A content encoding.
    Deflate(flate2::write::ZlibEncoder<W>),
    /// A content encoding.
    Zstd(zstd::Encoder<'static, W>),
    /// A content encoding.
    Lz4(Box<lz4_flex::frame::FrameEncoder<W>>),
    /// A content encoding.
    Brotli(Box<brotli::CompressorWriter<W>>),
}

impl<W: Write> Encoder<W> {
    /// Encodes by `encoding` into `sink`.
    ///
    /// # Errors
    /// When the encoder cannot be set up.
    pub(super) fn new(encoding: Option<Encoding>, sink: W) -> io::Result<Self> {
        // Levels as ClickHouse's `http_zlib_compression_level` and its defaults: quick ones.
        let level = flate2::Compression::new(3);
        Ok(match encoding {
            None => Self::Plain(sink),
            Some(Encoding::Gzip) => Self::Gzip(flate2::write::GzEncoder::new(sink, level)),
            Some(Encoding::Deflate) => Self::Deflate(flate2::write::ZlibEncoder::new(sink, level)),
            Some(Encoding::Zstd) => Self::Zstd(zstd::Encoder::new(sink, 1)?),
            Some(Encoding::Lz4) => Self::Lz4(Box::new(lz4_flex::frame::FrameEncoder::new(sink))),
            Some(Encoding::Brotli) => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(sink, 64 << 10, 3, 20)))
            }
        })
    }

    /// ClickHouse's blocks into `sink`.
    pub(super) fn native(sink: W) -> Self {
        Self::Native(NativeWriter { sink, block: Vec::with_capacity(WRITE_BLOCK) })
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When `sink` refuses.
    pub(super) fn finish(self) -> io::Result<W> {
        Ok(match self {
            Self::Plain(sink) => sink,
            Self::Native(mut native) => {
                native.flush()?;
                native.sink
            }
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Deflate(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other)?,
            Self::Brotli(encoder) => encoder.into_inner(),
        })
    }

    fn inner(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(sink) => sink,
            Self::Native(encoder) => encoder,
            Self::Gzip(encoder) => encoder,
            Self::Deflate(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
            Self::Lz4(encoder) => encoder,
            Self::Brotli(encoder) => encoder,
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

/// Writes ClickHouse's blocks, compressed by LZ4.
pub(super) struct NativeWriter<W: Write> {
    sink: W,
    block: Vec<u8>,
}

impl<W: Write> Write for NativeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(WRITE_BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == WRITE_BLOCK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut frame = vec![0; HEADER + lz4_flex::block::get_maximum_output_size(self.block.len())];
        let length =
            lz4_flex::block::compress_into(&self.block, &mut frame[HEADER..]).map_err(io::Error::other)?;
        frame.truncate(HEADER + length);
        frame[16] = METHOD_LZ4;
        let size = |length: usize| u32::try_from(length).map_err(io::Error::other);
        frame[17..21].copy_from_slice(&size(length + HEADER - 16)?.to_le_bytes());
        frame[21..25].copy_from_slice(&size(self.block.len())?.to_le_bytes());
        let checksum = checksum(&frame[16..]);
        frame[..16].copy_from_slice(&checksum);
        self.block.clear();
        self.sink.write_all(&frame)?;
        self.sink.flush()
    }
}

const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
const METHOD_ZSTD: u8 = 0x90;

fn checksum(bytes: &[u8]) -> [u8; 16] {
    // ClickHouse writes the two halves of the hash the other way round than the crate's number holds them.
    cityhash_102_128(bytes).rotate_left(64).to_le_bytes()
}

/// Reads ClickHouse's blocks.
pub(super) struct NativeReader<R: Read> {
    source: R,
    block: Vec<u8>,
    read: usize,
}

impl<R: Read> NativeReader<R> {
    /// Reads the blocks of `source`.
    pub(super) fn new(source: R) -> Self {
        Self { source, block: Vec::new(), read: 0 }
    }

    /// Reads the next block; false at the end of the stream.
    fn next(&mut self) -> io::Result<bool> {
        let mut header = [0_u8; HEADER];
        if self.source.read(&mut header[..1])? == 0 {
            return Ok(false);
        }
        self.source.read_exact(&mut header[1..])?;
        let size = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
        };
        let (compressed, plain) = (size(17), size(21));
        if !(HEADER - 16..=MAX_BLOCK).contains(&compressed) || plain > MAX_BLOCK {
            return Err(refuse(
                code::CANNOT_DECOMPRESS,
                "CANNOT_DECOMPRESS",
                format!(
                    "A compressed block claims {compressed} bytes and {plain} plain ones, at most {MAX_BLOCK} are taken"
                ),
            ));
        }
        let mut body = vec![0_u8; compressed];
        body[..9].copy_from_slice(&header[16..]);
        self.source.read_exact(&mut body[9..])?;
        if checksum(&body) != header[..16] {
            return Err(refuse(
                code::CHECKSUM_DOESNT_MATCH,
                "CHECKSUM_DOESNT_MATCH",
                "Checksum doesn't match: corrupted data".to_owned(),
            ));
        }
        self.block.clear();
        self.block.resize(plain, 0);
        self.read = 0;
        let length = match header[16] {
            METHOD_NONE if compressed - 9 == plain => {
                self.block.copy_from_slice(&body[9..]);
                plain
            }
            METHOD_LZ4 => lz4_flex::block::decompress_into(&body[9..], &mut self.block).map_err(broken)?,
            METHOD_ZSTD => zstd::bulk::decompress_to_buffer(&body[9..], &mut self.block).map_err(broken)?,
            method => {
                return Err(refuse(
                    code::UNKNOWN_COMPRESSION_METHOD,
                    "UNKNOWN_COMPRESSION_METHOD",
                    format!("Unknown compression method 0x{method:02x}. Footfall takes LZ4, ZSTD and none"),
                ));
            }
        };
        if length != plain {
            return Err(broken("its length is not the one it claims"));
        }
        Ok(true)
    }
}

impl<R: Read> Read for NativeReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let taken = into.len().min(self.block.len() - self.read);
        into[..taken].copy_from_slice(&self.block[self.read..self.read + taken]);
        self.read += taken;
        Ok(taken)
    }
}

/// An exception of ClickHouse's as the cause of an I/O error, for [`exception_of`] to find.
fn refuse(code: u32, name: &str, text: String) -> io::Error {
    io::Error::other(Carried(Exception::new(code, name, text)))
}

fn broken(cause: impl std::fmt::Display) -> io::Error {
    refuse(code::CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", format!("Cannot decompress a block: {cause}"))
}

#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct Carried(Exception);

/// The exception that a client is told when its body cannot be read.
pub(super) fn exception_of(error: &io::Error) -> Exception {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<Carried>()) {
        Some(Carried(exception)) => exception.clone(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Exception::new(
            code::CANNOT_READ_ALL_DATA,
            "CANNOT_READ_ALL_DATA",
            "The request's body ends too early",
        ),
        None => Exception::new(
            code::INCORRECT_DATA,
            "INCORRECT_DATA",
            format_args!("The request's body cannot be decoded: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::native(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        NativeReader::new(bytes).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn native_blocks_come_back_as_they_went() {
        let bytes: Vec<u8> =
            (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(plain(&native(&bytes)).unwrap(), bytes);
        assert_eq!(plain(&native(b"")).unwrap(), b"");
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_block_is_noticed() {
        let good = native(b"some text that is long enough to be compressed, compressed, compressed");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(plain(&bad).is_err(), "byte {at}");
        }
        assert!(plain(&good[..good.len() - 1]).is_err());
    }

    #[test]
    fn a_block_that_claims_too_much_is_refused_before_it_is_read() {
        let mut bad = native(b"x");
        bad[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = exception_of(&plain(&bad).unwrap_err());
        assert_eq!(error.code, code::CANNOT_DECOMPRESS);
    }

    #[test]
    fn every_encoding_comes_back_as_it_went() {
        let text = b"a line of text\n".repeat(10_000);
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Lz4, Encoding::Brotli] {
            let mut encoder = Encoder::new(Some(encoding), Vec::new()).unwrap();
            encoder.write_all(&text).unwrap();
            let encoded = encoder.finish().unwrap();
            assert!(encoded.len() < text.len() / 10, "{encoding:?}");
            let mut decoded = Vec::new();
            encoding.decode(Box::new(encoded.as_slice())).unwrap().read_to_end(&mut decoded).unwrap();
            assert_eq!(decoded, text, "{encoding:?}");
        }
    }

    #[test]
    fn a_body_that_asks_for_a_window_of_128_mib_is_refused() {
        let encode = |window_log: u32| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            // Flushed before the end: the frame's header then names the window and not the length.
            encoder.write_all(b"a line of text").unwrap();
            encoder.flush().unwrap();
            encoder.finish().unwrap()
        };
        let decode = |bytes: &[u8]| {
            let mut decoded = Vec::new();
            Encoding::Zstd.decode(Box::new(bytes)).unwrap().read_to_end(&mut decoded).map(|_| decoded)
        };
        assert_eq!(decode(&encode(23)).unwrap(), b"a line of text");
        assert!(decode(&encode(27)).is_err());
    }

    #[test]
    fn the_encoding_is_one_that_the_client_takes() {
        assert_eq!(Encoding::accepted("gzip, deflate"), Some(Encoding::Gzip));
        assert_eq!(Encoding::accepted("lz4"), Some(Encoding::Lz4));
        assert_eq!(Encoding::accepted("br;q=0, zstd"), Some(Encoding::Zstd));
        assert_eq!(Encoding::accepted("identity"), None);
    }
}
