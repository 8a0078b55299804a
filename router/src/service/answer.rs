//! The router's own responses: a line of text or an empty body.
//!
//! Answers of status 4xx carry the mark of a bare answer, which a site's error pages may replace.

use bytes::Bytes;
use gateway_core::FailedBy;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::resolve::Unread;

pub(crate) fn not_found() -> Response<Bytes> {
    let response = text(StatusCode::NOT_FOUND, "Not Found\n");
    FailedBy::bare().attach(response)
}

pub(crate) fn not_utf8() -> Response<Bytes> {
    let response = text(
        StatusCode::BAD_REQUEST,
        "Bad Request: the path is not UTF-8\n",
    );
    FailedBy::bare_with(Unread::NotUtf8).attach(response)
}

pub(crate) fn method_not_allowed(allow: &str) -> Response<Bytes> {
    let response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    FailedBy::bare().attach(with(response, ALLOW, allow))
}

pub(crate) fn redirect(location: &str) -> Response<Bytes> {
    with(text(StatusCode::PERMANENT_REDIRECT, ""), LOCATION, location)
}

pub(crate) fn options(allow: &str) -> Response<Bytes> {
    with(no_content(), ALLOW, allow)
}

pub(crate) fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn with(mut response: Response<Bytes>, name: HeaderName, value: &str) -> Response<Bytes> {
    // Relative references and methods are visible ASCII; a path that is not
    // gets no redirect.
    match HeaderValue::try_from(value) {
        Ok(value) => {
            response.headers_mut().insert(name, value);
            response
        }
        Err(_) => not_found(),
    }
}
