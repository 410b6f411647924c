//! The socket of one client, with a way for whoever writes to it to say that it is over.
//!
//! In: bytes in either direction, untouched, below TLS or not; and what requests say about their socket. Out: the same
//! bytes, and the end of what the client sends at the right moment. actix-http closes a socket at that end, whatever is
//! still to be said on it:
//!
//! * It takes what follows the head of a WebSocket's request for a body that nobody has read, and would leave the
//!   socket open for a while, to read it. So the end comes with the word that nothing more is wanted of the client, and
//!   the server closes at once, as RFC 6455 section 7.1.1 wants it.
//! * A client may close its half as soon as it has said its request. So the end comes after what was said before it has
//!   been looked at, and after the answer if there is one; whoever waits for events is gone with it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use actix_web::rt::net::{ActixStream, Ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gate::socket;

/// A socket whose end comes when it should.
pub struct Line<IO> {
    io: IO,
    /// What was read may not have been looked at yet.
    is_fresh: bool,
}

impl<IO> Line<IO> {
    /// Whatever was accepted.
    pub fn new(io: IO) -> Self {
        Self { io, is_fresh: false }
    }

    /// What was accepted.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Line<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        socket::used();
        if socket::is_over() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.io).poll_read(cx, buf)) {
            Ok(()) if buf.filled().len() > before => {
                self.is_fresh = true;
                return Poll::Ready(Ok(()));
            }
            Ok(()) => {}
            // A TCP connection that ends without a goodbye of TLS. Requests tell their length: none is taken for whole
            // that is not (RFC 9112 section 9.8).
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        if mem::take(&mut self.is_fresh) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Held back, it is due when its connection is polled after the answer.
        if socket::holds_back() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Line<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        socket::used();
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket::used();
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        socket::used();
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<IO: ActixStream> ActixStream for Line<IO> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.poll_write_ready(cx)
    }
}
