//! The options of a server, and their validation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

const START_TIMEOUT: Duration = Duration::from_secs(600);
/// A machine that is busy or frozen for a minute must not lose its server.
const HANG_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
pub struct Options {
    /// The engine's library, as [`crate::install`] returns it.
    pub library: PathBuf,
    /// The program that calls [`crate::run_engine_if_requested`]; `None` means this one.
    pub program: Option<PathBuf>,
    /// Created when it does not exist.
    pub data: PathBuf,
    pub http: SocketAddr,
    /// Its IP address must be that of `http`.
    pub native: Option<SocketAddr>,
    /// The name that clients see.
    pub display_name: String,
    pub access: Access,
    pub confinement: Confinement,
    /// Memory of all queries together, in bytes; 0 means half of the machine's memory.
    pub memory: u64,
    /// Settings of MergeTree tables, such as `("fsync_after_insert", "1")`.
    pub merge_tree: Vec<(String, String)>,
    /// Macros of the server, which statements read with `getMacro`, by name.
    pub macros: Vec<(String, String)>,
    /// Other elements of the server's configuration as XML, such as `<remote_servers>`; none that this crate writes itself.
    pub more_configuration: String,
    /// TCP ports that the engine may connect to. A confined engine can connect to no others.
    pub connect_ports: Vec<u16>,
    /// What ClickHouse logs to standard error: `none`, `fatal`, `error`, `warning`, `information`, `debug` or `trace`. From
    /// `error` on a log contains the text of statements.
    pub log_level: String,
    /// How long to wait for another process to release the data directory.
    pub lock_timeout: Duration,
    /// How long an engine may take from its confinement to its first listener: large stores load many tables.
    pub start_timeout: Duration,
    /// A server that is silent for so long is killed and started again.
    pub hang_timeout: Duration,
}

/// Users, profiles and quotas, as ClickHouse's `users.xml` has them.
#[derive(Debug, Clone, Default)]
pub struct Access {
    pub users: Vec<User>,
    /// Sets of settings that users refer to. All users have the settings of the profile `default`, if there is one.
    pub profiles: Vec<Profile>,
    /// Bounds on statements in a period, which users refer to.
    pub quotas: Vec<Quota>,
}

#[derive(Clone)]
pub struct User {
    /// Unique; letters, digits and underscores, as all names here.
    pub name: String,
    /// The SHA-256 of the password in hexadecimal digits. With `None`, everybody who can connect may log in.
    pub password_sha256: Option<String>,
    pub profile: Option<String>,
    pub quota: Option<String>,
    /// `GRANT` statements without `TO`.
    pub grants: Vec<String>,
    /// Rows that the user sees, where it does not see all rows of a table.
    pub row_filters: Vec<RowFilter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    pub database: String,
    pub table: String,
    /// An SQL expression that is true for the rows that the user sees.
    pub condition: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not even hashes of passwords are printed.
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub struct Profile {
    pub name: String,
    pub settings: Vec<Setting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    /// `None` keeps ClickHouse's default.
    pub value: Option<String>,
    pub constraint: Constraint,
}

/// The values that a user may give to a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    Free,
    /// The user may not change it.
    Constant,
    /// From the first value to the second.
    Range(String, String),
}

/// Bounds on statements in a period, for each user.
#[derive(Debug, Clone)]
pub struct Quota {
    pub name: String,
    pub period: Duration,
    /// 0 means no bound.
    pub queries: u64,
    /// In seconds; 0 means no bound.
    pub execution_time: u64,
}

/// Whether the engine's process must be confined to its data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Start only where the kernel confines the files of a process.
    Required,
    /// Confine as far as the kernel can.
    BestEffort,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("user {user} has no password, and {address} is not a loopback address")]
    NoPassword { user: String, address: SocketAddr },
    #[error("the native protocol must listen on the same IP address as HTTP: {native} is not on {http}")]
    TwoHosts { native: SocketAddr, http: SocketAddr },
    #[error("{0}: each listener needs a port of its own, and not 0")]
    Port(SocketAddr),
    #[error(
        "the {kind} {name:?} cannot be used: names are unique, of letters, digits and underscores, and not {reserved}"
    )]
    Name {
        kind: &'static str,
        name: String,
        /// The names that this crate uses itself.
        reserved: &'static str,
    },
    #[error("user {user} refers to the {kind} {name:?}, which does not exist")]
    Unknown {
        user: String,
        /// `profile` or `quota`.
        kind: &'static str,
        name: String,
    },
}

impl Options {
    /// Options without a user.
    pub fn new(library: PathBuf, data: PathBuf, http: SocketAddr) -> Self {
        Self {
            library,
            program: None,
            data,
            http,
            native: None,
            display_name: "clickhouse".to_owned(),
            access: Access::default(),
            confinement: Confinement::Required,
            memory: 0,
            merge_tree: Vec::new(),
            macros: Vec::new(),
            more_configuration: String::new(),
            connect_ports: Vec::new(),
            log_level: "none".to_owned(),
            lock_timeout: Duration::ZERO,
            start_timeout: START_TIMEOUT,
            hang_timeout: HANG_TIMEOUT,
        }
    }

