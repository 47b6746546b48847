//! Every limit on what a client may use, with its reason.

use std::time::Duration;

/// Bytes of a request's line and headers together. Browsers with many cookies send about 8 KiB; most servers stop at 8 to
/// 16 KiB. A longer head is answered with 431.
pub const MAX_HEAD: usize = 16 * 1024;
/// Streams that one HTTP/2 connection may have open: a browser sends few beacons at once.
pub const MAX_STREAMS: u32 = 32;
/// The same for a trusted proxy, which sends the requests of many clients.
pub const MAX_PROXY_STREAMS: u32 = 256;
/// Response bodies of all HTTP/2 connections together that wait for their clients' flow control; each keeps about 9 KB.
/// Above the limit a response goes out without its body. A beacon's 204 has none.
pub const MAX_WAITING_BODIES: usize = 4_096;
/// Streams of a connection that were reset before they were answered (CVE-2023-44487).
pub const MAX_RESET_STREAMS: usize = 32;
/// Bytes that an HTTP/2 client may send on a stream before they are read: the body of one beacon.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// The same over all streams of a connection.
pub const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// Bytes of an HTTP/2 connection that are read before the other connections of its worker get their turn: 3,600 of the
/// smallest frames, under a millisecond.
pub const MAX_READ_BEFORE_YIELD: usize = 32 * 1024;
/// Bytes that are read and discarded from a client that goes on sending after its connection was closed.
pub const MAX_LINGER: usize = 256 * 1024;

/// How long a connection that was just opened waits for its first request during a drain: a few round trips.
pub const FIRST_REQUEST_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// Limits in time. They are values, so that tests can shorten them.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From the first byte of a connection or a request to the end of its headers; then 408. It applies to the TLS
    /// handshake and the PROXY header too, which end without an answer. A phone on a bad line sends a few packets in it.
    pub head: Duration,
    /// The same while three quarters of all connections are in use.
    pub head_crowded: Duration,
    /// Between two requests of a connection. Its buffers hold the last request, with the visitor's address, until it closes.
    pub idle: Duration,
    /// The same while three quarters of all connections are in use.
    pub idle_crowded: Duration,
    /// For the handler to answer: only a disk that hangs takes so long. Then the connection is closed without an answer, and
    /// the client must send again.
    pub response: Duration,
    /// For a client to read a response.
    pub write: Duration,
    /// For a client to stop sending after its connection was closed, so that a reset does not overtake the response.
    pub linger: Duration,
    /// How often the timeouts above are checked: one timer for all connections of a worker.
    pub sweep: Duration,
    /// How long open requests may go on when the server drains.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            head_crowded: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            idle_crowded: Duration::from_secs(5),
            response: Duration::from_secs(60),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            sweep: Duration::from_millis(500),
            drain: Duration::from_secs(20),
        }
    }
}
