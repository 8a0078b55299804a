use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_service::Service;

use super::{MountBody, ResponseFuture, below};
use crate::{Body, InvalidPrefix, Prefix, RecordPathLayer};

/// Serves `mounted` below `prefix`; every other request is answered with 404 unless
/// [`otherwise`](Mount::otherwise) names a service for it.
///
/// The mounted service sees in `uri.path()` what is below the prefix, as tower services expect,
/// and the client's path is recorded, so that SCRIPT_NAME and PATH_INFO are right at any depth.
/// `/wiki` and `/wiki/` are both `/` to `uri.path()` but differ in PATH_INFO (empty and `/`).
/// `/wikipedia` is not below `/wiki`; `/w%69ki` is.
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
    M: Service<Request<B>, Response = Response<MB>>,
    S: Service<Request<B>, Response = Response<SB>>,
    S::Error: Into<M::Error>,
{
    type Response = Response<MountBody<MB, SB>>;
    type Error = M::Error;
    type Future = ResponseFuture<M::Future, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The request is not known yet, so both have to be ready for it.
        match self.mounted.poll_ready(context)? {
            Poll::Ready(()) => self.otherwise.poll_ready(context).map_err(Into::into),
            Poll::Pending => Poll::Pending,
        }
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let rest = self.prefix.matched_in(path).and_then(|end| path.get(end..));
        let Some(rest) = rest else {
            return ResponseFuture::otherwise(self.otherwise.call(request));
        };
        let uri = below(request.uri(), rest);
        RecordPathLayer::record(&mut request);
        *request.uri_mut() = uri;
        ResponseFuture::mounted(self.mounted.call(request))
    }
}

/// 404 for every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotFound;

impl<B> Service<Request<B>> for NotFound {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Body::from("Not Found\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, text);
        std::future::ready(Ok(response))
    }
}
