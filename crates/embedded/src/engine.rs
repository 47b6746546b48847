//! The engine's process. Only this file calls the library, so only this file has unsafe code.
//!
//! The process runs these steps. A failure is reported to the supervisor on standard output and ends the process.
//!
//! 1. Read the task from standard input. It stays open; its end is the signal to stop.
//! 2. Lock the data directory, and check that the ports are free.
//! 3. Open the terminal and the pipes with the configuration, confine the process, start the threads.
//! 4. Run the library, which reads the configuration and shows its prompt.
//! 5. Close the pipes, so that no statement can read them, and type the statements that start the servers.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libloading::Library;
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::{Deserialize, Serialize};

use crate::sandbox::{self, Enforced};
use crate::terminal::{self, Terminal};

/// The variable that is set in the engine's process.
pub(crate) const VARIABLE: &str = "CLICKHOUSE_EMBEDDED_ENGINE";
/// The file in the data directory that the engine's process locks.
const LOCK_FILE: &str = "lock";
/// Pause between two attempts to lock the data directory.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// How long an engine that serves may take to exit: 5 s for running queries, and the closing of its tables.
pub(crate) const EXIT_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two attempts to make it exit.
const EXIT_PAUSE: Duration = Duration::from_secs(1);
/// Longest task, in bytes: the configuration with all users.
const TASK_MAX: u64 = 4 << 20;
/// `file(path)` reads any file of the process, and no grant covers it. A function of the same name that always fails takes
/// its place: ClickHouse looks for functions of users first, in whatever form a statement names them. It is loaded from the
/// data directory when the engine starts.
const FILE_FUNCTION: &str = "CREATE FUNCTION file AS path -> throwIf(1, 'the function file is not served')\n";

/// What the supervisor sends to the engine's process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) library: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) listeners: Vec<SocketAddr>,
    /// `{users}` in it stands for the file of the users.
    pub(crate) config: String,
    pub(crate) users: String,
    pub(crate) log_level: String,
    pub(crate) connect_ports: Vec<u16>,
    pub(crate) confinement_required: bool,
    pub(crate) lock_timeout: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// How far the kernel confines the process.
    Confined {
        fully: bool,
        partly: bool,
    },
    Listening,
    /// Why the process ends.
    Failed(String),
}

/// Where [`Task::config`] names the file of the users.
pub(crate) const USERS: &str = "{users}";

/// Runs the engine and ends the process, if [`crate::Server`] started this process for that. Otherwise it returns at once.
///
/// Call it first in `main`, before the program starts a thread or reads its arguments.
pub fn run_engine_if_requested() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let Ok(reports) = io::stdout().as_fd().try_clone_to_owned() else { std::process::exit(1) };
    let mut reports = Reports(File::from(reports));
    let code = match run(&mut reports) {
        Ok(()) => 0,
        Err(error) => {
            reports.send(&Report::Failed(error));
            1
        }
    };
    std::process::exit(code);
}

/// Sends reports to the supervisor.
struct Reports(File);

impl Reports {
    fn send(&mut self, report: &Report) {
        let mut line = serde_json::to_vec(report).unwrap_or_default();
        line.push(b'\n');
        // The end of the supervisor is noticed on standard input.
        let _gone = self.0.write_all(&line);
    }
}

