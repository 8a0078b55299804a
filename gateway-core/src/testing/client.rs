use std::fmt;
use std::sync::Arc;

use http::{Method, Request};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::threads::block_on::block_on_future;
#[cfg(feature = "tokio")]
use crate::threads::workers::do_not_linger;
use crate::{Application, Body, BoxError, Environ, Error};

use super::request::{Answerer, RequestBuilder};
use super::response::Answer;

/// Puts requests to an application or a tower service.
#[derive(Clone)]
pub struct Client {
    answerer: Answerer,
}

impl Client {
    /// A client of a blocking application.
    pub fn new(application: impl Application) -> Self {
        Self::from_fn(move |request| {
            let (parts, body) = request.into_parts();
            application.respond(&mut Environ::new(parts, body))
        })
    }

    /// A client of a tower service. Each request goes to a clone, which is polled ready first.
    ///
    /// The response is read to its end before [`send`](RequestBuilder::send) returns.
    pub fn of_service<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self::from_fn(move |request| {
            let service = service.clone();
            on_own_runtime(move || answer(service, request))
        })
    }

    fn from_fn(answer: impl Fn(Request<Body>) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            answerer: Answerer(Arc::new(answer)),
        }
    }

    /// A GET request for `uri`: a path with a query, or an absolute URI.
    pub fn get(&self, uri: &str) -> RequestBuilder<'_> {
        self.request(Method::GET, uri)
    }

    /// A HEAD request.
    pub fn head(&self, uri: &str) -> RequestBuilder<'_> {
        self.request(Method::HEAD, uri)
    }

    /// A POST request.
    pub fn post(&self, uri: &str) -> RequestBuilder<'_> {
        self.request(Method::POST, uri)
    }

    /// A PUT request.
    pub fn put(&self, uri: &str) -> RequestBuilder<'_> {
        self.request(Method::PUT, uri)
    }

    /// A PATCH request.
    pub fn patch(&self, uri: &str) -> RequestBuilder<'_> {
        self.request(Method::PATCH, uri)
    }

    /// A DELETE request.
    pub fn delete(&self, uri: &str) -> RequestBuilder<'_> {
        self.request(Method::DELETE, uri)
    }

    /// A request with any method.
    pub fn request(&self, method: Method, uri: &str) -> RequestBuilder<'_> {
        RequestBuilder::new(&self.answerer, method, uri)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

async fn ready<S: Service<R>, R>(service: &mut S) -> Result<(), S::Error> {
    std::future::poll_fn(|context| service.poll_ready(context)).await
}

async fn answer<S, B>(mut service: S, request: Request<Body>) -> Answer
where
    S: Service<Request<Body>, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let boxed = |error: S::Error| Error::from_boxed(error.into());
    ready(&mut service).await.map_err(boxed)?;
    let response = service.call(request).await.map_err(boxed)?;
    // Read here, where its runtime runs. What it ends with is kept for the test to see.
    let (parts, body) = response.into_parts();
    let mut body = std::pin::pin!(body);
    let mut frames = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
        match frame {
            None => break,
            Some(Ok(frame)) => frames.extend(frame.into_data().map(Ok)),
            Some(Err(error)) => {
                frames.push(Err(error.into()));
                break;
            }
        }
    }
    let body = match frames.as_slice() {
        [] => Body::empty(),
        _ => Body::try_chunks(frames),
    };
    Ok(http::Response::from_parts(parts, body))
}

/// On a thread of its own: the test's may be inside a runtime already, which must not be blocked
/// by another.
#[cfg(feature = "tokio")]
fn on_own_runtime<F>(work: impl FnOnce() -> F + Send + 'static) -> F::Output
where
    F: Future<Output: Send + 'static>,
{
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_start(do_not_linger)
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(work()),
            Err(_) => block_on_future(work()),
        }
    };
    join(std::thread::spawn(run))
}

#[cfg(not(feature = "tokio"))]
fn on_own_runtime<F>(work: impl FnOnce() -> F + Send + 'static) -> F::Output
where
    F: Future<Output: Send + 'static>,
{
    join(std::thread::spawn(move || block_on_future(work())))
}

fn join<T>(thread: std::thread::JoinHandle<T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
