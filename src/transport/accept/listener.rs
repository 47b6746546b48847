//! The listening socket and the thread that accepts.

use std::io::{self, PipeWriter};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::secret::stack;
use crate::transport::accept::dispatcher::{AcceptedConnection, Dispatcher};
use crate::transport::error::ServerError;
use crate::transport::handler::Handler;

/// Connections that the kernel completes before they are accepted; it limits this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Connections accepted before the request to stop is checked again.
const MAX_BATCH: usize = 64;

/// The longest wait for a connection. Each round is a sign of life.
const LONGEST_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// Pause after `accept` failed for lack of file descriptors or memory: an immediate second call would fail too.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of the stack that accepting a connection may use.
const STACK_BYTES: usize = 16 << 10;

pub(in crate::transport) struct Listener {
    socket: Socket,
    address: SocketAddr,
    /// Whether the socket stays open when this process closes it. Connections that were not accepted then wait for the next one.
    outlives_process: bool,
}

impl Listener {
    /// Listens on `address`; `[::]` accepts IPv4 connections as well.
    pub(in crate::transport) fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let bind = || -> io::Result<Self> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(false)?;
            }
            // A restart need not wait for closing connections of the process before. This is not SO_REUSEPORT.
            socket.set_reuse_address(true)?;
            // Accepted sockets inherit it: one system call for all of them.
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let address = socket.local_addr()?.as_socket().unwrap_or(address);
            Ok(Self { socket, address, outlives_process: false })
        };
        bind().map_err(|source| ServerError::Listen { address, source })
    }

    /// Takes a socket that listens already.
    pub(in crate::transport) fn from_socket(socket: TcpListener) -> Result<Self, ServerError> {
        let configure = || -> io::Result<Self> {
            let address = socket.local_addr()?;
            let socket = Socket::from(socket);
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address, outlives_process: true })
        };
        configure().map_err(ServerError::Socket)
    }

    /// The address, with the port that the system chose for port 0.
    pub(in crate::transport) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts all connections that wait, because closing the socket would reset them.
    fn accept_last(&self, dispatcher: &Dispatcher<impl Handler>) {
        if !self.outlives_process {
            // No more than this many connections can wait.
            (0..BACKLOG as usize).step_by(MAX_BATCH).take_while(|_| self.accept(dispatcher)).for_each(drop);
        }
    }

    /// Accepts the waiting connections, at most [`MAX_BATCH`]. Returns whether there may be more. It has a stack frame of its own, which can
    /// be wiped.
    #[inline(never)]
    fn accept(&self, dispatcher: &Dispatcher<impl Handler>) -> bool {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        for _ in 0..MAX_BATCH {
            match rustix::net::acceptfrom_with(&self.socket, flags) {
                Ok((stream, peer)) => {
                    let Some(Ok(peer)) = peer.map(SocketAddr::try_from) else { continue };
                    dispatcher.assign(AcceptedConnection { stream, peer: peer.ip() });
                }
                Err(Errno::AGAIN) => return false,
                // The client gave up before it was accepted.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    dispatcher.server.metrics.accept_errors.increment(1);
                    tracing::warn!(%error, "accepting a connection failed; trying again in {ERROR_PAUSE:?}");
                    std::thread::sleep(ERROR_PAUSE);
                    return false;
                }
            }
        }
        true
    }
}

/// A thread without a runtime: it waits, accepts and assigns.
pub(in crate::transport) struct Acceptor {
    /// Closing it ends the thread.
    stop: Option<PipeWriter>,
    handle: Option<std::thread::JoinHandle<()>>,
}

impl Acceptor {
    /// `rounds` counts on while the thread lives.
    pub(in crate::transport) fn start<H: Handler>(
        listener: Listener,
        dispatcher: Dispatcher<H>,
        rounds: Arc<AtomicU64>,
    ) -> Result<Self, ServerError> {
        let (stopped, stop) = std::io::pipe().map_err(ServerError::Thread)?;
        let handle = std::thread::Builder::new()
            .name("accept".to_owned())
            .spawn(move || {
                loop {
                    let mut polled =
                        [PollFd::new(&listener.socket, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                    // A signal makes poll fail. Then nothing is ready, and the loop polls again.
                    let _ = rustix::event::poll(&mut polled, Some(&LONGEST_WAIT));
                    rounds.fetch_add(1, Ordering::Relaxed);
                    if !polled[1].revents().is_empty() {
                        listener.accept_last(&dispatcher);
                        return;
                    }
                    if !polled[0].revents().is_empty() {
                        listener.accept(&dispatcher);
                        stack::wipe::<STACK_BYTES>();
                    }
                }
            })
            .map_err(ServerError::Thread)?;
        Ok(Self { stop: Some(stop), handle: Some(handle) })
    }

    /// Closes the listening socket. When this returns, another process can listen on the address.
    pub(in crate::transport) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(handle) = self.handle.take() {
            // The thread printed its own panic.
            let _ = handle.join();
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop();
    }
}
