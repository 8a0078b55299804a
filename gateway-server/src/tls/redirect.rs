use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_core::RequestExt;
use http::header::{HOST, LOCATION};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Sends clients that ask over `http` to the same address over `https`; hands on what is asked over `https`.
///
/// ```no_run
/// use gateway_server::Sockets;
/// use gateway_server::http::Server;
/// use gateway_server::tls::{HttpsLayer, Tls};
///
/// # async fn example(router: axum::Router) -> std::io::Result<()> {
/// let tls = Tls::pem("fullchain.pem", "privkey.pem")?;
/// Server::bind("[::]:443")?
///     .tls(tls)
///     .and_listener(Sockets::bind("[::]:80")?)
///     .serve(router.layer(HttpsLayer::new().hosts(["example.org", "www.example.org"])))
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// | asked over `http` | answer |
/// |---|---|
/// | GET, HEAD | 301 to `https://` |
/// | another method | 308 (RFC 9110 section 15.4.9), which no client changes to GET |
/// | a host that is not among [`hosts`](Self::hosts) | 421 (RFC 9110 section 15.5.20) |
/// | no host (HTTP/1.0), or no path (`OPTIONS *`, CONNECT) | 400 |
///
/// What was asked over is the connection's to say, or a trusted proxy's below a `ProxyLayer`; never a header's.
#[must_use]
#[derive(Clone, Debug)]
pub struct HttpsLayer {
    rule: Arc<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    // In lower case. `None` for any.
    hosts: Option<Vec<String>>,
    port: u16,
}

impl Default for HttpsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpsLayer {
    /// To whichever host was asked for, at port 443.
    pub fn new() -> Self {
        Self {
            rule: Arc::new(Rule {
                hosts: None,
                port: 443,
            }),
        }
    }

    /// The hosts that the server answers for, without ports. Default: any. Name them where a cache may be between: it
    /// keeps a redirect, and the host in it is the word of the client that asked first.
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        let hosts = hosts.into_iter();
        let hosts = hosts.map(|host| host.into().to_ascii_lowercase());
        Arc::make_mut(&mut self.rule).hosts = Some(hosts.collect());
        self
    }

    /// The port that clients are sent to. Default: 443, which the address does not say then.
    pub fn port(mut self, port: u16) -> Self {
        Arc::make_mut(&mut self.rule).port = port;
        self
    }
}

impl<S> Layer<S> for HttpsLayer {
    type Service = Https<S>;

    fn layer(&self, inner: S) -> Https<S> {
        Https {
            inner,
            rule: Arc::clone(&self.rule),
        }
    }
}

/// The service of [`HttpsLayer`].
#[derive(Clone, Debug)]
pub struct Https<S> {
    inner: S,
    rule: Arc<Rule>,
}

impl<S, B, R> Service<Request<B>> for Https<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match self.rule.answer(&request) {
            Some(answer) => State::Answered {
                answer: Some(answer.map(|()| R::default())),
            },
            None => State::Passed {
                future: self.inner.call(request),
            },
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// The future of [`Https`].
    #[derive(Debug)]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, R> {
        Answered { answer: Option<Response<R>> },
        Passed { #[pin] future: F },
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Passed { future } => future.poll(cx),
            StateProj::Answered { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending, // polled again after it was ready
            },
        }
    }
}

impl Rule {
    /// `None` where the request is to be handed on.
    fn answer<B>(&self, request: &Request<B>) -> Option<Response<()>> {
        if *request.scheme() == Scheme::HTTPS {
            return None;
        }
        let (status, location) = match self.location(request) {
            Ok(location) => (moved(request.method()), Some(location)),
            Err(status) => (status, None),
        };
        let mut response = Response::new(());
        *response.status_mut() = status;
        response
            .headers_mut()
            .extend(location.map(|location| (LOCATION, location)));
        Some(response)
    }

    fn location<B>(&self, request: &Request<B>) -> Result<HeaderValue, StatusCode> {
        let host = asked_host(request).ok_or(StatusCode::BAD_REQUEST)?;
        let is_ours = |hosts: &Vec<String>| hosts.contains(&host);
        if !self.hosts.as_ref().is_none_or(is_ours) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        let target = request.var("REQUEST_URI").unwrap_or_default();
        if !target.starts_with(b"/") {
            return Err(StatusCode::BAD_REQUEST);
        }
        let mut location = format!("https://{host}").into_bytes();
        if self.port != 443 {
            location.extend(format!(":{}", self.port).into_bytes());
        }
        location.extend_from_slice(&target);
        HeaderValue::from_bytes(&location).map_err(|_| StatusCode::BAD_REQUEST)
    }
}

/// The host that a client asks for, in lower case and without a port: the target's before the field's (RFC 9112 section 3.2.2).
fn asked_host<B>(request: &Request<B>) -> Option<String> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok()?,
    };
    // Userinfo is no part of it (RFC 9110 section 4.2.4).
    let host = authority.host();
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// Browsers made GET of what 301 answers to POST, so for years that 308 is for it.
fn moved(method: &Method) -> StatusCode {
    if *method == Method::GET || *method == Method::HEAD {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::PERMANENT_REDIRECT
    }
}
