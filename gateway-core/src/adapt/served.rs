use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::inner::inner_accessors;
use crate::threads::block_on::block_on;
use crate::{Application, Body, BoxError, Environ, Error, Response};

/// How often a waiting call checks that the client is still there.
const GLANCE: Duration = Duration::from_millis(250);

/// A tower service as an application: for CGI and FastCGI, for tests, and to put tower's
/// middleware inside of ours.
///
/// Each request goes to a clone of `service`, which is polled ready and then called. What is
/// ready at once costs nothing more; otherwise the thread waits. That needs no runtime, unless
/// the service itself does (tokio's timers and sockets): below
/// [`into_service`](Application::into_service) the runtime is there.
///
/// ```
/// use gateway_core::adapt::from_service;
/// use gateway_core::{Application, Body, Environ};
/// use http::{Request, Response};
/// use std::convert::Infallible;
///
/// let service = tower::service_fn(async |request: Request<Body>| {
///     Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
/// });
/// let application = from_service(service);
/// let mut environ = Environ::builder().uri("/tower").build();
/// let response = application.respond(&mut environ).unwrap();
/// assert_eq!(response.into_body().into_bytes().unwrap(), "/tower");
/// ```
pub fn from_service<S>(service: S) -> FromService<S> {
    FromService { service }
}

/// A tower service as an application: made by [`from_service`].
#[derive(Clone)]
pub struct FromService<S> {
    service: S,
}

impl<S> FromService<S> {
    inner_accessors!(service);
}

impl<S, B> Application for FromService<S>
where
    // `Sync` because the clones are made from one that all threads share, without a lock.
    S: Service<Request<Body>, Response = http::Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + Sync + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let cancellation = environ.cancellation();
        let still_there = || (!cancellation.is_cancelled()).then_some(GLANCE);
        let gone = || Error::new(StatusCode::REQUEST_TIMEOUT, "the client has gone away");
        let boxed = |error: S::Error| Error::from_boxed(error.into());
        // The instance that was polled ready is the one that takes the call.
        let mut service = self.service.clone();
        block_on(still_there, |context| service.poll_ready(context))
            .ok_or_else(gone)?
            .map_err(boxed)?;
        let mut future = pin!(service.call(environ.take_request()));
        let response = block_on(still_there, |context| future.as_mut().poll(context))
            .ok_or_else(gone)?
            .map_err(boxed)?;
        Ok(response.map(Body::new))
    }
}

impl<S> fmt::Debug for FromService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromService").finish_non_exhaustive()
    }
}
