//! Who may speak to the store, and as what.
//!
//! Without a password file everybody who reaches the listener is trusted to be who they say, and with one the reader may be let in
//! without a password: both are for loopback only, and [`Users::open`] refuses anything else. Browsers are kept out either way,
//! since any page may send requests to a loopback address.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::{HeaderMap, Uri};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::engine::Exception;
use super::wire::code;

/// The user that writes.
pub const WRITER: &str = "footfall_writer";
/// The user that reads.
pub const READER: &str = "footfall_reader";
/// The user that clients name when told nothing; it is the writer.
const DEFAULT: &str = "default";

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Everything inside of the store.
    Writer,
    /// Look.
    Reader,
}

/// Why the users cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The listener is open to others.
    #[error("{0} is not a loopback address: name a --password-file, with lines of user:password")]
    Open(SocketAddr),
    /// The file cannot be read.
    #[error("cannot read the password file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The listener is open to others, and so would the store be.
    #[error("{}:{line}: footfall_reader has no password, but {listen} is not a loopback address: give it one", .path.display())]
    Free {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The listener.
        listen: SocketAddr,
    },
    /// A line of the file is wrong.
    #[error("{}:{line}: expected footfall_writer:PASSWORD or footfall_reader:PASSWORD", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// Who comes without a password, and the hashes of the others' passwords.
#[derive(Clone)]
pub struct Users {
    free: Vec<Role>,
    passwords: Vec<(Role, [u8; 32])>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not even hashes of passwords go into a log.
        f.debug_struct("Users").field("free", &self.free).finish_non_exhaustive()
    }
}

impl Users {
    /// Users of a listener on `listen`. Only those in `file` may come, if it is given; a reader whose password is empty in it
    /// comes without one.
    ///
    /// # Errors
    /// When `listen` is not loopback and there is no file or it lets the reader in without a password, or the file is wrong.
    pub fn open(listen: SocketAddr, file: Option<&Path>) -> Result<Self, AccessError> {
        let loopback = listen.ip().is_loopback();
        let Some(path) = file else {
            let open = Self { free: vec![Role::Writer, Role::Reader], passwords: Vec::new() };
            return if loopback { Ok(open) } else { Err(AccessError::Open(listen)) };
        };
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| AccessError::Read { path: path.to_owned(), source })?;
        let mut users = Self { free: Vec::new(), passwords: Vec::new() };
        for (line, entry) in entries(&text) {
            let (role, password) = entry.ok_or_else(|| AccessError::Line { path: path.to_owned(), line })?;
            if !password.is_empty() {
                users.passwords.push((role, Sha256::digest(password).into()));
            } else if loopback {
                users.free.push(role);
            } else {
                return Err(AccessError::Free { path: path.to_owned(), line, listen });
            }
        }
        Ok(users)
    }

    /// Who sends the request with these headers and parameters of its URL.
    ///
    /// # Errors
    /// With `AUTHENTICATION_FAILED`, as ClickHouse words it: it does not tell a wrong name from a wrong password.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        parameters: (Option<&str>, Option<&str>),
    ) -> Result<Role, Exception> {
        let (user, password) = credentials(headers, parameters)?;
        let failed = || {
            Exception::new(
                code::AUTHENTICATION_FAILED,
                "AUTHENTICATION_FAILED",
                format_args!(
                    "{user}: Authentication failed: password is incorrect, or there is no user with such name"
                ),
            )
        };
        let role = role(&user).ok_or_else(failed)?;
        if self.free.contains(&role) {
            return Ok(role);
        }
        // Hashes of equal length are compared whole, so that the time taken tells nothing of the password.
        let given: [u8; 32] = Sha256::digest(password.as_bytes()).into();
        let same = |known: &[u8; 32]| known.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
        if self.passwords.iter().any(|(known, hash)| *known == role && same(hash)) {
            Ok(role)
        } else {
            Err(failed())
        }
    }

    /// Refuses what a browser sends on behalf of a page of another site, also of one that has pointed a name of its own at this
    /// address (DNS rebinding): while anybody comes without a password, a request must be addressed to an IP address or `localhost`.
    ///
    /// # Errors
    /// With `ACCESS_DENIED`.
    pub(super) fn refuse_pages(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Exception> {
        let denied = |text: &str| Err(Exception::new(code::ACCESS_DENIED, "ACCESS_DENIED", text));
        let foreign =
            headers.get("sec-fetch-site").is_some_and(|site| site != "none" && site != "same-origin");
        if foreign || headers.contains_key(ORIGIN) {
            return denied("Requests of web pages are not taken");
        }
        // Who must know a password may call the store by any name: a page that rebinds one does not know it.
        if self.free.is_empty() {
            return Ok(());
        }
        let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let named = uri.authority().is_some_and(|authority| !is_this_machine(authority.as_str()));
        if named || !headers.contains_key(HOST) || hosts.any(|host| !is_this_machine(host)) {
            return denied(
                "While users come without a password only requests to an IP address or localhost are taken",
            );
        }
        Ok(())
    }
}

