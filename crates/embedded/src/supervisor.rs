//! Starts the engine's process, watches it, starts it again when it ends, and stops it.
//!
//! One thread does all of it. The engine's process stops when its standard input ends, so it ends with this process, however
//! this process ends.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::configuration::{Confinement, Options, OptionsError};
use crate::engine::{EXIT_TIMEOUT, Report, Task, USERS, VARIABLE};
use crate::health::{self, Answer};

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Pause between two pings of a server that has answered before.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The first pause before a restart; doubled at each failure.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// How long the process may take to end before the supervisor kills it.
const KILL_AFTER: Duration = EXIT_TIMEOUT.saturating_add(Duration::from_secs(5));

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// This process is the engine's own: its `main` did not call [`crate::run_engine_if_requested`] first.
    #[error("this program must call `clickhouse_embedded::run_engine_if_requested()` first in `main`")]
    EngineProcess,
    /// A path cannot be made absolute, or the system gave no thread or random numbers.
    #[error("cannot start the supervisor of ClickHouse")]
    System(#[from] std::io::Error),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Further attempts follow.
    #[error("ClickHouse does not start: {0}")]
    Failed(String),
    #[error("ClickHouse did not answer within {0:?}")]
    Timeout(Duration),
    #[error("ClickHouse was stopped")]
    Stopped,
}

/// Dropping it stops the server and waits for its end.
pub struct Server {
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

/// State that the supervisor's thread and its owner share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: bool,
    stop: bool,
    process: Option<u32>,
    /// Why the last attempt failed, until the server is ready.
    failure: Option<String>,
    /// Ends of the process that nobody asked for, after the server had been ready.
    unexpected_ends: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
}

impl Server {
    /// Does not wait until the server is ready.
    ///
    /// # Errors
    /// When the options contradict each other, or the system gives no thread. A server that does not start causes no error here:
    /// it is started again, and [`Self::wait_until_ready`] returns the reason.
    pub fn start(mut options: Options) -> Result<Self, StartError> {
        if std::env::var_os(VARIABLE).is_some() {
            return Err(StartError::EngineProcess);
        }
        options.check()?;
        options.data = std::path::absolute(&options.data)?;
        options.library = std::path::absolute(&options.library)?;
        let own = std::env::current_exe()?;
        let program = match options.program.clone() {
            Some(program) => program,
            // The file of this process, even if an upgrade has replaced it.
            None if cfg!(target_os = "linux") => PathBuf::from("/proc/self/exe"),
            None => own.clone(),
        };
        let shared = Arc::new(Shared::default());
        let supervisor = Supervisor { options, program, name: own, shared: Arc::clone(&shared) };
        let supervisor =
            std::thread::Builder::new().name("clickhouse".to_owned()).spawn(move || supervisor.run())?;
        Ok(Self { shared, supervisor: Some(supervisor) })
    }

    /// Whether the server answers.
    pub fn is_ready(&self) -> bool {
        self.shared.state().ready
    }

    /// The id of the engine's process, while there is one.
    pub fn process_id(&self) -> Option<u32> {
        self.shared.state().process
    }

    /// A counter of the process's ends that nobody asked for. Attempts to start that failed do not count. It outlives the server.
    pub fn unexpected_ends(&self) -> UnexpectedEnds {
        UnexpectedEnds(Arc::clone(&self.shared))
    }

    /// # Errors
    /// When an attempt to start it failed, the time is over, or it was stopped. The supervisor continues its attempts.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<(), NotReady> {
        let waiting = |state: &mut State| !state.ready && !state.stop && state.failure.is_none();
        let state = self.shared.state();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, timeout, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State { ready: true, .. } => Ok(()),
            State { stop: true, .. } => Err(NotReady::Stopped),
            State { failure: Some(reason), .. } => Err(NotReady::Failed(reason.clone())),
            _ => Err(NotReady::Timeout(timeout)),
        }
    }

    /// Does not wait for the server's end.
    pub fn begin_stop(&self) {
        self.shared.change(|state| state.stop = true);
    }

    /// Stops the server and waits for its end. Running queries have some seconds, then the process is killed. Confirmed
    /// inserts are safe either way.
    pub fn stop(self) {
        drop(self);
    }
}

