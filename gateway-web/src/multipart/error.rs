//! What can be wrong with an upload.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_core::{BoxError, Error, Input};
use http::StatusCode;
use http_body::{Body, Frame};
use http_body_util::{Full, Limited};

/// What is wrong with an upload. Through `?` it is answered with 413 where it is [too large](Self::is_too_large), and
/// with 400 otherwise.
#[derive(Clone, Debug)]
pub struct MultipartError {
    what: What,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Not RFC 7578: a boundary that is missing, a body that ends too early, a head that is none.
    Malformed(&'static str),
    TooManyParts(usize),
    FieldTooLong {
        name: String,
        limit: u64,
    },
    WholeTooLong(u64),
}

impl MultipartError {
    pub(super) fn new(what: What) -> Self {
        let source = match &what {
            What::Malformed(_) => None,
            _ => length_limit().map(Arc::from),
        };
        Self { what, source }
    }

    pub(super) fn malformed(what: &'static str) -> Self {
        Self::new(What::Malformed(what))
    }

    pub(super) fn of_parser(error: multer::Error) -> Self {
        Self {
            what: What::Malformed("the body is no multipart/form-data"),
            source: Some(Arc::new(error)),
        }
    }

    /// Whether it is larger than the [limits](super::UploadLimits).
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        !matches!(self.what, What::Malformed(_))
    }

    #[track_caller]
    pub(super) fn answered(self) -> Error {
        let status = if self.is_too_large() {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        Error::new(status, self)
    }

    /// As what reading a part fails with. [`Error`] knows by an [`Input`] that failed whose fault it was, so one fails.
    pub(super) fn into_io(self) -> io::Error {
        let failing = FailingBody { error: Some(self) };
        match Input::from_body(failing).read(&mut [0]) {
            Err(error) => error,
            Ok(_) => io::ErrorKind::InvalidData.into(),
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Malformed(what) => f.write_str(what),
            What::TooManyParts(limit) => write!(f, "the upload has more than {limit} parts"),
            What::FieldTooLong { name, limit } => {
                write!(f, "`{}` is longer than {limit} bytes", name.escape_debug())
            }
            What::WholeTooLong(limit) => write!(f, "the upload is longer than {limit} bytes"),
        }
    }
}

impl StdError for MultipartError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A body that fails at once.
struct FailingBody {
    error: Option<MultipartError>,
}

impl Body for FailingBody {
    type Data = Bytes;
    type Error = MultipartError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MultipartError>>> {
        Poll::Ready(self.error.take().map(Err))
    }
}

/// The error of a body that is too long, which layers and adapters know: http-body-util makes it in no other way.
fn length_limit() -> Option<BoxError> {
    let body = pin!(Limited::new(Full::new(Bytes::from_static(b"x")), 0));
    match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_read_is_answered_as_the_clients_fault() {
        let malformed = MultipartError::malformed("cut short").into_io();
        assert_eq!(malformed.to_string(), "cut short");
        assert_eq!(Error::from(malformed).status(), 400);
        let too_long = MultipartError::new(What::WholeTooLong(7)).into_io();
        assert_eq!(too_long.to_string(), "the upload is longer than 7 bytes");
        assert_eq!(Error::from(too_long).status(), 413);
    }
}
