//! The groups of a URL as a type of the caller's.

use gateway_core::Error;
use http::StatusCode;
use serde::Deserialize;

use super::url_args::UrlArgs;

mod error;
mod groups;

pub use error::ParseError;

impl UrlArgs {
    /// The groups as a type of yours: a struct by the names of the groups, a
    /// tuple or a number by their order. Optional groups are `Option`s, or have a
    /// `serde(default)`. An `Option` alone is the one group, or `None` where the route has none: for a view of
    /// `books/new` and of `books/([0-9]+)/edit`.
    ///
    /// ```
    /// # use gateway_core::{Environ, Error, Reply, Application};
    /// # use router::{Router, RequestUrlArgs};
    /// fn article(environ: &mut Environ) -> Result<Reply, Error> {
    ///     let (year, slug): (u16, String) = environ.url_args().unwrap().parse()?;
    ///     Ok(Reply::text(format!("{slug} of {year}")))
    /// }
    /// let urls = Router::builder().get(r"^articles/([0-9]+)/(.+)$", article).build()?;
    /// let error = urls.respond(&mut Environ::builder().uri("/articles/70000/x").build()).unwrap_err();
    /// assert_eq!(error.status(), 404);
    /// assert_eq!(error.to_string(), "`70000`, the argument 0, is not a number from 0 to 65535");
    /// # Ok::<(), router::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An [`Error`] that is answered with 404 and names the argument. Its cause is
    /// a [`ParseError`]. For another status see [`parse_or`](Self::parse_or). A type that fits no
    /// URL of the pattern is a [mistake of the program](ParseError::is_mistake), answered with 500.
    #[track_caller]
    pub fn parse<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        self.parse_or(StatusCode::NOT_FOUND)
    }

    /// [`parse`](Self::parse) with another status for values that do not fit, such as 400.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    #[track_caller]
    pub fn parse_or<'de, T: Deserialize<'de>>(&'de self, status: StatusCode) -> Result<T, Error> {
        match self.try_parse() {
            Ok(value) => Ok(value),
            Err(error) if error.is_mistake() => {
                Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, error))
            }
            Err(error) => Err(Error::new(status, error)),
        }
    }

    /// [`parse`](Self::parse) for code that answers by itself.
    ///
    /// # Errors
    ///
    /// What does not fit, and where.
    pub fn try_parse<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ParseError> {
        T::deserialize(groups::Groups::new(self)).map_err(|error| error.settle(self.names()))
    }
}
