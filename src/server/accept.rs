//! The listener: as many connections as may be, each handed to the thread that has the fewest.

use std::io::{self, PipeWriter};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::count::Connections;
use super::share::Shares;
use super::worker::{Accepted, Worker};
use super::{Collect, ServerError};

/// Connections that the kernel completes ahead of us; it cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Connections accepted before it is asked again whether to stop.
const BATCH: usize = 64;

/// How long to leave the listener alone after the system ran out of descriptors or memory: accepting again at once would
/// fail again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// What a connection over the bound is told, where it can be told in plain text.
static FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\
    retry-after: 5\r\nconnection: close\r\n\r\n{\"error\":\"too many connections\"}\n";

/// An address that is listened on.
pub(super) struct Listener {
    socket: Socket,
    address: SocketAddr,
}

impl Listener {
    /// Listens on `address`; `[::]` takes IPv4 as well.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let bind = || -> io::Result<Self> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(false)?;
            }
            // A restart must not wait for the connections of the process before; this is not SO_REUSEPORT.
            socket.set_reuse_address(true)?;
            // Accepted sockets inherit it: one system call for all of them.
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let address = socket.local_addr()?.as_socket().unwrap_or(address);
            Ok(Self { socket, address })
        };
        bind().map_err(|source| ServerError::Listen { address, source })
    }

    /// The address with its true port.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts what has come, at most [`BATCH`] connections.
    fn accept(&self, room: &Room<impl Collect>) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        for _ in 0..BATCH {
            match rustix::net::acceptfrom_with(&self.socket, flags) {
                Ok((stream, peer)) => {
                    let Some(Ok(peer)) = peer.map(SocketAddr::try_from) else { continue };
                    room.seat(Arrived { stream, peer: peer.ip() });
                }
                Err(Errno::AGAIN) => break,
                // The client gave up before it was accepted: nothing is wrong here.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    room.connections.accept_errors.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "a connection could not be accepted");
                    std::thread::sleep(PAUSE);
                    break;
                }
            }
        }
    }
}

/// Where accepted connections go.
pub(super) struct Room<C> {
    pub(super) workers: Arc<Vec<Worker<C>>>,
    pub(super) connections: Arc<Connections>,
    /// Open connections at once.
    pub(super) most: usize,
    /// Those of one address.
    pub(super) shares: Arc<Shares>,
}

/// A connection that was accepted and has no place yet.
struct Arrived {
    stream: OwnedFd,
    peer: IpAddr,
}

impl<C: Collect> Room<C> {
    /// Gives a connection to the thread that has the fewest, if there is room and its address holds no more than its share.
    fn seat(&self, arrived: Arrived) {
        self.connections.accepted.fetch_add(1, Ordering::Relaxed);
        // Only the accepting thread adds, so the bound holds.
        if self.connections.open.load(Ordering::Relaxed) >= self.most {
            self.connections.turned_away.fetch_add(1, Ordering::Relaxed);
            return turn_away(&arrived, &self.workers);
        }
        let trusted =
            self.workers.first().is_some_and(|worker| worker.thread.edge.trusted.contains(arrived.peer));
        let share = if trusted { None } else { self.shares.take(arrived.peer) };
        if share.is_none() && !trusted {
            self.connections.over_share.fetch_add(1, Ordering::Relaxed);
            return turn_away(&arrived, &self.workers);
        }
        let accepted = Accepted { stream: arrived.stream, peer: arrived.peer, share };
        self.connections.open.fetch_add(1, Ordering::Relaxed);
        let fewest = self.workers.iter().min_by_key(|worker| worker.thread.open.load(Ordering::Relaxed));
        fewest.expect("there is at least one thread").give(accepted);
    }
}

/// The thread that accepts. It has no runtime: all it does is wait, accept and hand on.
pub(super) struct Acceptor {
    /// Closing it is what ends the thread.
    stop: Option<PipeWriter>,
    handle: Option<std::thread::JoinHandle<()>>,
}

impl Acceptor {
    /// Accepts for `room`, until it is stopped.
    pub(super) fn start<C: Collect>(listener: Listener, room: Room<C>) -> Result<Self, ServerError> {
        let (stopped, stop) = std::io::pipe().map_err(ServerError::Thread)?;
        let handle = std::thread::Builder::new()
            .name("accept".to_owned())
            .spawn(move || {
                loop {
                    let mut waited =
                        [PollFd::new(&listener.socket, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                    // It fails when a signal comes, and then there is nothing to accept: go round again.
                    let _ = rustix::event::poll(&mut waited, None);
                    if !waited[1].revents().is_empty() {
                        return;
                    }
                    if !waited[0].revents().is_empty() {
                        listener.accept(&room);
                    }
                }
            })
            .map_err(ServerError::Thread)?;
        Ok(Self { stop: Some(stop), handle: Some(handle) })
    }

    /// Closes the listener, so that another process can take its place; returns when it is closed.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(handle) = self.handle.take() {
            // A panic of the thread was printed by itself.
            let _ = handle.join();
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tells a client in plain text that there is no room for it. Over TLS it sees a closed connection.
fn turn_away<C>(arrived: &Arrived, workers: &[Worker<C>]) {
    if workers.iter().all(|worker| worker.thread.tls.is_none()) {
        // Whether it goes out or not, the connection ends here.
        let _ = rustix::net::send(&arrived.stream, FULL, rustix::net::SendFlags::NOSIGNAL);
        let _ = rustix::net::shutdown(&arrived.stream, rustix::net::Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_too_many_states_its_true_length() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
