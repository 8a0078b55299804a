//! multer, which is asynchronous, driven from a thread that may block: it is given one chunk whenever it has no more.

use std::io::BufRead;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use gateway_core::Input;
use multer::{Field, Multipart};

use super::error::{MultipartError, What};
use super::limits::UploadLimits;

/// How much the parser is given at once. It holds no more than one such chunk and the head of one part.
const CHUNK: usize = 32 * 1024;

/// The longest head of a part, boundary included, and the longest text in front of the first: 32 header fields of
/// browsers are far shorter.
const LONGEST_HEAD: usize = 16 * 1024;

/// RFC 2046 section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// A body being read, part by part.
pub(super) struct Reader {
    input: Input,
    parser: Multipart<'static>,
    supply: Arc<Mutex<Supply>>,
    /// The part that is read now, unless it is at its end.
    field: Option<Field<'static>>,
    /// Tells the parts from each other: only the last may be read.
    pub(super) part: usize,
    pub(super) limits: UploadLimits,
    taken: u64,
    ended: bool,
    ended_by: Option<EndedBy>,
}

/// What ended it: every later read fails in the same way.
#[derive(Clone)]
enum EndedBy {
    Upload(MultipartError),
    /// The input fails again with its own error.
    Input,
}

/// What reading comes to where it fails.
pub(super) enum ReadError {
    Upload(MultipartError),
    Input(std::io::Error),
}

/// The next chunk for the parser.
#[derive(Default)]
enum Supply {
    #[default]
    Nothing,
    Chunk(Bytes),
    End,
}

/// The parser's end of it.
struct Supplied(Arc<Mutex<Supply>>);

impl Stream for Supplied {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut supply = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match mem::take(&mut *supply) {
            // No waker is kept: the thread that polls supplies.
            Supply::Nothing => Poll::Pending,
            Supply::Chunk(chunk) => Poll::Ready(Some(Ok(chunk))),
            Supply::End => Poll::Ready(None),
        }
    }
}

impl Reader {
    /// `content_type` is that of the whole body.
    pub(super) fn new(
        input: Input,
        content_type: &str,
        limits: UploadLimits,
    ) -> Result<Self, MultipartError> {
        let boundary = multer::parse_boundary(content_type).map_err(MultipartError::of_parser)?;
        if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
            return Err(MultipartError::malformed(
                "a boundary has 1 to 70 characters",
            ));
        }
        let supply = Arc::default();
        Ok(Self {
            input,
            parser: Multipart::new(Supplied(Arc::clone(&supply)), boundary),
            supply,
            field: None,
            part: 0,
            limits,
            taken: 0,
            ended: false,
            ended_by: None,
        })
    }

    /// The header fields of the next part; what is left of the present one is read and forgotten.
    pub(super) fn next_part(&mut self) -> Result<Option<http::HeaderMap>, ReadError> {
        self.check()?;
        let result = self.find_part();
        self.remembered(result)
    }

    fn find_part(&mut self) -> Result<Option<http::HeaderMap>, ReadError> {
        while self.read_chunk()?.is_some() {}
        let mut budget = Some(LONGEST_HEAD);
        let mut context = Context::from_waker(Waker::noop());
        let field = loop {
            match self.parser.poll_next_field(&mut context) {
                Poll::Ready(field) => break field.map_err(malformed)?,
                Poll::Pending => self.supply(&mut budget)?,
            }
        };
        let Some(field) = field else {
            // What follows the last boundary is to be ignored (RFC 2046 section 5.1.1); the server takes care of it.
            return Ok(None);
        };
        self.part += 1;
        if self.part > self.limits.parts {
            return Err(ReadError::Upload(MultipartError::new(What::TooManyParts(
                self.limits.parts,
            ))));
        }
        let headers = field.headers().clone();
        self.field = Some(field);
        Ok(Some(headers))
    }

    /// The next piece of the present part. `None` at its end.
    pub(super) fn chunk(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.check()?;
        let result = self.read_chunk();
        self.remembered(result)
    }

    fn read_chunk(&mut self) -> Result<Option<Bytes>, ReadError> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let Some(field) = &mut self.field else {
                return Ok(None);
            };
            match Pin::new(field).poll_next(&mut context) {
                Poll::Ready(Some(Ok(chunk))) if chunk.is_empty() => {}
                Poll::Ready(Some(Ok(chunk))) => return Ok(Some(chunk)),
                Poll::Ready(Some(Err(error))) => return Err(malformed(error)),
                Poll::Ready(None) => self.field = None,
                Poll::Pending => self.supply(&mut None)?,
            }
        }
    }

    /// Gives the parser the next chunk of the input, or its end, which it must not ask for twice.
    fn supply(&mut self, budget: &mut Option<usize>) -> Result<(), ReadError> {
        if self.ended {
            return Err(cut_short());
        }
        let most = budget.unwrap_or(CHUNK).min(CHUNK);
        if most == 0 {
            return Err(ReadError::Upload(MultipartError::malformed(
                "the head of a part is too long, or the boundary is missing",
            )));
        }
        let available = self.input.fill_buf().map_err(ReadError::Input)?;
        let chunk = Bytes::copy_from_slice(available.get(..most).unwrap_or(available));
        self.input.consume(chunk.len());
        self.taken += chunk.len() as u64;
        if self.taken > self.limits.whole {
            return Err(ReadError::Upload(MultipartError::new(What::WholeTooLong(
                self.limits.whole,
            ))));
        }
        *budget = budget.map(|left| left.saturating_sub(chunk.len()));
        let mut supply = self.supply.lock().unwrap_or_else(PoisonError::into_inner);
        if chunk.is_empty() {
            self.ended = true;
            *supply = Supply::End;
        } else {
            *supply = Supply::Chunk(chunk);
        }
        Ok(())
    }

    /// Fails where it failed before.
    fn check(&mut self) -> Result<(), ReadError> {
        match &self.ended_by {
            None => Ok(()),
            Some(EndedBy::Upload(error)) => Err(ReadError::Upload(error.clone())),
            Some(EndedBy::Input) => {
                let failed = self.input.fill_buf().map(drop);
                Err(failed.map_or_else(ReadError::Input, |()| cut_short()))
            }
        }
    }

    pub(super) fn fail(&mut self, error: &MultipartError) {
        self.field = None;
        self.ended_by = Some(EndedBy::Upload(error.clone()));
    }

    fn remembered<T>(&mut self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        match &result {
            Ok(_) => {}
            Err(ReadError::Upload(error)) => self.fail(error),
            Err(ReadError::Input(_)) => self.ended_by = Some(EndedBy::Input),
        }
        result
    }
}

fn cut_short() -> ReadError {
    ReadError::Upload(MultipartError::malformed("the upload is cut short"))
}

fn malformed(error: multer::Error) -> ReadError {
    ReadError::Upload(MultipartError::of_parser(error))
}
