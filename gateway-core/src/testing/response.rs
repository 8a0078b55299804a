use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::error::FailureText;
use crate::{Body, BoxError, Error};

pub(super) type Answer = Result<http::Response<Body>, Error>;

/// A whole response.
///
/// The `assert_` methods panic with the request, the status and the body, and return the response
/// so that they chain.
pub struct TestResponse {
    // "GET /path", for messages.
    request: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    cut_short: Option<BoxError>,
    failure: Option<String>,
}

impl TestResponse {
    pub(super) fn new(request: String, answer: Answer, head: bool) -> Self {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                // What a gateway without any middleware answers.
                return Self {
                    request,
                    status: error.status(),
                    headers: HeaderMap::new(),
                    body: Bytes::new(),
                    cut_short: None,
                    failure: Some(format!("{error:?}")),
                };
            }
        };
        let (parts, mut body) = response.into_parts();
        let failure = parts.extensions.get().map(FailureText::to_string);
        let mut whole = Vec::new();
        let mut cut_short = None;
        // A gateway sends no body to HEAD, and does not ask for it.
        while !head && let Some(chunk) = body.next_chunk() {
            match chunk {
                Ok(chunk) => whole.extend_from_slice(&chunk),
                Err(error) => cut_short = Some(error),
            }
        }
        Self {
            request,
            status: parts.status,
            headers: parts.headers,
            body: whole.into(),
            cut_short,
            failure,
        }
    }

    /// Prints an unexpected failure, before an assertion hides it.
    #[track_caller]
    pub(super) fn judge(&self, expected: Option<StatusCode>) {
        let unexpected = expected != Some(self.status);
        if self.status.is_server_error() && unexpected {
            let failure = self
                .failure
                .as_deref()
                .unwrap_or("(no report came with it)");
            eprintln!(
                "{} was answered with {}:\n{failure}",
                self.request, self.status
            );
        }
        if let Some(expected) = expected {
            self.assert_status(expected.as_u16());
        }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first field `name`, if it is there and visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, as far as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error that cut the body short, if one did.
    #[must_use]
    pub fn cut_short(&self) -> Option<&BoxError> {
        self.cut_short.as_ref()
    }

    /// What went wrong behind a 5xx: the application's error, or the text that a middleware
    /// reported.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The status is `status`.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert!(
            self.status.as_u16() == status,
            "expected {status}, got {self}"
        );
        self
    }

    /// The field `name` is `value`.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        let found = self.header(name);
        assert!(
            found == Some(value),
            "expected `{name}: {value}`, got {found:?} in {self}"
        );
        self
    }

    /// There is no field `name`.
    #[track_caller]
    pub fn assert_no_header(&self, name: &str) -> &Self {
        let found = self.headers.get(name);
        assert!(
            found.is_none(),
            "expected no `{name}`, got {found:?} in {self}"
        );
        self
    }

    /// The body is `text`, and is whole.
    #[track_caller]
    pub fn assert_text(&self, text: &str) -> &Self {
        assert!(
            self.cut_short.is_none(),
            "cut short by {:?}: {self}",
            self.cut_short
        );
        assert!(self.body == text, "expected {text:?}, got {self}");
        self
    }

    /// The body holds `piece` somewhere.
    #[track_caller]
    pub fn assert_contains(&self, piece: &str) -> &Self {
        assert!(self.text().contains(piece), "expected {piece:?} in {self}");
        self
    }
}

/// The request, the status and the first of the body.
impl fmt::Display for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text().chars().take(1000).collect();
        write!(f, "{} -> {}: {text:?}", self.request, self.status)
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse")
            .field("request", &self.request)
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
