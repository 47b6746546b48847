//! A request's URL and headers, read once into an [`Ask`] that holds no nonsense. The body is not touched here.

use std::time::Duration;

use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{HeaderMap, Method};

use super::codec::Encoding;
use super::engine::Exception;
use super::wire::{DEFAULT_FORMAT, code};

/// How long a session is kept after its last statement, unless the client says otherwise: ClickHouse's default.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest a client may ask for: ClickHouse's default.
const SESSION_TIMEOUT_MAX: u64 = 3600;
/// Bytes of a session's or statement's name.
const NAME_MAX: usize = 256;

/// What a request asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    /// The statement or its beginning, from the URL.
    pub(super) query: String,
    /// Settings for this statement alone.
    pub(super) settings: Vec<(String, String)>,
    /// Values of `{name:Type}`.
    pub(super) parameters: Vec<(String, String)>,
    /// The database of names without one.
    pub(super) database: Option<String>,
    /// The format, unless the statement names one.
    pub(super) format: Option<String>,
    /// The statement's name, given or made.
    pub(super) query_id: String,
    /// The session it belongs to.
    pub(super) session: Option<SessionAsk>,
    /// The request's body is in ClickHouse's own blocks.
    pub(super) decompress: bool,
    /// The response's body is to be.
    pub(super) compress: bool,
    /// The response's content encoding.
    pub(super) accept: Option<Encoding>,
    /// The request's content encoding.
    pub(super) encoding: Option<Encoding>,
    /// The boundary of a multipart body.
    pub(super) boundary: Option<String>,
    /// Nothing is sent before the statement has ended.
    pub(super) wait_end: bool,
    /// The statement may not change anything, because of the method or the setting `readonly`.
    pub(super) read_only: bool,
    /// The role asked for.
    pub(super) role: Option<String>,
}

/// A session that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionAsk {
    /// Its name.
    pub(super) id: String,
    /// How long it is kept when it is not used.
    pub(super) timeout: Duration,
    /// It must be there already.
    pub(super) check: bool,
    /// It is closed after this statement.
    pub(super) close: bool,
}

impl Ask {
    /// Reads the URL's query string and the headers. Users and passwords are left to `access`.
    ///
    /// # Errors
    /// With the exception that ClickHouse raises for what it cannot read.
    pub(super) fn new(method: &Method, query: Option<&str>, headers: &HeaderMap) -> Result<Self, Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut ask = Self { read_only: method != Method::POST, ..Self::default() };
        let mut session = Session::default();
        let mut http_compression = true;
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if name == "enable_http_compression" {
                http_compression = is_true(&value);
            }
            ask.parameter(&name, value.into_owned(), &mut session)?;
        }
        ask.session = session.checked()?;
        ask.database = ask.database.or_else(|| header("x-clickhouse-database").map(str::to_owned));
        if let Some(format) = header("x-clickhouse-format") {
            ask.set_format(format.to_owned())?;
        }
        if ask.query_id.is_empty() {
            ask.set_query_id(header("x-clickhouse-query-id").map_or_else(random_id, str::to_owned))?;
        }
        ask.encoding = match header(CONTENT_ENCODING.as_str()) {
            Some(value) => Encoding::of_content(value)?,
            None => None,
        };
        if http_compression {
            ask.accept = header(ACCEPT_ENCODING.as_str()).and_then(Encoding::accepted);
        }
        ask.boundary = header(CONTENT_TYPE.as_str()).and_then(boundary);
        Ok(ask)
    }

    /// Takes one parameter of the URL or one field of a form.
    fn parameter(&mut self, name: &str, value: String, session: &mut Session) -> Result<(), Exception> {
        match name {
            "query" => self.query = value,
            "database" => self.database = Some(value).filter(|name| !name.is_empty()),
            "default_format" => self.set_format(value)?,
            "query_id" => self.set_query_id(value)?,
            "session_id" => session.id = value,
            "session_timeout" => session.timeout = Some(value),
            "session_check" => session.check = is_true(&value),
            "close_session" => session.close = is_true(&value),
            "decompress" => self.decompress = is_true(&value),
            "compress" => self.compress = is_true(&value),
            "wait_end_of_query" => self.wait_end = is_true(&value),
            "role" => self.role = Some(value),
            "readonly" => {
                self.read_only |= !matches!(value.as_str(), "0" | "");
            }
            // Read by `access`, or of no meaning to one server without quotas.
            "user" | "password" | "quota_key" | "buffer_size" | "stacktrace" | "client_protocol_version" => {}
            _ if name.starts_with("param_") => {
                self.parameters.push((name["param_".len()..].to_owned(), value))
            }
            _ if is_word(name) => self.settings.push((name.to_owned(), value)),
            _ => {
                return Err(Exception::new(115, "UNKNOWN_SETTING", format_args!("Unknown setting '{name}'")));
            }
        }
        Ok(())
    }

    /// Takes a format. It goes into the statement as it is, so it can be nothing but a word, wherever it came from.
    fn set_format(&mut self, format: String) -> Result<(), Exception> {
        if !is_word(&format) {
            return Err(Exception::new(73, "UNKNOWN_FORMAT", format_args!("Unknown format {format}")));
        }
        self.format = Some(format);
        Ok(())
    }

    /// Takes a statement's name. It goes into a header and, to be found, among the names of what runs.
    fn set_query_id(&mut self, id: String) -> Result<(), Exception> {
        if id.len() > NAME_MAX || id.bytes().any(|byte| !(0x20..0x7f).contains(&byte)) {
            return Err(bad("query_id must be at most 256 printable ASCII characters"));
        }
        self.query_id = id;
        Ok(())
    }

    /// Takes a field of a multipart form.
    ///
    /// # Errors
    /// With the exception that ClickHouse raises for a parameter of this name and value in the URL.
    pub(super) fn field(&mut self, name: &str, value: String) -> Result<(), Exception> {
        let mut session = Session::default();
        self.parameter(name, value, &mut session)?;
        if let Some(session) = session.checked()? {
            self.session = Some(session);
        }
        Ok(())
    }

    /// The format of the result, unless the statement names one.
    pub(super) fn default_format(&self) -> &str {
        self.format.as_deref().unwrap_or(DEFAULT_FORMAT)
    }
}

