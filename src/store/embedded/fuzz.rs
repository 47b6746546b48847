//! What must hold of requests to the embedded store, and of its blocks, whatever is in them. See [`crate::fuzz`].

use std::io::{Read as _, Write as _};

use cityhash_rs::cityhash_102_128;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};

use super::ask::{Ask, is_word};
use super::body;
use super::codec::{Encoder, Encoding, NativeReader, exception_of};
use super::statement::{Shape, Statement};

/// Bytes that are decoded of one input: a bomb is not what is looked for here.
const MAX_PLAIN: u64 = 4 << 20;

/// Lines: the URL's query, then `name:value` headers, an empty line, the body.
///
/// Whatever goes into a statement as it is can be nothing but a word, offsets lie within the statement, and a comment
/// hides no name that reaches outside.
pub fn store_request(data: &[u8]) {
    let end = memchr::memmem::find(data, b"\n\n").unwrap_or(data.len());
    let (head, body) = (&data[..end], data.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let query = std::str::from_utf8(lines.next().unwrap_or_default()).ok();
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&line[colon + 1..])) {
            headers.append(name, value);
        }
    }
    if let Ok(mut ask) = Ask::new(&Method::POST, query, &headers) {
        if let Some(boundary) = ask.boundary.clone() {
            let _refused = body::form(&mut &body[..], &boundary, &mut ask);
        }
        assert!(ask.settings.iter().all(|(name, _)| is_word(name)), "a setting's name is a word");
        assert!(ask.query_id.len() <= 256 && ask.query_id.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert!(ask.session.as_ref().is_none_or(|session| session.id.len() <= 256));
        assert!(ask.format.as_deref().is_none_or(is_word), "a format is a word");
        statement(ask.query.as_bytes());
    }
    statement(body);
}

fn statement(sql: &[u8]) {
    let parsed = Statement::new(sql);
    let end = parsed.end();
    assert!(end <= sql.len());
    match parsed.shape() {
        Shape::Insert { head, data, .. } => assert!(head <= data && data <= sql.len()),
        shape => assert!(shape != Shape::Rows || !parsed.is_empty(), "nothing returns no rows"),
    }
    if let Some((start, end, name)) = parsed.format() {
        assert!(start < end && end <= sql.len() && !name.is_empty());
    }
    let _refused = parsed.assignments(usize::MAX);
    let outside = parsed.outside(usize::MAX);
    for hidden in [&b"/* ' /* */ \" */"[..], b"-- ' `\n", b"\t\n"] {
        let commented = [hidden, sql].concat();
        let commented = Statement::new(&commented);
        assert_eq!(commented.outside(usize::MAX), outside, "behind a comment");
        assert_eq!(commented.unplaced(usize::MAX), parsed.unplaced(usize::MAX), "behind a comment");
    }
}

/// A first byte of 0: blocks as they come; 1: one block with a checksum that fits, its method, its claimed length and its
/// contents from the bytes; 2: bytes that go there and back again; from 3: a content encoding.
///
/// What is decoded keeps to the lengths that it claims, what was encoded comes back, and whatever else is refused.
pub fn native_block(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    match mode % 8 {
        0 => decode(bytes),
        1 => decode(&sealed(bytes)),
        2 => {
            let mut encoder = Encoder::native(Vec::new());
            encoder.write_all(bytes).expect("memory takes it");
            let encoded = encoder.finish().expect("memory takes it");
            let mut back = Vec::new();
            NativeReader::new(&encoded[..]).read_to_end(&mut back).expect("what was encoded is decoded");
            assert_eq!(back, bytes);
        }
        number => {
            let all = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Lz4, Encoding::Brotli];
            let encoding = all[usize::from(number) - 3];
            let Ok(decoder) = encoding.decode(Box::new(bytes)) else { return };
            let mut plain = Vec::new();
            if let Err(error) = decoder.take(MAX_PLAIN).read_to_end(&mut plain) {
                assert!(exception_of(&error).code != 0);
            }
        }
    }
}

fn decode(blocks: &[u8]) {
    let mut plain = Vec::new();
    if let Err(error) = NativeReader::new(blocks).take(MAX_PLAIN).read_to_end(&mut plain) {
        assert!(exception_of(&error).code != 0);
    }
}

/// A block of these contents: the method, two bytes of the length that is claimed, then what is compressed.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let Some(([method, low, high], contents)) = bytes.split_first_chunk::<3>() else { return Vec::new() };
    let method = [0x02, 0x82, 0x90].get(usize::from(*method)).copied().unwrap_or(*method);
    let mut block = vec![0; 16];
    block.push(method);
    block.extend_from_slice(&(9 + contents.len() as u32).to_le_bytes());
    block.extend_from_slice(&u32::from(u16::from_le_bytes([*low, *high])).to_le_bytes());
    block.extend_from_slice(contents);
    let checksum = cityhash_102_128(&block[16..]).rotate_left(64).to_le_bytes();
    block[..16].copy_from_slice(&checksum);
    block
}
