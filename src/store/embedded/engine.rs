//! The ClickHouse engine as a library: the one place of the project that is not safe Rust.
//!
//! It opens `libchdb` at run time, turns off its signal handlers, and wraps connections, queries and streaming inserts
//! in types that cannot be used after they are closed. Every call blocks: callers run it on a thread of their own. It
//! refuses to run two statements at once on one connection (`&mut self`) and to open a second data directory.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use libloading::Library;

/// What can go wrong before there is a connection.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The library could not be opened.
    #[error("cannot open the ClickHouse engine {}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system's loader says.
        source: libloading::Error,
    },
    /// The library lacks a function: it is another release.
    #[error("{} is not the engine that footfall was written for: it lacks {symbol}", .path.display())]
    Symbol {
        /// The file.
        path: PathBuf,
        /// The missing function.
        symbol: &'static str,
        /// What the system's loader says.
        source: libloading::Error,
    },
    /// The engine refused to start.
    #[error("the ClickHouse engine does not open {}: its log is on standard error", .0.display())]
    Start(PathBuf),
    /// The engine refused a further connection.
    #[error("the ClickHouse engine refuses a connection")]
    Connect,
}

/// What ClickHouse says of a statement that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    /// ClickHouse's error code.
    pub(super) code: u32,
    /// The whole message, starting with `Code: `.
    pub(super) message: String,
}

impl Exception {
    /// An exception that footfall raises itself, worded as ClickHouse words its own.
    pub(super) fn new(code: u32, name: &str, text: impl std::fmt::Display) -> Self {
        Self { code, message: format!("Code: {code}. DB::Exception: {text}. ({name})") }
    }

    /// Reads the engine's text. The engine wraps a cause once for each layer that it passed; one is enough to read.
    fn parse(text: &str) -> Self {
        let mut message = text.strip_prefix("Error: ").unwrap_or(text);
        let code = code_of(message);
        let prefix = format!("Code: {code}. DB::Exception: ");
        while message.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with(&prefix)) {
            message = &message[prefix.len()..];
        }
        let mut message = message.to_owned();
        if let Some(name) = message.rfind(" (").map(|at| message[at..].to_owned()) {
            while let Some(at) = message.rfind(" (version ") {
                let repeated = message[..at].ends_with(&name[1..]);
                message.truncate(at);
                if !repeated {
                    break;
                }
            }
        }
        Self { code, message }
    }
}

fn code_of(message: &str) -> u32 {
    let digits = message.strip_prefix("Code: ").unwrap_or_default();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    // 1001 is ClickHouse's code for an exception of the C++ library.
    digits[..end].parse().unwrap_or(1001)
}

/// Rows and bytes that a statement read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Rows read from storage.
    pub(super) read_rows: u64,
    /// Bytes read from storage.
    pub(super) read_bytes: u64,
    /// Rows written, by materialised views too.
    pub(super) written_rows: u64,
    /// Bytes written.
    pub(super) written_bytes: u64,
    /// Rows of the result.
    pub(super) result_rows: u64,
    /// Bytes of the result, as the engine holds it.
    pub(super) result_bytes: u64,
}

/// What a text holds, as ClickHouse's own parser reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Analysis {
    /// Statements in the text; 0 when it does not parse.
    pub(super) statements: u32,
    /// What they do.
    pub(super) class: Class,
}

/// What a statement does to what outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing.
    ReadOnly,
    /// It changes data or schema.
    Mutating,
    /// It changes the session or the server, or writes outside of the engine.
    Control,
    /// It does not parse.
    Unknown,
}

/// Names and values of `{name:Type}` parameters, as ClickHouse's HTTP interface takes them.
pub(super) type Parameters = [(String, String)];

type Handle = *mut c_void;

/// The library's functions, resolved once. Their addresses stay good because the library is never closed.
struct Api {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    close: unsafe extern "C" fn(*mut Handle),
    query: unsafe extern "C" fn(
        Handle,
        *const c_char,
        usize,
        *const c_char,
        usize,
        *const *const c_char,
        *const usize,
        *const *const c_char,
        *const usize,
        usize,
    ) -> Handle,
    insert: unsafe extern "C" fn(
        Handle,
        *const c_char,
        usize,
        *const c_char,
        usize,
        *const *const c_char,
        *const usize,
        *const *const c_char,
        *const usize,
        usize,
    ) -> Handle,
    append: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    done: unsafe extern "C" fn(Handle) -> Handle,
    cancel_insert: unsafe extern "C" fn(Handle),
    insert_error: unsafe extern "C" fn(Handle) -> *const c_char,
    destroy_insert: unsafe extern "C" fn(Handle),
    destroy: unsafe extern "C" fn(Handle),
    buffer: unsafe extern "C" fn(Handle) -> *mut c_char,
    length: unsafe extern "C" fn(Handle) -> usize,
    error: unsafe extern "C" fn(Handle) -> *const c_char,
    counters: [unsafe extern "C" fn(Handle) -> u64; 6],
    classify:
        unsafe extern "C" fn(Handle, *const c_char, usize, *const c_char, usize, *mut RawAnalysis) -> c_int,
    signal_handlers: unsafe extern "C" fn(c_int),
    shutdown: unsafe extern "C" fn() -> c_int,
    version: unsafe extern "C" fn() -> *const c_char,
}

