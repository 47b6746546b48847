//! Compression both ways: HTTP's content encodings and ClickHouse's own blocks.

use std::io::{Read, Write};

use super::{Running, encode, refusal, row, store};
use crate::common::http::{Answer, post};

const ENCODINGS: [&str; 5] = ["gzip", "deflate", "zstd", "lz4", "br"];

fn packed(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(bytes, 3).unwrap(),
        "lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            encoder.write_all(bytes).unwrap();
            encoder.into_inner()
        }
        other => panic!("{other}"),
    }
}

fn unpacked(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        "deflate" => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out),
        "zstd" => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut out),
        "lz4" => lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut out),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        other => panic!("{other}"),
    }
    .unwrap_or_else(|error| panic!("{encoding}: {error}"));
    out
}

/// One of ClickHouse's blocks: checksum, method, sizes, data.
fn block(method: u8, bytes: &[u8]) -> Vec<u8> {
    let data = match method {
        0x82 => lz4_flex::block::compress(bytes),
        0x90 => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    };
    let mut body = vec![method];
    body.extend_from_slice(&u32::try_from(data.len() + 9).unwrap().to_le_bytes());
    body.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    body.extend_from_slice(&data);
    let mut block = cityhash_rs::cityhash_102_128(&body).rotate_left(64).to_le_bytes().to_vec();
    block.extend_from_slice(&body);
    block
}

fn with_table() -> Running {
    let store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    store
}

fn insert(store: &Running, parameters: &str, headers: &str, body: &[u8]) -> Answer {
    let path = format!("/?query={}&{parameters}", encode("INSERT INTO t FORMAT RowBinary"));
    post(store.address(), &path, headers, body).unwrap()
}

#[test]
fn an_insert_may_come_in_every_encoding() {
    let store = with_table();
    let rows: Vec<u8> = (0..10_000).flat_map(|number| row(number, b"\n\nsome text")).collect();
    for encoding in ENCODINGS {
        let answer =
            insert(&store, "", &format!("Content-Encoding: {encoding}\r\n"), &packed(encoding, &rows));
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
    }
    assert_eq!(store.text("SELECT count(), uniqExact(a) FROM t"), "50000\t10000\n");
    let statement = packed("gzip", b"SELECT 1");
    let answer = post(store.address(), "/", "Content-Encoding: gzip\r\n", &statement).unwrap();
    assert_eq!(answer.text(), "1\n");
    assert_eq!(refusal(&insert(&store, "", "Content-Encoding: snappy\r\n", b"x")).1, 89);
}

#[test]
fn an_encoded_body_that_is_cut_or_broken_is_not_inserted() {
    let store = with_table();
    let rows: Vec<u8> = (0..10_000).flat_map(|number| row(number, b"some text")).collect();
    for encoding in ENCODINGS {
        let packed = packed(encoding, &rows);
        let header = format!("Content-Encoding: {encoding}\r\n");
        let cut = insert(&store, "", &header, &packed[..packed.len() / 2]);
        assert_ne!(cut.status, 200, "{encoding}");
        let garbage = insert(&store, "", &header, b"this is not compressed at all");
        assert_ne!(garbage.status, 200, "{encoding}");
    }
    assert_eq!(store.text("SELECT count() FROM t"), "0\n");
}

#[test]
fn a_result_may_leave_in_every_encoding_large_or_small() {
    let store = store();
    for (rows, length) in [(3_u64, 6_usize), (1_000_000, 6_888_890)] {
        let sql = format!("SELECT number FROM numbers({rows})");
        for encoding in ENCODINGS {
            let header = format!("Accept-Encoding: {encoding}\r\n");
            let path = "/?enable_http_compression=1";
            let answer = post(store.address(), path, &header, sql.as_bytes()).unwrap();
            assert_eq!(answer.header("content-encoding"), Some(encoding));
            let text = unpacked(encoding, &answer.body);
            assert_eq!(text.len(), length, "{encoding}");
            assert!(text.starts_with(b"0\n1\n2\n"));
        }
        let plain =
            post(store.address(), "/?enable_http_compression=0", "Accept-Encoding: gzip\r\n", sql.as_bytes());
        assert_eq!(plain.unwrap().body.len(), length);
    }
}

#[test]
fn clickhouse_s_own_blocks_are_taken_and_given() {
    let store = with_table();
    for method in [0x82, 0x90, 0x02] {
        let mut body = block(method, &row(1, b"first"));
        body.extend_from_slice(&block(method, &row(2, b"second")));
        let answer = insert(&store, "decompress=1", "", &body);
        assert_eq!(answer.status, 200, "{method:x}: {}", answer.text());
    }
    assert_eq!(store.text("SELECT count(), sum(a) FROM t"), "6\t9\n");
    let answer = store.ask("compress=1", "SELECT 'x' FROM numbers(2000000)");
    let (mut at, mut plain) = (0, 0);
    while at < answer.body.len() {
        let size = |from: usize| u32::from_le_bytes(answer.body[from..from + 4].try_into().unwrap()) as usize;
        let body = &answer.body[at + 16..at + 16 + size(at + 17)];
        let checksum = cityhash_rs::cityhash_102_128(body).rotate_left(64).to_le_bytes();
        assert_eq!(&answer.body[at..at + 16], &checksum);
        plain += lz4_flex::block::decompress(&body[9..], size(at + 21)).unwrap().len();
        at += 16 + body.len();
    }
    assert_eq!(plain, 4_000_000);
}

#[test]
fn a_block_with_a_wrong_checksum_is_refused_whole() {
    let store = with_table();
    let mut body = block(0x82, &row(1, b"good"));
    body.extend_from_slice(&block(0x82, &row(2, b"bad")));
    let last = body.len() - 1;
    body[last] ^= 1;
    assert_eq!(refusal(&insert(&store, "decompress=1", "", &body)), (500, 40));
    assert_eq!(refusal(&insert(&store, "decompress=1", "", &[7; 100])).1, 271);
    assert_eq!(store.text("SELECT count() FROM t"), "0\n");
}
