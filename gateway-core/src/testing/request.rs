use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};

use super::response::{Answer, TestResponse};
use crate::Body;
use crate::paths::RecordPathLayer;
use crate::request::ConnInfo;

/// A request in the making.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder<'a> {
    client: &'a Answerer,
    request: http::request::Builder,
    body: Body,
    expected: Option<StatusCode>,
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(client: &'a Answerer, method: Method, uri: &str) -> Self {
        Self {
            client,
            request: Request::builder().method(method).uri(uri),
            body: Body::empty(),
            expected: None,
        }
    }

    /// One more header field.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName, Error: Into<http::Error>>,
        value: impl TryInto<HeaderValue, Error: Into<http::Error>>,
    ) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// The body. A Content-Length is declared where the length is known.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// A form, encoded as `application/x-www-form-urlencoded`.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        let encoded = encoded.extend_pairs(fields).finish();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.header(header::CONTENT_TYPE, form).body(encoded)
    }

    /// The connection the request seems to come over. Default: unknown.
    pub fn conn(self, conn: ConnInfo) -> Self {
        self.extension(crate::request::Arrival::over(conn))
    }

    /// A request extension.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request = self.request.extension(value);
        self
    }

    /// Says that the answer is to be `status`: another one fails the test, and a 5xx that was
    /// expected is not printed.
    pub fn expecting(mut self, status: u16) -> Self {
        self.expected = StatusCode::from_u16(status).ok();
        self
    }

    /// Sends it and waits for the whole response.
    ///
    /// # Panics
    ///
    /// The parts do not make a request, or the status is not the one that was
    /// [expected](Self::expecting). A panic of the application comes through.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failing test is what this is for")]
    pub fn send(self) -> TestResponse {
        use http_body::Body as _;

        let length = self.body.size_hint().exact();
        let mut request = match self.request.body(self.body) {
            Ok(request) => request,
            Err(error) => panic!("not a request: {error}"),
        };
        if let Some(length) = length.filter(|length| *length > 0) {
            let headers = request.headers_mut();
            let declared = headers.entry(header::CONTENT_LENGTH);
            declared.or_insert_with(|| HeaderValue::from(length));
        }
        if !request.headers().contains_key(header::HOST) && request.uri().authority().is_none() {
            let host = HeaderValue::from_static("localhost");
            request.headers_mut().insert(header::HOST, host);
        }
        // As a server does.
        RecordPathLayer::record(&mut request);
        let head = request.method() == Method::HEAD;
        let line = format!("{} {}", request.method(), request.uri());
        let response = TestResponse::new(line, (self.client.0)(request), head);
        response.judge(self.expected);
        response
    }
}

/// What a client puts its requests to.
#[derive(Clone)]
pub(super) struct Answerer(pub(super) Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>);

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
