//! Wrappers around the stream of a connection: bytes read in advance, fairness between connections, deadlines.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::bounds::{MAX_LINGER, MAX_READ_BEFORE_YIELD};
use crate::transport::connection::deadlines::{ConnectionProgress, Instruction, Phase};

/// The response to headers that come too slowly. It is written directly to the stream: hyper closes without a response.
static LATE_HEAD: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\
    connection: close\r\n\r\n{\"error\":\"the headers came too slowly\"}\n";

/// The methods of [`AsyncWrite`] that pass a call on to the inner stream, except `poll_shutdown`.
macro_rules! forward_writes {
    () => {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().stream).poll_flush(cx)
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
    };
}

/// A stream whose first bytes were read in advance.
pub(super) struct PrefixedIo<S> {
    stream: S,
    bytes: Vec<u8>,
    at: usize,
}

impl<S> PrefixedIo<S> {
    pub(super) fn new(stream: S, bytes: Vec<u8>) -> Self {
        Self { stream, bytes, at: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefixedIo<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefixedIo<S> {
    forward_writes!();

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// A stream that yields to the other connections of its worker after each [`MAX_READ_BEFORE_YIELD`] bytes. hyper reads an
/// HTTP/2 connection for as long as there are bytes, and the smallest frames cost the most for each byte.
pub(super) struct YieldingIo<S> {
    stream: S,
    /// Bytes read since it last yielded.
    read: usize,
}

impl<S> YieldingIo<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for YieldingIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read >= MAX_READ_BEFORE_YIELD {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for YieldingIo<S> {
    forward_writes!();

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// A stream that notes the phase of its HTTP/1.1 connection and follows its instructions.
pub(super) struct DeadlineIo<S> {
    stream: S,
    progress: Arc<ConnectionProgress>,
    /// Bytes discarded since it was closed; `None` before.
    discarded: Option<usize>,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> DeadlineIo<S> {
    pub(super) fn new(stream: S, progress: Arc<ConnectionProgress>) -> Self {
        Self { stream, progress, discarded: None, ended: false }
    }

    /// Answers late headers and ends the connection, when it is instructed to.
    fn reject_late_head(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.progress.instruction() != Instruction::RejectLateHead || self.progress.phase() != Phase::Head
        {
            return Ok(());
        }
        // The response is short and the socket is empty, so one write sends it. A failure changes nothing.
        let _ = Pin::new(&mut self.stream).poll_write(cx, LATE_HEAD);
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for DeadlineIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.reject_late_head(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let phase = this.progress.phase();
        match &read {
            Poll::Pending if matches!(phase, Phase::Idle | Phase::Writing) => {
                if phase == Phase::Writing {
                    // hyper has written the response and reads on; no byte of the next request is here.
                    this.progress.enter(Phase::Idle);
                }
                if this.progress.instruction() != Instruction::Continue {
                    return Poll::Ready(Ok(()));
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for DeadlineIo<S> {
    forward_writes!();

    /// Closes for sending, then reads until the client closes too. Closing a socket that holds unread bytes sends a reset,
    /// which may overtake the response (RFC 9112, section 9.6).
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_never_stops_sending_yields_to_others() {
        use std::future::poll_fn;
        use tokio::io::AsyncReadExt;

        let mut yielding = YieldingIo::new(tokio::io::repeat(0));
        let mut yields = 0;
        let mut scratch = [0; 4096];
        for _ in 0..4 * MAX_READ_BEFORE_YIELD / scratch.len() {
            let ready = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut scratch);
                Poll::Ready(Pin::new(&mut yielding).poll_read(cx, &mut buf).is_ready())
            });
            yields += usize::from(!ready.await);
        }
        assert_eq!(yields, 3);
        // It continues on its own.
        yielding.read_exact(&mut [0; 4 * MAX_READ_BEFORE_YIELD]).await.unwrap();
    }

    #[test]
    fn the_response_to_late_headers_states_its_true_length() {
        let text = std::str::from_utf8(LATE_HEAD).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
