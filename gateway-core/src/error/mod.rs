//! Any error, and what an application's errors remember: where `?` met them, and their status.

mod foreign;
pub(crate) mod input;

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use http::StatusCode;

pub use foreign::{Foreign, ForeignFrame};
use input::InputError;

/// Any error, boxed: what tower and hyper speak.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What an application fails with: any error, where `?` met it, and the status to answer with.
///
/// `?` turns every [`std::error::Error`] into one and remembers the line of that `?`:
///
/// ```
/// use gateway_core::{Environ, Error, Reply};
///
/// fn show(environ: &mut Environ) -> Result<Reply, Error> {
///     let id: u32 = environ.query("id").unwrap_or_default().parse()?;
///     Ok(Reply::text(format!("order {id}")))
/// }
///
/// let error = show(&mut Environ::builder().uri("/?id=seven").build()).unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// assert!(error.location().unwrap().file().ends_with(".rs"));
/// ```
///
/// Like `anyhow::Error` it does not implement [`std::error::Error`] itself (then `?` could not
/// take every error). Converted to a [`BoxError`] it becomes a [`Failure`], which does, and which
/// keeps the status and the place through any stack of tower services.
pub struct Error {
    failure: Box<Failure>,
}

impl Error {
    /// An error that is answered with `status`.
    ///
    /// ```
    /// use gateway_core::Error;
    /// use http::StatusCode;
    ///
    /// let error = Error::new(StatusCode::NOT_FOUND, "no such page");
    /// assert_eq!(error.status(), StatusCode::NOT_FOUND);
    /// ```
    #[track_caller]
    pub fn new(status: StatusCode, cause: impl Into<BoxError>) -> Self {
        let failure = Failure {
            cause: cause.into(),
            status,
            type_name: None,
            location: Some(Location::caller()),
        };
        Self {
            failure: Box::new(failure),
        }
    }

    /// An error of our own making: a message, answered with 500.
    #[track_caller]
    pub fn msg(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message.to_string())
    }

    /// Takes a boxed error. A [`Failure`] in the box keeps its status and place; of anything else
    /// the place is not known, and the status is 500 unless reading the [`Input`](crate::Input) failed.
    #[must_use]
    pub fn from_boxed(error: BoxError) -> Self {
        let failure = error.downcast().unwrap_or_else(|cause: BoxError| {
            let status = status_of(&*cause);
            Box::new(Failure {
                cause,
                status,
                type_name: None,
                location: None,
            })
        });
        Self { failure }
    }

    /// The same error, answered with `status`. Default: 500; 400, 408 or 413 where the client broke off,
    /// stalled or sent too much while its [`Input`](crate::Input) was read.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.failure.status = status;
        self
    }

    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.failure.status
    }

    /// Where `?` met the error, or where it was made; `None` if it came in a box from elsewhere.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.failure.location
    }

    /// The error itself, to downcast or to walk its [`source`](StdError::source)s.
    #[must_use]
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.failure.cause
    }
}

/// Remembers the place of the `?`.
impl<E> From<E> for Error
where
    E: StdError + Send + Sync + 'static,
{
    #[track_caller]
    fn from(error: E) -> Self {
        // `Failure` itself may come by `?` when the caller passed a boxed error on by type.
        let location = Location::caller();
        let mut error = Self::from_boxed(Box::new(error));
        let failure = &mut error.failure;
        failure.location.get_or_insert(location);
        failure.type_name.get_or_insert(type_name::<E>());
        error
    }
}

impl From<Error> for BoxError {
    /// The box holds a [`Failure`].
    fn from(error: Error) -> Self {
        error.failure
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.failure, f)
    }
}

/// The error, its causes and its place, one a line: what `fn main() -> Result<(), Error>` prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.failure, f)?;
        let mut source = self.failure.cause.source();
        // A cycle of sources is possible; a person does not read past a few dozen.
        for _ in 0..32 {
            let Some(cause) = source else { break };
            write!(f, "\ncaused by: {cause}")?;
            source = cause.source();
        }
        match self.failure.location {
            Some(location) => write!(f, "\nat {location}"),
            None => Ok(()),
        }
    }
}

