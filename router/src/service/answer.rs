//! What the router answers by itself.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use super::development::{self, Question};
use super::plain::{no_content, not_found, text};
use super::resolve::{Outcome, Shared};

/// Where nothing matches and there is no fallback.
pub(crate) enum Unrouted {
    Answer(Response<Bytes>),
    /// The answer depends on the client.
    Question(Question),
}

pub(crate) fn unrouted(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    parts: impl FnOnce() -> Parts,
) -> Unrouted {
    // RFC 9110, section 9.3.7: `*` asks about the server as a whole. That it is
    // there is all that is true of every route; `Allow` is about one resource.
    if *method == Method::OPTIONS && !path.starts_with('/') {
        return Unrouted::Answer(no_content());
    }
    let question = if shared.settings.development.is_off() {
        None
    } else {
        development::question(shared, &parts(), path)
    };
    question.map_or_else(|| Unrouted::Answer(not_found()), Unrouted::Question)
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
