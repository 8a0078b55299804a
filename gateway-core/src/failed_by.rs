//! What a response says of itself.

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use http::{Extensions, Response};

use crate::BoxError;
use crate::error::Failure;

/// What a response says of itself: which error is behind it, and whether its body may be replaced.
///
/// A response extension. A handler that turns its error into a response attaches one, so that
/// a layer around it (a log, `middleware-exceptions`) still has the error:
///
/// ```
/// use gateway_core::FailedBy;
/// use http::{Response, StatusCode};
///
/// let error: std::num::ParseIntError = "seven".parse::<u32>().unwrap_err();
/// let mut response = Response::new("oops");
/// *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
/// let response = FailedBy::new(error).attach(response);
///
/// let failed_by = FailedBy::of(response.extensions()).unwrap();
/// assert_eq!(failed_by.error().unwrap().to_string(), "invalid digit found in string");
/// assert!(!failed_by.is_bare());
/// ```
///
/// A component that answers with a bare status, such as a router's 404, attaches
/// [`bare`](Self::bare): a site's error pages may then replace the body. The status and the
/// headers other than those of the content (`Allow`, `Content-Range`, `WWW-Authenticate`) stay.
#[derive(Clone)]
pub struct FailedBy {
    error: Option<Arc<dyn StdError + Send + Sync>>,
    type_name: Option<&'static str>,
    location: Option<&'static Location<'static>>,
    id: Option<Arc<str>>,
    is_bare: bool,
}

impl FailedBy {
    /// The error behind a response whose body is the program's own, and stays.
    ///
    /// Where it failed is known if `error` is an [`Error`](crate::Error) or a [`Failure`], which
    /// remember the place of their `?`; otherwise [`at`](Self::at) can tell.
    pub fn new<E: Into<BoxError>>(error: E) -> Self {
        let error = error.into();
        let failure = error.downcast_ref::<Failure>();
        let (type_name, location) = match failure {
            Some(failure) => (failure.type_name(), failure.location()),
            // Of a box the type is not known.
            None => (
                Some(type_name::<E>()).filter(|name| !name.contains("dyn ")),
                None,
            ),
        };
        Self {
            error: Some(error.into()),
            type_name,
            location,
            id: None,
            is_bare: false,
        }
    }

    /// A bare answer of a component, without an error: a 404 of a router, a 405, a 416.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            error: None,
            type_name: None,
            location: None,
            id: None,
            is_bare: true,
        }
    }

    /// The error behind a bare answer of a component: the body may be replaced.
    pub fn bare_with<E: Into<BoxError>>(error: E) -> Self {
        Self {
            is_bare: true,
            ..Self::new(error)
        }
    }

    /// Says where it failed. Default: the place that the error itself remembers, if it does.
    #[must_use]
    pub fn at(mut self, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        self
    }

    /// Says under which id the log has the failure, for a page that tells it to the client. A layer that logs failures says
    /// so, as `middleware-exceptions` does. Default: none.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Puts this into the extensions of `response`, in place of one that it had.
    #[must_use]
    pub fn attach<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }

    /// What a response with these extensions says of itself.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The error, with its [`source`](StdError::source)s; `None` for a bare answer without one.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.error.as_deref()
    }

    /// The same error, shared.
    #[must_use]
    pub fn shared_error(&self) -> Option<Arc<dyn StdError + Send + Sync>> {
        self.error.clone()
    }

    /// The name of the error's type, where it is known.
    #[must_use]
    pub fn type_name(&self) -> Option<&'static str> {
        self.type_name
    }

    /// Where it failed, where that is known.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The id under which the log has the failure, where a layer said so.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the body is a component's bare answer, which may be replaced.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.is_bare
    }
}

impl fmt::Debug for FailedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedBy")
            .field("error", &self.error)
            .field("location", &self.location)
            .field("id", &self.id)
            .field("is_bare", &self.is_bare)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn an_error_that_remembers_its_place_tells_it() {
        let failed = || -> Result<u32, Error> { Ok("seven".parse::<u32>()?) };
        let failed_by = FailedBy::new(failed().unwrap_err());
        assert!(
            failed_by
                .location()
                .unwrap()
                .file()
                .ends_with("failed_by.rs")
        );
        assert_eq!(
            failed_by.type_name(),
            Some("core::num::error::ParseIntError")
        );
    }

    #[test]
    fn of_another_error_the_place_is_unknown_until_it_is_told() {
        let failed_by = FailedBy::new(fmt::Error);
        assert!(failed_by.location().is_none());
        assert_eq!(failed_by.type_name(), Some("core::fmt::Error"));
        assert_eq!(FailedBy::new(BoxError::from("boxed")).type_name(), None);
        let here = Location::caller();
        assert_eq!(failed_by.at(here).location(), Some(here));
    }

    #[test]
    fn only_a_bare_answer_may_be_replaced() {
        assert!(!FailedBy::new(fmt::Error).is_bare());
        assert!(FailedBy::bare().is_bare());
        assert!(FailedBy::bare().error().is_none());
        assert!(
            FailedBy::bare_with(fmt::Error)
                .error()
                .unwrap()
                .is::<fmt::Error>()
        );
    }

    #[test]
    fn the_last_one_attached_is_read() {
        let response = FailedBy::bare().attach(Response::new(()));
        let response = FailedBy::new(fmt::Error).attach(response);
        assert!(!FailedBy::of(response.extensions()).unwrap().is_bare());
    }
}