/// Whether an authority names a machine by its address or by `localhost`, which no page can point elsewhere.
fn is_this_machine(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

/// The lines of a password file that are not blank, numbered from 1: whose password it is, and the password. It may be empty for
/// the reader alone; `None` is for a line that is wrong.
pub(super) fn entries(text: &str) -> impl Iterator<Item = (usize, Option<(Role, &str)>)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| {
        let entry = line.split_once(':').and_then(|(user, password)| {
            let role = role(user.trim())?;
            (role == Role::Reader || !password.is_empty()).then_some((role, password))
        });
        (index + 1, entry)
    })
}

fn role(user: &str) -> Option<Role> {
    match user {
        WRITER | DEFAULT => Some(Role::Writer),
        READER => Some(Role::Reader),
        _ => None,
    }
}

/// Headers, then basic authentication, then parameters; two of them at once are refused, as ClickHouse does.
fn credentials(
    headers: &HeaderMap,
    (user, password): (Option<&str>, Option<&str>),
) -> Result<(String, String), Exception> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (header_user, header_key) = (header("x-clickhouse-user"), header("x-clickhouse-key"));
    let basic = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let ways = [
        header_user.is_some() || header_key.is_some(),
        basic.is_some(),
        user.is_some() || password.is_some(),
    ];
    let refuse = |text: &str| Exception::new(code::AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", text);
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(refuse(
            "Invalid authentication: it is not allowed to use several ways of authentication at once",
        ));
    }
    if let Some(basic) = basic {
        let encoded = basic
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .map(|(_, encoded)| encoded.trim())
            .ok_or_else(|| refuse("Invalid authentication: only the basic scheme is taken"))?;
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| refuse("Invalid authentication: the header is not base64 of user:password"))?;
        let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
        return Ok((named(user), password.to_owned()));
    }
    let user = header_user.or(user).unwrap_or_default();
    Ok((named(user), header_key.or(password).unwrap_or_default().to_owned()))
}

