//! Messages to the service manager, as `sd_notify(3)` describes them.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A manager that reads nothing must not hold up the collector.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceManager {
    /// A path, or `@` and an abstract name; `None` without a manager.
    socket: Option<OsString>,
    /// How long the manager waits for a sign of life before it kills the process; `None` when it does not wait for any.
    pub(crate) watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager that started this process, if one did and wants to be told.
    pub(crate) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        // A variable that was inherited from a supervised parent is not meant for this process.
        let is_own = variable("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        Self {
            socket: variable("NOTIFY_SOCKET"),
            watchdog: number("WATCHDOG_USEC").filter(|_| is_own).map(Duration::from_micros),
        }
    }

    /// The process does its work, for the first time or after a reload.
    pub(crate) fn ready(&self, status: &str) {
        self.notify(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    pub(crate) fn reloading(&self) {
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
        self.notify(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", now.as_micros()));
    }

    pub(crate) fn stopping(&self) {
        self.notify("STOPPING=1\nSTATUS=draining");
    }

    /// A sign of life.
    pub(crate) fn alive(&self, status: &str) {
        self.notify(&format!("WATCHDOG=1\nSTATUS={}", one_line(status)));
    }

    /// What the process does, without a sign of life.
    pub(crate) fn status(&self, status: &str) {
        self.notify(&format!("STATUS={}", one_line(status)));
    }

    /// A failure is logged. There is nothing else to do: a manager that gets no sign of life acts by itself.
    fn notify(&self, message: &str) {
        if let Err(error) = self.send(message) {
            let what = message.split('\n').next();
            tracing::warn!(%error, what, "telling the service manager failed");
        }
    }

    fn send(&self, message: &str) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        let sender = UnixDatagram::unbound()?;
        sender.set_write_timeout(Some(SEND_TIMEOUT))?;
        sender.send_to_addr(message.as_bytes(), &address).map(drop)
    }
}

/// A line end would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4_096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_reach_a_path_and_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let by_path = (UnixDatagram::bind(&path).unwrap(), path.into_os_string());
        let name = format!("footfall test notify {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = (UnixDatagram::bind_addr(&address).unwrap(), OsString::from(format!("@{name}")));
        for (socket, name) in [by_path, by_name] {
            let manager = ServiceManager { socket: Some(name), watchdog: None };
            manager.ready("accepting beacons;\nREADY=0");
            assert_eq!(received(&socket), "READY=1\nSTATUS=accepting beacons; READY=0");
            manager.reloading();
            let message = received(&socket);
            let time =
                message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().split('\n').next().unwrap();
            assert!(time.parse::<u64>().unwrap() > 0, "{message}");
        }
    }

    #[test]
    fn a_manager_that_is_gone_or_does_not_exist_stops_nothing() {
        ServiceManager::default().stopping();
        let socket = Some(OsString::from("/nonexistent/notify"));
        ServiceManager { socket, watchdog: None }.stopping();
    }
}
