//! One line for each request, on stderr.

use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request, Response, Uri};
use tower_service::Service;

/// Writes what was asked and what was answered, once the answer's head is known.
#[derive(Debug, Clone)]
pub(crate) struct Log<S> {
    inner: S,
}

impl<S> Log<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, A, B> Service<Request<A>> for Log<S>
where
    S: Service<Request<A>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    // Boxed: writing a line for each request costs far more.
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (method, uri, start) = (
            request.method().clone(),
            request.uri().clone(),
            Instant::now(),
        );
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            line(&method, &uri, &answer, start);
            Ok(answer)
        })
    }
}

/// Bytes that are not ASCII as a client should have sent them: among them are control characters that a
/// terminal would obey.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'!'..=b'~' => f.write_char(byte.into())?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

fn line<B>(method: &Method, uri: &Uri, answer: &Response<B>, start: Instant) {
    let length = answer
        .headers()
        .get("content-length")
        .and_then(|length| length.to_str().ok())
        .unwrap_or("-");
    let micros = start.elapsed().as_micros();
    // One write, so that lines of several threads do not mingle. Where stderr is gone, so is the reader.
    // HTTP/2 has the whole URL here, and a client may send it over HTTP/1.1.
    let target = uri.path_and_query().map_or("*", |target| target.as_str());
    let target = Escaped(target);
    let text = format!(
        "{method} {target} {} {length} {micros}us\n",
        answer.status().as_u16()
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
}
