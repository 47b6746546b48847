//! One keep-alive connection: a beacon out, an answer in. It knows HTTP/1.1 just far enough to find an answer's end.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::traffic::PageLoad;

/// Room for an answer; those of beacons have no body, or a short one that says what was wrong.
const ANSWER_MAX: usize = 16 * 1024;

/// What a connection did with its turn.
pub(super) enum Turn {
    /// It waits for its socket or for time to pass.
    Waiting,
    /// The beacon in flight was answered.
    Answered { status: u16, took: Duration },
    /// The socket failed or was closed before a whole answer.
    Broken,
}

pub(super) struct Connection {
    target: SocketAddr,
    token: Token,
    socket: Option<TcpStream>,
    pub(super) page: PageLoad,
    /// The request in flight or to be repeated; empty when there is none.
    request: Vec<u8>,
    written: usize,
    answer: Box<[u8; ANSWER_MAX]>,
    filled: usize,
    in_flight: bool,
    sent_at: Instant,
    rest_until: Instant,
}

impl Connection {
    pub(super) fn new(target: SocketAddr, token: Token, page: PageLoad) -> Self {
        let now = Instant::now();
        Self {
            target,
            token,
            socket: None,
            page,
            request: Vec::with_capacity(8 * 1024),
            written: 0,
            answer: Box::new([0; ANSWER_MAX]),
            filled: 0,
            in_flight: false,
            sent_at: now,
            rest_until: now,
        }
    }

    /// Whether there is a beacon that is not acknowledged.
    pub(super) fn has_beacon(&self) -> bool {
        !self.request.is_empty()
    }

    /// Whether nothing is in flight and the pause after a failure is over.
    pub(super) fn resting(&self, now: Instant) -> bool {
        !self.in_flight && now >= self.rest_until
    }

    /// How long the beacon in flight has gone without an answer.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        if self.in_flight { now.saturating_duration_since(self.sent_at) } else { Duration::ZERO }
    }

    /// The page load to number the next beacon by, and the buffer to write it into.
    pub(super) fn next_beacon(&mut self) -> (&mut PageLoad, &mut Vec<u8>) {
        self.request.clear();
        (&mut self.page, &mut self.request)
    }

    /// Page load, first number and count of the events just acknowledged; forgets the beacon.
    pub(super) fn acknowledged(&mut self) -> (u64, u32, u32) {
        self.request.clear();
        self.page.last_beacon()
    }

    /// Leaves the beacon for later.
    pub(super) fn rest(&mut self, until: Instant) {
        self.in_flight = false;
        self.rest_until = until;
    }

    /// Drops the socket and leaves the beacon for later.
    pub(super) fn close(&mut self, until: Instant) {
        self.socket = None;
        self.rest(until);
    }

    /// Starts sending the beacon, on a new socket if there is none.
    pub(super) fn send(&mut self, registry: &Registry) -> Turn {
        self.written = 0;
        self.filled = 0;
        self.in_flight = true;
        self.sent_at = Instant::now();
        if self.socket.is_none() {
            let Ok(mut socket) = TcpStream::connect(self.target) else { return Turn::Broken };
            // Nagle would hold a beacon back until the acknowledgement of the one before.
            let _ = socket.set_nodelay(true);
            if registry.register(&mut socket, self.token, Interest::READABLE | Interest::WRITABLE).is_err() {
                return Turn::Broken;
            }
            self.socket = Some(socket);
            return Turn::Waiting;
        }
        self.write()
    }

    /// Goes on after the socket has become ready.
    pub(super) fn advance(&mut self) -> Turn {
        if self.socket.is_none() {
            return Turn::Waiting;
        }
        if !self.in_flight {
            return self.probe();
        }
        if self.written < self.request.len() {
            match self.write() {
                Turn::Waiting if self.written == self.request.len() => {}
                turn => return turn,
            }
        }
        self.read()
    }

    /// Between beacons a ready socket means that the server has closed it.
    fn probe(&mut self) -> Turn {
        let Some(socket) = &mut self.socket else { return Turn::Waiting };
        match socket.read(&mut self.answer[..1]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => self.socket = None,
        }
        Turn::Waiting
    }

    fn write(&mut self) -> Turn {
        let Some(socket) = &mut self.socket else { return Turn::Broken };
        while self.written < self.request.len() {
            match socket.write(&self.request[self.written..]) {
                Ok(0) => return Turn::Broken,
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Waiting,
                Err(error) if error.kind() == ErrorKind::NotConnected => return Turn::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Turn::Broken,
            }
        }
        Turn::Waiting
    }

    fn read(&mut self) -> Turn {
        let Some(socket) = &mut self.socket else { return Turn::Broken };
        loop {
            match socket.read(&mut self.answer[self.filled..]) {
                Ok(0) => return Turn::Broken,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Turn::Broken,
            }
            if let Some(answer) = whole(&self.answer[..self.filled]) {
                self.in_flight = false;
                if answer.closes {
                    self.socket = None;
                }
                return Turn::Answered { status: answer.status, took: self.sent_at.elapsed() };
            }
        }
    }
}

struct Answer {
    status: u16,
    closes: bool,
}

/// The answer at the start of `bytes`, once all of it is there.
fn whole(bytes: &[u8]) -> Option<Answer> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let mut length = 0;
    let mut closes = false;
    for line in head.split("\r\n").skip(1) {
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
    }
    (bytes.len() >= end + 4 + length).then_some(Answer { status, closes })
}
