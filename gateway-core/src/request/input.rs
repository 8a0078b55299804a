#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "reading ahead is the adapters'")
)]

use std::fmt;
use std::io::{self, BufRead, Read};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, ErrorBoxed, Kind};
use crate::error::input::InputError;
use crate::stream::patience::Patience;
use crate::threads::block_on::block_on;
use crate::{BoxError, Error};

/// The body of a request, to read on a thread that may block: PEP 3333's `wsgi.input`.
///
/// It ends where the body ends, chunked or not, and never reads into the next request. Where the
/// client cannot keep up, reading waits; after a stall of 30 seconds, or below a thread pool as much
/// waiting for single bytes (settable at the adapter), it fails with
/// [`TimedOut`](io::ErrorKind::TimedOut). A read that the client made fail becomes by `?` an
/// [`Error`] that is answered with 408 if it stalled, with 413 if its body is longer than a layer
/// allows, and with 400 if it is cut short or malformed. Every later read of it
/// fails in the same way.
#[derive(Default)]
pub struct Input {
    // Boxed: most requests have no body, and every one would carry the room through every move.
    feed: Option<Box<Feed>>,
}

/// What there is of a body, and where the rest comes from.
struct Feed {
    ready: Bytes,
    source: Source,
    trailers: Option<HeaderMap>,
}

type Wrapped = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

#[derive(Default)]
enum Source {
    #[default]
    Ended,
    Http {
        body: Wrapped,
        patience: Patience,
        /// As long as this lives, a read may be waiting for the client.
        _alive: Option<Arc<()>>,
        /// What arrived ahead has been copied out of the read buffer it came in.
        copied: bool,
    },
    Reader(Box<dyn Read + Send>),
    /// The error of every read once the bytes that arrived have been read.
    Failed(InputError),
}

impl Input {
    /// No input.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// What `reader` yields, up to its end: how a CGI program sees its standard input, cut at
    /// CONTENT_LENGTH with [`Read::take`].
    pub fn from_reader(reader: impl Read + Send + 'static) -> Self {
        Self::of(Bytes::new(), Source::Reader(Box::new(reader)))
    }

    fn of(ready: Bytes, source: Source) -> Self {
        let feed = Feed {
            ready,
            source,
            trailers: None,
        };
        Self {
            feed: Some(Box::new(feed)),
        }
    }