fn named(user: &str) -> String {
    if user.is_empty() { DEFAULT.to_owned() } else { user.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn loopback() -> SocketAddr {
        "127.0.0.1:8123".parse().unwrap()
    }

    fn with_file(text: &str) -> Result<Users, AccessError> {
        with_file_on("0.0.0.0:8123", text)
    }

    fn with_file_on(listen: &str, text: &str) -> Result<Users, AccessError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passwords");
        std::fs::write(&file, text).unwrap();
        Users::open(listen.parse().unwrap(), Some(&file))
    }

    #[test]
    fn a_listener_open_to_others_needs_passwords() {
        assert!(matches!(Users::open("0.0.0.0:8123".parse().unwrap(), None), Err(AccessError::Open(_))));
        assert!(Users::open(loopback(), None).is_ok());
    }

    #[test]
    fn each_way_of_giving_a_password_is_taken() {
        let users = with_file("footfall_writer:top secret\nfootfall_reader:other\n").unwrap();
        let basic = headers(&[("authorization", "Basic Zm9vdGZhbGxfcmVhZGVyOm90aGVy")]);
        assert_eq!(users.admit(&basic, (None, None)), Ok(Role::Reader));
        let own = headers(&[("x-clickhouse-user", "footfall_writer"), ("x-clickhouse-key", "top secret")]);
        assert_eq!(users.admit(&own, (None, None)), Ok(Role::Writer));
        let url = (Some("footfall_reader"), Some("other"));
        assert_eq!(users.admit(&HeaderMap::new(), url), Ok(Role::Reader));
        assert_eq!(users.admit(&own, url).unwrap_err().code, 516);
    }

    #[test]
    fn a_wrong_name_or_password_is_refused() {
        let users = with_file("footfall_writer:top secret\n").unwrap();
        for (user, password) in [
            ("footfall_writer", "wrong"),
            ("footfall_reader", ""),
            ("root", "top secret"),
            ("default", ""),
            ("", ""),
        ] {
            let error = users.admit(&HeaderMap::new(), (Some(user), Some(password))).unwrap_err();
            assert_eq!(error.code, 516, "{user}");
        }
    }

    #[test]
    fn a_reader_with_an_empty_password_comes_without_one_and_nobody_else_does() {
        let users = with_file_on("127.0.0.1:8123", "footfall_writer:top secret\nfootfall_reader:\n").unwrap();
        let admit = |user, password| users.admit(&HeaderMap::new(), (user, password));
        assert_eq!(admit(Some("footfall_reader"), None), Ok(Role::Reader));
        assert_eq!(admit(Some("footfall_reader"), Some("whatever")), Ok(Role::Reader));
        assert_eq!(admit(Some("default"), Some("top secret")), Ok(Role::Writer));
        for user in [None, Some(""), Some("default"), Some("footfall_writer"), Some("root")] {
            for password in [None, Some(""), Some("top"), Some("footfall_reader")] {
                assert_eq!(admit(user, password).unwrap_err().code, 516, "{user:?} {password:?}");
            }
        }
        let free = with_file("footfall_writer:a\nfootfall_reader:\n");
        assert!(matches!(free, Err(AccessError::Free { line: 2, .. })), "not beyond loopback");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, wrong) in
            [("footfall_writer:a\n\nroot:b\n", 3), ("footfall_writer:\n", 1), ("footfall_reader", 1)]
        {
            for listen in ["0.0.0.0:8123", "127.0.0.1:8123"] {
                let refused = with_file_on(listen, text);
                assert!(matches!(refused, Err(AccessError::Line { line, .. }) if line == wrong), "{text}");
            }
        }
    }

    #[test]
    fn a_page_s_request_is_refused() {
        let open = Users::open(loopback(), None).unwrap();
        let partly = with_file_on("127.0.0.1:8123", "footfall_writer:a\nfootfall_reader:\n").unwrap();
        let closed = with_file("footfall_writer:a\n").unwrap();
        let taken = |users: &Users, uri: &str, pairs: &[(&'static str, &'static str)]| {
            users.refuse_pages(&uri.parse().unwrap(), &headers(pairs)).is_ok()
        };
        for users in [&open, &partly, &closed] {
            assert!(!taken(users, "/", &[("host", "localhost"), ("origin", "https://evil.example")]));
            assert!(!taken(users, "/", &[("host", "localhost"), ("sec-fetch-site", "cross-site")]));
        }
        for host in ["127.0.0.1:8123", "[::1]:8123", "LOCALHOST:1", "192.0.2.7"] {
            assert!(taken(&open, "/", &[("host", host)]), "{host}");
        }
        for host in
            ["evil.example:8123", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost@evil"]
        {
            assert!(!taken(&open, "/", &[("host", host)]), "{host}");
            assert!(!taken(&partly, "/", &[("host", host)]), "{host}");
            // Passwords stand in the way of such a page.
            assert!(taken(&closed, "/", &[("host", host)]), "{host}");
        }
        assert!(!taken(&open, "/", &[]));
        assert!(!taken(&open, "http://evil.example/", &[("host", "localhost")]));
    }
}
