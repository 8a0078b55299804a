//! The way from a request to its endpoint, or to the router's own answer: the same for the tower
//! service and for the application.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, Method, Response};

use super::answer;
use super::development::{self, Question};
use super::resolve::{Mount, Resolution, Shared};
use super::url_args::{Outside, UrlArgs};
use super::warning;

/// A request on its way to an endpoint.
pub(crate) trait IncomingRequest {
    /// What decides where it goes.
    fn target(&self) -> Target<'_>;

    /// What decides as well, if there are host patterns.
    fn host(&self) -> Option<Cow<'_, str>>;

    /// The request's head, which few answers need.
    fn head(&self) -> Parts;

    /// Moves the prefix of a mount from the path to SCRIPT_NAME.
    fn strip_mount(&mut self, mount: &Mount);

    /// Tells the endpoint what the router found.
    fn insert_args(&mut self, args: UrlArgs);
}

/// The parts of a request that decide where it goes.
pub(crate) struct Target<'r> {
    pub(crate) method: &'r Method,
    /// Below the present mount, as the client encoded it.
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
    /// The one that `path` is part of, if it can be shared.
    pub(crate) path_and_query: Option<&'r PathAndQuery>,
    /// Raw.
    pub(crate) script_name: &'r str,
    pub(crate) extensions: &'r Extensions,
}

/// Where a request goes.
pub(crate) enum Dispatch<'s, S> {
    /// To this endpoint, for which the request is made ready.
    Endpoint(&'s S),
    /// To no endpoint: the router answers.
    Answer(Response<Bytes>),
    /// To no endpoint: the router answers, and the answer depends on the client.
    Question(Question),
}

/// `endpoints` are those of the routes, then of the mounts, then the fallbacks.
#[inline]
pub(crate) fn dispatch<'s, S>(
    shared: &Arc<Shared>,
    endpoints: &'s [S],
    request: &mut impl IncomingRequest,
) -> Dispatch<'s, S> {
    let (routes, mounts) = (shared.routes.len(), shared.mounts.len());
    let target = request.target();
    if cfg!(debug_assertions) {
        warning::log_untold_nest(shared, target.extensions, target.path);
    }
    let (section, host) = if shared.hosts.is_empty() {
        (0, None)
    } else {
        shared.host_section(request.host().as_deref())
    };
    let outcome = shared.resolve(section, host, target.method, target.path, target.query);
    let outside = || Outside::new(target.extensions, target.script_name);
    match outcome {
        Resolution::Route(found) => {
            let Some(endpoint) = endpoints.get(found.id as usize) else {
                return Dispatch::Answer(answer::not_found());
            };
            let args = UrlArgs::new(shared, &found, target.path_and_query, &outside());
            drop(found);
            let Some(args) = args else {
                return Dispatch::Answer(answer::not_utf8());
            };
            request.insert_args(args);
            Dispatch::Endpoint(endpoint)
        }
        Resolution::Mount { index, section } => {
            let (Some(endpoint), Some(mount)) =
                (endpoints.get(routes + index), shared.mounts.get(index))
            else {
                return Dispatch::Answer(answer::not_found());
            };
            let args = UrlArgs::mounted(shared, index, section, &outside());
            request.strip_mount(mount);
            request.insert_args(args);
            Dispatch::Endpoint(endpoint)
        }
        Resolution::Miss { fallback, section } => {
            let Some(endpoint) = fallback.and_then(|index| endpoints.get(routes + mounts + index))
            else {
                return miss(shared, &target, request);
            };
            let args = UrlArgs::fallback(shared, section, &outside());
            request.insert_args(args);
            Dispatch::Endpoint(endpoint)
        }
        Resolution::Redirect(location) => Dispatch::Answer(answer::redirect(&location)),
        Resolution::MethodNotAllowed(allow) => Dispatch::Answer(answer::method_not_allowed(&allow)),
        Resolution::Options(allow) => Dispatch::Answer(answer::options(&allow)),
        Resolution::BadPath => Dispatch::Answer(answer::not_utf8()),
    }
}

/// Nothing matches, and there is no fallback.
#[cold]
fn miss<'s, S>(
    shared: &Arc<Shared>,
    target: &Target<'_>,
    request: &impl IncomingRequest,
) -> Dispatch<'s, S> {
    // RFC 9110, section 9.3.7: `*` asks about the server as a whole. That it is
    // there is all that is true of every route; `Allow` is about one resource.
    if *target.method == Method::OPTIONS && !target.path.starts_with('/') {
        return Dispatch::Answer(answer::no_content());
    }
    let question = if shared.settings.development.is_off() {
        None
    } else {
        development::question(shared, &request.head(), target.path)
    };
    question.map_or_else(|| Dispatch::Answer(answer::not_found()), Dispatch::Question)
}
