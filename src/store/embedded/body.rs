//! The way in: a request's body, from the connection to the thread that reads it, decoded, in bounded pieces.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::ask::Ask;
use super::codec::{NativeReader, exception_of};
use super::engine::Exception;
use super::wire::code;

/// Pieces that wait for the engine; hyper's own are at most 512 KiB or so.
const PIECES: usize = 4;
/// Bytes of a multipart body, which is held whole: parameters and external tables.
const MULTIPART_MAX: usize = 64 << 20;
/// Bytes that are read and thrown away behind a statement that failed, so that the client gets to read why.
const DRAIN_MAX: usize = 256 << 20;

/// A body as a blocking reader. An error of the connection is an error here, so that a cut body never passes for whole.
pub(super) struct RawBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl RawBody {
    /// Starts to read `incoming`; stops when this is dropped.
    pub(super) fn new(mut incoming: Incoming) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            while let Some(frame) = incoming.frame().await {
                let piece = match frame {
                    Ok(frame) => frame.into_data().unwrap_or_else(|_trailers| Bytes::new()),
                    Err(error) => {
                        let _gone =
                            sender.send(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error))).await;
                        return;
                    }
                };
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
            }
        });
        Self { pieces, piece: Bytes::new() }
    }

    /// Reads and forgets what is left.
    pub(super) fn drain(&mut self) {
        let mut left = DRAIN_MAX;
        while let Some(Ok(piece)) = self.pieces.blocking_recv() {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    }
}

impl Read for RawBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let taken = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..taken]);
        Ok(taken)
    }
}

/// The body as the client meant it: without content encoding and without ClickHouse's blocks.
///
/// # Errors
/// When a decoder cannot be set up.
pub(super) fn decoded<'a>(raw: &'a mut RawBody, ask: &Ask) -> Result<Box<dyn Read + 'a>, Exception> {
    let mut body: Box<dyn Read + 'a> = Box::new(raw);
    if let Some(encoding) = ask.encoding {
        body = encoding.decode(body).map_err(|error| exception_of(&error))?;
    }
    if ask.decompress {
        body = Box::new(NativeReader::new(body));
    }
    Ok(body)
}

/// A table that a client sends along with its query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct External {
    /// Its name.
    pub(super) name: String,
    /// Its rows.
    pub(super) data: Vec<u8>,
}

/// Reads a multipart form: fields into `ask`, files as external tables.
///
/// # Errors
/// When it is no form, too large, or a field is wrong.
pub(super) fn form(body: &mut dyn Read, boundary: &str, ask: &mut Ask) -> Result<Vec<External>, Exception> {
    let mut bytes = Vec::new();
    let limit = MULTIPART_MAX as u64 + 1;
    body.take(limit).read_to_end(&mut bytes).map_err(|error| exception_of(&error))?;
    if bytes.len() > MULTIPART_MAX {
        let text = format!("A form has at most {MULTIPART_MAX} bytes");
        return Err(Exception::new(code::QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE", text));
    }
    let mut externals = Vec::new();
    for part in parts(&bytes, boundary).ok_or_else(|| wrong("The body is not a multipart form"))? {
        let (headers, data) = part;
        let name = disposition(headers, "name").ok_or_else(|| wrong("A field of the form has no name"))?;
        if disposition(headers, "filename").is_some() {
            externals.push(External { name, data: data.to_vec() });
        } else {
            let value =
                String::from_utf8(data.to_vec()).map_err(|_| wrong("A field of the form is not UTF-8"))?;
            ask.field(&name, value)?;
        }
    }
    Ok(externals)
}

fn wrong(text: &str) -> Exception {
    Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", text)
}

/// Headers and data of each part; `None` when the boundaries do not close.
fn parts<'a>(bytes: &'a [u8], boundary: &str) -> Option<Vec<(&'a str, &'a [u8])>> {
    let first = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut rest = &bytes[memchr::memmem::find(bytes, first.as_bytes())? + first.len()..];
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let head = memchr::memmem::find(rest, b"\r\n\r\n")?;
        let data = &rest[head + 4..];
        let end = memchr::memmem::find(data, between.as_bytes())?;
        parts.push((std::str::from_utf8(&rest[..head]).ok()?, &data[..end]));
        rest = &data[end + between.len()..];
    }
}

/// A parameter of `Content-Disposition`.
fn disposition(headers: &str, name: &str) -> Option<String> {
    let line = headers.lines().find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    line.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').replace("%22", "\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:String}\r\n--b\r\n\
        content-disposition: form-data; name=\"param_a\"\r\n\r\nx\r\n\r\ny\r\n--b\r\n\
        Content-Disposition: form-data; name=\"t\"; filename=\"t.tsv\"\r\nContent-Type: text/plain\r\n\r\n1\n2\n\r\n--b--\r\n";

    #[test]
    fn a_form_gives_fields_and_tables() {
        let mut ask = Ask::default();
        let tables = form(&mut FORM.as_bytes(), "b", &mut ask).unwrap();
        assert_eq!(ask.query, "SELECT {a:String}");
        assert_eq!(ask.parameters, [("a".to_owned(), "x\r\n\r\ny".to_owned())]);
        assert_eq!(tables, [External { name: "t".to_owned(), data: b"1\n2\n".to_vec() }]);
    }

    #[test]
    fn a_form_that_is_cut_is_refused() {
        for end in [FORM.len() - 6, 60, 3] {
            let cut = &FORM[..end];
            assert!(form(&mut cut.as_bytes(), "b", &mut Ask::default()).is_err(), "{end}");
        }
    }
}
