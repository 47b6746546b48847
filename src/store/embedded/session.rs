//! Connections to the engine as requests use them: a fresh one for each, or the one that a session keeps.
//!
//! A setting of a request must not outlive it. A fresh connection takes it to its grave; on a session's connection the
//! old value is put back, and when that fails the session ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::access::Role;
use super::ask::{Ask, SessionAsk};
use super::engine::{Connection, Engine, Exception};
use super::reader;
use super::wire::code;

/// Sessions kept at once; each holds a connection of some 100 KB and what its client put into temporary tables.
pub(super) const MAX_SESSIONS: usize = 256;

type Key = (Role, String);

/// The sessions of all clients.
pub(super) struct Sessions {
    engine: Arc<Engine>,
    kept: Mutex<HashMap<Key, Kept>>,
}

enum Kept {
    /// A statement is running on it.
    Busy,
    Idle {
        connection: Connection,
        expires: Instant,
    },
}

/// A connection, prepared for one request.
pub(super) struct Lease {
    /// Present until the lease is given back.
    connection: Option<Connection>,
    session: Option<(Arc<Sessions>, Key, Duration)>,
    restore: Vec<String>,
}

impl Sessions {
    /// No session yet.
    pub(super) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, kept: Mutex::new(HashMap::new()) })
    }

    /// A connection for `ask`, with its database and settings in force and what `load` brings to it.
    ///
    /// # Errors
    /// What ClickHouse says of the session, the database, a setting or what is loaded.
    pub(super) fn lease(
        self: &Arc<Self>,
        ask: &Ask,
        role: Role,
        load: impl FnOnce(&mut Connection) -> Result<(), Exception>,
    ) -> Result<Lease, Exception> {
        let mut lease = match &ask.session {
            None => Lease { connection: Some(self.open(role)?), session: None, restore: Vec::new() },
            Some(session) => self.resume(session, role)?,
        };
        load(lease.connection())?;
        lease.apply(ask, role)?;
        Ok(lease)
    }

    /// Ends the sessions that nobody used for as long as they asked to be kept.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        self.kept.lock().retain(|_, kept| !matches!(kept, Kept::Idle { expires, .. } if *expires <= now));
    }

    /// Ends all sessions.
    pub(super) fn clear(&self) {
        self.kept.lock().clear();
    }

    fn open(&self, role: Role) -> Result<Connection, Exception> {
        let mut connection =
            self.engine.connect().map_err(|error| Exception::new(1001, "STD_EXCEPTION", error))?;
        // For both: what is in a body shall not be run, out of sight of what looks for names that reach outside.
        connection.execute(reader::VALUES_ARE_DATA)?;
        if role == Role::Reader {
            connection.execute("SET ROLE reader")?;
            for statement in reader::preamble() {
                connection.execute(&statement)?;
            }
        }
        Ok(connection)
    }

    fn resume(self: &Arc<Self>, ask: &SessionAsk, role: Role) -> Result<Lease, Exception> {
        let key = (role, ask.id.clone());
        let mut kept = self.kept.lock();
        let now = Instant::now();
        let connection = match kept.remove(&key) {
            Some(Kept::Busy) => {
                kept.insert(key, Kept::Busy);
                let text = format!("Session {} is locked by a concurrent client", ask.id);
                return Err(Exception::new(code::SESSION_IS_LOCKED, "SESSION_IS_LOCKED", text));
            }
            Some(Kept::Idle { connection, expires }) if expires > now => Some(connection),
            _ => None,
        };
        if connection.is_none() && ask.check {
            let text = format!("Session {} not found", ask.id);
            return Err(Exception::new(code::SESSION_NOT_FOUND, "SESSION_NOT_FOUND", text));
        }
        if connection.is_none() && kept.len() >= MAX_SESSIONS {
            let text = format!("Too many sessions, at most {MAX_SESSIONS} are kept");
            return Err(Exception::new(
                code::TOO_MANY_SIMULTANEOUS_QUERIES,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                text,
            ));
        }
        kept.insert(key.clone(), Kept::Busy);
        drop(kept);
        let session = Some((Arc::clone(self), key, ask.timeout));
        let mut lease = Lease { connection, session, restore: Vec::new() };
        if lease.connection.is_none() {
            let mut connection = self.open(role)?;
            if role == Role::Reader {
                connection.execute("SET readonly = 2")?;
            }
            lease.connection = Some(connection);
        }
        if ask.close {
            // Given back without a session, the connection is closed.
            lease.restore.push(String::new());
        }
        Ok(lease)
    }
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a lease holds its connection until it is given back")
    }

    /// Puts the request's database and settings in force.
    fn apply(&mut self, ask: &Ask, role: Role) -> Result<(), Exception> {
        if self.session.is_some() {
            self.remember(ask, role)?;
        }
        let connection = self.connection();
        match &ask.role {
            None => {}
            Some(own) if role == Role::Reader && own == "reader" => {}
            // The engine has one user, with both roles: it would grant the other.
            Some(other) if role == Role::Reader => {
                let text = format!("footfall_reader: Role {other} is not granted");
                return Err(Exception::new(code::ACCESS_DENIED, "ACCESS_DENIED", text));
            }
            Some(chosen) => connection.execute(&format!("SET ROLE {}", quote_name(chosen)))?,
        }
        if let Some(database) = &ask.database {
            connection.execute(&format!("USE {}", quote_name(database)))?;
        }
        if !ask.settings.is_empty() {
            let list: Vec<_> =
                ask.settings.iter().map(|(name, value)| format!("{name} = {}", quote(value))).collect();
            connection.execute(&format!("SET {}", list.join(", ")))?;
        }
        // Once in force it cannot be taken back, so a session's statements are held to it by their class alone.
        if self.session.is_none() && (role == Role::Reader || ask.read_only) {
            self.connection().execute("SET readonly = 2")?;
        }
        Ok(())
    }

    /// Notes how to undo what `apply` does.
    fn remember(&mut self, ask: &Ask, role: Role) -> Result<(), Exception> {
        let mut undo = Vec::new();
        if ask.database.is_some() {
            let database =
                self.strings("SELECT currentDatabase()")?.into_iter().flatten().next().unwrap_or_default();
            undo.push(format!("USE {}", quote_name(&database)));
        }
        if ask.role.is_some() && role == Role::Writer {
            undo.push("SET ROLE DEFAULT".to_owned());
        }
        if !ask.settings.is_empty() {
            let names: Vec<_> = ask.settings.iter().map(|(name, _)| quote(name)).collect();
            let sql = format!(
                "SELECT name, value, toString(changed) FROM system.settings WHERE name IN ({})",
                names.join(", ")
            );
            for row in self.strings(&sql)? {
                let [name, value, changed] = &row[..] else { continue };
                let value = if changed == "1" { quote(value) } else { "DEFAULT".to_owned() };
                undo.push(format!("SET {name} = {value}"));
            }
        }
        self.restore.extend(undo);
        Ok(())
    }

    /// The rows of a query that returns texts.
    fn strings(&mut self, sql: &str) -> Result<Vec<Vec<String>>, Exception> {
        let answer = self.connection().query(sql.as_bytes(), "JSONCompactEachRow", &[])?;
        answer
            .bytes()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|error| Exception::new(1001, "STD_EXCEPTION", error))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((sessions, key, timeout)) = self.session.take() else { return };
        let restored = self.connection.take().and_then(|mut connection| {
            let clean = self
                .restore
                .iter()
                .all(|statement| !statement.is_empty() && connection.execute(statement).is_ok());
            clean.then_some(connection)
        });
        let mut kept = sessions.kept.lock();
        match restored {
            Some(connection) => {
                kept.insert(key, Kept::Idle { connection, expires: Instant::now() + timeout })
            }
            None => kept.remove(&key),
        };
    }
}

/// A text as SQL writes it.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name as SQL writes it.
pub(super) fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}