/// `chdb_query_analysis_v1`.
#[repr(C)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    query_class: u32,
}

impl Api {
    fn load(path: &Path) -> Result<&'static Self, EngineError> {
        // SAFETY: loading runs the library's initialisers. The file is the engine that `install` checked by its hash
        // or that the operator named; there is nothing more to check before running foreign code.
        let library = unsafe { Library::new(path) }
            .map_err(|source| EngineError::Open { path: path.to_owned(), source })?;
        // The engine's threads outlive every handle on it, so the library must never be unloaded.
        let library: &'static Library = Box::leak(Box::new(library));
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the types of the fields of `Api` are those of the functions in chdb.h of this release.
                *unsafe { library.get($name.as_bytes()) }.map_err(|source| EngineError::Symbol {
                    path: path.to_owned(),
                    symbol: $name,
                    source,
                })?
            };
        }
        Ok(Box::leak(Box::new(Self {
            connect: symbol!("chdb_connect"),
            close: symbol!("chdb_close_conn"),
            query: symbol!("chdb_query_with_params_n"),
            insert: symbol!("chdb_stream_insert_with_params_n"),
            append: symbol!("chdb_stream_append"),
            done: symbol!("chdb_stream_done"),
            cancel_insert: symbol!("chdb_stream_cancel_insert"),
            insert_error: symbol!("chdb_stream_insert_error"),
            destroy_insert: symbol!("chdb_destroy_insert_stream"),
            destroy: symbol!("chdb_destroy_query_result"),
            buffer: symbol!("chdb_result_buffer"),
            length: symbol!("chdb_result_length"),
            error: symbol!("chdb_result_error"),
            counters: [
                symbol!("chdb_result_storage_rows_read"),
                symbol!("chdb_result_storage_bytes_read"),
                symbol!("chdb_result_rows_written"),
                symbol!("chdb_result_bytes_written"),
                symbol!("chdb_result_rows_read"),
                symbol!("chdb_result_bytes_read"),
            ],
            classify: symbol!("chdb_classify_query_n"),
            signal_handlers: symbol!("chdb_set_signal_handlers_enabled"),
            shutdown: symbol!("chdb_shutdown"),
            version: symbol!("chdb_version"),
        })))
    }

    /// A copy of a text of the engine's.
    fn text(&self, text: *const c_char) -> Option<String> {
        if text.is_null() {
            return None;
        }
        // SAFETY: not null, and the engine's texts end in NUL and live as long as the handle they were asked from,
        // which the caller holds.
        Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }
}

/// The running engine. One data directory, any number of connections.
pub(super) struct Engine {
    api: &'static Api,
    arguments: Vec<CString>,
    /// The engine stops with its last connection, so one stays open.
    keeper: Option<Connection>,
}

impl Engine {
    /// Opens `library` on the directory `data`, with ClickHouse's configuration file `config`.
    ///
    /// # Errors
    /// When the library cannot be loaded, or ClickHouse does not open the directory.
    pub(super) fn open(library: &Path, data: &Path, config: &Path) -> Result<Self, EngineError> {
        let api = Api::load(library)?;
        // SAFETY: takes a number, and is called before the first connection, as chdb.h demands.
        unsafe { (api.signal_handlers)(0) };
        let argument = |text: String| CString::new(text).map_err(|_| EngineError::Start(data.to_owned()));
        let arguments = vec![
            argument("footfall".to_owned())?,
            argument(format!("--path={}", data.display()))?,
            argument(format!("--config-file={}", config.display()))?,
        ];
        let mut engine = Self { api, arguments, keeper: None };
        engine.keeper = Some(engine.connect().map_err(|_| EngineError::Start(data.to_owned()))?);
        Ok(engine)
    }

