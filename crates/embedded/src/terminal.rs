//! The pseudo terminal of the engine.
//!
//! The engine serves clients only from an interactive session, and it outlives broken connections only on a real terminal. So the engine's
//! process opens a pseudo terminal. One end is the engine's standard input and output; the process reads and types on the other end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;

const PROMPT: &[u8] = b":) ";
/// Bytes of output that are kept to find a prompt or an error.
const KEPT: usize = 64 << 10;

/// This program's end of the terminal.
pub(crate) struct Terminal {
    file: File,
    /// What the engine printed since the last prompt.
    output: Vec<u8>,
}

/// Opens a pseudo terminal: this program's end, and the engine's end.
pub(crate) fn open() -> io::Result<(Terminal, OwnedFd)> {
    let controller = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&controller)?;
    rustix::pty::unlockpt(&controller)?;
    let name = rustix::pty::ptsname(&controller, Vec::new())?;
    let replica = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((Terminal { file: File::from(controller), output: Vec::new() }, replica))
}

impl Terminal {
    /// A second handle, for typing from another thread.
    pub(crate) fn keyboard(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub(crate) fn type_line(&mut self, line: &str) -> io::Result<()> {
        self.output.clear();
        self.file.write_all(format!("{line}\n").as_bytes())
    }

    /// Reads until the engine waits for a statement and `done` accepts what it printed since the last typed line.
    pub(crate) fn read_until_prompt(&mut self, done: impl Fn(&str) -> bool) -> io::Result<String> {
        let mut piece = [0; 4096];
        loop {
            if self.output.ends_with(PROMPT) {
                let output = String::from_utf8_lossy(&self.output);
                if done(&output) {
                    return Ok(output.into_owned());
                }
            }
            let length = self.file.read(&mut piece)?;
            self.output.extend_from_slice(&piece[..length]);
            let surplus = self.output.len().saturating_sub(KEPT);
            self.output.drain(..surplus);
        }
    }

    /// Reads and discards all further output, so that the engine never blocks. Returns when the engine has closed its end.
    pub(crate) fn drain(mut self) {
        let mut piece = [0; 4096];
        // Linux reports EIO when the other end is closed.
        while self.file.read(&mut piece).is_ok_and(|length| length > 0) {}
    }
}

/// The exception in the engine's output, from `Code:` to the end of its line.
pub(crate) fn exception_in(output: &str) -> Option<&str> {
    let start = output.find("Code: ")?;
    let text = &output[start..];
    let end = text.find(['\r', '\n', '\u{1b}']).unwrap_or(text.len());
    Some(text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_found_between_escape_sequences() {
        let output = "\u{1b}[0J\u{1b}[?25hReceived exception:\r\nCode: 210. DB::Exception: Listen failed. (NETWORK_ERROR)\r\n\u{1b}[J:) ";
        assert_eq!(exception_in(output), Some("Code: 210. DB::Exception: Listen failed. (NETWORK_ERROR)"));
        assert_eq!(exception_in("Ok.\r\n0 rows in set.\r\n:) "), None);
    }

    #[test]
    fn output_is_read_up_to_the_prompt() {
        let (mut terminal, replica) = open().unwrap();
        let mut replica = File::from(replica);
        replica.write_all(b"hello\r\n:) ").unwrap();
        assert!(terminal.read_until_prompt(|_| true).unwrap().contains("hello"));
        drop(replica);
        terminal.drain();
    }
}
