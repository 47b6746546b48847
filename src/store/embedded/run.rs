//! One request, from its body to its answer: reads the statement, checks what the role may do, runs it.
//!
//! All of it blocks and runs on a thread of its own. Data of an insert goes to the engine as it comes; rows of a result
//! leave as the engine writes them (see `rows`).

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use super::access::Role;
use super::ask::{Ask, is_word};
use super::body::{self, External, RawBody};
use super::codec::{Encoder, exception_of};
use super::engine::{Class, Connection, Counts, Exception, Parameters};
use super::reader;
use super::reply::{Cancel, PIECE, Reply};
use super::rows;
use super::session::{Lease, Sessions, quote_name};
use super::statement::{Shape, Statement, is_outside_function};
use super::wire::{self, code};

/// Bytes of a statement, without an insert's data.
pub(super) const STATEMENT_MAX: usize = 16 << 20;
/// Bytes that are read before an insert's data is looked for.
const HEAD: usize = 1 << 20;

/// What all requests share.
pub(super) struct Store {
    /// The sessions, and through them the engine.
    pub(super) sessions: Arc<Sessions>,
    /// ClickHouse's version.
    pub(super) version: String,
    /// The engine's time zone.
    pub(super) timezone: String,
    /// Names of the statements that are running.
    pub(super) running: Mutex<HashSet<String>>,
    /// Where results are kept that a client wants whole.
    pub(super) temporary: std::path::PathBuf,
}

/// One request on its thread.
pub(super) struct Job {
    /// What all requests share.
    pub(super) store: Arc<Store>,
    /// What it asks for.
    pub(super) ask: Ask,
    /// Who asks.
    pub(super) role: Role,
    /// Told when the client goes away.
    pub(super) cancel: Arc<Cancel>,
    /// Ends the statement's text, so that it can be found and killed.
    pub(super) mark: String,
}

impl Job {
    /// Runs it and answers.
    pub(super) fn run(mut self, mut raw: RawBody, mut reply: Reply) {
        let began = Instant::now();
        if !self.store.running.lock().insert(self.ask.query_id.clone()) {
            let text = format!("Query with id = {} is already running", self.ask.query_id);
            let name = "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING";
            let error = Exception::new(code::QUERY_ID_IN_USE, name, text);
            return fail(&self.store, &self.ask, &mut reply, &error);
        }
        let query_id = self.ask.query_id.clone();
        let outcome = self.answer(&mut raw, &mut reply, began);
        // Before the answer leaves, so that a client may use the name again as soon as it has it.
        self.store.running.lock().remove(&query_id);
        self.cancel.end();
        match outcome {
            Err(error) if !reply.started() => {
                // A client that is still sending does not read the answer; most give up after that.
                raw.drain();
                fail(&self.store, &self.ask, &mut reply, &error);
            }
            Err(_) => reply.cut(),
            Ok(Some((headers, body))) => reply.whole(StatusCode::OK, headers, body),
            Ok(None) => {}
        }
    }

