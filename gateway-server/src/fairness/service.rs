use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_core::RequestExt;
use governor::Quota;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::rate::Rate;
use crate::ServerState;

/// Clients that are remembered by default: some megabytes, if there are so many.
const MOST_CLIENTS: usize = 65_536;

/// Lets each client begin only so many requests in a second, and answers the others with 429 and Retry-After.
///
/// Who the client is says [`ConnInfo`](gateway_core::request::ConnInfo): inside a
/// [`ProxyLayer`](gateway_core::proxy::ProxyLayer) the one that a trusted proxy named. A request without an address passes:
/// over a Unix socket, or below a server that says nothing of its connections (for axum's there is
/// `gateway_core::axum::FromAxumLayer`).
///
/// Clones, and the services made by them, count together. See the [module](crate::fairness).
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestRateLayer {
    quota: Quota,
    most_clients: usize,
    state: Option<ServerState>,
    rate: Arc<Rate>,
}

impl RequestRateLayer {
    /// `requests` in a second, and as many at once.
    pub fn per_second(requests: NonZeroU32) -> Self {
        Self::of(Quota::per_second(requests))
    }

    /// `requests` in a minute, and as many at once.
    pub fn per_minute(requests: NonZeroU32) -> Self {
        Self::of(Quota::per_minute(requests))
    }

    fn of(quota: Quota) -> Self {
        Self {
            quota,
            most_clients: MOST_CLIENTS,
            state: None,
            rate: Arc::new(Rate::new(quota, MOST_CLIENTS)),
        }
    }

    fn anew(mut self) -> Self {
        self.rate = Arc::new(Rate::new(self.quota, self.most_clients));
        self
    }

    /// How many requests a client that has been quiet may begin at once. Default: as many as in a second, or a minute.
    pub fn burst(mut self, requests: NonZeroU32) -> Self {
        self.quota = self.quota.allow_burst(requests);
        self.anew()
    }

    /// How many clients are remembered at the most; beyond them the ones that have been quiet for longest are forgotten.
    /// Default: 65,536.
    pub fn max_clients(mut self, most: usize) -> Self {
        self.most_clients = most;
        self.anew()
    }

    /// Counts what is refused. Default: nothing does.
    pub fn with_state(mut self, state: &ServerState) -> Self {
        self.state = Some(state.clone());
        self
    }
}

impl<S> Layer<S> for RequestRateLayer {
    type Service = RequestRate<S>;

    fn layer(&self, inner: S) -> RequestRate<S> {
        RequestRate {
            inner,
            state: self.state.clone(),
            rate: Arc::clone(&self.rate),
        }
    }
}

/// The service of [`RequestRateLayer`].
#[derive(Clone, Debug)]
pub struct RequestRate<S> {
    inner: S,
    state: Option<ServerState>,
    rate: Arc<Rate>,
}

impl<S> RequestRate<S> {
    /// How long the client of `request` has to wait before it may begin it.
    fn wait<B>(&self, request: &Request<B>) -> Option<Duration> {
        let client = request.conn()?.peer().owner()?;
        self.rate.begin(client).err()
    }
}

impl<S, B, R> Service<Request<B>> for RequestRate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match self.wait(&request) {
            None => State::Passed {
                future: self.inner.call(request),
            },
            Some(wait) => {
                if let Some(state) = &self.state {
                    state.request_refused();
                }
                State::Refused { wait }
            }
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// The future of [`RequestRate`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Passed { #[pin] future: F },
        Refused { wait: Duration },
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Passed { future } => future.poll(cx),
            StateProj::Refused { wait } => Poll::Ready(Ok(too_many(*wait))),
        }
    }
}

/// RFC 6585 section 4. Retry-After is in whole seconds: rounded up, or the client would be early.
fn too_many<R: Default>(wait: Duration) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (61_000, "61")] {
            let response = too_many::<()>(Duration::from_millis(millis));
            assert_eq!(response.headers()["retry-after"], seconds, "{millis} ms");
        }
    }
}
