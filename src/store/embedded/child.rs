//! The embedded store as a child process of `serve`: started, watched, restarted, ended.
//!
//! It is a process of its own so that the engine's memory and its crashes are not the collector's. Beacons are taken
//! while it is down; what it missed is shipped when it is back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::install::{self, InstallError};
use super::passwords::{Passwords, PasswordsError};
use super::server::DRAIN;
use crate::config;

/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(50);
/// Between two pings of a child that has answered before.
const PING: Duration = Duration::from_secs(1);
/// How long a ping may take before it counts as no answer.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// The first pause before a restart; doubled at each failure.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A child that lived this long has not failed to start.
const SETTLED: Duration = Duration::from_secs(60);
/// How long the child has to end: its own drain and the closing of the engine.
const END: Duration = DRAIN.saturating_add(Duration::from_secs(5));

/// Why the child cannot be started at all.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The configuration names a server.
    #[error("the configuration names a ClickHouse server, not the embedded store")]
    NotEmbedded,
    /// It would be open to everybody on this machine.
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    /// The engine is not installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The system refused.
    #[error("cannot start the embedded store")]
    Start(#[source] std::io::Error),
}

/// The child and the thread that watches it. Dropping this ends both.
pub struct Child {
    passwords: Passwords,
    ready: watch::Receiver<bool>,
    stop: Arc<AtomicBool>,
    ended: Option<tokio::sync::oneshot::Receiver<()>>,
}

impl Child {
    /// Starts the store that `config` describes, with passwords, which are made if there are none. It need not be ready yet when
    /// this returns.
    ///
    /// # Errors
    /// When `config` names a server, the file of passwords cannot be used, the engine is not installed, or no process can be started.
    pub fn start(config: &config::Config) -> Result<Self, ChildError> {
        let config::Store::Embedded { listen } = config.store else { return Err(ChildError::NotEmbedded) };
        let passwords = Passwords::make(config)?;
        install::find()?;
        let program = std::env::current_exe().map_err(ChildError::Start)?;
        let (ready_sender, ready) = watch::channel(false);
        let (ended_sender, ended) = tokio::sync::oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = Watcher {
            program,
            data: config.data.join("store"),
            passwords: Passwords::file(&config.data),
            listen,
            ready: ready_sender,
            stop: Arc::clone(&stop),
        };
        // A thread of its own and not a task: Linux signals the death of the thread that started the child, and a
        // runtime's threads may end before the runtime does.
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                watcher.run();
                // Nobody waits any more when the collector ended without a drain.
                let _nobody = ended_sender.send(());
            })
            .map_err(ChildError::Start)?;
        Ok(Self { passwords, ready, stop, ended: Some(ended) })
    }

    /// What its users show to it.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Whether the store answers, now and whenever that changes.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Keeps the store running until `shutdown` resolves, then ends it and waits for its end.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
        self.stop.store(true, Ordering::Release);
        if let Some(ended) = self.ended.take() {
            // An error means that the thread is gone, and with it the child.
            let _gone = ended.await;
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Watcher {
    program: PathBuf,
    data: PathBuf,
    /// The file, which the child reads before it shuts itself in.
    passwords: PathBuf,
    listen: SocketAddr,
    ready: watch::Sender<bool>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    fn run(&self) {
        let mut pause = BACKOFF;
        while !self.stopping() {
            let began = Instant::now();
            match self.spawn() {
                Ok(child) => match self.watch(child) {
                    Some(status) => tracing::error!(%status, "the embedded store ended by itself"),
                    None => return,
                },
                Err(error) => tracing::error!(%error, "cannot start the embedded store"),
            }
            if began.elapsed() > SETTLED {
                pause = BACKOFF;
            }
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.stopping() {
                std::thread::sleep(LOOK.min(pause));
            }
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn spawn(&self) -> std::io::Result<std::process::Child> {
        let mut command = Command::new(&self.program);
        // Settings may hold secrets, and the store can read its own environment.
        for (name, _) in std::env::vars_os() {
            if is_setting(&name) {
                command.env_remove(name);
            }
        }
        command
            .arg("embedded")
            .arg("--data")
            .arg(&self.data)
            .arg("--password-file")
            .arg(&self.passwords)
            .args(["--listen", &self.listen.to_string()])
            .args(["--with-parent", &std::process::id().to_string()])
            .stdin(std::process::Stdio::null())
            .spawn()
    }

    /// Waits until the child ends, by itself (its status) or because it was asked to.
    fn watch(&self, mut child: std::process::Child) -> Option<ExitStatus> {
        let mut next_ping = Instant::now();
        loop {
            if self.stopping() {
                end(&mut child);
                self.ready.send_replace(false);
                return None;
            }
            if let Ok(Some(status)) = child.try_wait() {
                self.ready.send_replace(false);
                return Some(status);
            }
            if Instant::now() >= next_ping {
                let answers = ping(self.listen);
                if self.ready.send_replace(answers) != answers {
                    tracing::info!(answers, "the embedded store");
                }
                next_ping = Instant::now() + if answers { PING } else { LOOK };
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Asks the child to end, and makes it when it does not.
fn end(child: &mut std::process::Child) {
    if let Ok(id) = i32::try_from(child.id())
        && let Some(process) = rustix::process::Pid::from_raw(id)
    {
        // A child that has ended already is a zombie until `try_wait`: its number is still its own.
        let _ended = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
    let until = Instant::now() + END;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOOK);
    }
    tracing::warn!("the embedded store does not end and is killed");
    // Either call fails only when there is nothing left to kill.
    let _gone = child.kill();
    let _gone = child.wait();
}

/// Whether the store answers `/ping`.
fn ping(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, PING_TIMEOUT)?;
        stream.set_read_timeout(Some(PING_TIMEOUT))?;
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"Ok.\n"))
    };
    ask().unwrap_or(false)
}
/// Whether a variable of the environment is one of the collector's settings; the engine's path is for the store.
fn is_setting(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"FOOTFALL_") && name != "FOOTFALL_LIBCHDB"
}

#[cfg(test)]
mod tests {
    use super::is_setting;

    #[test]
    fn settings_stay_with_the_collector_and_the_engines_path_goes_along() {
        assert!(is_setting("FOOTFALL_STORE_PASSWORD".as_ref()) && is_setting("FOOTFALL_KEY".as_ref()));
        assert!(!is_setting("FOOTFALL_LIBCHDB".as_ref()) && !is_setting("PATH".as_ref()));
    }
}