    /// # Errors
    /// The first that is found.
    pub fn check(&self) -> Result<(), OptionsError> {
        if let Some(native) = self.native
            && native.ip() != self.http.ip()
        {
            return Err(OptionsError::TwoHosts { native, http: self.http });
        }
        for address in self.listeners() {
            if address.port() == 0 || self.listeners().filter(|other| *other == address).count() > 1 {
                return Err(OptionsError::Port(address));
            }
        }
        self.access.check()?;
        let open = self.access.users.iter().find(|user| user.password_sha256.is_none());
        match open {
            Some(user) if !self.http.ip().is_loopback() => {
                Err(OptionsError::NoPassword { user: user.name.clone(), address: self.http })
            }
            _ => Ok(()),
        }
    }

    /// HTTP, and the native protocol if it is served.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.http).chain(self.native)
    }
}

impl Access {
    /// All names become elements of XML.
    fn check(&self) -> Result<(), OptionsError> {
        let users: Vec<&str> = self.users.iter().map(|user| user.name.as_str()).collect();
        let profiles: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let quotas: Vec<&str> = self.quotas.iter().map(|quota| quota.name.as_str()).collect();
        let filters = self.users.iter().flat_map(|user| &user.row_filters);
        let tables: Vec<&str> =
            filters.flat_map(|filter| [filter.database.as_str(), &filter.table]).collect();
        let settings: Vec<&str> = self
            .profiles
            .iter()
            .flat_map(|profile| &profile.settings)
            .map(|setting| setting.name.as_str())
            .collect();
        for (kind, names, reserved, unique) in [
            ("user", &users, "`default` or `supervisor`", true),
            ("profile", &profiles, "`session`", true),
            ("quota", &quotas, "`default` or `session`", true),
            ("table or database", &tables, "empty", false),
            ("setting", &settings, "empty", false),
        ] {
            for (index, name) in names.iter().enumerate() {
                let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let starts = name.starts_with(|first: char| first.is_ascii_alphabetic());
                let taken =
                    unique && (reserved.contains(&format!("`{name}`")) || names[..index].contains(name));
                if !plain || !starts || taken {
                    return Err(OptionsError::Name { kind, name: (*name).to_owned(), reserved });
                }
            }
        }
        for user in &self.users {
            for (kind, name, known) in
                [("profile", &user.profile, &profiles), ("quota", &user.quota, &quotas)]
            {
                if let Some(name) = name.as_deref().filter(|name| *name != "default" && !known.contains(name))
                {
                    let (user, name) = (user.name.clone(), name.to_owned());
                    return Err(OptionsError::Unknown { user, kind, name });
                }
            }
        }
        Ok(())
    }
}

/// The user of the supervisor's health checks. It has no grant.
pub(crate) const HEALTH_USER: &str = "supervisor";

impl User {
    /// A user without a password, profile, quota or grant.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            password_sha256: None,
            profile: None,
            quota: None,
            grants: Vec::new(),
            row_filters: Vec::new(),
        }
    }

    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password_sha256 = Some(sha256_hex(password));
        self
    }

    /// `grant` is a `GRANT` statement without `TO`.
    #[must_use]
    pub fn grant(mut self, grant: &str) -> Self {
        self.grants.push(grant.to_owned());
        self
    }
}

pub fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(http: &str) -> Options {
        Options::new("lib.so".into(), "data".into(), http.parse().unwrap())
    }

    #[test]
    fn beyond_loopback_every_user_needs_a_password() {
        let mut open = options("0.0.0.0:8123");
        open.access.users.push(User::new("reader"));
        assert!(open.check().unwrap_err().to_string().contains("user reader has no password"));
        open.access.users[0].password_sha256 = Some(sha256_hex("x"));
        assert_eq!(open.check(), Ok(()));
        let mut local = options("127.0.0.1:8123");
        local.access.users.push(User::new("reader"));
        assert_eq!(local.check(), Ok(()));
    }

    #[test]
    fn invalid_addresses_and_names_are_refused() {
        assert_eq!(options("127.0.0.1:0").check(), Err(OptionsError::Port("127.0.0.1:0".parse().unwrap())));
        for (native, expected) in
            [("127.0.0.2:9000", "same IP address"), ("127.0.0.1:8123", "a port of its own")]
        {
            let both = Options { native: Some(native.parse().unwrap()), ..options("127.0.0.1:8123") };
            assert!(both.check().unwrap_err().to_string().contains(expected), "{native}");
        }
        for names in
            [&["default"][..], &["supervisor"], &[""], &["a b"], &["x<y"], &["1st"], &["twice", "twice"]]
        {
            let mut named = options("127.0.0.1:8123");
            named.access.users.extend(names.iter().map(|name| User::new(name)));
            assert!(matches!(named.check(), Err(OptionsError::Name { kind: "user", .. })), "{names:?}");
        }
        let mut lost = options("127.0.0.1:8123");
        lost.access.users.push(User { profile: Some("none".to_owned()), ..User::new("reader") });
        assert!(lost.check().unwrap_err().to_string().contains("the profile \"none\", which does not exist"));
        let filter =
            RowFilter { database: "a".to_owned(), table: "b><c".to_owned(), condition: "1".to_owned() };
        let mut filtered = options("127.0.0.1:8123");
        filtered.access.users.push(User { row_filters: vec![filter], ..User::new("reader") });
        assert!(matches!(filtered.check(), Err(OptionsError::Name { kind: "table or database", .. })));
    }
}