/// An [`Error`] on its way through tower, in a [`BoxError`]: the type to downcast to.
///
/// It shows the error it carries as if it were that error: same text, same sources.
///
/// ```
/// use gateway_core::error::Failure;
/// use gateway_core::{BoxError, Error};
/// use http::StatusCode;
///
/// let boxed: BoxError = Error::new(StatusCode::CONFLICT, "edited meanwhile").into();
/// let failure = boxed.downcast_ref::<Failure>().unwrap();
/// assert_eq!(failure.status(), StatusCode::CONFLICT);
/// assert_eq!(boxed.to_string(), "edited meanwhile");
/// ```
#[derive(Debug)]
pub struct Failure {
    cause: BoxError,
    status: StatusCode,
    type_name: Option<&'static str>,
    location: Option<&'static Location<'static>>,
}

impl Failure {
    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Where `?` met the error, or where it was made, if that is known.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The name of the error's type, where `?` knew it.
    #[must_use]
    pub fn type_name(&self) -> Option<&'static str> {
        self.type_name
    }

    /// The error itself.
    #[must_use]
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.cause
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

/// The status that answers an error of a service, where no response has begun.
///
/// It is the one that a [`Failure`] carries. Otherwise 400, 408 or 413 where reading the [`Input`](crate::Input) failed and the client
/// made it fail, and 500 for all else. An interim status (1xx) answers nothing: it is 500 as well.
///
/// ```
/// use gateway_core::error::status_of;
/// use gateway_core::{BoxError, Error};
/// use http::StatusCode;
///
/// let conflict: BoxError = Error::new(StatusCode::CONFLICT, "edited meanwhile").into();
/// assert_eq!(status_of(&*conflict), StatusCode::CONFLICT);
/// assert_eq!(status_of(&std::fmt::Error), StatusCode::INTERNAL_SERVER_ERROR);
/// ```
#[must_use]
pub fn status_of(error: &(dyn StdError + 'static)) -> StatusCode {
    let status = match error.downcast_ref::<Failure>() {
        Some(failure) => Some(failure.status),
        None => InputError::status_behind(error),
    };
    status
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The last of an error's sources, where the failure has been logged already: so says the middleware
/// that reports failures, and the gateway does not log it a second time.
///
/// ```
/// use gateway_core::error::Reported;
/// use std::{error::Error, fmt};
///
/// #[derive(Debug)]
/// struct CutShort;
///
/// impl fmt::Display for CutShort {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the response was cut short")
///     }
/// }
///
/// impl Error for CutShort {
///     fn source(&self) -> Option<&(dyn Error + 'static)> {
///         Some(&Reported)
///     }
/// }
///
/// assert!(Reported::is_behind(&CutShort));
/// assert!(!Reported::is_behind(&fmt::Error));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reported;

impl Reported {
    /// Whether the error or one of its sources is this.
    #[must_use]
    pub fn is_behind(error: &(dyn StdError + 'static)) -> bool {
        let mut next = Some(error);
        // Sources may go round in a circle.
        for _ in 0..64 {
            match next {
                Some(error) if error.is::<Self>() => return true,
                Some(error) => next = error.source(),
                None => break,
            }
        }
        false
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the failure has been reported")
    }
}

impl StdError for Reported {}

/// What a middleware knows of the failure behind a 5xx, as text for the developer: a response
/// extension, which no gateway sends and [`testing::Client`](crate::testing::Client) prints.
#[derive(Clone)]
pub struct FailureText(Arc<dyn fmt::Display + Send + Sync>);

impl FailureText {
    /// The text is formatted each time it is displayed, and not before.
    pub fn new(text: impl fmt::Display + Send + Sync + 'static) -> Self {
        Self(Arc::new(text))
    }
}

impl fmt::Display for FailureText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for FailureText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailureText")
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}
