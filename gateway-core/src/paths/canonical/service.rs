use std::future::{self, Ready};
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use super::policy::{Policy, Verdict};
use crate::inner::inner_accessors;
use crate::paths::ScriptName;
use crate::paths::mount::{MountBody, ResponseFuture, not_found};
use crate::paths::script_name::below;
use crate::request::Arrival;
use crate::{Body, RequestExt};

/// The service of [`CanonicalPathLayer`](super::CanonicalPathLayer).
#[derive(Clone, Debug)]
pub struct CanonicalPath<S> {
    policy: Policy,
    inner: S,
}

impl<S> CanonicalPath<S> {
    pub(super) fn new(policy: Policy, inner: S) -> Self {
        Self { policy, inner }
    }

    inner_accessors!(inner);
}

impl<S, B, SB> Service<Request<B>> for CanonicalPath<S>
where
    S: Service<Request<B>, Response = Response<SB>>,
{
    type Response = Response<MountBody<Body, SB>>;
    type Error = S::Error;
    type Future = ResponseFuture<Ready<Result<Response<Body>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let uri = request.uri();
        let answer = match self.policy.judge(uri.path(), uri.query()) {
            Verdict::Pass => return ResponseFuture::otherwise(self.inner.call(request)),
            Verdict::Rewrite(path) => {
                rewrite(&mut request, &path);
                return ResponseFuture::otherwise(self.inner.call(request));
            }
            Verdict::Redirect(location) => redirect(&location).unwrap_or_else(not_found),
            Verdict::NotFound => not_found(),
        };
        ResponseFuture::mounted(future::ready(Ok(answer)))
    }
}

fn redirect(location: &str) -> Option<Response<Body>> {
    let location = HeaderValue::try_from(location).ok()?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

/// Puts `path` in place of the present one; what is in front of it stays SCRIPT_NAME.
fn rewrite<B>(request: &mut Request<B>, path: &str) {
    let recorded = ScriptName::join(request.raw_script_name(), path);
    let uri = below(request.uri(), path);
    let recorded = recorded.unwrap_or_else(|_| ScriptName::record(&uri));
    *request.uri_mut() = uri;
    let arrival = request.extensions_mut().remove::<Arrival>();
    let arrival = arrival.unwrap_or_default().with_script_name(recorded);
    request.extensions_mut().insert(arrival);
}