    /// The whole answer, or `None` when it has been sent.
    fn answer(
        &mut self,
        raw: &mut RawBody,
        reply: &mut Reply,
        began: Instant,
    ) -> Result<Option<(HeaderMap, Bytes)>, Exception> {
        let mut body = body::decoded(raw, &self.ask)?;
        let mut externals = Vec::new();
        if let Some(boundary) = self.ask.boundary.take() {
            externals = body::form(&mut body, &boundary, &mut self.ask)?;
        }
        let text = read_statement(&self.ask.query, &mut body)?;
        let statement = Statement::new(&text);
        if statement.is_empty() {
            return Err(Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: Empty query"));
        }
        let shape = statement.shape();
        // What stands behind an insert's head is data: `confined` holds for VALUES too, whose expressions are not evaluated.
        let checked = if let Shape::Insert { data, .. } = &shape { *data } else { usize::MAX };
        self.confined(&statement, checked)?;
        let tables = external_tables(&mut self.ask, externals)?;
        self.may_set(&statement, checked)?;
        let mut lease =
            self.store.sessions.lease(&self.ask, self.role, |connection| load(connection, &tables))?;
        if self.cancel.is_raised() {
            return Err(Exception::new(394, "QUERY_WAS_CANCELLED", "The client is gone"));
        }
        match shape {
            Shape::Insert { head, format, data } => {
                self.may_change()?;
                if data < STATEMENT_MAX && text.len() > data && format.is_none() {
                    return Err(Exception::new(
                        code::SYNTAX_ERROR,
                        "SYNTAX_ERROR",
                        "Syntax error: no FORMAT",
                    ));
                }
                let format = format.as_deref().or(self.ask.format.as_deref()).unwrap_or("Values");
                let mut data = text[data..].chain(body);
                let connection = lease.connection();
                let counts = insert(connection, &text[..head], format, &self.ask.parameters, &mut data)?;
                drop(lease);
                Ok(Some((self.headers(None, &counts, began), Bytes::new())))
            }
            _ => {
                drop(body);
                let end = statement.end();
                self.check(lease.connection(), &statement, &text[..end], &shape)?;
                if shape == Shape::Rows {
                    return rows::run(self, lease, &statement, &text, reply, began);
                }
                self.command(lease, &text[..end], began).map(Some)
            }
        }
    }

    /// Refuses what reaches outside of the store, and what may not be what it seems.
    fn confined(&self, statement: &Statement<'_>, limit: usize) -> Result<(), Exception> {
        if let Some(what) = statement.unplaced(limit) {
            let text = format!("Syntax error: {what} is not taken here");
            return Err(Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", text));
        }
        if statement.moves_files(limit) {
            let text = "INTO OUTFILE and FROM INFILE are not allowed";
            return Err(Exception::new(code::INTO_OUTFILE_NOT_ALLOWED, "INTO_OUTFILE_NOT_ALLOWED", text));
        }
        let by_parameter = || {
            let mut values = self.ask.parameters.iter().map(|(_, value)| value.to_ascii_lowercase());
            // The engine may read an escape in a value.
            let outside = |name: &String| is_outside_function(name) || name.contains('\\');
            statement.takes_names(limit).then(|| values.find(outside)).flatten()
        };
        match statement.outside(limit).or_else(by_parameter) {
            Some(name) => {
                let text = format!("{name} reaches outside of the store, which is not served");
                Err(Exception::new(code::ACCESS_DENIED, "ACCESS_DENIED", text))
            }
            None => Ok(()),
        }
    }

    /// Refuses what the role or the method may not do, and more than one statement.
    fn check(
        &self,
        connection: &mut Connection,
        statement: &Statement<'_>,
        sql: &[u8],
        shape: &Shape,
    ) -> Result<(), Exception> {
        let analysis = connection.analyse(sql);
        if analysis.statements > 1 {
            let text = "Syntax error (Multi-statements are not allowed)";
            return Err(Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", text));
        }
        if analysis.class == Class::Control && !statement.may_control() {
            let text = "Statements that write to files are not allowed";
            return Err(Exception::new(code::INTO_OUTFILE_NOT_ALLOWED, "INTO_OUTFILE_NOT_ALLOWED", text));
        }
        // What does not parse is left to the engine, for its message; it cannot run.
        let harmless = matches!(analysis.class, Class::ReadOnly)
            || (analysis.class == Class::Unknown && analysis.statements == 0)
            || (analysis.class == Class::Control && matches!(shape, Shape::Set | Shape::Use));
        if harmless { Ok(()) } else { self.may_change() }
    }

    /// Refuses settings that reach outside, or that a reader may not choose, in the address and in the statement.
    fn may_set(&self, statement: &Statement<'_>, limit: usize) -> Result<(), Exception> {
        let reader = self.role == Role::Reader;
        let within = statement.assignments(limit).map_err(|word| {
            let text = format!("Syntax error: {word} among settings");
            Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", text)
        })?;
        let mut given = self.ask.settings.iter().cloned().chain(within);
        given.try_for_each(|(name, value)| reader::may_set(&name, &value, reader))
    }

    fn may_change(&self) -> Result<(), Exception> {
        if self.role == Role::Reader {
            let text = "footfall_reader: Not enough privileges. Only statements that read are taken";
            return Err(Exception::new(code::ACCESS_DENIED, "ACCESS_DENIED", text));
        }
        if self.ask.read_only {
            let text = "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. \
                        You should use method POST for modifying queries";
            return Err(Exception::new(code::READONLY, "READONLY", text));
        }
        Ok(())
    }

    /// A statement that returns little or nothing.
    pub(super) fn command(
        &self,
        mut lease: Lease,
        sql: &[u8],
        began: Instant,
    ) -> Result<(HeaderMap, Bytes), Exception> {
        let format = self.ask.default_format();
        let named = Statement::new(sql).format().map(|(_, _, name)| name);
        let answer = lease.connection().query(sql, format, &self.ask.parameters)?;
        let bytes = answer.bytes();
        let format = named.as_deref().unwrap_or(format);
        let counts = answer.counts();
        if bytes.is_empty() {
            return Ok((self.headers(None, &counts, began), Bytes::new()));
        }
        let mut headers = self.headers(Some(format), &counts, began);
        let body = self.encoded(bytes, &mut headers)?;
        Ok((headers, body))
    }

    /// A whole body in the encoding that the client asked for.
    pub(super) fn encoded(&self, bytes: &[u8], headers: &mut HeaderMap) -> Result<Bytes, Exception> {
        let mut encoder = self.encoder(Vec::new(), headers).map_err(|error| exception_of(&error))?;
        io::Write::write_all(&mut encoder, bytes).map_err(|error| exception_of(&error))?;
        encoder.finish().map(Bytes::from).map_err(|error| exception_of(&error))
    }

    /// The encodings that the client asked for, into `sink`; the headers say so.
    pub(super) fn encoder<W: io::Write>(&self, sink: W, headers: &mut HeaderMap) -> io::Result<Encoder<W>> {
        if self.ask.compress {
            return Ok(Encoder::native(sink));
        }
        if let Some(encoding) = self.ask.accept {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        Encoder::new(self.ask.accept, sink)
    }

    /// The headers of a good answer.
    pub(super) fn headers(&self, format: Option<&str>, counts: &Counts, began: Instant) -> HeaderMap {
        let mut headers = common(&self.store, &self.ask);
        if let Some(format) = format {
            put(&mut headers, "x-clickhouse-format", format);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(wire::content_type(format)));
        }
        put(&mut headers, "x-clickhouse-summary", &wire::summary(counts, began.elapsed()));
        headers
    }
}

/// The URL's part of the statement and as much of the body as is needed to know where an insert's data starts.
fn read_statement(query: &str, body: &mut dyn Read) -> Result<Vec<u8>, Exception> {
    let mut text = query.as_bytes().to_vec();
    if let Shape::Insert { format: Some(_), data, .. } = Statement::new(&text).shape() {
        // ClickHouse puts a line break between the two; the data must not begin with it.
        if text[data..].iter().all(u8::is_ascii_whitespace) {
            text.truncate(data);
        }
        return Ok(text);
    }
    if !text.is_empty() {
        text.push(b'\n');
    }
    let mut limit = HEAD;
    loop {
        let wanted = limit - text.len().min(limit);
        let read = body.take(wanted as u64).read_to_end(&mut text).map_err(|error| exception_of(&error))?;
        if read < wanted {
            return Ok(text);
        }
        if let Shape::Insert { format: Some(_), .. } = Statement::new(&text).shape() {
            return Ok(text);
        }
        if limit >= STATEMENT_MAX {
            let text = format!("A statement has at most {STATEMENT_MAX} bytes");
            return Err(Exception::new(code::QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE", text));
        }
        limit = (limit * 4).min(STATEMENT_MAX);
    }
}

fn insert(
    connection: &mut Connection,
    head: &[u8],
    format: &str,
    parameters: &Parameters,
    data: &mut dyn Read,
) -> Result<Counts, Exception> {
    // It goes into the statement as it is.
    if !is_word(format) {
        return Err(Exception::new(73, "UNKNOWN_FORMAT", format_args!("Unknown format {format}")));
    }
    let mut insert = connection.insert(head, format, parameters)?;
    let mut piece = vec![0; PIECE];
    loop {
        let length = match data.read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Dropping the insert cancels it: a body that breaks off is not written.
            Err(error) => return Err(exception_of(&error)),
        };
        if length == 0 {
            return insert.done();
        }
        insert.append(&piece[..length])?;
    }
}

/// A table that came with the request, and how to read it.
struct Table {
    name: String,
    structure: String,
    format: String,
    data: Vec<u8>,
}

/// Matches the tables with their `NAME_structure`, `NAME_types` and `NAME_format` parameters.
fn external_tables(ask: &mut Ask, externals: Vec<External>) -> Result<Vec<Table>, Exception> {
    externals
        .into_iter()
        .map(|External { name, data }| {
            let mut take = |suffix: &str| {
                let key = format!("{name}_{suffix}");
                let at = ask.settings.iter().position(|(setting, _)| *setting == key)?;
                Some(ask.settings.swap_remove(at).1)
            };
            let structure = take("structure").or_else(|| {
                let types = take("types")?;
                let columns = types.split(',').enumerate().map(|(at, kind)| format!("_{} {kind}", at + 1));
                Some(columns.collect::<Vec<_>>().join(", "))
            });
            let format = take("format").unwrap_or_else(|| "TabSeparated".to_owned());
            let structure = structure.ok_or_else(|| {
                let text = format!("The table {name} comes without {name}_structure or {name}_types");
                Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", text)
            })?;
            Ok(Table { name, structure, format, data })
        })
        .collect()
}

/// Makes the request's tables on its connection, as temporary ones.
fn load(connection: &mut Connection, tables: &[Table]) -> Result<(), Exception> {
    for table in tables {
        let name = quote_name(&table.name);
        let structure = Statement::new(table.structure.as_bytes());
        if structure.unplaced(usize::MAX).is_some() || !structure.is_enclosed() {
            let text = format!("The structure of {name} is not a list of columns");
            return Err(Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", text));
        }
        let create = format!("CREATE TEMPORARY TABLE {name} ({}\n) ENGINE = Memory", table.structure);
        if let Some(outside) = Statement::new(create.as_bytes()).outside(usize::MAX) {
            let text = format!("{outside} reaches outside of the store, which is not served");
            return Err(Exception::new(code::ACCESS_DENIED, "ACCESS_DENIED", text));
        }
        connection.execute(&create)?;
        let head = format!("INSERT INTO {name}");
        insert(connection, head.as_bytes(), &table.format, &[], &mut table.data.as_slice())?;
    }
    Ok(())
}

/// Headers of every answer to a statement.
fn common(store: &Store, ask: &Ask) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, "x-clickhouse-server-display-name", "footfall");
    put(&mut headers, "x-clickhouse-query-id", &ask.query_id);
    put(&mut headers, "x-clickhouse-timezone", &store.timezone);
    headers
}

/// Answers with an exception.
pub(super) fn fail(store: &Store, ask: &Ask, reply: &mut Reply, exception: &Exception) {
    let mut headers = common(store, ask);
    put(&mut headers, "x-clickhouse-exception-code", &exception.code.to_string());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    if exception.code == code::REQUIRED_PASSWORD {
        put(&mut headers, "www-authenticate", "Basic realm=\"footfall\"");
    }
    let body = wire::message(exception, &store.version);
    reply.whole(wire::status(exception.code), headers, Bytes::from(body));
}

/// Sets a header; a value that no header can hold is left out.
pub(super) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
