use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::Pulse;
use crate::listen::accept::Admission;
use crate::listen::listener::StreamOptions;
use crate::shutdown::{Phase, Watch};

/// Responses up to this size are written from one buffer. Copying them costs less than what the
/// kernel spends on gathering: `send` instead of `writev` saves a fiftieth of a whole request, and some of that still at a kilobyte.
const JOINED: usize = 2048;

/// All of `bufs` in one piece, where they are one or fit into one: `writev` costs more than `send`.
fn join<'a>(bufs: &'a [IoSlice<'_>], joined: &'a mut ReadBuf<'_>) -> Option<&'a [u8]> {
    if let [only] = bufs {
        return Some(only);
    }
    for buf in bufs {
        if buf.len() > joined.remaining() {
            return None;
        }
        joined.put_slice(buf);
    }
    Some(joined.filled())
}

/// A connection's stream as hyper sees it: notes in the [`Pulse`] what moves, and closes so that
/// the last response arrives.
#[derive(Debug)]
pub(crate) struct Io<T> {
    stream: T,
    pulse: Arc<Pulse>,
    // Read already, not yet seen by hyper.
    prefix: Bytes,
    version: Version,
    shutdown: Shutdown,
    options: StreamOptions<T>,
    // Held for as long as the stream lives: an upgraded connection still counts under the limit,
    // and a shutdown waits for it.
    admission: Option<Admission>,
    // Of an upgraded connection, which has no task of ours that would hear of a shutdown.
    watch: Option<Watch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

#[derive(Debug)]
enum Shutdown {
    Open,
    /// Our side is closed; what the client still sends is thrown away.
    Lingering {
        since: Instant,
    },
    Done,
}

impl<T> Io<T> {
    pub(crate) fn new(
        stream: T,
        pulse: Arc<Pulse>,
        options: StreamOptions<T>,
        admission: Option<Admission>,
    ) -> Self {
        Self {
            stream,
            pulse,
            prefix: Bytes::new(),
            version: Version::One,
            shutdown: Shutdown::Open,
            options,
            admission,
            watch: None,
        }
    }

    /// To be read by `version`, which begins with `prefix`.
    pub(crate) fn begin(&mut self, version: Version, prefix: Bytes) {
        self.version = version;
        self.prefix = prefix;
    }

    pub(crate) fn stream(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Whether a shutdown has come to what waits for input in an upgraded connection: it reads the
    /// end, and can still say goodbye. Else its task is woken when that happens.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(admission) = &self.admission else {
            return Poll::Pending;
        };
        let watch = self
            .watch
            .get_or_insert_with(|| admission.shutdown().watch());
        while watch.phase() < Phase::Closing {
            ready!(watch.poll_advanced(cx));
        }
        Poll::Ready(())
    }

    /// An upgraded connection at the deadline of a shutdown.
    fn is_cut(&self) -> bool {
        self.pulse.is_upgraded()
            && self
                .admission
                .as_ref()
                .is_some_and(|admission| admission.shutdown().phase() == Phase::Cut)
    }
}

impl<T> Drop for Io<T> {
    fn drop(&mut self) {
        if self.pulse.is_cut_short() {
            (self.options.reset_on_close)(&self.stream);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.prefix.is_empty() {
            let length = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix.split_to(length));
            this.pulse.read(this.version == Version::One);
            return Poll::Ready(Ok(()));
        }
        if this.version == Version::Two {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        this.pulse.read(false);
        if this.pulse.take_read_timeout() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(read) => read?,
            Poll::Pending if this.pulse.is_upgraded() => return this.poll_end(cx).map(Ok),
            Poll::Pending => return Poll::Pending,
        }
        if buf.filled().len() > before {
            this.pulse.read(true);
            this.pulse
                .received(buf.filled().get(before..).unwrap_or_default());
        } else if buf.remaining() > 0 && this.pulse.hide_end() {
            // hyper would drop the request under way. No waker is kept: the stream will never be
            // readable again, and the connection looks when the answer is done.
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + AsyncRead + Unpin> AsyncWrite for Io<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let mut room = [MaybeUninit::uninit(); JOINED];
        let mut joined = ReadBuf::uninit(&mut room);
        let written = match join(bufs, &mut joined) {
            Some(joined) => Pin::new(&mut self.stream).poll_write(cx, joined),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        };
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(&flushed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.shutdown {
                Shutdown::Open => {
                    ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                    this.shutdown = if this.version == Version::One && !this.pulse.is_upgraded() {
                        Shutdown::Lingering {
                            since: Instant::now(),
                        }
                    } else {
                        // GOAWAY has told the client what was not read; and what is no longer
                        // HTTP is not ours to read.
                        Shutdown::Done
                    };
                }
                Shutdown::Lingering { since } => {
                    // Closing a socket with unread bytes resets it, and a reset makes the client
                    // throw away what it has not read yet: the very answer that says why it is
                    // closed (RFC 9112 section 9.6).
                    let mut scratch = [0; 4096];
                    let mut buf = ReadBuf::new(&mut scratch);
                    let read = match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                        Poll::Ready(Ok(())) => buf.filled().len(),
                        // Gone: the answer is not read any more.
                        Poll::Ready(Err(_)) => 0,
                        Poll::Pending if this.pulse.expects_more() => {
                            if !this.pulse.is_lingering() {
                                this.pulse.linger();
                            }
                            return Poll::Pending;
                        }
                        // All that came was read. What may be on its way was not asked for.
                        Poll::Pending => 0,
                    };
                    if read == 0 || since.elapsed() >= this.pulse.longest_linger() {
                        this.shutdown = Shutdown::Done;
                    } else {
                        this.pulse.linger();
                    }
                }
                Shutdown::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<T> Io<T> {
    fn note<R>(&self, outcome: &Poll<io::Result<R>>) {
        match outcome {
            Poll::Ready(Ok(_)) => self.pulse.sent(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let queued = (self.options.unacknowledged)(&self.stream);
                self.pulse.send_blocked(queued.unwrap_or(0));
            }
        }
    }
}
