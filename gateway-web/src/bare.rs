//! The bare answer of a component: a status and its name, which a site's error pages may replace.

use gateway_core::{Error, FailedBy, Response};
use http::{HeaderValue, StatusCode, header};

/// What a gateway without any middleware answers to an error.
#[cfg(any(feature = "error-pages", feature = "session"))]
pub(crate) fn answer(error: Error) -> Response {
    let response = status(error.status());
    FailedBy::bare_with(error).attach(response)
}

/// A status alone.
pub(crate) fn status<B: From<String>>(status: StatusCode) -> http::Response<B> {
    let text = format!("{}\n", status.canonical_reason().unwrap_or("Error"));
    let mut response = http::Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    FailedBy::bare().attach(response)
}
