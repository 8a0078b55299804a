//! The states of one response body.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::body::{FileBody, FileRange, Piece as BodyPiece};
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::protocol::range::ByteRange;
use crate::source::pool::LARGE;
use crate::source::{Content, Wait};

/// The body of a response: nothing, bytes in memory, or pieces of a file read as the client takes them.
///
/// Its error is the file's. Where a file has become shorter than the length that was promised, the body fails and
/// the connection is cut: nothing is ever made up to fill it.
#[derive(Default)]
pub struct ResponseBody {
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    Full(Bytes),
    // Boxed: responses are moved many times on their way to the connection, and most are small. One
    // allocation is nothing beside a file of more than 64 KiB.
    Stream(Box<Stream>),
}

/// Shorter ranges are read and written: that costs less than what the kernel does to send a file.
const LEAST_SENT: usize = LARGE;

/// The most that the kernel is told to send at once.
const MOST_SENT: usize = 1 << 20;

/// Pieces, one after the other.
struct Stream {
    content: Content,
    /// What is left of the present piece.
    current: ByteRange,
    /// The pieces after it; for most answers there are none, and an empty `Vec` allocates nothing.
    rest: std::vec::IntoIter<Piece>,
    /// The bytes that are still owed, all pieces together.
    owed: u64,
    /// The first bytes, read while looking the file up on a thread that may block.
    ready: Option<Bytes>,
    /// A read on a thread that may block.
    waiting: Option<JoinHandle<io::Result<Bytes>>>,
}

/// A part of a body.
pub(crate) enum Piece {
    Bytes(Bytes),
    Range(ByteRange),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(range) => range.len(),
        }
    }
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self {
            state: if bytes.is_empty() {
                State::Empty
            } else {
                State::Full(bytes)
            },
        }
    }

    /// A range of a file. `ready` is how it begins, where that is known already.
    pub(crate) fn range(content: Content, range: ByteRange, ready: Option<Bytes>) -> Self {
        let rest = Vec::new().into_iter();
        let stream = Stream {
            content,
            current: range,
            rest,
            owed: range.len(),
            ready,
            waiting: None,
        };
        Self {
            state: State::Stream(Box::new(stream)),
        }
    }

    /// Several pieces of a file with something in between.
    pub(crate) fn pieces(content: Content, pieces: Vec<Piece>) -> Self {
        let owed = pieces.iter().map(Piece::len).sum();
        let current = ByteRange { start: 0, end: 0 };
        let stream = Stream {
            content,
            current,
            rest: pieces.into_iter(),
            owed,
            ready: None,
            waiting: None,
        };
        Self {
            state: State::Stream(Box::new(stream)),
        }
    }

    fn owed(&self) -> u64 {
        match &self.state {
            State::Empty => 0,
            State::Full(bytes) => bytes.len() as u64,
            State::Stream(stream) => stream.owed,
        }
    }
}

impl Stream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        while self.current.start == self.current.end {
            match self.rest.next() {
                Some(Piece::Bytes(bytes)) if !bytes.is_empty() => return self.give(bytes),
                Some(Piece::Bytes(_)) => {}
                Some(Piece::Range(range)) => self.current = range,
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        let most = usize::try_from(self.current.len())
            .unwrap_or(LARGE)
            .min(LARGE);
        let chunk = match (self.ready.take(), &mut self.waiting) {
            (Some(chunk), _) => Ok(chunk),
            (None, Some(waiting)) => {
                let result = ready!(Pin::new(waiting).poll(context));
                self.waiting = None;
                // The read panicked, or the runtime is shutting down: either way there is no more.
                result.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            (None, None) => self.content.chunk(self.current.start, most, Wait::Never),
        };
        match chunk {
            Ok(chunk) => {
                self.current.start += chunk.len() as u64;
                self.give(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (content, start) = (self.content.clone(), self.current.start);
                let read = move || content.chunk(start, most, Wait::Allowed);
                match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => {
                        self.waiting = Some(runtime.spawn_blocking(read));
                        self.poll(context)
                    }
                    // No runtime (CGI): no other request waits for this thread.
                    Err(_) => {
                        self.ready = Some(read()?);
                        self.poll(context)
                    }
                }
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The next range, where it is long enough, and in memory: the kernel would make the thread wait for the disk.
    fn file_range(&mut self) -> Option<FileRange> {
        if self.ready.is_some() || self.waiting.is_some() {
            return None;
        }
        if self.current.len() == 0
            && let Some(&Piece::Range(range)) = self.rest.as_slice().first()
        {
            self.rest.next();
            self.current = range;
        }
        let most = usize::try_from(self.current.len()).unwrap_or(usize::MAX);
        if most < LEAST_SENT {
            return None;
        }
        let range = self
            .content
            .file_range(self.current.start, most.min(MOST_SENT))?;
        self.current.start += range.len() as u64;
        self.owed = self.owed.saturating_sub(range.len() as u64);
        Some(range)
    }

    fn give(&mut self, bytes: Bytes) -> Poll<io::Result<Bytes>> {
        self.owed = self.owed.saturating_sub(bytes.len() as u64);
        Poll::Ready(Ok(bytes))
    }
}

/// Whole pieces of files can be left to the kernel: see [`FileBody`].
impl FileBody for ResponseBody {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<BodyPiece>>> {
        if let State::Stream(stream) = &mut self.state
            && let Some(range) = stream.file_range()
        {
            if self.owed() == 0 {
                self.state = State::Empty;
            }
            return Poll::Ready(Some(Ok(BodyPiece::File(range))));
        }
        self.poll_frame(context)
            .map(|frame| frame.map(|frame| frame.map(BodyPiece::Frame)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match &mut self.state {
            State::Empty => return Poll::Ready(None),
            State::Full(bytes) => Ok(std::mem::take(bytes)),
            State::Stream(stream) => ready!(stream.poll(context)),
        };
        // After an error too: there is nothing more to read, so the file is closed before the body is dropped.
        if frame.is_err() || self.owed() == 0 {
            self.state = State::Empty;
        }
        Poll::Ready(Some(frame.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.owed())
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("owed", &self.owed())
            .finish_non_exhaustive()
    }
}