fn run(reports: &mut Reports) -> Result<(), String> {
    let mut control =
        BufReader::new(File::from(io::stdin().as_fd().try_clone_to_owned().map_err(text("standard input"))?));
    let mut line = String::new();
    control.by_ref().take(TASK_MAX).read_line(&mut line).map_err(text("standard input"))?;
    let task: Task =
        serde_json::from_str(&line).map_err(|error| format!("the task is not understood: {error}"))?;
    drop(line);
    // Signals to the supervisor's process group, such as Ctrl-C, must not end the engine before the supervisor stops it.
    rustix::process::setsid().map_err(|error| format!("cannot start a session: {error}"))?;

    let data = &task.data;
    let engine = data.join("engine");
    std::fs::create_dir_all(&engine).map_err(file(&engine))?;
    let _lock = lock(data, task.lock_timeout, &control)?;
    replace_functions(&engine)?;
    for address in &task.listeners {
        TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    }
    // The engine writes files into its working directory.
    std::env::set_current_dir(data).map_err(file(data))?;

    let (terminal, replica) = terminal::open().map_err(text("a terminal"))?;
    let (users, users_writer) = pipe()?;
    let (config, config_writer) = pipe()?;
    let config_text = task.config.replace(USERS, &path_of(&users));
    let arguments = arguments(&task, &engine, &config);
    confine(&task, reports)?;

    // From here on there are threads; all are confined.
    feed(config_writer, config_text);
    feed(users_writer, task.users);
    use_terminal(replica, task.log_level == "none").map_err(text("a terminal"))?;
    let serves = Arc::new(AtomicBool::new(false));
    let (serves_at_end, listening) = (Arc::clone(&serves), Arc::clone(&serves));
    let keyboard = terminal.keyboard().map_err(text("a terminal"))?;
    std::thread::spawn(move || wait_for_stop(control, keyboard, &serves_at_end));
    let mut reports = Reports(reports.0.try_clone().map_err(text("standard output"))?);
    let listeners = task.listeners.len();
    std::thread::spawn(move || {
        let mut terminal = terminal;
        let started = start_servers(&mut terminal, (config, users), listeners);
        listening.store(started.is_ok(), Ordering::Release);
        reports.send(&started.map_or_else(Report::Failed, |()| Report::Listening));
        terminal.drain();
    });
    call(&task.library, &arguments)?;
    if serves.load(Ordering::Acquire) {
        return Ok(());
    }
    let reason = "as it does when it cannot load its tables; its log says why, at the level `error`";
    Err(format!("the engine ended before it served, {reason}"))
}

/// What a person would type to start the session.
fn arguments(task: &Task, engine: &Path, config: &OwnedFd) -> Vec<String> {
    vec![
        "clickhouse".to_owned(),
        format!("--config-file={}", path_of(config)),
        format!("--path={}", engine.display()),
        format!("--log-level={}", task.log_level),
        // A file of its own: the engine makes its history private, whatever file that is.
        format!("--history_file={}", task.data.join("history").display()),
        "--interactive".to_owned(),
        // Suggestions would use up the statements that the session has.
        "--disable_suggestion".to_owned(),
    ]
}

fn confine(task: &Task, reports: &mut Reports) -> Result<(), String> {
    let enforced = sandbox::confine(&task.data, &task.library, &task.connect_ports)
        .map_err(|error| with_causes("cannot confine the engine's process", &error))?;
    if enforced == Enforced::Not && task.confinement_required {
        return Err("this kernel does not confine processes (Landlock), and that is required".to_owned());
    }
    let (fully, partly) = (enforced == Enforced::Fully, enforced == Enforced::Partly);
    reports.send(&Report::Confined { fully, partly });
    Ok(())
}

/// Makes the terminal this process's standard input and output; for a silent engine also its standard error: the engine prints errors there
/// that are not in its log.
fn use_terminal(replica: OwnedFd, silent: bool) -> io::Result<()> {
    rustix::stdio::dup2_stdin(&replica)?;
    rustix::stdio::dup2_stdout(&replica)?;
    if silent {
        rustix::stdio::dup2_stderr(&replica)?;
    }
    Ok(())
}

fn pipe() -> Result<(OwnedFd, OwnedFd), String> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| format!("a pipe: {error}"))
}

