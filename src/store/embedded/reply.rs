//! The way back: from the thread that runs a statement to the client, in pieces, never more than a few at once.
//!
//! When the client goes away, whoever holds the other end of a [`Cancel`] learns of it and the statement is killed.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{HeaderMap, StatusCode};
use tokio::sync::{mpsc, oneshot};

/// Pieces on their way to a client that reads slowly. Times [`PIECE`], it is what a result holds in memory at most.
const PIECES: usize = 4;
/// Bytes of a piece.
pub(super) const PIECE: usize = 256 << 10;

/// Status and headers, with the body if it is short and complete.
pub(super) struct Head {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The whole body; `None` when it follows in pieces.
    pub(super) body: Option<Bytes>,
}

/// The sending end, on the statement's thread.
pub(super) struct Reply {
    head: Option<oneshot::Sender<Head>>,
    pieces: mpsc::Sender<Piece>,
}

enum Piece {
    Bytes(Bytes),
    /// The end is not a good one: the connection is cut, so that nobody takes what came for everything.
    Broken,
}

/// The receiving end.
pub(super) struct Answer {
    /// Comes once.
    pub(super) head: oneshot::Receiver<Head>,
    /// What follows it.
    pub(super) pieces: Pieces,
}

/// The pieces of a body.
pub(super) struct Pieces(mpsc::Receiver<Piece>);

/// Both ends.
pub(super) fn channel() -> (Reply, Answer) {
    let (head, head_received) = oneshot::channel();
    let (pieces, pieces_received) = mpsc::channel(PIECES);
    (Reply { head: Some(head), pieces }, Answer { head: head_received, pieces: Pieces(pieces_received) })
}

impl Reply {
    /// Sends everything at once. A client that is gone does not matter: it has nobody to tell.
    pub(super) fn whole(&mut self, status: StatusCode, headers: HeaderMap, body: Bytes) {
        if let Some(head) = self.head.take() {
            let _gone = head.send(Head { status, headers, body: Some(body) });
        }
    }

    /// Sends the head; the body follows through the sink.
    pub(super) fn start(&mut self, headers: HeaderMap) -> Sink {
        if let Some(head) = self.head.take() {
            let _gone = head.send(Head { status: StatusCode::OK, headers, body: None });
        }
        Sink(self.pieces.clone())
    }

    /// Cuts the connection after what was sent.
    pub(super) fn cut(&mut self) {
        let _gone = self.pieces.blocking_send(Piece::Broken);
    }

    /// Whether the head is sent.
    pub(super) fn started(&self) -> bool {
        self.head.is_none()
    }
}

/// Takes the bytes of a body; waits while the client is behind.
pub(super) struct Sink(mpsc::Sender<Piece>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = &bytes[..bytes.len().min(PIECE)];
        self.0
            .blocking_send(Piece::Bytes(Bytes::copy_from_slice(taken)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Raised when the client is gone before its statement has ended.
#[derive(Debug, Default)]
pub(super) struct Cancel {
    gone: AtomicBool,
    ended: AtomicBool,
}

impl Cancel {
    /// Whether the client is gone.
    pub(super) fn is_raised(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The statement has ended: there is nothing left to kill.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the statement has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Calls `kill` when it is dropped before the answer was sent whole.
pub(super) struct Guard {
    cancel: Arc<Cancel>,
    kill: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Guard {
    /// Watches over a statement.
    pub(super) fn new(cancel: Arc<Cancel>, kill: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { cancel, kill: Some(Box::new(kill)) }
    }

    /// The answer was sent.
    pub(super) fn disarm(&mut self) {
        self.kill = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(kill) = self.kill.take()
            && !self.cancel.has_ended()
        {
            self.cancel.gone.store(true, Ordering::Release);
            kill();
        }
    }
}

/// A response's body.
pub(super) enum ReplyBody {
    /// Complete.
    Whole(Option<Bytes>),
    /// In pieces.
    Pieces {
        /// The pieces.
        pieces: Pieces,
        /// Kills the statement when the client goes away.
        guard: Guard,
    },
}

/// The response could not be completed.
#[derive(Debug, thiserror::Error)]
#[error("the result could not be read to its end")]
pub(super) struct Broken;

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces { pieces, guard } => match std::task::ready!(pieces.0.poll_recv(context)) {
                Some(Piece::Bytes(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                end => {
                    guard.disarm();
                    Poll::Ready(end.map(|_broken| Err(Broken)))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces { .. } => SizeHint::default(),
        }
    }
}
