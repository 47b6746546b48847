//! A request as a command of curl: printed to send it, and read as browsers' tools copy it.

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};

use super::request::{self, SampleRequest};

/// The command that sends a request to `base`, such as `http://127.0.0.1:8080`.
pub(super) fn print(request: &SampleRequest, base: &str) -> String {
    let mut command = format!("curl -i {}", quoted(format!("{base}{}", request.uri).as_bytes()));
    let is_post = request.method == Method::POST;
    if !(is_post || (request.method == Method::GET && request.body.is_empty())) {
        command += &format!(" -X {}", request.method);
    }
    for (name, value) in &request.headers {
        // curl sets these.
        if !matches!(*name, HOST | CONTENT_LENGTH | TRANSFER_ENCODING) {
            let line = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
            command += &format!(" \\\n  -H {}", quoted(&line));
        }
    }
    if is_post {
        command += &format!(" \\\n  --data-binary {}", quoted(&request.body));
    }
    command
}

/// A word of a shell. Bytes that are not printable need the quotes of bash, zsh and ksh.
fn quoted(word: &[u8]) -> String {
    match std::str::from_utf8(word) {
        Ok(text) if !text.contains(|letter: char| letter.is_control()) => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => {
            let mut out = String::from("$'");
            for byte in word {
                match byte {
                    b'\'' | b'\\' => out.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => out.push(char::from(*byte)),
                    _ => out += &format!("\\x{byte:02x}"),
                }
            }
            out + "'"
        }
    }
}

pub(super) fn is_curl(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"curl ")
}

/// Reads a command as browsers' tools copy it. Options that change nothing of the request are ignored.
///
/// # Errors
/// Says what cannot be read.
pub(super) fn parse(text: &[u8]) -> Result<SampleRequest, String> {
    let mut request = SampleRequest::beacon(Default::default(), Vec::new());
    request.headers.clear();
    let (mut method, mut target, mut has_data) = (None, None, false);
    let mut words = words(text)?.into_iter().skip(1);
    while let Some(word) = words.next() {
        let option = String::from_utf8_lossy(&word).into_owned();
        let mut value = || words.next().ok_or_else(|| format!("{option} has no value"));
        match option.as_str() {
            "-H" | "--header" => header(&mut request, &value()?)?,
            "-A" | "--user-agent" => request::add_header(&mut request.headers, b"user-agent", &value()?)?,
            "-e" | "--referer" => request::add_header(&mut request.headers, b"referer", &value()?)?,
            "-b" | "--cookie" => request::add_header(&mut request.headers, b"cookie", &value()?)?,
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" => {
                request.body = value()?;
                has_data = true;
            }
            "-X" | "--request" => method = Method::from_bytes(&value()?).ok(),
            "--url" => target = Some(value()?),
            "-o" | "--output" | "-m" | "--max-time" | "-x" | "--proxy" | "--resolve" | "--connect-to" => {
                drop(value()?)
            }
            _ if option.starts_with('-') => {}
            _ => target = Some(word),
        }
    }
    let target = target.ok_or("the command names no address")?;
    request::set_target(&mut request, &String::from_utf8_lossy(&target))?;
    request.method = method.unwrap_or(if has_data { Method::POST } else { Method::GET });
    Ok(request)
}

fn header(request: &mut SampleRequest, line: &[u8]) -> Result<(), String> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("a header has no colon")?;
    request::add_header(&mut request.headers, line[..colon].trim_ascii(), line[colon + 1..].trim_ascii())
}