#[derive(Default)]
struct Session {
    id: String,
    timeout: Option<String>,
    check: bool,
    close: bool,
}

impl Session {
    fn checked(self) -> Result<Option<SessionAsk>, Exception> {
        if self.id.is_empty() {
            return Ok(None);
        }
        if self.id.len() > NAME_MAX {
            return Err(bad("session_id must be at most 256 bytes"));
        }
        let timeout = match self.timeout {
            None => SESSION_TIMEOUT,
            Some(text) => {
                let seconds = text.parse().ok().filter(|seconds| *seconds <= SESSION_TIMEOUT_MAX);
                Duration::from_secs(seconds.ok_or_else(|| {
                    Exception::new(
                        code::INVALID_SESSION_TIMEOUT,
                        "INVALID_SESSION_TIMEOUT",
                        format_args!("Invalid session timeout: '{text}', at most {SESSION_TIMEOUT_MAX} seconds are taken"),
                    )
                })?)
            }
        };
        Ok(Some(SessionAsk { id: self.id, timeout, check: self.check, close: self.close }))
    }
}

fn bad(text: &str) -> Exception {
    Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", text)
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

/// Whether it can be the name of a setting or a format: it goes into statements as it is.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

fn boundary(content_type: &str) -> Option<String> {
    let rest = content_type.strip_prefix("multipart/form-data")?;
    let value = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    Some(value.trim_matches('"').to_owned()).filter(|boundary| !boundary.is_empty())
}

/// A random UUID (version 4), as ClickHouse names a statement that came without a name.
fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    // Only uniqueness hangs on it; a system without randomness would have failed long before.
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> Result<Ask, Exception> {
        Ask::new(&Method::POST, Some(query), &HeaderMap::new())
    }

    #[test]
    fn settings_parameters_and_the_interface_s_own_names_are_told_apart() {
        let ask =
            ask("query=SELECT+1&max_threads=2&param_a=x%0Ay&database=d&default_format=JSON&user=u").unwrap();
        assert_eq!(ask.query, "SELECT 1");
        assert_eq!(ask.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert_eq!(ask.parameters, [("a".to_owned(), "x\ny".to_owned())]);
        assert_eq!((ask.database.as_deref(), ask.default_format()), (Some("d"), "JSON"));
        assert!(!ask.read_only);
    }

    #[test]
    fn what_could_break_out_of_a_statement_is_refused() {
        assert_eq!(ask("max_threads%3D1,readonly=0").unwrap_err().code, 115);
        assert_eq!(ask("default_format=TSV%20INTO%20OUTFILE").unwrap_err().code, 73);
        assert_eq!(ask("query_id=a%0Ab").unwrap_err().code, 36);
        assert_eq!(ask("session_id=a&session_timeout=99999").unwrap_err().code, 374);
    }

    #[test]
    fn a_form_s_fields_are_held_to_what_an_address_s_are() {
        let mut ask = ask("").unwrap();
        let id = ask.query_id.clone();
        let format = "TSV SETTINGS max_execution_time=777".to_owned();
        assert_eq!(ask.field("default_format", format).unwrap_err().code, 73);
        assert_eq!(ask.field("query_id", "a\nb".to_owned()).unwrap_err().code, 36);
        assert_eq!(ask.field("query_id", "a".repeat(257)).unwrap_err().code, 36);
        assert_eq!((ask.default_format(), ask.query_id == id), ("TabSeparated", true));
    }

    #[test]
    fn a_get_may_not_change_anything() {
        let ask = Ask::new(&Method::GET, None, &HeaderMap::new()).unwrap();
        assert!(ask.read_only);
        assert_eq!(ask.query_id.len(), 36);
    }
}
