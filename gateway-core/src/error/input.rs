//! What reading a request's body fails with.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::iter;
use std::sync::Arc;

use http::StatusCode;
use http_body_util::LengthLimitError;

/// How many sources of an error are looked at: they may go round in a circle.
const SOURCES: usize = 32;

/// Inside the [`io::Error`] of a read that the client made fail: so `?` knows whose fault it was.
///
/// It can be cloned, because every later read of the input fails in the same way.
#[derive(Clone, Debug)]
pub(crate) struct InputError {
    kind: io::ErrorKind,
    why: Why,
}

#[derive(Clone, Debug)]
enum Why {
    /// Nothing came, or too little, for too long.
    Stalled,
    /// It is longer than so many bytes.
    TooLong(usize),
    /// The body's own error.
    Broken(Arc<dyn StdError + Send + Sync>),
}

impl InputError {
    pub(crate) fn broken(cause: Box<dyn StdError + Send + Sync>) -> Self {
        Self::of_kind(io::ErrorKind::Other, cause)
    }

    pub(crate) fn of_kind(kind: io::ErrorKind, cause: Box<dyn StdError + Send + Sync>) -> Self {
        Self {
            kind,
            why: Why::Broken(cause.into()),
        }
    }

    pub(crate) fn stalled() -> Self {
        Self {
            kind: io::ErrorKind::TimedOut,
            why: Why::Stalled,
        }
    }

    pub(crate) fn too_long(limit: usize) -> Self {
        Self {
            kind: io::ErrorKind::FileTooLarge,
            why: Why::TooLong(limit),
        }
    }

    /// Whether it stays so. Only a reader that has nothing yet may have something later.
    pub(crate) fn is_final(&self) -> bool {
        self.kind != io::ErrorKind::WouldBlock
    }

    /// The status of the answer, where `error` is or comes of a failed read of the input.
    pub(crate) fn status_behind(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
        let mut failed = sources(error).filter_map(|error| {
            let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
            inner.downcast_ref::<Self>()
        });
        failed.next().map(Self::status)
    }

    fn status(&self) -> StatusCode {
        match &self.why {
            Why::Stalled => StatusCode::REQUEST_TIMEOUT,
            Why::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Why::Broken(_) if self.kind == io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Why::Broken(cause) => sources(&**cause)
                .find_map(status_of_foreign)
                .unwrap_or(StatusCode::BAD_REQUEST),
        }
    }
}

fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error| (*error).source()).take(SOURCES)
}

/// What layers of other makes put into the bodies that they limit.
fn status_of_foreign(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    // Of tower-http's `RequestBodyLimitLayer`, and of axum's limits.
    if error.is::<LengthLimitError>() {
        return Some(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let io = error.downcast_ref::<io::Error>()?;
    match io.kind() {
        io::ErrorKind::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
        io::ErrorKind::FileTooLarge => Some(StatusCode::PAYLOAD_TOO_LARGE),
        _ => None,
    }
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        Self::new(error.kind, error)
    }
}

/// As if it were the error it carries.
impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Stalled => f.write_str("the rest of the request's body did not come in time"),
            Why::TooLong(limit) => write!(f, "the body is longer than {limit} bytes"),
            Why::Broken(cause) => cause.fmt(f),
        }
    }
}

impl StdError for InputError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.why {
            Why::Broken(cause) => cause.source(),
            Why::Stalled | Why::TooLong(_) => None,
        }
    }
}
