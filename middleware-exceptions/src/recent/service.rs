//! The page of the last failures, as a service that the program mounts where it likes.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use gateway_core::{
    Body,
    developer::{OwnerLookUp, head_of},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use tower_service::Service;

use crate::{
    config::Config,
    recent::kept::{Kept, grouped},
    render,
    request::{
        accept::Format,
        gate::{Judged, Verdict},
    },
};

/// The failures that the layer has kept, as text or JSON: made by
/// [`ExceptionsLayer::recent_failures`](crate::ExceptionsLayer::recent_failures).
///
/// | request | answer |
/// |--|--|
/// | GET, by a client that may see details | 200: the failures grouped by place, the newest first; as JSON where `Accept` prefers it |
/// | by any other client | 403 and why; 404 where development is off |
/// | another method | 405 |
#[derive(Clone)]
pub struct RecentFailures {
    config: Arc<Config>,
}

impl RecentFailures {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config }
    }
}

impl<B> Service<Request<B>> for RecentFailures {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RecentFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> RecentFuture {
        let parts = head_of(&request);
        RecentFuture {
            judged: self.config.gate.judge(&parts),
            look_up: None,
            config: Arc::clone(&self.config),
            parts,
        }
    }
}

/// The future of [`RecentFailures`].
pub struct RecentFuture {
    judged: Judged,
    look_up: Option<OwnerLookUp>,
    config: Arc<Config>,
    parts: Parts,
}

impl Future for RecentFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Judged::ButForTheOwner(facts) = &this.judged {
            let start = || OwnerLookUp::start(facts.as_ref().clone());
            let look_up = this.look_up.get_or_insert_with(start);
            this.judged = Judged::Finally(ready!(Pin::new(look_up).poll(cx)).into());
        }
        let Judged::Finally(verdict) = &this.judged else {
            return Poll::Pending;
        };
        let kept = this.config.recent.as_deref();
        let response = answer(verdict, &this.parts, kept);
        let is_head = this.parts.method == Method::HEAD;
        Poll::Ready(Ok(response.map(|body| match is_head {
            true => Body::empty(),
            false => body.into(),
        })))
    }
}

fn answer(verdict: &Verdict, parts: &Parts, kept: Option<&Kept>) -> Response<String> {
    let text = Format::Text.content_type();
    match verdict {
        Verdict::Production => page(StatusCode::NOT_FOUND, text, "404 Not Found\n".into()),
        Verdict::Withheld(reason) => {
            let why = format!("No failures are shown here: {reason}\n");
            page(StatusCode::FORBIDDEN, text, why)
        }
        Verdict::Shown if parts.method != Method::GET && parts.method != Method::HEAD => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut response = page(status, text, "405 Method Not Allowed\n".into());
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
            response
        }
        Verdict::Shown => {
            let failures = kept.map(Kept::all).unwrap_or_default();
            let groups = grouped(&failures);
            match Format::accepted(&parts.headers) {
                Format::Problem => {
                    let json = render::recent::json(&groups);
                    page(StatusCode::OK, "application/json", json)
                }
                Format::Text | Format::Html => {
                    let now = SystemTime::now();
                    page(StatusCode::OK, text, render::recent::text(&groups, now))
                }
            }
        }
    }
}

fn page(status: StatusCode, content_type: &'static str, text: String) -> Response<String> {
    let length = text.len();
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

impl fmt::Debug for RecentFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentFailures").finish_non_exhaustive()
    }
}

impl fmt::Debug for RecentFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentFuture").finish_non_exhaustive()
    }
}
