//! What a page of an error is told.

use std::error::Error as StdError;

use gateway_core::FailedBy;
use gateway_core::request::accept::Accept;
use http::{HeaderMap, Method, StatusCode};

/// An error that is to be shown: what the function of [`ErrorPages`](super::ErrorPages) is called with.
#[derive(Debug)]
pub struct ErrorPage<'r> {
    pub(super) status: StatusCode,
    pub(super) request: &'r Asked,
    pub(super) headers: &'r HeaderMap,
    pub(super) failed_by: Option<&'r FailedBy>,
}

impl ErrorPage<'_> {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the status is called: `Not Found`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        reason(self.status)
    }

    /// The method of the request.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// SCRIPT_NAME as the client encoded it: what links of this site begin with. Empty at the root.
    #[must_use]
    pub fn script_name(&self) -> &str {
        &self.request.script_name
    }

    /// PATH_INFO as the client encoded it.
    #[must_use]
    pub fn path_info(&self) -> &str {
        &self.request.path_info
    }

    /// The header fields of the response, such as `Allow` and `Retry-After`.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// The id under which the log has the failure: for a client that asks what went wrong. `None` where nothing was
    /// logged, as of a 404, and where no `ExceptionsLayer` is inside.
    ///
    /// ```
    /// use gateway_core::Reply;
    /// use gateway_web::ErrorPage;
    ///
    /// fn page(page: &ErrorPage<'_>) -> Reply {
    ///     match page.id() {
    ///         Some(id) => Reply::html(format!("<h1>{}</h1><p>Please tell us this number: {id}</p>", page.reason())),
    ///         None => Reply::html(format!("<h1>{}</h1>", page.reason())),
    ///     }
    /// }
    /// # let _ = gateway_web::ErrorPages::new(page);
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.failed_by?.id()
    }

    /// The error behind the response, where there is one. Its text may hold secrets: the page of a 5xx should not
    /// show it.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.failed_by?.error()
    }
}

/// What is kept of a request until its response comes.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) script_name: Box<str>,
    pub(super) path_info: Box<str>,
    pub(super) format: Format,
}

/// How the client would have its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The site's page.
    Html,
    /// `application/problem+json` (RFC 9457).
    Problem,
    /// As the component wrote it: the client wants neither.
    Bare,
}

impl Format {
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let offered = ["text/html", "application/json", "application/problem+json"];
        match Accept::of(headers).best(&offered) {
            Some("text/html") => Self::Html,
            Some(_) => Self::Problem,
            None => Self::Bare,
        }
    }
}

pub(super) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}
