use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use crate::{Body, BoxError, Error, FailedBy};

/// What an application answers with: `http`'s response with our [`Body`].
pub type Response = http::Response<Body>;

/// A response in the making: what small applications return.
///
/// ```
/// use gateway_core::{Environ, Reply, escape};
///
/// fn hello_world(environ: &mut Environ) -> Reply {
///     let subject = environ.query("subject").unwrap_or("World".into());
///     Reply::html(format!("<h1>Hello {0}</h1><p>Hello {0}!</p>", escape(&subject)))
/// }
///
/// let mut environ = Environ::builder().uri("/?subject=%3CJohn%3E").build();
/// let response = hello_world(&mut environ).into_response().unwrap();
/// assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
/// assert_eq!(response.into_body().into_bytes().unwrap(), "<h1>Hello &lt;John&gt;</h1><p>Hello &lt;John&gt;!</p>");
/// ```
///
/// It is a type and not a trait, so that `fn(&mut Environ) -> Reply` says what it means.
#[must_use = "a reply does nothing unless it is returned"]
pub struct Reply {
    // A header that cannot be is reported when the reply is used, so that calls chain.
    response: Result<Response, Error>,
}

impl Reply {
    /// An empty body with `status`.
    pub fn status(status: StatusCode) -> Self {
        Self::new(Body::empty()).with_status(status)
    }

    /// `body` with 200 and no Content-Type.
    pub fn new(body: impl Into<Body>) -> Self {
        Self {
            response: Ok(Response::new(body.into())),
        }
    }

    /// An HTML page: `text/html; charset=utf-8`.
    pub fn html(page: impl Into<Body>) -> Self {
        Self::new(page).content_type(HeaderValue::from_static("text/html; charset=utf-8"))
    }

    /// Text: `text/plain; charset=utf-8`.
    pub fn text(text: impl Into<Body>) -> Self {
        Self::new(text).content_type(HeaderValue::from_static("text/plain; charset=utf-8"))
    }

    /// JSON that is written already: `application/json`.
    pub fn json(document: impl Into<Body>) -> Self {
        Self::new(document).content_type(HeaderValue::from_static("application/json"))
    }

    /// 404 with a line of text. It is [bare](FailedBy::bare): a site's error pages may put theirs in its place.
    pub fn not_found() -> Self {
        let reply = Self::text("Not Found\n").with_status(StatusCode::NOT_FOUND);
        Self {
            response: reply
                .response
                .map(|response| FailedBy::bare().attach(response)),
        }
    }

    /// 303 See Other: where to go after a form was posted (RFC 9110 section 15.4.4).
    ///
    /// `location` is a relative reference wherever possible (`./page`): right below any mount.
    pub fn see_other(location: &str) -> Self {
        Self::status(StatusCode::SEE_OTHER).header("location", location)
    }

    /// 308 Permanent Redirect: the same request, elsewhere, for ever (RFC 9110 section 15.4.9).
    pub fn permanent_redirect(location: &str) -> Self {
        Self::status(StatusCode::PERMANENT_REDIRECT).header("location", location)
    }

    /// With another status. Default: 200.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        if let Ok(response) = &mut self.response {
            *response.status_mut() = status;
        }
        self
    }

    /// With one more header field. A field of that name that is there already stays, as Set-Cookie
    /// needs it; only Content-Type, Content-Length and Location are replaced.
    ///
    /// A name or value that no header may have (a line break in it, say) turns the whole reply
    /// into an error, which is answered with 500.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<BoxError>>,
        V: TryInto<HeaderValue, Error: Into<BoxError>>,
    {
        if let Ok(response) = &mut self.response {
            let name = name.try_into().map_err(Into::into);
            let value = value.try_into().map_err(Into::into);
            match name.and_then(|name| Ok((name, value?))) {
                Ok((name, value)) => {
                    let single = [
                        header::CONTENT_TYPE,
                        header::CONTENT_LENGTH,
                        header::LOCATION,
                    ];
                    if single.contains(&name) {
                        response.headers_mut().insert(name, value);
                    } else {
                        response.headers_mut().append(name, value);
                    }
                }
                Err(error) => {
                    let error: BoxError = error;
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    self.response = Err(Error::new(status, error));
                }
            }
        }
        self
    }

    fn content_type(mut self, value: HeaderValue) -> Self {
        if let Ok(response) = &mut self.response {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        self
    }

    /// The response.
    ///
    /// # Errors
    ///
    /// A header could not be.
    pub fn into_response(self) -> Result<Response, Error> {
        self.response
    }
}

