//! A request to explain, and how it is read from the text of an HTTP request or from the body of a beacon.

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Uri, Version};

/// A whole request, as the collector would receive it.
#[derive(Debug, Clone)]
pub(super) struct SampleRequest {
    pub(super) method: Method,
    /// Path and query.
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// What was changed while it was read.
    pub(super) notes: Vec<String>,
}

impl SampleRequest {
    /// `POST /b` with this body.
    pub(super) fn beacon(mut headers: HeaderMap, body: Vec<u8>) -> Self {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
        Self { method: Method::POST, uri: Uri::from_static("/b"), headers, body, notes: Vec::new() }
    }

    /// The head as the collector reads it: every client sends `Host` and, with a body, its length.
    pub(super) fn head(&self) -> Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.version = Version::HTTP_11;
        head.headers = self.headers.clone();
        head.headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from(self.body.len()));
        head
    }
}

/// Whether a text begins as an HTTP request does, or as a browser's tools show one of HTTP/2.
pub(super) fn is_request(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let is_http_2 =
        line.starts_with(b":method:") || line.starts_with(b":authority:") || line.starts_with(b":path:");
    let mut words = line.split(|byte| *byte == b' ');
    let is_method =
        words.next().is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_uppercase));
    let is_target = words.next().is_some_and(|word| word.starts_with(b"/") || word.starts_with(b"http"));
    is_http_2 || (is_method && is_target)
}

/// Reads the text of a request: a request line, headers, an empty line, the body. Lines may end without a carriage return.
///
/// # Errors
/// Says which line cannot be read.
pub(super) fn parse(text: &[u8]) -> Result<SampleRequest, String> {
    let mut request = SampleRequest {
        method: Method::POST,
        uri: Uri::from_static("/b"),
        headers: HeaderMap::new(),
        body: Vec::new(),
        notes: Vec::new(),
    };
    let mut rest = text;
    for number in 1.. {
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &[][..]),
        };
        rest = after;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let is_first = number == 1 && !line.starts_with(b":");
        let read = if is_first { request_line(&mut request, line) } else { header(&mut request, line) };
        read.map_err(|error| format!("line {number}: {error}"))?;
    }
    request.body = rest.to_vec();
    fit_body(&mut request);
    Ok(request)
}

fn request_line(request: &mut SampleRequest, line: &[u8]) -> Result<(), String> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let method = words.next().and_then(|word| Method::from_bytes(word.as_bytes()).ok());
    request.method = method.ok_or("it begins with no method")?;
    set_target(request, words.next().unwrap_or_default())
}

pub(super) fn set_target(request: &mut SampleRequest, target: &str) -> Result<(), String> {
    let uri: Uri = target.parse().map_err(|_| "its address cannot be read".to_owned())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    request.uri = path.parse().map_err(|_| "its address cannot be read".to_owned())?;
    Ok(())
}

fn header(request: &mut SampleRequest, line: &[u8]) -> Result<(), String> {
    // The colon at the beginning of HTTP/2's own fields is part of their names.
    let colon = line.iter().skip(1).position(|byte| *byte == b':').map(|at| at + 1);
    let (name, value) = line.split_at(colon.ok_or("a header has no colon")?);
    let value = value[1..].trim_ascii();
    match name {
        b":method" => request.method = Method::from_bytes(value).map_err(|_| ":method is not a method")?,
        b":path" => set_target(request, &String::from_utf8_lossy(value))?,
        b":authority" => add_header(&mut request.headers, b"host", value)?,
        b":scheme" => {}
        _ => add_header(&mut request.headers, name.trim_ascii(), value)?,
    }
    Ok(())
}

pub(super) fn add_header(headers: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), String> {
    let name = HeaderName::from_bytes(name).map_err(|_| "a header has an invalid name".to_owned())?;
    let value = HeaderValue::from_bytes(value).map_err(|_| format!("header {name} has an invalid value"))?;
    headers.append(name, value);
    Ok(())
}

/// Takes the line end away that an editor or a paste adds, and notes a length that is wrong.
fn fit_body(request: &mut SampleRequest) {
    let announced =
        request.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = &mut request.body;
    if announced != Some(body.len()) {
        let end = body.trim_ascii_end().len();
        body.truncate(announced.filter(|length| (end..=body.len()).contains(length)).unwrap_or(end));
    }
    if let Some(announced) = announced.filter(|length| *length != body.len()) {
        let note = format!(
            "Content-Length says {announced} bytes, and the body has {}: the latter is used",
            body.len()
        );
        request.notes.push(note);
        request.headers.remove(CONTENT_LENGTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_recorded_or_pasted() {
        let body = r#"{"v":1}"#;
        for text in [
            format!("POST /b?x HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nUser-Agent: U\r\n\r\n{body}"),
            format!("POST /b?x HTTP/1.1\nHost: a\nUser-Agent:U\n\n{body}\n"),
            format!("POST https://stats.example/b?x HTTP/2\nhost: a\nuser-agent: U\n\n{body}\r\n\r\n"),
            format!(":method: POST\n:authority: a\n:scheme: https\n:path: /b?x\nuser-agent: U\n\n{body}"),
        ] {
            assert!(is_request(text.as_bytes()), "{text}");
            let request = parse(text.as_bytes()).unwrap();
            assert_eq!(
                (request.method.as_str(), request.uri.to_string().as_str()),
                ("POST", "/b?x"),
                "{text}"
            );
            assert_eq!(
                (&request.headers["host"], &request.headers["user-agent"]),
                (&"a".parse().unwrap(), &"U".parse().unwrap())
            );
            assert_eq!((request.body.as_slice(), request.notes.len()), (body.as_bytes(), 0), "{text}");
        }
    }

    #[test]
    fn a_wrong_length_is_noted_and_a_wrong_line_named() {
        let request = parse(b"POST /b HTTP/1.1\nContent-Length: 99\n\n{}\n").unwrap();
        assert_eq!((request.body.as_slice(), request.notes.len()), (&b"{}"[..], 1));
        for (text, error) in [
            ("POST /b HTTP/1.1\nno colon\n\n", "line 2: a header has no colon"),
            ("POST /b HTTP/1.1\nbad name: x\n\n", "line 2: a header has an invalid name"),
            ("post /b\n\n", ""),
        ] {
            assert_eq!(parse(text.as_bytes()).err().unwrap_or_default(), error, "{text}");
        }
        for text in ["{\"ua\":\"x\"}", "", "curl x", "ua: x"] {
            assert!(!is_request(text.as_bytes()), "{text}");
        }
    }
}