/// How often a server's process ended although nobody asked for it.
#[derive(Clone)]
pub struct UnexpectedEnds(Arc<Shared>);

impl UnexpectedEnds {
    pub fn count(&self) -> u64 {
        self.0.state().unexpected_ends
    }
}

impl fmt::Debug for UnexpectedEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnexpectedEnds").field(&self.count()).finish()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(supervisor) = self.supervisor.take() {
            // A panic of the thread was printed by itself.
            let _panicked = supervisor.join();
        }
    }
}

struct Supervisor {
    options: Options,
    program: PathBuf,
    /// The name of the process in process lists.
    name: PathBuf,
    shared: Arc<Shared>,
}

/// One start of the engine's process.
struct Process {
    child: Child,
    /// Closing it tells the process to stop.
    control: Option<ChildStdin>,
    reports: Receiver<Report>,
    /// A name that changes at each start. It distinguishes the server from another one on the same port.
    instance: String,
    password: String,
}

enum End {
    Stopped,
    Failed { reason: String, was_ready: bool },
}

impl Supervisor {
    fn run(&self) {
        let mut pause = BACKOFF;
        let mut last_logged = None;
        loop {
            let end = match self.spawn() {
                Ok(process) => self.watch(process),
                Err(error) => {
                    let reason = format!("cannot start {}: {error}", self.program.display());
                    End::Failed { reason, was_ready: false }
                }
            };
            let End::Failed { reason, was_ready } = end else { return };
            if was_ready {
                (pause, last_logged) = (BACKOFF, None);
                self.shared.state().unexpected_ends += 1;
            }
            // A start that fails repeatedly for the same reason, such as a port in use, is logged once.
            if last_logged.as_ref() != Some(&reason) {
                tracing::error!(reason, "the embedded ClickHouse ended; starting it again");
                last_logged = Some(reason.clone());
            }
            self.shared.change(|state| state.failure = Some(reason));
            if self.stop_requested_within(pause) {
                return;
            }
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }

    /// Waits until the time is over or a stop is requested.
    fn stop_requested_within(&self, pause: Duration) -> bool {
        let state = self.shared.state();
        let waited = self.shared.changed.wait_timeout_while(state, pause, |state| !state.stop);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    fn spawn(&self) -> std::io::Result<Process> {
        let (instance, password) = (random()?, random()?);
        let options = &self.options;
        let task = Task {
            library: options.library.clone(),
            data: options.data.clone(),
            listeners: options.listeners().collect(),
            config: options.config_xml(USERS, &instance),
            users: options.users_xml(&password),
            log_level: options.log_level.clone(),
            connect_ports: options.connect_ports.clone(),
            confinement_required: options.confinement == Confinement::Required,
            lock_timeout: options.lock_timeout,
        };
        let mut command = Command::new(&self.program);
        // Statements can read the engine's environment, and a program's own may hold secrets. `TZ` is ClickHouse's time zone.
        command.env_clear().env(VARIABLE, "1").arg0(&self.name);
        if let Some(zone) = std::env::var_os("TZ") {
            command.env("TZ", zone);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = serde_json::to_vec(&task)?;
        line.push(b'\n');
        let control = child.stdin.take();
        if let Some(control) = &control {
            // A pipe holds less than a task, and a program that does not read it must not block the supervisor.
            let mut pipe = File::from(control.as_fd().try_clone_to_owned()?);
            std::thread::spawn(move || drop(pipe.write_all(&line)));
        }
        let (sender, reports) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || pass_on(output, &sender));
        }
        self.shared.change(|state| state.process = Some(child.id()));
        Ok(Process { child, control, reports, instance, password })
    }

    /// Watches a process until it has ended, by itself or because a stop was requested.
    fn watch(&self, mut process: Process) -> End {
        let mut was_ready = false;
        let reason = self.watch_until_end(&mut process, &mut was_ready);
        self.shared.change(|state| {
            state.ready = false;
            state.process = None;
        });
        reason.map_or(End::Stopped, |reason| End::Failed { reason, was_ready })
    }

    /// Why the process ended; `None` when a stop was requested.
    fn watch_until_end(&self, process: &mut Process, was_ready: &mut bool) -> Option<String> {
        let Options { start_timeout, hang_timeout, .. } = self.options;
        let mut failure = None;
        let mut listens = false;
        let mut next_ping = Instant::now();
        // The last sign of life, and how long the next one may take.
        let (mut last_sign, mut patience) = (None, start_timeout);
        loop {
            if self.shared.state().stop {
                stop(process);
                return None;
            }
            match process.reports.recv_timeout(POLL_INTERVAL) {
                Ok(Report::Confined { fully, partly }) => {
                    log_confinement(fully, partly);
                    last_sign = Some(Instant::now());
                }
                Ok(Report::Listening) => {
                    listens = true;
                    (last_sign, patience) = (Some(Instant::now()), hang_timeout);
                }
                Ok(Report::Failed(reason)) => failure = Some(reason),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL_INTERVAL),
            }
            if failure.is_some() {
                // It does not serve, and may wait at its prompt.
                stop(process);
            }
            if let Ok(Some(status)) = process.child.try_wait() {
                return Some(self.reason(process, failure, status));
            }
            if listens && Instant::now() >= next_ping {
                let answer = self.ping(process);
                *was_ready |= answer == Answer::Right;
                next_ping =
                    Instant::now() + if answer == Answer::Right { PING_INTERVAL } else { POLL_INTERVAL };
                if answer != Answer::Silence {
                    last_sign = Some(Instant::now());
                }
            }
            if last_sign.is_some_and(|sign| sign.elapsed() > patience) {
                kill(&mut process.child);
                return Some(format!("it did not answer for {patience:?} and was killed"));
            }
        }
    }

