use std::fmt;
use std::io::{self, BufRead, Read};
use std::mem;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, StatusCode};
use http_body::Body as HttpBody;

use crate::block_on::block_on;
use crate::{BoxError, Error};

/// The body of a request, to read on a thread that may block: PEP 3333's `wsgi.input`.
///
/// It ends where the body ends, chunked or not, and never reads into the next request. Where the
/// client cannot keep up, reading waits; after a stall of 30 seconds (settable at the adapter) it
/// fails with [`TimedOut`](io::ErrorKind::TimedOut).
#[derive(Default)]
pub struct Input {
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
        patience: Duration,
    },
    Reader(Box<dyn Read + Send>),
}

/// How long a read waits for a client that sends nothing.
pub(crate) const STALL: Duration = Duration::from_secs(30);

impl Input {
    /// No input.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// What `reader` yields, up to its end: how a CGI program sees its standard input, cut at
    /// CONTENT_LENGTH with [`Read::take`].
    pub fn from_reader(reader: impl Read + Send + 'static) -> Self {
        Self {
            source: Source::Reader(Box::new(reader)),
            ..Self::default()
        }
    }

    /// What `body` yields.
    pub fn from_body<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self {
            source: Source::Http {
                body: Box::pin(crate::body::ErrorBoxed { body }),
                patience: STALL,
            },
            ..Self::default()
        }
    }

    /// With another limit to how long one read may wait. Default: 30 seconds. Without effect on
    /// readers, which wait as they do.
    #[must_use]
    pub fn with_patience(mut self, wait: Duration) -> Self {
        if let Source::Http { patience, .. } = &mut self.source {
            *patience = wait;
        }
        self
    }

    /// With `bytes` in front: what was read already.
    #[must_use]
    pub(crate) fn preceded_by(mut self, bytes: Bytes) -> Self {
        self.ready = bytes;
        self
    }

    /// Whether everything has arrived: reading will not wait.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    /// The rest, if it is not more than `limit` bytes.
    ///
    /// # Errors
    ///
    /// More than `limit` bytes: answered with 413. A body that is cut short or malformed: 400. A
    /// client that stalls: 408.
    pub fn read_all(&mut self, limit: usize) -> Result<Bytes, Error> {
        // One piece, as small bodies are, is handed on without a copy.
        let mut whole = mem::take(&mut self.ready);
        if !self.has_arrived() {
            let mut gathered = Vec::from(whole);
            while gathered.len() <= limit {
                let chunk = self.fill_buf().map_err(answered)?;
                if chunk.is_empty() {
                    break;
                }
                gathered.extend_from_slice(chunk);
                let taken = chunk.len();
                self.consume(taken);
            }
            whole = gathered.into();
        }
        if whole.len() > limit {
            let text = format!("the body is longer than {limit} bytes");
            return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(whole)
    }

    /// The trailer fields, once the end has been read, if there were any.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Reads and forgets what is left, up to `limit` bytes; says whether that was all.
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

    fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.source {
            Source::Ended => Ok(None),
            Source::Reader(reader) => {
                let mut chunk = vec![0; 64 * 1024];
                let length = loop {
                    match reader.read(&mut chunk) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => break other?,
                    }
                };
                chunk.truncate(length);
                Ok((length > 0).then(|| chunk.into()))
            }
            Source::Http { body, patience } => loop {
                let frame = block_on(Some(*patience), |context| body.as_mut().poll_frame(context));
                match frame {
                    None => return Err(io::ErrorKind::TimedOut.into()),
                    Some(None) => return Ok(None),
                    Some(Some(Err(error))) => return Err(io::Error::other(error)),
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

/// The status that a failed read is answered with.
fn answered(error: io::Error) -> Error {
    let status = match error.kind() {
        io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    };
    Error::from(error).with_status(status)
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ready.is_empty() {
            match self.next_chunk() {
                Ok(Some(chunk)) => self.ready = chunk,
                Ok(None) => self.source = Source::Ended,
                Err(error) => {
                    // A read that timed out may be tried again; nothing else gets better.
                    if error.kind() != io::ErrorKind::TimedOut {
                        self.source = Source::Ended;
                    }
                    return Err(error);
                }
            }
        }
        Ok(&self.ready)
    }

    fn consume(&mut self, amount: usize) {
        self.ready.advance(amount.min(self.ready.len()));
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
        Self {
            ready,
            ..Self::default()
        }
    }
}

impl From<crate::Body> for Input {
    fn from(body: crate::Body) -> Self {
        match body.kind {
            crate::body::Kind::Once(bytes) => bytes.into(),
            kind => Self::from_body(crate::Body { kind }),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("ready", &self.ready.len())
            .field("has_arrived", &self.has_arrived())
            .finish_non_exhaustive()
    }
}

impl From<()> for Input {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

/// What is left of the input, as a body to pass on.
impl From<Input> for crate::Body {
    fn from(input: Input) -> Self {
        match input.source {
            Source::Ended => input.ready.into(),
            Source::Http { body, .. } if input.ready.is_empty() => Self::new(body),
            _ => Self::from_reader(input),
        }
    }
}