/// The words of a command, by the quoting of POSIX shells and `$'…'`.
fn words(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (byte, text.get(at)) {
            (b'\\', Some(b'\r')) if text.get(at + 1) == Some(&b'\n') => at += 2,
            (b'\\', Some(b'\n')) => at += 1,
            (b' ' | b'\t' | b'\r' | b'\n', _) => words.extend(word.take()),
            (b'\\', Some(next)) => {
                word.get_or_insert_default().push(*next);
                at += 1;
            }
            (b'$', Some(b'\'')) => at = ansi_quoted(text, at + 1, word.get_or_insert_default())?,
            (b'\'', _) => {
                let end = memchr::memchr(b'\'', &text[at..]).ok_or("a quotation mark is not closed")?;
                word.get_or_insert_default().extend_from_slice(&text[at..at + end]);
                at += end + 1;
            }
            (b'"', _) => at = double_quoted(text, at, word.get_or_insert_default())?,
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(text: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, String> {
    loop {
        match (text.get(at), text.get(at + 1)) {
            (Some(b'"'), _) => return Ok(at + 1),
            (Some(b'\\'), Some(next @ (b'"' | b'\\' | b'$' | b'`'))) => {
                word.push(*next);
                at += 2;
            }
            (Some(byte), _) => {
                word.push(*byte);
                at += 1;
            }
            (None, _) => return Err("a quotation mark is not closed".to_owned()),
        }
    }
}

/// Reads behind `$'`. Returns where the text goes on.
fn ansi_quoted(text: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, String> {
    let hex = |from: usize, most: usize| {
        let digits = text[from..].iter().take(most).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let number = std::str::from_utf8(&text[from..from + digits]).ok();
        (digits, number.and_then(|number| u32::from_str_radix(number, 16).ok()).unwrap_or_default())
    };
    loop {
        match (text.get(at), text.get(at + 1)) {
            (Some(b'\''), _) => return Ok(at + 1),
            (Some(b'\\'), Some(b'x')) => {
                let (digits, byte) = hex(at + 2, 2);
                word.push(byte as u8);
                at += 2 + digits;
            }
            (Some(b'\\'), Some(b'u')) => {
                let (digits, unit) = hex(at + 2, 4);
                // Browsers write a character beyond the first plane as two halves; only its halves are lost here.
                let letter = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                word.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += 2 + digits;
            }
            (Some(b'\\'), Some(next)) => {
                word.push(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                at += 2;
            }
            (Some(byte), _) => {
                word.push(*byte);
                at += 1;
            }
            (None, _) => return Err("a quotation mark is not closed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let text = b"POST /b?x=1 HTTP/1.1\nHost: a\nUser-Agent: it's \"U\"\nX-Forwarded-For: 203.0.113.9\n\n";
        for body in
            [&br#"{"v":1,"n":"it's $HOME \ud83d"}"#[..], "{\"n\":\"врач\"}".as_bytes(), b"a\xe9\n\\'b"]
        {
            let request = request::parse(&[&text[..], body].concat()).unwrap();
            let command = print(&request, "http://127.0.0.1:8080");
            assert!(command.starts_with("curl -i 'http://127.0.0.1:8080/b?x=1' \\\n"), "{command}");
            let read = parse(command.as_bytes()).unwrap();
            assert_eq!(
                (&read.method, &read.uri, &read.body),
                (&request.method, &request.uri, &request.body),
                "{command}"
            );
            assert_eq!(read.headers["user-agent"], "it's \"U\"");
            assert_eq!(read.headers["x-forwarded-for"], "203.0.113.9");
        }
    }

    #[test]
    fn a_command_that_a_browser_copied_is_read() {
        let command = br#"curl 'https://stats.clinic.example/b' \
  -H 'accept: */*' \
  -H "origin: https://clinic.example" -b 'a=b' -A Firefox \
  --data-raw $'{"v":1,"n":"it\'s \u0432 \x41\n"}' --compressed"#;
        let request = parse(command).unwrap();
        assert_eq!((request.method, request.uri.path()), (Method::POST, "/b"));
        assert_eq!(
            (&request.headers["origin"], &request.headers["cookie"]),
            (&"https://clinic.example".parse().unwrap(), &"a=b".parse().unwrap())
        );
        assert_eq!(String::from_utf8(request.body).unwrap(), "{\"v\":1,\"n\":\"it's в A\n\"}");
        let pixel = parse(b"curl https://a.example/b.gif?s=clinic").unwrap();
        assert_eq!((pixel.method, pixel.uri.query()), (Method::GET, Some("s=clinic")));
        for wrong in [&b"curl 'x"[..], b"curl -H", b"curl -i", b"curl \"x"] {
            assert!(parse(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
