//! Bodies, and the writer that fills one.

use std::fmt;
use std::io::{Read, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use panic_capture::guard;

use crate::BoxError;
use crate::flush::{FLUSH_TIME, FlushPause};
use crate::stream::ending::BodyFailure;
use crate::stream::handoff::{HandoffConfig, Receiver};
use crate::stream::source::{Chunks, ReadChunks, Source, Writing};
use crate::threads::block_on::block_on_forever;

mod file;

pub use self::file::{FileBody, FileRange, Piece};
pub use crate::stream::BodyWriter;

/// The body of a request or of a response: nothing, one piece, an iterator of pieces, a function
/// that writes, or any [`http_body::Body`].
///
/// Dropping it is PEP 3333's `close()`: exactly once, on every path, the client's going away
/// included. Below a blocking [`Application`](crate::Application) that is served by
/// [`into_service`](crate::Application::into_service), iterators run and are dropped on threads
/// that may block; polled directly, they run where they are polled.
///
/// ```
/// use gateway_core::Body;
///
/// let count = Body::chunks((1..=3).map(|n| format!("{n}\n")));
/// assert_eq!(count.into_bytes().unwrap(), "1\n2\n3\n");
///
/// let report = Body::from_writer(|out| {
///     use std::io::Write;
///     writeln!(out, "name,amount")
/// });
/// assert_eq!(report.into_bytes().unwrap(), "name,amount\n");
/// ```
#[derive(Default)]
pub struct Body {
    pub(crate) kind: Kind,
}

type Wrapped = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

#[derive(Default)]
pub(crate) enum Kind {
    #[default]
    Empty,
    Once(Bytes),
    // Boxed once per streamed body: one type has to hold whatever the application iterates.
    Chunks {
        chunks: Chunks,
        flush: FlushPause,
    },
    Writing(Writing),
    /// Produced on another thread.
    Received {
        receiver: Receiver,
        flush: FlushPause,
    },
    Http(Wrapped),
    /// Failed, and pending until its last pieces had the time to be sent.
    Failing(Box<Failing>),
}

pub(crate) struct Failing {
    failed: BodyFailure,
    flush: FlushPause,
}

impl Kind {
    fn chunks(chunks: Chunks) -> Self {
        Self::Chunks {
            chunks,
            flush: FlushPause::default(),
        }
    }

    pub(crate) fn received(source: Source, config: HandoffConfig) -> Self {
        Self::Received {
            receiver: Receiver::new(source, config),
            flush: FlushPause::default(),
        }
    }
}

impl Body {
    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// The pieces of an iterator, each delivered when it is produced and never joined with the
    /// next. Empty pieces are skipped (they would end a chunked message).
    ///
    /// Below [`into_service`](crate::Application::into_service) the response's head goes out with
    /// the first piece, as PEP 3333 has it, so that an iterator that fails before it can still be
    /// answered with an error. One whose first piece takes long sends the head ahead by an empty one.
    /// After 64 KiB, pieces of 4 to 64 KiB that nothing else holds (by
    /// [`Bytes::is_unique`]) are copied, and dropped at once.
    pub fn chunks<I>(chunks: I) -> Self
    where
        I: IntoIterator<Item: Into<Bytes>, IntoIter: Send + 'static>,
    {
        let chunks = chunks.into_iter().map(|chunk| Ok(chunk.into()));
        Self {
            kind: Kind::chunks(Box::new(chunks)),
        }
    }

    /// As [`chunks`](Self::chunks), for an iterator that may fail. The first error ends the body:
    /// the client is sent the pieces before it and sees that it is cut short. (Of a client that does
    /// not keep up, the server drops what it still holds, and the last pieces with it.)
    pub fn try_chunks<I, T, E>(chunks: I) -> Self
    where
        I: IntoIterator<Item = Result<T, E>, IntoIter: Send + 'static>,
        T: Into<Bytes>,
        E: Into<BoxError>,
    {
        let chunks = chunks.into_iter();
        let chunks = chunks.map(|chunk| chunk.map(Into::into).map_err(Into::into));
        Self {
            kind: Kind::chunks(Box::new(chunks)),
        }
    }

    /// All that `reader` yields, in pieces of up to 64 KiB.
    pub fn from_reader(reader: impl Read + Send + 'static) -> Self {
        Self::try_chunks(ReadChunks::new(reader))
    }

    /// What `write` writes: for code that wants an [`io::Write`](std::io::Write) to push into, such as archive
    /// and CSV writers.
    ///
    /// The writer is unbuffered, as a `File` is: every `write` can be on its way at once. Wrap it
    /// in a [`BufWriter`](std::io::BufWriter) where pieces are small. Writing blocks while the client
    /// is slow (so it holds a thread; an iterator does not), and fails with
    /// [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) once the client is gone, or with
    /// [`TimedOut`](std::io::ErrorKind::TimedOut) when it takes nothing for too long. An error that
    /// `write` returns cuts the body short. The response's head goes out with what is written
    /// first, or at a `flush` before it.
    pub fn from_writer<F, E>(write: F) -> Self
    where
        F: FnOnce(&mut BodyWriter<'_>) -> Result<(), E> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            kind: Kind::Writing(Box::new(|out| write(out).map_err(Into::into))),
        }
    }

    /// Any body. One that is a `Body` already is taken as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let mut body = Some(body);
        // Not to box a box: bodies pass through several layers that call this.
        if let Some(ours) = (&mut body as &mut dyn std::any::Any).downcast_mut::<Option<Self>>() {
            return ours.take().unwrap_or_default();
        }
        match body {
            Some(body) => Self {
                kind: Kind::Http(Box::pin(ErrorBoxed { body })),
            },
            None => Self::empty(),
        }
    }

    /// Whether nothing at all will come. `false` is no promise that something will.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// Writes the whole body into `out`, on this thread, each piece as it comes. Returns the
    /// number of bytes. Blocks while the body waits for its next piece.
    ///
    /// # Errors
    ///
    /// What the body fails with, or what `out` fails with.
    pub fn write_to(mut self, out: &mut dyn Write) -> Result<u64, BoxError> {
        if let Kind::Writing(_) = self.kind
            && let Kind::Writing(write) = mem::take(&mut self.kind)
        {
            let mut out = BodyWriter::direct(out);
            write(&mut out)?;
            return Ok(out.written());
        }
        let mut written = 0;
        while let Some(chunk) = self.next_chunk() {
            let chunk = chunk?;
            out.write_all(&chunk)?;
            written += chunk.len() as u64;
        }
        Ok(written)
    }

    /// The whole body in memory, read on this thread.
    ///
    /// # Errors
    ///
    /// What the body fails with.
    pub fn into_bytes(mut self) -> Result<Bytes, BoxError> {
        if let Kind::Once(bytes) = &mut self.kind {
            return Ok(mem::take(bytes));
        }
        let mut whole = Vec::new();
        self.write_to(&mut whole)?;
        Ok(whole.into())
    }

    /// The next piece, waited for on this thread. Trailers are passed over.
    pub(crate) fn next_chunk(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            let frame = block_on_forever(|context| Pin::new(&mut *self).poll_frame(context))?;
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    // Sent by the caller before it asks for the next.
                    if let Kind::Chunks { flush, .. } | Kind::Received { flush, .. } =
                        &mut self.kind
                    {
                        flush.all_sent();
                    }
                    return Some(Ok(data));
                }
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Iterated where it is polled.
    fn poll_chunks(
        &mut self,
        mut chunks: Chunks,
        mut flush: FlushPause,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        // Taken out of `self` while it runs: after a panic the body has ended and the iterator
        // was dropped, once.
        let chunk = loop {
            match guard(|| chunks.next()) {
                Ok(Some(Ok(chunk))) if chunk.is_empty() => {}
                other => break other,
            }
        };
        let failed = match chunk {
            Ok(Some(Ok(chunk))) => {
                flush.piece_given();
                self.kind = Kind::Chunks { chunks, flush };
                return Poll::Ready(Some(Ok(chunk)));
            }
            Ok(None) => return Poll::Ready(None),
            Ok(Some(Err(error))) => BodyFailure::Error(error),
            Err(caught) => BodyFailure::Panic(caught),
        };
        // Before the failure is told, as everywhere.
        drop(chunks);
        self.fail(failed, flush, context)
    }

    fn fail(
        &mut self,
        failed: BodyFailure,
        flush: FlushPause,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        self.kind = Kind::Failing(Box::new(Failing { failed, flush }));
        self.poll_failing(context)
    }

    fn poll_failing(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if let Kind::Failing(failing) = &mut self.kind {
            ready!(failing.flush.poll(FLUSH_TIME, context));
        }
        match mem::take(&mut self.kind) {
            Kind::Failing(failing) => match failing.failed {
                BodyFailure::Error(error) => Poll::Ready(Some(Err(error))),
                BodyFailure::Panic(caught) => caught.resume(),
            },
            _ => Poll::Ready(None),
        }
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        match &mut self.kind {
            Kind::Received { receiver, flush } => {
                return match receiver.poll_data(context) {
                    Poll::Ready(Some(Ok(piece))) => {
                        flush.piece_given();
                        Poll::Ready(Some(Ok(piece)))
                    }
                    Poll::Ready(Some(Err(failed))) => {
                        let flush = mem::take(flush);
                        self.fail(failed, flush, context)
                    }
                    Poll::Ready(None) => Poll::Ready(None),
                    Poll::Pending => {
                        flush.was_pending();
                        Poll::Pending
                    }
                };
            }
            Kind::Failing(_) => return self.poll_failing(context),
            _ => {}
        }
        match mem::take(&mut self.kind) {
            Kind::Once(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(bytes))),
            Kind::Chunks { chunks, flush } => self.poll_chunks(chunks, flush, context),
            Kind::Writing(write) => {
                // Polled without an adapter: writing blocks, so it needs a thread.
                self.kind =
                    Kind::received(Source::Writing(write), HandoffConfig::wherever_polled());
                self.poll_data(context)
            }
            _ => Poll::Ready(None),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Kind::Http(body) = &mut self.kind {
            return body.as_mut().poll_frame(context);
        }
        self.poll_data(context).map_ok(Frame::data)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Once(bytes) => bytes.is_empty(),
            Kind::Http(body) => body.is_end_stream(),
            Kind::Received { receiver, .. } => receiver.is_end_stream(),
            Kind::Chunks { .. } | Kind::Writing(_) | Kind::Failing(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Once(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Http(body) => body.size_hint(),
            Kind::Chunks { .. } | Kind::Writing(_) | Kind::Received { .. } | Kind::Failing(_) => {
                SizeHint::default()
            }
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Empty => "Empty",
            Kind::Once(bytes) => return write!(f, "Body::Once({} bytes)", bytes.len()),
            Kind::Chunks { .. } => "Chunks",
            Kind::Writing(_) => "Writer",
            Kind::Received { .. } => "Received",
            Kind::Failing(_) => "Failing",
            Kind::Http(_) => "Http",
        };
        write!(f, "Body::{kind}")
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Once(bytes),
        }
    }
}

macro_rules! from_bytes {
    ($($type:ty),*) => {$(
        impl From<$type> for Body {
            fn from(whole: $type) -> Self {
                Bytes::from(whole).into()
            }
        }
    )*};
}
from_bytes!(&'static str, String, &'static [u8], Vec<u8>);

pin_project_lite::pin_project! {
    pub(crate) struct ErrorBoxed<B> {
        #[pin]
        pub(crate) body: B,
    }
}

impl<B> HttpBody for ErrorBoxed<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().body.poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
