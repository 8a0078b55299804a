use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::server::TlsStream as Session;

/// A connection over which TLS is spoken, its handshake done.
///
/// Where it is dropped, the client is told that nothing more comes (`close_notify`, RFC 8446 section 6.1), unless the
/// connection was to be [reset](crate::Listener::reset_on_close).
pub struct TlsStream<T> {
    // Boxed: more than a kilobyte that moves with the connection, from protocol to protocol.
    session: Box<Session<Begun<T>>>,
    // Reset, or closed already.
    says_no_goodbye: AtomicBool,
    // Of the streams that `AsyncWrite` is known of, which `Drop` could only ask of all.
    say_goodbye: fn(&mut Session<Begun<T>>),
}

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream<T> {
    pub(super) fn new(session: Session<Begun<T>>) -> Self {
        Self {
            session: Box::new(session),
            says_no_goodbye: AtomicBool::new(false),
            say_goodbye: |session| {
                // As far as it goes at once: nothing waits for a stream that is dropped.
                let mut cx = Context::from_waker(Waker::noop());
                let _ = Pin::new(session).poll_shutdown(&mut cx);
            },
        }
    }
}

impl<T> TlsStream<T> {
    /// The stream below.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.session.get_ref().0.io
    }

    /// What was agreed upon: version, cipher suite, the name the client asked for, its certificates.
    #[must_use]
    pub fn connection(&self) -> &ServerConnection {
        self.session.get_ref().1
    }

    /// Nothing tells the client that what it was sent is all.
    pub(super) fn says_no_goodbye(&self) {
        self.says_no_goodbye.store(true, Ordering::Relaxed);
    }
}

impl<T> Drop for TlsStream<T> {
    fn drop(&mut self) {
        if !*self.says_no_goodbye.get_mut() {
            (self.say_goodbye)(&mut self.session);
        }
    }
}

impl<T> fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agreed = self.connection();
        f.debug_struct("TlsStream")
            .field("version", &agreed.protocol_version())
            .field("server_name", &agreed.server_name())
            .finish_non_exhaustive()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.session).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.session).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.session).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.session).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut *self.session).poll_shutdown(cx);
        if shut.is_ready() {
            self.says_no_goodbye();
        }
        shut
    }
}

/// A stream whose first bytes were read to see what they are.
#[derive(Debug)]
pub(super) struct Begun<T> {
    first: Vec<u8>,
    io: T,
}

impl<T> Begun<T> {
    pub(super) fn new(first: Vec<u8>, io: T) -> Self {
        Self { first, io }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Begun<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let length = self.first.len().min(buf.remaining());
        let rest = self.first.split_off(length);
        buf.put_slice(&self.first);
        self.first = rest;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Begun<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
