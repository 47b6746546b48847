//! Every bound on what a client may use, with its reason.

use std::time::Duration;

use super::body::MAX_BODY;

/// Bytes of a request's line and headers together: browsers with many cookies send up to 8 KiB or so, most servers stop
/// at 8 to 16 KiB. More is answered with 431.
pub const MAX_HEAD: usize = 16 * 1024;
/// Streams that one HTTP/2 connection may have open: a browser sends few beacons at once.
pub const MAX_STREAMS: u32 = 32;
/// The same for a trusted proxy, which sends those of many.
pub const MAX_PROXY_STREAMS: u32 = 256;
/// Answers of all HTTP/2 connections together that wait for their clients to make room for them; each keeps about 9 KB. Over
/// it, an answer goes without its body, for which no room is needed: 204, of which beacons are answered, has none.
pub const MAX_WAITING: usize = 4_096;
/// Streams of a connection that were reset before they were answered (CVE-2023-44487).
pub const MAX_RESET_STREAMS: usize = 32;
/// Bytes that an HTTP/2 client may send on a stream ahead of their being read: one whole body.
pub const STREAM_WINDOW: u32 = MAX_BODY as u32;
/// The same over all streams of a connection.
pub const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// Bytes of all bodies together that are still on their way: clients that send slowly share it, and one that finds none
/// left gets 503. A body that came with its headers, as nearly every beacon does, takes nothing of it.
pub const MAX_BODIES: usize = 512 * MAX_BODY;
/// Bytes of an HTTP/2 connection that are read before the others of its thread have their turn: 3,600 of the smallest
/// frames, under a millisecond.
pub const FAIR_READ: usize = 32 * 1024;
/// Bytes that are read and thrown away from a client that goes on sending after its connection was closed.
pub const MAX_LINGER: usize = 256 * 1024;

/// Bounds in time. They are values, so that tests need not wait for them.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// From a connection's first byte, or a request's, to the end of its headers: 408. Also for the TLS handshake and the
    /// PROXY header, without an answer. A phone on a bad line sends a few packets in this time.
    pub head: Duration,
    /// The same when three quarters of all connections are in use.
    pub head_crowded: Duration,
    /// For a whole body: 64 KiB within it need 7 kB/s. More is answered with 408.
    pub body: Duration,
    /// Between two requests of a connection; a reader of pages sends a beacon now and then.
    pub idle: Duration,
    /// The same when three quarters of all connections are in use.
    pub idle_crowded: Duration,
    /// For an answer to be found: only a disk that hangs takes so long. The connection is then cut without an answer, and
    /// the client must send again.
    pub answer: Duration,
    /// For a client to take an answer off its connection.
    pub write: Duration,
    /// For a client to stop sending after its connection was closed, so that a reset does not overtake the answer.
    pub linger: Duration,
    /// How often the times above are looked at: one timer for all connections of a thread, so that none is set for each.
    pub sweep: Duration,
    /// How long connections that are at work may go on when the server drains.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            head_crowded: Duration::from_secs(5),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            idle_crowded: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            sweep: Duration::from_millis(500),
            drain: Duration::from_secs(20),
        }
    }
}
