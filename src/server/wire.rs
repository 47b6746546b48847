//! The bytes of a connection: those read before it was known what they are, and a watch over those that follow.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::bounds::{FAIR_READ, MAX_LINGER};
use super::progress::{Order, Phase, Progress};

/// The answer to headers that come too slowly. It is written past hyper, which has no answer of its own.
static LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\
    connection: close\r\n\r\n{\"error\":\"the headers came too slowly\"}\n";

/// A stream whose first bytes were read already.
pub(super) struct Early {
    stream: TcpStream,
    bytes: Vec<u8>,
    at: usize,
}

impl Early {
    /// Puts `bytes` before what `stream` will bring.
    pub(super) fn new(stream: TcpStream, bytes: Vec<u8>) -> Self {
        Self { stream, bytes, at: 0 }
    }
}

impl AsyncRead for Early {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.at < this.bytes.len() {
            let end = this.bytes.len().min(this.at + buf.remaining());
            buf.put_slice(&this.bytes[this.at..end]);
            this.at = end;
            if end == this.bytes.len() {
                (this.bytes, this.at) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Early {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }
}

/// A stream that lets the other connections of its thread have their turn after each [`FAIR_READ`] bytes: HTTP/2 would
/// go on for as long as there is anything to read, and the smallest frames cost the most for each byte.
pub(super) struct Fair<S> {
    stream: S,
    /// Bytes read since the last turn of the others.
    read: usize,
}

impl<S> Fair<S> {
    /// Reads `stream` in turns.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read >= FAIR_READ {
            this.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        match &read {
            Poll::Ready(_) => this.read += buf.filled().len() - before,
            Poll::Pending => this.read = 0,
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }
}

/// A stream that notes the progress of its HTTP/1.1 connection and does as it is ordered.
pub(super) struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
    /// Bytes thrown away after closing; `None` before.
    discarded: Option<usize>,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Watches `stream`.
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress, discarded: None, ended: false }
    }

    /// Ends a connection whose next request is late, or does not come, or is no longer wanted.
    fn obey(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<()>>> {
        let end = Some(Poll::Ready(Ok(())));
        match (self.progress.order(), self.progress.phase()) {
            (Order::None, _) => None,
            (Order::Late, Phase::Head) => {
                // The answer is short and nothing else is under way: one write takes it, or the client is past help.
                let _ = Pin::new(&mut self.stream).poll_write(cx, LATE);
                let _ = Pin::new(&mut self.stream).poll_flush(cx);
                let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
                Some(Poll::Ready(Err(io::ErrorKind::TimedOut.into())))
            }
            (_, Phase::Idle) => end,
            _ => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(end) = this.obey(cx) {
            return end;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let phase = this.progress.phase();
        match &read {
            Poll::Pending if phase == Phase::Writing => {
                // The answer is on its way, as far as hyper is concerned, and nothing follows it yet.
                this.progress.enter(Phase::Idle);
                if let Some(end) = this.obey(cx) {
                    return end;
                }
            }
            Poll::Ready(Ok(())) if buf.filled().len() == before => this.ended = true,
            Poll::Ready(Ok(())) if matches!(phase, Phase::Idle | Phase::Writing) => {
                this.progress.enter(Phase::Head);
            }
            _ => {}
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Closes for sending, then waits until the client has stopped too: closing a socket that holds unread bytes sends a
    /// reset, which may overtake the answer (RFC 9112, section 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let discarded = match &mut this.discarded {
            Some(discarded) => discarded,
            none => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                this.progress.enter(Phase::Lingering);
                none.insert(0)
            }
        };
        let mut scratch = [0; 4096];
        while !this.ended && *discarded < MAX_LINGER {
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf))?;
            this.ended = buf.filled().is_empty();
            *discarded += buf.filled().len();
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_never_stops_sending_has_to_wait_its_turn() {
        use std::future::poll_fn;
        use tokio::io::AsyncReadExt;

        let mut fair = Fair::new(tokio::io::repeat(0));
        let mut turns = 0;
        let mut scratch = [0; 4096];
        for _ in 0..4 * FAIR_READ / scratch.len() {
            let ready = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut scratch);
                Poll::Ready(Pin::new(&mut fair).poll_read(cx, &mut buf).is_ready())
            });
            turns += usize::from(!ready.await);
        }
        assert_eq!(turns, 3);
        // It goes on by itself.
        fair.read_exact(&mut [0; 4 * FAIR_READ]).await.unwrap();
    }

    #[test]
    fn the_late_answer_states_its_true_length() {
        let text = std::str::from_utf8(LATE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
