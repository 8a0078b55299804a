//! A layer that checks both sides of the contract at run time, as wsgiref's validator and
//! Rack::Lint do.
//!
//! ```
//! use gateway_core::testing::Client;
//! use gateway_core::validator::ValidatorLayer;
//! use http::{Request, Response};
//! use tower::{Layer, service_fn};
//!
//! let layer = ValidatorLayer::new();
//! let sloppy = service_fn(async |_: Request<_>| {
//!     let response = Response::builder().header("content-length", "5");
//!     Ok::<_, std::convert::Infallible>(response.body("four".to_owned()).unwrap())
//! });
//! Client::of_service(layer.layer(sloppy)).get("/").send();
//!
//! let breaches = layer.breaches().take();
//! assert_eq!(breaches[0].rule, "body as long as Content-Length (RFC 9112 section 6.2)");
//! ```
//!
//! It changes nothing and stops nothing: it counts breaches and reports each (a panic would
//! vanish under a layer that catches them). Put one under every test, and one on each side of a
//! middleware.

mod body;
mod rules;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use body::ValidatedBody;

/// Puts a [`Validator`] around a service.
#[derive(Clone, Debug, Default)]
pub struct ValidatorLayer {
    breaches: Breaches,
}

impl ValidatorLayer {
    /// A layer that prints each breach on standard error and keeps it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A layer that hands each breach to `report` in place of printing it.
    #[must_use]
    pub fn reporting(report: impl Fn(&Breach) + Send + Sync + 'static) -> Self {
        Self {
            breaches: Breaches {
                inner: Arc::new(Inner {
                    kept: Mutex::default(),
                    report: Box::new(report),
                }),
            },
        }
    }

    /// What was found so far, and what will be: shared by all services of this layer.
    #[must_use]
    pub fn breaches(&self) -> Breaches {
        self.breaches.clone()
    }
}

impl<S> Layer<S> for ValidatorLayer {
    type Service = Validator<S>;

    fn layer(&self, inner: S) -> Validator<S> {
        Validator {
            inner,
            breaches: self.breaches.clone(),
            readiness: Readiness::Unknown,
        }
    }
}

/// Which side broke the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller: a server, or a middleware further out.
    Gateway,
    /// The called: the application, or a middleware further in.
    Application,
}

/// A rule that was broken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Breach {
    /// Who broke it.
    pub side: Side,
    /// The rule, with the section it stands in.
    pub rule: &'static str,
    /// How it was broken.
    pub detail: String,
    /// Method and path of the request.
    pub request: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Gateway => "gateway",
            Side::Application => "application",
        };
        write!(
            f,
            "{}: the {side} broke `{}`: {}",
            self.request, self.rule, self.detail
        )
    }
}

/// The breaches found by one layer.
#[derive(Clone, Default)]
pub struct Breaches {
    inner: Arc<Inner>,
}

struct Inner {
    kept: Mutex<Vec<Breach>>,
    report: Box<dyn Fn(&Breach) + Send + Sync>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            report: Box::new(|breach| eprintln!("{breach}")),
        }
    }
}

/// How many breaches are kept: a validator left in a server must not fill its memory.
const KEPT: usize = 1000;

impl Breaches {
    /// How many breaches wait to be taken, a thousand at most.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept().len()
    }

    /// Takes what was found so far.
    #[must_use]
    pub fn take(&self) -> Vec<Breach> {
        std::mem::take(&mut self.kept())
    }

    /// Fails a test unless both sides kept the contract.
    ///
    /// # Panics
    ///
    /// There are breaches; the message lists them.
    #[track_caller]
    pub fn assert_none(&self) {
        let breaches = self.take();
        let list: Vec<_> = breaches.iter().map(Breach::to_string).collect();
        assert!(
            list.is_empty(),
            "the contract was broken:\n{}",
            list.join("\n")
        );
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Breach>> {
        self.inner
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, breach: Breach) {
        (self.inner.report)(&breach);
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(breach);
        }
    }
}

impl fmt::Debug for Breaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kept().iter()).finish()
    }
}

/// One exchange under validation: what a breach is reported with.
#[derive(Clone, Debug)]
struct Exchange {
    breaches: Breaches,
    request: Arc<str>,
    head: bool,
}

impl Exchange {
    fn breach(&self, side: Side, rule: &'static str, detail: impl fmt::Display) {
        self.breaches.add(Breach {
            side,
            rule,
            detail: detail.to_string(),
            request: self.request.to_string(),
        });
    }
}

/// The service of [`ValidatorLayer`].
#[derive(Debug)]
pub struct Validator<S> {
    inner: S,
    breaches: Breaches,
    readiness: Readiness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unknown,
    Ready,
    Failed,
}

impl<S: Clone> Clone for Validator<S> {
    fn clone(&self) -> Self {
        // Readiness belongs to the instance that was asked, never to its clone.
        Self {
            inner: self.inner.clone(),
            breaches: self.breaches.clone(),
            readiness: Readiness::Unknown,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Validator<S>
where
    S: Service<Request<ValidatedBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<ValidatedBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = ready!(self.inner.poll_ready(context));
        self.readiness = match ready {
            Ok(()) => Readiness::Ready,
            Err(_) => Readiness::Failed,
        };
        Poll::Ready(ready)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let exchange = Exchange {
            breaches: self.breaches.clone(),
            request: format!("{} {}", request.method(), request.uri()).into(),
            head: request.method() == http::Method::HEAD,
        };
        if self.readiness != Readiness::Ready {
            let rule = "poll_ready answers Ready before each call (tower_service::Service)";
            exchange.breach(Side::Gateway, rule, format_args!("{:?}", self.readiness));
        }
        self.readiness = Readiness::Unknown;
        rules::request(&exchange, &request);
        let declared = rules::content_length(request.headers());
        let request = request.map(|body| {
            let exchange = exchange.clone();
            ValidatedBody::new(body, exchange, Side::Gateway, declared)
        });
        ResponseFuture {
            future: self.inner.call(request),
            exchange: Some(exchange),
        }
    }
}

pin_project! {
    /// The future of [`Validator`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        exchange: Option<Exchange>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ValidatedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(context));
        Poll::Ready(response.map(|response| match this.exchange.take() {
            Some(exchange) => {
                rules::response(&exchange, &response);
                let declared = rules::body_length(&exchange, &response);
                response.map(|body| ValidatedBody::new(body, exchange, Side::Application, declared))
            }
            // A future that is polled after its end may do anything; ours says nothing.
            None => response.map(ValidatedBody::unwatched),
        }))
    }
}