    /// A new connection: a session of its own, with default settings. Costs about 0.4 ms.
    ///
    /// # Errors
    /// When the engine refuses it; it gives no reason.
    pub(super) fn connect(&self) -> Result<Connection, EngineError> {
        let mut argv: Vec<*mut c_char> =
            self.arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(argv.len()).map_err(|_| EngineError::Connect)?;
        // SAFETY: `argv` holds `count` NUL-terminated texts that outlive the call; the engine copies and never
        // writes to them.
        let handle = unsafe { (self.api.connect)(count, argv.as_mut_ptr()) };
        NonNull::new(handle).map(|handle| Connection { api: self.api, handle }).ok_or(EngineError::Connect)
    }

    /// The release of the library, such as `26.7.3`.
    pub(super) fn version(&self) -> String {
        // SAFETY: takes nothing and returns a constant text.
        self.api.text(unsafe { (self.api.version)() }).unwrap_or_default()
    }

    /// Closes the last connection and joins the engine's threads. Connections still open make it do nothing.
    pub(super) fn stop(mut self) {
        self.keeper = None;
        // SAFETY: takes nothing; it refuses by itself while a connection is open.
        unsafe { (self.api.shutdown)() };
    }
}

/// One session with the engine; one statement at a time.
pub(super) struct Connection {
    api: &'static Api,
    handle: NonNull<Handle>,
}

// SAFETY: chdb.h lets any thread use a connection as long as no two do at once, which `&mut self` ensures.
unsafe impl Send for Connection {}
// SAFETY: nothing can be done through a shared reference.
unsafe impl Sync for Connection {}

impl Connection {
    fn raw(&self) -> Handle {
        // SAFETY: `handle` came from chdb_connect and is closed in `drop` alone.
        unsafe { *self.handle.as_ptr() }
    }

    /// Runs a statement to its end. What it returns is held in memory whole, unless it writes to a file itself.
    ///
    /// # Errors
    /// What ClickHouse says.
    pub(super) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &Parameters,
    ) -> Result<Answer<'_>, Exception> {
        let bound = Bound::new(parameters);
        // SAFETY: all pointers come with the lengths of the slices they were taken from, and outlive the call.
        let result = unsafe {
            (self.api.query)(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                bound.names.as_ptr(),
                bound.name_lengths.as_ptr(),
                bound.values.as_ptr(),
                bound.value_lengths.as_ptr(),
                parameters.len(),
            )
        };
        Answer::new(self.api, result)
    }

    /// Runs a statement whose result nobody needs.
    ///
    /// # Errors
    /// What ClickHouse says.
    pub(super) fn execute(&mut self, sql: &str) -> Result<(), Exception> {
        self.query(sql.as_bytes(), "Null", &[]).map(drop)
    }

    /// Starts an insert: `sql` without `FORMAT` and data, which follow through [`Insert::append`].
    ///
    /// # Errors
    /// What ClickHouse says.
    pub(super) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &Parameters,
    ) -> Result<Insert<'_>, Exception> {
        let bound = Bound::new(parameters);
        // SAFETY: as in `query`.
        let stream = unsafe {
            (self.api.insert)(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                bound.names.as_ptr(),
                bound.name_lengths.as_ptr(),
                bound.values.as_ptr(),
                bound.value_lengths.as_ptr(),
                parameters.len(),
            )
        };
        let stream = NonNull::new(stream)
            .ok_or_else(|| Exception::new(1001, "STD_EXCEPTION", "the engine gave no insert stream"))?;
        let insert = Insert { api: self.api, stream, connection: PhantomData };
        match insert.error() {
            Some(error) => Err(error),
            None => Ok(insert),
        }
    }

    /// Asks ClickHouse's parser what `sql` does, without running it. Costs about 15 µs.
    pub(super) fn analyse(&mut self, sql: &[u8]) -> Analysis {
        let mut raw = RawAnalysis {
            struct_size: u32::try_from(size_of::<RawAnalysis>()).expect("16 bytes"),
            statement_count: 0,
            flags: 0,
            query_class: 4,
        };
        // SAFETY: `sql` comes with its length, no target database is named, and `raw` has room for `struct_size`.
        unsafe {
            (self.api.classify)(self.raw(), sql.as_ptr().cast(), sql.len(), std::ptr::null(), 0, &raw mut raw)
        };
        let class = match raw.query_class {
            0 => Class::ReadOnly,
            1 | 2 => Class::Mutating,
            3 => Class::Control,
            _ => Class::Unknown,
        };
        Analysis { statements: raw.statement_count, class }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: no result or insert of this connection is left: both borrow it.
        unsafe { (self.api.close)(self.handle.as_ptr()) };
    }
}

