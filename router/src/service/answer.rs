//! What the router answers by itself.

use bytes::Bytes;
use gateway_core::ConnInfo;
use http::header::{ALLOW, LOCATION};
use http::{Extensions, HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::development;
use super::plain::{no_content, not_found, text};
use super::resolve::{Outcome, Shared};

/// Where nothing matches and there is no fallback.
pub(crate) fn unrouted(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    extensions: &Extensions,
    conn: Option<&ConnInfo>,
) -> Response<Bytes> {
    // RFC 9110, section 9.3.7: `*` asks about the server as a whole. That it is
    // there is all that is true of every route; `Allow` is about one resource.
    if *method == Method::OPTIONS && !path.starts_with('/') {
        return no_content();
    }
    development::page(shared, method, path, headers, extensions, conn).unwrap_or_else(not_found)
}

pub(crate) fn own_response(outcome: &Outcome<'_>) -> Response<Bytes> {
    let with = |mut response: Response<Bytes>, name, value: &str| {
        // Relative references and methods are visible ASCII; a path that is not
        // gets no redirect.
        match HeaderValue::try_from(value) {
            Ok(value) => {
                response.headers_mut().insert(name, value);
                response
            }
            Err(_) => not_found(),
        }
    };
    match outcome {
        Outcome::Redirect(location) => {
            with(text(StatusCode::PERMANENT_REDIRECT, ""), LOCATION, location)
        }
        Outcome::MethodNotAllowed(allow) => with(
            text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n"),
            ALLOW,
            allow,
        ),
        Outcome::Options(allow) => with(no_content(), ALLOW, allow),
        Outcome::BadPath => text(
            StatusCode::BAD_REQUEST,
            "Bad Request: the path is not UTF-8\n",
        ),
        Outcome::Miss { .. } | Outcome::Route(_) | Outcome::Mount { .. } => not_found(),
    }
}
