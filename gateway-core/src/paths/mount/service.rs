use std::future::{self, Ready};
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use super::{MountBody, ResponseFuture};
use crate::Body;
use crate::FailedBy;
use crate::paths::{InvalidPrefix, Prefix};

/// Serves `mounted` below `prefix`; every other request is answered with 404 unless
/// [`otherwise`](Mount::otherwise) names a service for it.
///
/// The mounted service sees in `uri.path()` what is below the prefix, as tower services expect,
/// and the client's path is recorded, so that SCRIPT_NAME and PATH_INFO are right at any depth.
/// `/wiki` and `/wiki/` are both `/` to `uri.path()` but differ in PATH_INFO (empty and `/`).
/// `/wikipedia` is not below `/wiki`; `/w%69ki` is.
///
/// A mount compares the decoded segments of its own prefix, one by one, and judges nothing below
/// it: `/wiki//Page` and `/wiki/../Page` are below `/wiki`, while `//wiki`, `/./wiki` and
/// `/wiki%2FPage` are not. So a mount that guards another service stands in front of that only
/// where the service reads the path in the same way. Ours do: what consumes a path refuses or
/// redirects what two readers read in two ways, as [`Spelling`](crate::paths::Spelling) says.
///
/// # Errors
///
/// `prefix` does not begin with `/` or has an empty segment; see [`Prefix::new`].
pub fn mount<M>(prefix: &str, mounted: M) -> Result<Mount<M, NotFound>, InvalidPrefix> {
    let prefix = Prefix::new(prefix)?;
    Ok(Mount::between(prefix, mounted, NotFound))
}

/// One service below a prefix and another for the rest: made by [`mount`] or
/// [`MountLayer`](super::MountLayer).
#[derive(Clone, Debug)]
pub struct Mount<M, S> {
    prefix: Prefix,
    mounted: M,
    otherwise: S,
}

impl<M, S> Mount<M, S> {
    pub(super) fn between(prefix: Prefix, mounted: M, otherwise: S) -> Self {
        Self {
            prefix,
            mounted,
            otherwise,
        }
    }

    /// With `service` for all that is not below the prefix.
    pub fn otherwise<T>(self, service: T) -> Mount<M, T> {
        Mount::between(self.prefix, self.mounted, service)
    }
}

impl<M, S, B, MB, SB> Service<Request<B>> for Mount<M, S>
where
    M: Service<Request<B>, Response = Response<MB>, Error: Into<S::Error>>,
    S: Service<Request<B>, Response = Response<SB>>,
{
    type Response = Response<MountBody<MB, SB>>;
    type Error = S::Error;
    type Future = ResponseFuture<M::Future, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Only `call` sees the request, so both services have to be ready for it.
        ready!(self.mounted.poll_ready(context)).map_err(Into::into)?;
        self.otherwise.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.prefix.strip_from(&mut request) {
            ResponseFuture::mounted(self.mounted.call(request))
        } else {
            ResponseFuture::otherwise(self.otherwise.call(request))
        }
    }
}

/// Stands for the second service where there is none: answers 404. (It is no service itself, so that a [`Mount`]
/// without a second service has the mounted service's error type.)
#[derive(Clone, Copy, Debug, Default)]
pub struct NotFound;

impl<M, B, MB> Service<Request<B>> for Mount<M, NotFound>
where
    M: Service<Request<B>, Response = Response<MB>>,
{
    type Response = Response<MountBody<MB, Body>>;
    type Error = M::Error;
    type Future = ResponseFuture<M::Future, Ready<Result<Response<Body>, M::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        self.mounted.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.prefix.strip_from(&mut request) {
            ResponseFuture::mounted(self.mounted.call(request))
        } else {
            ResponseFuture::otherwise(future::ready(Ok(not_found())))
        }
    }
}

pub(crate) fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("Not Found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    FailedBy::bare().attach(response)
}