/// Names and values of parameters as the engine takes them: pointers and lengths.
struct Bound<'a> {
    names: Vec<*const c_char>,
    name_lengths: Vec<usize>,
    values: Vec<*const c_char>,
    value_lengths: Vec<usize>,
    parameters: PhantomData<&'a Parameters>,
}

impl<'a> Bound<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self {
            names: parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lengths: parameters.iter().map(|(name, _)| name.len()).collect(),
            values: parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lengths: parameters.iter().map(|(_, value)| value.len()).collect(),
            parameters: PhantomData,
        }
    }
}

/// What a statement returned.
pub(super) struct Answer<'a> {
    api: &'static Api,
    result: NonNull<c_void>,
    connection: PhantomData<&'a mut Connection>,
}

impl Answer<'_> {
    fn new(api: &'static Api, result: Handle) -> Result<Self, Exception> {
        let result = NonNull::new(result)
            .ok_or_else(|| Exception::new(1001, "STD_EXCEPTION", "the engine gave no result"))?;
        let answer = Self { api, result, connection: PhantomData };
        // SAFETY: `result` is alive: `answer` owns it.
        match api.text(unsafe { (api.error)(answer.result.as_ptr()) }) {
            Some(error) => Err(Exception::parse(&error)),
            None => Ok(answer),
        }
    }

    /// The result in the format that was asked for.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `result` is alive.
        let (start, length) =
            unsafe { ((self.api.buffer)(self.result.as_ptr()), (self.api.length)(self.result.as_ptr())) };
        if start.is_null() {
            return &[];
        }
        // SAFETY: the engine holds `length` initialised bytes there until the result is destroyed, in `drop`.
        unsafe { std::slice::from_raw_parts(start.cast(), length) }
    }

    /// What it read and wrote.
    pub(super) fn counts(&self) -> Counts {
        // SAFETY: `result` is alive.
        let [read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes] =
            self.api.counters.map(|counter| unsafe { counter(self.result.as_ptr()) });
        Counts { read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes }
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        // SAFETY: `result` is alive, and nothing borrows from it any more.
        unsafe { (self.api.destroy)(self.result.as_ptr()) };
    }
}

/// An insert under way. Dropping it without [`Insert::done`] cancels it; blocks already written stay, as in ClickHouse.
pub(super) struct Insert<'a> {
    api: &'static Api,
    stream: NonNull<c_void>,
    connection: PhantomData<&'a mut Connection>,
}

impl Insert<'_> {
    fn error(&self) -> Option<Exception> {
        // SAFETY: `stream` is alive.
        let text = unsafe { (self.api.insert_error)(self.stream.as_ptr()) };
        self.api.text(text).map(|text| Exception::parse(&text))
    }

    /// Hands over a piece of the data; waits while the engine is behind.
    ///
    /// # Errors
    /// What ClickHouse says.
    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), Exception> {
        // SAFETY: `stream` is alive, and `data` is copied before the call returns.
        if unsafe { (self.api.append)(self.stream.as_ptr(), data.as_ptr().cast(), data.len()) } == 0 {
            return Ok(());
        }
        Err(self.error().unwrap_or_else(|| Exception::new(1001, "STD_EXCEPTION", "the insert failed")))
    }

    /// Ends the data and waits until it is written.
    ///
    /// # Errors
    /// What ClickHouse says.
    pub(super) fn done(self) -> Result<Counts, Exception> {
        // SAFETY: `stream` is alive.
        let result = unsafe { (self.api.done)(self.stream.as_ptr()) };
        Answer::new(self.api, result).map(|answer| answer.counts())
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: `stream` is alive; cancelling one that is done does nothing, and it is destroyed once, here.
        unsafe {
            (self.api.cancel_insert)(self.stream.as_ptr());
            (self.api.destroy_insert)(self.stream.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_however_many_layers_wrapped_it() {
        let text = "Code: 474. DB::Exception: Code: 474. DB::Exception: Bad. (BAD) (version 26.7.2.1). (BAD)";
        let exception = Exception::parse(text);
        assert_eq!(exception.code, 474);
        assert_eq!(exception.message, "Code: 474. DB::Exception: Bad. (BAD)");
    }

    #[test]
    fn a_plain_exception_is_told_as_it_is() {
        let text = "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)";
        assert_eq!(Exception::parse(text), Exception { code: 60, message: text.to_owned() });
        assert_eq!(Exception::parse("nothing known").code, 1001);
    }
}
