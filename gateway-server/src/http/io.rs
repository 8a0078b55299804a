use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Event;
use super::files::{Outbox, is_mark};
use super::shared_activity::SharedActivity;
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

/// The same where there may be none.
fn join_any<'a>(bufs: &'a [IoSlice<'_>], joined: &'a mut ReadBuf<'_>) -> Option<&'a [u8]> {
    if bufs.is_empty() {
        return Some(&[]);
    }
    join(bufs, joined)
}

/// How many bytes of files are sent in one go before other connections have their turn.
const BURST: usize = 4 << 20;

/// A slice that stands for a file where none is to be sent: better no answer than zeroes.
fn unsent_mark() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a range of a file on a connection that sends none",
    )
}

/// A connection's stream as hyper sees it: notes in the [`SharedActivity`] what moves, and closes so that
/// the last response arrives.
#[derive(Debug)]
pub(crate) struct Io<T> {
    stream: T,
    activity: Arc<SharedActivity>,
    // Read already, not yet seen by hyper.
    prefix: Bytes,
    version: Version,
    closing: Closing,
    options: StreamOptions<T>,
    // Held for as long as the stream lives: an upgraded connection still counts under the limit,
    // and a shutdown waits for it.
    admission: Option<Admission>,
    // Of an upgraded connection, which has no task of ours that would hear of a shutdown.
    watch: Option<Watch>,
    // Of a connection whose files the kernel sends.
    outbox: Option<Arc<Outbox>>,
    // Bytes of files since the connection last waited or gave way.
    burst: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

#[derive(Debug)]
enum Closing {
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
        activity: Arc<SharedActivity>,
        options: StreamOptions<T>,
        admission: Option<Admission>,
        outbox: Option<Arc<Outbox>>,
    ) -> Self {
        Self {
            stream,
            activity,
            prefix: Bytes::new(),
            version: Version::One,
            closing: Closing::Open,
            options,
            admission,
            watch: None,
            outbox,
            burst: 0,
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
        self.activity.is_upgraded()
            && self
                .admission
                .as_ref()
                .is_some_and(|admission| admission.shutdown().phase() == Phase::Cut)
    }
}

impl<T> Drop for Io<T> {
    fn drop(&mut self) {
        if self.activity.is_cut_short() {
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
            this.activity.read(this.version == Version::One);
            return Poll::Ready(Ok(()));
        }
        if this.version == Version::Two {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        this.activity.read(false);
        if this.activity.take_read_timeout() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(read) => read?,
            Poll::Pending if this.activity.is_upgraded() => return this.poll_end(cx).map(Ok),
            Poll::Pending => return Poll::Pending,
        }
        if buf.filled().len() > before {
            this.activity.read(true);
            this.activity
                .received(buf.filled().get(before..).unwrap_or_default());
        } else if buf.remaining() > 0 && this.activity.hide_end() {
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
        if self.outbox.is_some() && is_mark(buf) {
            return Poll::Ready(Err(unsent_mark()));
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
        if self.outbox.is_some()
            && let Some(at) = bufs.iter().position(|buf| is_mark(buf))
        {
            let (before, file) = bufs.split_at(at);
            let most = file.first().map_or(0, |mark| mark.len());
            return self.poll_send_file(cx, before, most);
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
            match &mut this.closing {
                Closing::Open => {
                    ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                    this.closing = if this.version == Version::One && !this.activity.is_upgraded() {
                        Closing::Lingering {
                            since: Instant::now(),
                        }
                    } else {
                        // GOAWAY has told the client what was not read; and what is no longer
                        // HTTP is not ours to read.
                        Closing::Done
                    };
                }
                Closing::Lingering { since } => {
                    // Closing a socket with unread bytes resets it, and a reset makes the client
                    // throw away what it has not read yet: the very answer that says why it is
                    // closed (RFC 9112 section 9.6).
                    let mut scratch = [0; 4096];
                    let mut buf = ReadBuf::new(&mut scratch);
                    let read = match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                        Poll::Ready(Ok(())) => buf.filled().len(),
                        // The client is gone and reads no more of the answer.
                        Poll::Ready(Err(_)) => 0,
                        Poll::Pending if this.activity.expects_more() => {
                            if !this.activity.is_lingering() {
                                this.activity.on(Event::Lingers);
                            }
                            return Poll::Pending;
                        }
                        // All that came was read. What may be on its way was not asked for.
                        Poll::Pending => 0,
                    };
                    if read == 0 || since.elapsed() >= this.activity.longest_linger() {
                        this.closing = Closing::Done;
                    } else {
                        this.activity.on(Event::Lingers);
                    }
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> Io<T> {
    /// What is in front of a file, and of its next range `most` bytes.
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        before: &[IoSlice<'_>],
        most: usize,
    ) -> Poll<io::Result<usize>> {
        if self.burst >= BURST {
            // A client on a fast network may never make this one wait. Others have their turn.
            self.burst = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut room = [MaybeUninit::uninit(); JOINED];
        let mut joined = ReadBuf::uninit(&mut room);
        let Some(head) = join_any(before, &mut joined) else {
            let written = Pin::new(&mut self.stream).poll_write_vectored(cx, before);
            self.note(&written);
            return written;
        };
        let written = {
            let Some(mut ranges) = self.outbox.as_ref().and_then(|outbox| outbox.front()) else {
                return Poll::Ready(Err(unsent_mark()));
            };
            let Some(range) = ranges.front_mut().filter(|range| range.len() >= most) else {
                return Poll::Ready(Err(unsent_mark()));
            };
            let written = (self.options.poll_send_file)(&mut self.stream, cx, head, range);
            if let Poll::Ready(Ok(written)) = &written {
                let of_file = written.saturating_sub(head.len());
                self.burst += of_file;
                range.advance(of_file);
                if range.is_empty() {
                    ranges.pop_front();
                }
            }
            written
        };
        match &written {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::error!("response body failed: the file has become shorter");
            }
            Poll::Ready(_) => {}
            Poll::Pending => self.burst = 0,
        }
        self.note(&written);
        written
    }
}

impl<T> Io<T> {
    fn note<R>(&self, outcome: &Poll<io::Result<R>>) {
        match outcome {
            Poll::Ready(Ok(_)) => self.activity.sent(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let queued = (self.options.unacknowledged)(&self.stream);
                self.activity.on(Event::SendBlocked {
                    queued: queued.unwrap_or(0),
                });
            }
        }
    }
}
