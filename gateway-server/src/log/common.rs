//! The access log as a line a request, in the Common Log Format: for people, and for the tools
//! that have read it since NCSA httpd.
//!
//! ```
//! use gateway_core::Body;
//! use gateway_server::common_log::CommonLogLayer;
//! use http::{Request, Response};
//! use tower::{Layer, service_fn};
//!
//! let service = service_fn(|_: Request<Body>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new("Hello World!".to_string()))
//! });
//! let logged = CommonLogLayer::stderr().layer(service);
//! // 192.0.2.7 - - [22/Nov/2026:12:38:17 +0000] "GET /hello HTTP/1.1" 200 12
//! # let _ = logged;
//! ```
//!
//! Secrets in a path, a query or a Referer (`?token=abc`, `code=..` of OAuth) are written as `[redacted]`.
//!
//! It logs what passes through it, under any server that says who is connected. Our servers also
//! send an event to `tracing` for every request they are sent, those refused unseen included, with
//! the target `gateway_server::access`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Buf;
use gateway_core::RequestExt;
use gateway_core::secrets::{Kind, without_secrets};
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

type Sink = Arc<Mutex<dyn Write + Send>>;

/// Writes a line for every request, when its response has gone out or been given up.
#[derive(Clone)]
#[must_use]
pub struct CommonLogLayer {
    sink: Sink,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Common,
    Combined,
}

impl CommonLogLayer {
    /// Lines go to `sink`, each in one `write_all`. It is called where responses are sent, so it
    /// should not block for long; what cannot be written is lost.
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self {
            sink: Arc::new(Mutex::new(sink)),
            format: Format::Common,
        }
    }

    /// Lines go to the process's standard error.
    pub fn stderr() -> Self {
        Self::new(io::stderr())
    }

    /// Adds Referer and User-Agent: the Combined Log Format. Default: without.
    pub fn combined(mut self) -> Self {
        self.format = Format::Combined;
        self
    }
}

impl fmt::Debug for CommonLogLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommonLogLayer")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CommonLogLayer {
    type Service = CommonLog<S>;

    fn layer(&self, inner: S) -> CommonLog<S> {
        CommonLog {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`CommonLogLayer`].
#[derive(Clone, Debug)]
pub struct CommonLog<S> {
    inner: S,
    layer: CommonLogLayer,
}

impl<S> CommonLog<S> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for CommonLog<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S::Future> {
        let line = Line::begin(&request, &self.layer);
        ResponseFuture {
            future: self.inner.call(request),
            line: Some(line),
        }
    }
}

pin_project! {
    /// The future of [`CommonLog`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        line: Option<Line>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let mut line = this.line.take();
        if let Some(line) = &mut line {
            line.status = Some(response.status().as_u16());
        }
        Poll::Ready(Ok(response.map(|body| ResponseBody { body, line })))
    }
}

pin_project! {
    /// The body of [`CommonLog`]'s responses: the inner one, counted.
    #[derive(Debug, Default)]
    pub struct ResponseBody<R> {
        #[pin]
        body: R,
        line: Option<Line>,
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let (Some(line), Some(data)) = (this.line, frame.data_ref())
        {
            line.bytes += data.remaining() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A line in the making. It is written when it is dropped.
struct Line {
    // All that is known at the beginning: everything before the status.
    head: String,
    status: Option<u16>,
    bytes: u64,
    // All that follows the number of bytes.
    tail: String,
    sink: Sink,
}

impl Line {
    fn begin<B>(request: &Request<B>, layer: &CommonLogLayer) -> Self {
        let mut head = String::with_capacity(128);
        match request.conn() {
            Some(conn) => match conn.peer().ip() {
                Some(ip) => drop(write!(head, "{ip}")),
                None => escape(&mut head, conn.peer().to_string().as_bytes()),
            },
            None => head.push('-'),
        }
        head.push_str(" - - ");
        date(&mut head, SystemTime::now());
        head.push_str(" \"");
        escape(&mut head, request.method().as_str().as_bytes());
        head.push(' ');
        escape(&mut head, redacted(&target(request)).as_bytes());
        let _ = write!(head, " {:?}\"", request.version());
        let mut tail = String::new();
        if layer.format == Format::Combined {
            quote(&mut tail, request.headers(), &header::REFERER);
            quote(&mut tail, request.headers(), &header::USER_AGENT);
        }
        Self {
            head,
            status: None,
            bytes: 0,
            tail,
            sink: Arc::clone(&layer.sink),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.head);
        // 499 is nginx's word for a client that was gone before there was an answer.
        let _ = write!(line, " {} ", self.status.unwrap_or(499));
        match self.bytes {
            0 => line.push('-'),
            bytes => drop(write!(line, "{bytes}")),
        }
        line.push_str(&self.tail);
        line.push('\n');
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(line.as_bytes());
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line").field(&self.head).finish()
    }
}

/// The path as the client sent it, whatever mounts have made of it, and the query.
fn target<B>(request: &Request<B>) -> String {
    let mut target = [request.raw_script_name(), request.raw_path_info()].concat();
    if target.is_empty() {
        target.push_str(request.uri().path());
    }
    if let Some(query) = request.uri().query() {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// Logs are kept, copied and searched: what a failure's report leaves out has no place in them either.
fn redacted(text: &str) -> Cow<'_, str> {
    without_secrets(text, Kind::Text, false)
}

fn quote(line: &mut String, headers: &HeaderMap, name: &HeaderName) {
    line.push_str(" \"");
    match headers.get(name) {
        Some(value) => {
            let text = String::from_utf8_lossy(value.as_bytes());
            escape(line, redacted(&text).as_bytes());
        }
        None => line.push('-'),
    }
    line.push('"');
}

/// As Apache does: what could end a field or a line, or do something to a terminal, as `\xhh`.
fn escape(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(*byte));
            }
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
}

/// `[10/Oct/2000:13:55:36 +0000]`: the words of `Tue, 10 Oct 2000 13:55:36 GMT`, written otherwise.
fn date(line: &mut String, time: SystemTime) {
    let date = httpdate::fmt_http_date(time.max(UNIX_EPOCH));
    let mut words = date.split(' ').skip(1);
    let [day, month, year, time] = std::array::from_fn(|_| words.next().unwrap_or_default());
    let _ = write!(line, "[{day}/{month}/{year}:{time} +0000]");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Expected values: date -u -d @N.
        for (seconds, expected) in [
            (0, "[01/Jan/1970:00:00:00 +0000]"),
            (951_782_399, "[28/Feb/2000:23:59:59 +0000]"),
            (951_782_400, "[29/Feb/2000:00:00:00 +0000]"),
            (971_186_136, "[10/Oct/2000:13:55:36 +0000]"),
            (1_709_251_199, "[29/Feb/2024:23:59:59 +0000]"),
            (4_107_542_400, "[01/Mar/2100:00:00:00 +0000]"),
        ] {
            let mut line = String::new();
            date(&mut line, UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(line, expected, "{seconds}");
        }
    }

    #[test]
    fn nothing_that_a_client_sends_ends_a_field_or_a_line() {
        let mut line = String::new();
        escape(&mut line, b"a\" 200 1\n\\\x1b[31m\xe9");
        assert_eq!(line, r#"a\" 200 1\x0a\\\x1b[31m\xe9"#);
    }
}