    /// What `body` yields.
    #[inline]
    pub fn from_body<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self::arriving(body)
    }

    // Not where the caller has no body: it would have to make room for it.
    #[inline(never)]
    fn arriving<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let source = Source::Http {
            body: Box::pin(ErrorBoxed { body }),
            patience: Patience::default(),
            _alive: None,
            copied: false,
        };
        Self::of(Bytes::new(), source)
    }

    /// With another limit to how long one read waits for the client. Default: 30 seconds. Of no effect on an
    /// input from a reader, which waits as long as the reader does.
    #[must_use]
    pub fn with_stall_timeout(mut self, limit: Duration) -> Self {
        if let Some(Source::Http { patience, .. }) = self.source_mut() {
            *patience = Patience::new(limit);
        }
        self
    }

    /// Whether the request had no body at all.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_empty(&self) -> bool {
        self.feed.is_none()
    }

    fn source_mut(&mut self) -> Option<&mut Source> {
        self.feed.as_mut().map(|feed| &mut feed.source)
    }

    /// Reads ahead without blocking, until everything has arrived or more than `limit` bytes have.
    pub(crate) fn poll_arrival(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<()> {
        match &mut self.feed {
            Some(feed) => feed.poll_arrival(context, limit),
            None => Poll::Ready(()),
        }
    }

    fn ready(&self) -> &[u8] {
        self.feed.as_ref().map_or(&[], |feed| &feed.ready)
    }

    /// Whether more than `limit` bytes are known to come.
    pub(crate) fn exceeds(&self, limit: usize) -> bool {
        self.ready().len() > limit || !self.has_arrived()
    }

    /// Sets how long a read waits for the client. The returned token's reference count is one
    /// when no read can be waiting any more.
    pub(crate) fn wait_with(&mut self, patience: Patience) -> Arc<()> {
        let token = Arc::new(());
        if let Some(Source::Http {
            patience: present,
            _alive,
            ..
        }) = self.source_mut()
        {
            *present = patience;
            *_alive = Some(Arc::clone(&token));
        }
        token
    }

    /// Whether everything has arrived: reading will not wait.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        let source = self.feed.as_ref().map(|feed| &feed.source);
        source.is_none_or(|source| matches!(source, Source::Ended | Source::Failed(_)))
    }

    /// The rest, if it is not more than `limit` bytes.
    ///
    /// # Errors
    ///
    /// More than `limit` bytes: answered with 413. A body that is cut short or malformed: 400. A
    /// client that stalls: 408. Every later read of it fails in the same
    /// way, by any method.
    pub fn read_all(&mut self, limit: usize) -> Result<Bytes, Error> {
        let Some(feed) = &mut self.feed else {
            return Ok(Bytes::new());
        };
        // One piece, as small bodies are, is handed on without a copy.
        let mut whole = mem::take(&mut feed.ready);
        if !matches!(feed.source, Source::Ended) {
            let mut gathered = Vec::from(whole);
            while gathered.len() <= limit {
                let chunk = feed.fill()?;
                if chunk.is_empty() {
                    break;
                }
                gathered.extend_from_slice(chunk);
                chunk.clear();
            }
            whole = gathered.into();
        }
        if whole.len() > limit {
            let failed = InputError::too_long(limit);
            feed.source = Source::Failed(failed.clone());
            return Err(io::Error::from(failed).into());
        }
        Ok(whole)
    }

    /// The trailer fields, once the end has been read, if there were any.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.feed.as_ref()?.trailers.as_ref()
    }

    /// Reads and discards the rest, up to `limit` bytes. Returns whether that was all of it.
    ///
    /// # Errors
    ///
    /// What reading fails with.
    pub fn drain(&mut self, limit: u64) -> io::Result<bool> {
        let mut left = limit;
        loop {
            let chunk = self.fill_buf()?.len();
            if chunk == 0 {
                return Ok(true);
            }
            self.consume(chunk);
            match left.checked_sub(chunk as u64) {
                Some(less) => left = less,
                None => return Ok(false),
            }
        }
    }
}