/// Waits for the end of standard input (a stop, or the end of the supervisor), and ends the process.
///
/// A server exits in order. The line is typed until the engine has read it, because input is lost while the engine draws its
/// prompt. An engine that is still starting, or does not exit, is killed: confirmed inserts are on disk.
fn wait_for_stop(mut control: BufReader<File>, mut keyboard: File, serves: &AtomicBool) {
    let mut ignored = Vec::new();
    let _end = control.read_to_end(&mut ignored);
    let deadline = Instant::now() + EXIT_TIMEOUT;
    while serves.load(Ordering::Acquire) && Instant::now() < deadline {
        // Ctrl-E and Ctrl-U clear the line first.
        if keyboard.write_all(b"\x05\x15exit\n").is_err() {
            break;
        }
        std::thread::sleep(EXIT_PAUSE);
    }
    let _gone = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// Whether standard input has ended.
fn is_over(control: &BufReader<File>) -> bool {
    let mut polled = [PollFd::new(control.get_ref(), PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut polled, Some(&at_once)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
}

/// Closes the pipes with the configuration, which the engine has read, and starts HTTP and, with a second listener, the native
/// protocol.
fn start_servers(terminal: &mut Terminal, pipes: (OwnedFd, OwnedFd), listeners: usize) -> Result<(), String> {
    let lost = |error: io::Error| format!("the engine's terminal is gone: {error}");
    terminal.read_until_prompt(|_| true).map_err(lost)?;
    drop(pipes);
    let answered = |output: &str| output.contains("Ok.") || terminal::exception_in(output).is_some();
    // A port that is not configured would be ClickHouse's usual one, so each server is started by its name.
    for server in ["HTTP", "TCP"].into_iter().take(listeners) {
        terminal.type_line(&format!("SYSTEM START LISTEN {server}")).map_err(lost)?;
        let output = terminal.read_until_prompt(answered).map_err(lost)?;
        if let Some(exception) = terminal::exception_in(&output) {
            return Err(exception.to_owned());
        }
    }
    Ok(())
}

/// Whether a process, which may still be starting, uses the data directory.
///
/// # Errors
/// When the lock file cannot be opened.
pub fn is_in_use(data: &Path) -> io::Result<bool> {
    let file = match File::options().write(true).open(data.join(LOCK_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    // An engine that finds the file locked during this call waits, or fails and is started again.
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

fn lock(data: &Path, timeout: Duration, control: &BufReader<File>) -> Result<File, String> {
    let path = data.join(LOCK_FILE);
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(self::file(&path))?;
    let deadline = Instant::now() + timeout;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if is_over(control) => return Err("stopped".to_owned()),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE)
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(format!("{} is in use by another process", data.display()));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(self::file(&path)(error)),
        }
    }
}

/// Writes [`FILE_FUNCTION`] to the place from which the engine loads functions. No user may create others.
fn replace_functions(engine: &Path) -> Result<(), String> {
    let directory = engine.join("user_defined");
    let path = directory.join("function_file.sql");
    if std::fs::read_to_string(&path).is_ok_and(|text| text == FILE_FUNCTION) {
        return Ok(());
    }
    std::fs::create_dir_all(&directory).map_err(file(&directory))?;
    std::fs::write(&path, FILE_FUNCTION).map_err(file(&path))
}

/// Writes a text into a pipe on a thread, and closes the pipe. The text is larger than the pipe's buffer.
fn feed(pipe: OwnedFd, text: String) {
    // An error means that the engine ended, which is reported elsewhere.
    std::thread::spawn(move || drop(File::from(pipe).write_all(text.as_bytes())));
}

fn path_of(pipe: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", pipe.as_raw_fd())
}

/// Runs the library's command line until the session ends.
fn call(library: &Path, arguments: &[String]) -> Result<(), String> {
    let open = |error: libloading::Error| format!("cannot load {}: {error}", library.display());
    // SAFETY: loading runs the library's initialisers. The caller names the engine that `install` checked by its hash, or one
    // that the operator chose; nothing more can be checked before foreign code runs.
    let loaded = unsafe { Library::new(library) }.map_err(open)?;
    // The engine's threads may outlive the call, so the library is never unloaded.
    let loaded: &'static Library = Box::leak(Box::new(loaded));
    type Run = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
    type ErrorOf = unsafe extern "C" fn(*mut c_void) -> *const c_char;
    // SAFETY: the types are those of these functions in `chdb.h` of the release that `install` fetches.
    let (run, error_of) = unsafe {
        (
            loaded.get::<Run>(b"chdb_query_cmdline").map_err(open)?,
            loaded.get::<ErrorOf>(b"chdb_result_error").map_err(open)?,
        )
    };
    let arguments: Vec<CString> =
        arguments.iter().filter_map(|argument| CString::new(argument.as_str()).ok()).collect();
    let mut pointers: Vec<*mut c_char> =
        arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len()).map_err(|error| error.to_string())?;
    pointers.push(std::ptr::null_mut());
    // SAFETY: `pointers` holds `count` texts that end in NUL and outlive the call, and a null pointer behind them.
    let result = unsafe { run(count, pointers.as_mut_ptr()) };
    if result.is_null() {
        return Ok(());
    }
    // SAFETY: `result` came from the call above and is not freed.
    let error = unsafe { error_of(result) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the engine's text ends in NUL and lives as long as the result.
    let error = unsafe { CStr::from_ptr(error) }.to_string_lossy();
    let error = error.split(", Stack trace").next().unwrap_or_default().trim();
    if error.is_empty() { Ok(()) } else { Err(format!("the engine does not start: {error}")) }
}

fn text(what: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

fn file(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn with_causes(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