/// A response that another component made, such as a file of `middleware-static`, to be changed as any reply. Its
/// extensions stay, so that a [bare](FailedBy::is_bare) one still is.
///
/// ```
/// use gateway_core::{FailedBy, Reply};
/// use http::{Response, StatusCode};
///
/// let reply = Reply::from(FailedBy::bare().attach(Response::new("no such range")));
/// let response = reply.with_status(StatusCode::RANGE_NOT_SATISFIABLE).into_response()?;
/// assert!(FailedBy::of(response.extensions()).unwrap().is_bare());
/// # Ok::<(), gateway_core::Error>(())
/// ```
impl<B: Into<Body>> From<http::Response<B>> for Reply {
    fn from(response: http::Response<B>) -> Self {
        Self {
            response: Ok(response.map(Into::into)),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.response {
            Ok(response) => response.fmt(f),
            Err(error) => error.fmt(f),
        }
    }
}

/// What a handler may return.
///
/// `Result<R, E>` serves every error that can be boxed: [`Error`], `anyhow::Error`,
/// `eyre::Report`, your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reply of an application",
    label = "not a `Reply`, text, bytes, a status, a response, or a `Result` of these",
    note = "a future is none: an application is a plain `fn`, not an `async fn`; asynchronous code is a tower service as it is",
    note = "a value becomes text by `Reply::text(value.to_string())`, JSON that is written already by `Reply::json(text)`",
    note = "of a `Result`, the error converts to `Box<dyn Error + Send + Sync>`, as `gateway_core::Error` does"
)]
pub trait IntoReply {
    /// The response, or the error in place of one.
    ///
    /// # Errors
    ///
    /// The handler's own error, or a [`Reply`] with a header that cannot be.
    fn into_reply(self) -> Result<Response, Error>;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Response, Error> {
        self.response
    }
}

impl<B: Into<Body>> IntoReply for http::Response<B> {
    fn into_reply(self) -> Result<Response, Error> {
        Ok(self.map(Into::into))
    }
}

/// The error is boxed. An [`Error`] keeps its status and place on the way.
impl<R, E> IntoReply for Result<R, E>
where
    R: IntoReply,
    E: Into<BoxError>,
{
    fn into_reply(self) -> Result<Response, Error> {
        self.map_err(|error| Error::from_boxed(error.into()))?
            .into_reply()
    }
}

/// 200 and an empty body.
impl IntoReply for () {
    fn into_reply(self) -> Result<Response, Error> {
        Ok(Response::default())
    }
}

impl IntoReply for StatusCode {
    fn into_reply(self) -> Result<Response, Error> {
        Reply::status(self).into_response()
    }
}

/// The reply with another status.
impl<R: IntoReply> IntoReply for (StatusCode, R) {
    fn into_reply(self) -> Result<Response, Error> {
        let mut response = self.1.into_reply()?;
        *response.status_mut() = self.0;
        Ok(response)
    }
}

/// `text/plain; charset=utf-8`.
impl IntoReply for &'static str {
    fn into_reply(self) -> Result<Response, Error> {
        Reply::text(self).into_response()
    }
}

/// `text/plain; charset=utf-8`.
impl IntoReply for String {
    fn into_reply(self) -> Result<Response, Error> {
        Reply::text(self).into_response()
    }
}

/// `application/octet-stream`.
impl IntoReply for Vec<u8> {
    fn into_reply(self) -> Result<Response, Error> {
        Bytes::from(self).into_reply()
    }
}

/// `application/octet-stream`.
impl IntoReply for Bytes {
    fn into_reply(self) -> Result<Response, Error> {
        let octets = HeaderValue::from_static("application/octet-stream");
        Reply::new(self).content_type(octets).into_response()
    }
}

/// The body with no Content-Type.
impl IntoReply for Body {
    fn into_reply(self) -> Result<Response, Error> {
        Ok(Response::new(self))
    }
}
