//! ClickHouse's HTTP interface as clients see it: names of headers, content types, statuses of error codes, and the
//! block that ends a response which failed half way. No request is read and nothing is run here.

use hyper::StatusCode;

use super::engine::{Counts, Exception};

/// The format of results unless a client asks for another.
pub(super) const DEFAULT_FORMAT: &str = "TabSeparated";

/// ClickHouse's error codes that footfall raises or maps by itself.
pub(super) mod code {
    /// `BAD_ARGUMENTS`
    pub(in crate::store::embedded) const BAD_ARGUMENTS: u32 = 36;
    /// `SYNTAX_ERROR`
    pub(in crate::store::embedded) const SYNTAX_ERROR: u32 = 62;
    /// `INCORRECT_DATA`
    pub(in crate::store::embedded) const INCORRECT_DATA: u32 = 117;
    /// `QUERY_IS_TOO_LARGE`
    pub(in crate::store::embedded) const QUERY_IS_TOO_LARGE: u32 = 223;
    /// `READONLY`
    pub(in crate::store::embedded) const READONLY: u32 = 164;
    /// `REQUIRED_PASSWORD`
    pub(in crate::store::embedded) const REQUIRED_PASSWORD: u32 = 194;
    /// `TOO_MANY_SIMULTANEOUS_QUERIES`
    pub(in crate::store::embedded) const TOO_MANY_SIMULTANEOUS_QUERIES: u32 = 202;
    /// `QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING`
    pub(in crate::store::embedded) const QUERY_ID_IN_USE: u32 = 216;
    /// `INTO_OUTFILE_NOT_ALLOWED`
    pub(in crate::store::embedded) const INTO_OUTFILE_NOT_ALLOWED: u32 = 358;
    /// `SESSION_NOT_FOUND`
    pub(in crate::store::embedded) const SESSION_NOT_FOUND: u32 = 372;
    /// `SESSION_IS_LOCKED`
    pub(in crate::store::embedded) const SESSION_IS_LOCKED: u32 = 373;
    /// `INVALID_SESSION_TIMEOUT`
    pub(in crate::store::embedded) const INVALID_SESSION_TIMEOUT: u32 = 374;
    /// `ACCESS_DENIED`
    pub(in crate::store::embedded) const ACCESS_DENIED: u32 = 497;
    /// `AUTHENTICATION_FAILED`
    pub(in crate::store::embedded) const AUTHENTICATION_FAILED: u32 = 516;
    /// `CANNOT_READ_ALL_DATA`
    pub(in crate::store::embedded) const CANNOT_READ_ALL_DATA: u32 = 33;
    /// `CHECKSUM_DOESNT_MATCH`
    pub(in crate::store::embedded) const CHECKSUM_DOESNT_MATCH: u32 = 40;
    /// `CANNOT_DECOMPRESS`
    pub(in crate::store::embedded) const CANNOT_DECOMPRESS: u32 = 271;
    /// `UNKNOWN_COMPRESSION_METHOD`
    pub(in crate::store::embedded) const UNKNOWN_COMPRESSION_METHOD: u32 = 89;
}

/// The HTTP status that ClickHouse answers an error code with.
pub(super) fn status(code: u32) -> StatusCode {
    match code {
        194 => StatusCode::UNAUTHORIZED,
        192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
        // Arguments, texts that do not parse, columns, types, syntax.
        6 | 10 | 15 | 25 | 26 | 27 | 36 | 38 | 41 | 44 | 53 | 62 | 69 | 72 | 117 | 167 | 168 | 376 | 427
        | 441 | 467 | 675 | 676 => StatusCode::BAD_REQUEST,
        // What a statement names is not there.
        46 | 47 | 50 | 56 | 60 | 63 | 73 | 81 | 115 | 128 | 336 | 511 => StatusCode::NOT_FOUND,
        223 => StatusCode::PAYLOAD_TOO_LARGE,
        48 => StatusCode::NOT_IMPLEMENTED,
        76 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
        381 => StatusCode::LENGTH_REQUIRED,
        159 => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The `Content-Type` of a format.
pub(super) fn content_type(format: &str) -> &'static str {
    let lower = format.to_ascii_lowercase();
    match lower.as_str() {
        "json"
        | "jsonstrings"
        | "jsoncompact"
        | "jsoncompactstrings"
        | "jsoncolumns"
        | "jsoncompactcolumns"
        | "jsoncolumnswithmetadata"
        | "jsonobjecteachrow" => "application/json; charset=UTF-8",
        "xml" => "application/xml; charset=UTF-8",
        "parquet" | "arrow" | "arrowstream" | "orc" | "avro" | "native" | "rowbinary" | "npy" | "msgpack" => {
            "application/octet-stream"
        }
        _ if lower.starts_with("rowbinary") => "application/octet-stream",
        _ if lower.starts_with("json") && lower.contains("eachrow") => "application/x-ndjson; charset=UTF-8",
        "csv" => "text/csv; charset=UTF-8; header=absent",
        _ if lower.starts_with("csvwithnames") => "text/csv; charset=UTF-8; header=present",
        _ if lower.starts_with("tabseparated") || lower.starts_with("tsv") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        _ => "text/plain; charset=UTF-8",
    }
}

/// `X-ClickHouse-Summary`.
pub(super) fn summary(counts: &Counts, elapsed: std::time::Duration) -> String {
    format!(
        concat!(
            r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}","#,
            r#""total_rows_to_read":"0","result_rows":"{}","result_bytes":"{}","elapsed_ns":"{}"}}"#
        ),
        counts.read_rows,
        counts.read_bytes,
        counts.written_rows,
        counts.written_bytes,
        counts.result_rows,
        counts.result_bytes,
        elapsed.as_nanos()
    )
}

/// The message as a client reads it, with the version of the engine at its end.
pub(super) fn message(exception: &Exception, version: &str) -> String {
    format!("{} (version {version} (official build))\n", exception.message)
}

/// What ends a response whose head has already promised success. Clients know it by the tag of the response's head.
pub(super) fn exception_block(message: &str, tag: &str) -> Vec<u8> {
    let length = message.len();
    format!("\r\n__exception__\r\n{tag}\r\n{message}{length} {tag}\r\n__exception__\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_a_failed_response_gives_the_length_of_its_message() {
        let block = exception_block("Code: 1. DB::Exception: x\n", "abcdefghijklmnop");
        let expected = "\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 1. DB::Exception: x\n26 abcdefghijklmnop\r\n__exception__\r\n";
        assert_eq!(String::from_utf8_lossy(&block), expected);
    }

    #[test]
    fn statuses_are_those_of_clickhouse() {
        for (code, expected) in
            [(62, 400), (60, 404), (516, 403), (194, 401), (497, 403), (202, 500), (159, 408), (395, 500)]
        {
            assert_eq!(status(code).as_u16(), expected, "{code}");
        }
    }
}