impl Feed {
    fn poll_arrival(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<()> {
        let Source::Http { body, copied, .. } = &mut self.source else {
            return Poll::Ready(());
        };
        // One piece is kept as it came. Of several, each may be a byte that keeps a whole read
        // buffer alive, so they are copied; `gathered` grows as they come, whatever was announced.
        let mut gathered = Vec::new();
        let outcome = loop {
            if body.is_end_stream() {
                break Poll::Ready(Some(Source::Ended));
            }
            if self.ready.len().max(gathered.len()) > limit {
                break Poll::Ready(None);
            }
            match body.as_mut().poll_frame(context) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(None) => break Poll::Ready(Some(Source::Ended)),
                Poll::Ready(Some(Err(error))) => {
                    break Poll::Ready(Some(Source::Failed(InputError::broken(error))));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if self.ready.is_empty() && gathered.is_empty() => self.ready = data,
                    Ok(data) => {
                        if gathered.is_empty() {
                            gathered = mem::take(&mut self.ready).into();
                        }
                        gathered.extend_from_slice(&data);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        };
        if !gathered.is_empty() {
            *copied = true;
            self.ready = gathered.into();
        } else if outcome.is_pending() && !mem::replace(copied, !self.ready.is_empty()) {
            self.ready = Bytes::copy_from_slice(&self.ready);
        }
        match outcome {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(source)) => self.source = source,
            Poll::Ready(None) => {}
        }
        Poll::Ready(())
    }

    /// The next piece, waited for where there is none; empty at the end.
    fn fill(&mut self) -> io::Result<&mut Bytes> {
        if self.ready.is_empty() {
            match self.next_chunk() {
                Ok(Some(chunk)) => self.ready = chunk,
                Ok(None) => self.source = Source::Ended,
                Err(failed) => {
                    if failed.is_final() {
                        self.source = Source::Failed(failed.clone());
                    }
                    return Err(failed.into());
                }
            }
        }
        Ok(&mut self.ready)
    }

    fn next_chunk(&mut self) -> Result<Option<Bytes>, InputError> {
        match &mut self.source {
            Source::Ended => Ok(None),
            Source::Failed(failed) => Err(failed.clone()),
            Source::Reader(reader) => {
                let mut chunk = vec![0; 64 * 1024];
                let length = loop {
                    match reader.read(&mut chunk) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(InputError::of_kind(error.kind(), error.into())),
                        Ok(length) => break length,
                    }
                };
                chunk.truncate(length);
                Ok((length > 0).then(|| chunk.into()))
            }
            Source::Http { body, patience, .. } => loop {
                let left = || {
                    let now = Instant::now();
                    patience.begin(now);
                    patience.left(now)
                };
                let arrived = block_on(left, |context| body.as_mut().poll_frame(context));
                let data = match &arrived {
                    Some(Some(Ok(frame))) => frame.data_ref(),
                    _ => None,
                };
                patience.moved(data.map_or(0, Bytes::len), Instant::now);
                patience.end(Instant::now());
                match arrived {
                    None => return Err(InputError::stalled()),
                    Some(None) => return Ok(None),
                    Some(Some(Err(error))) => return Err(InputError::broken(error)),
                    Some(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => return Ok(Some(data)),
                        Err(frame) => self.trailers = frame.into_trailers().ok(),
                    },
                }
            },
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.feed {
            Some(feed) => Ok(feed.fill()?),
            None => Ok(&[]),
        }
    }

    fn consume(&mut self, amount: usize) {
        if let Some(feed) = &mut self.feed {
            feed.ready.advance(amount.min(feed.ready.len()));
        }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut chunk = self.fill_buf()?;
        let length = chunk.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl From<Bytes> for Input {
    fn from(ready: Bytes) -> Self {
        if ready.is_empty() {
            return Self::empty();
        }
        Self::of(ready, Source::Ended)
    }
}

impl From<Body> for Input {
    fn from(body: Body) -> Self {
        match body.kind {
            Kind::Once(bytes) => bytes.into(),
            kind => Self::from_body(Body { kind }),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("ready", &self.ready().len())
            .field("has_arrived", &self.has_arrived())
            .finish_non_exhaustive()
    }
}

impl From<()> for Input {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

/// The rest of the input as a body to pass on. Polling it does not block on the client.
impl From<Input> for Body {
    fn from(input: Input) -> Self {
        let Some(feed) = input.feed else {
            return Self::empty();
        };
        match feed.source {
            Source::Ended => feed.ready.into(),
            Source::Http { body, .. } if feed.ready.is_empty() => Self::new(body),
            Source::Http { body, .. } => Self::new(Preceded {
                ready: Some(feed.ready),
                body,
            }),
            Source::Reader(_) | Source::Failed(_) => Self::from_reader(Input { feed: Some(feed) }),
        }
    }
}

/// A body whose beginning was read already.
struct Preceded {
    ready: Option<Bytes>,
    body: Wrapped,
}

impl HttpBody for Preceded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.ready.take() {
            Some(ready) => Poll::Ready(Some(Ok(Frame::data(ready)))),
            None => self.body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.as_ref().map_or(0, |ready| ready.len() as u64);
        let rest = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(rest.lower().saturating_add(ready));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ready)) {
            whole.set_upper(upper);
        }
        whole
    }
}