    /// Why a process ended: its last report, or its exit status.
    fn reason(&self, process: &Process, failure: Option<String>, status: std::process::ExitStatus) -> String {
        let later = std::iter::from_fn(|| process.reports.recv_timeout(POLL_INTERVAL).ok());
        let reported = later.filter_map(|report| match report {
            Report::Failed(reason) => Some(reason),
            _ => None,
        });
        failure.or_else(|| reported.last()).unwrap_or_else(|| status.to_string())
    }

    /// Until the server is ready, the answer must come from the process that was started here.
    fn ping(&self, process: &Process) -> Answer {
        let http = self.options.http;
        let was_ready = self.shared.state().ready;
        let answer = if was_ready {
            health::ping(http)
        } else {
            health::ask_instance(http, &process.password, &process.instance)
        };
        let ready = answer == Answer::Right;
        if ready != was_ready {
            self.shared.change(|state| {
                state.ready = ready;
                state.failure = None;
            });
            if ready {
                tracing::info!(%http, "the embedded ClickHouse is ready");
            } else {
                tracing::warn!(%http, "the embedded ClickHouse does not answer");
            }
        }
        answer
    }
}

/// Forwards the reports of the engine's process until the process or the supervisor ends.
fn pass_on(output: ChildStdout, reports: &Sender<Report>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Ok(report) = serde_json::from_str(&line)
            && reports.send(report).is_err()
        {
            return;
        }
    }
}

fn log_confinement(fully: bool, partly: bool) {
    if fully {
        tracing::info!("the embedded ClickHouse is confined to its data directory");
    } else {
        tracing::warn!(
            files = partly,
            connections = false,
            "this kernel does not confine the embedded ClickHouse fully (Landlock)"
        );
    }
}

/// Tells the process to stop, and kills it if it does not end in time.
fn stop(process: &mut Process) {
    drop(process.control.take());
    let deadline = Instant::now() + KILL_AFTER;
    while Instant::now() < deadline {
        if !matches!(process.child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    tracing::warn!(after = ?KILL_AFTER, "stopping the embedded ClickHouse timed out; it is killed");
    kill(&mut process.child);
}

fn kill(child: &mut Child) {
    // Either call fails only when there is nothing left to kill.
    let _gone = child.kill();
    let _gone = child.wait();
}

/// 256 random bits in hexadecimal digits.
fn random() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
