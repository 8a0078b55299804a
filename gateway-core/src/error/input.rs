//! What reading a request's body fails with.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::iter;

use http::StatusCode;

type Cause = Box<dyn StdError + Send + Sync>;

/// Inside the [`io::Error`] of a read that the client made fail: so `?` knows whose fault it was.
#[derive(Debug)]
pub(crate) struct InputError {
    /// `None`: nothing came for too long.
    cause: Option<Cause>,
}

impl InputError {
    pub(crate) fn broken(cause: Cause) -> io::Error {
        Self::of_kind(io::ErrorKind::Other, cause)
    }

    pub(crate) fn of_kind(kind: io::ErrorKind, cause: Cause) -> io::Error {
        io::Error::new(kind, Self { cause: Some(cause) })
    }

    pub(crate) fn stalled() -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, Self { cause: None })
    }

    /// The status of the answer, where `error` is or comes of a failed read of the input.
    pub(crate) fn status_behind(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
        let sources = iter::successors(Some(error), |error| (*error).source());
        // A cycle of sources is possible.
        let mut causes = sources.take(32).filter_map(|error| {
            let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
            inner.downcast_ref::<Self>()
        });
        causes.next().map(|broken| match broken.cause {
            Some(_) => StatusCode::BAD_REQUEST,
            None => StatusCode::REQUEST_TIMEOUT,
        })
    }
}

/// As if it were the error it carries.
impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => cause.fmt(f),
            None => f.write_str("the rest of the request's body did not come in time"),
        }
    }
}

impl StdError for InputError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref()?.source()
    }
}
