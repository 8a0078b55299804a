//! The way from a request to its endpoint, or to the router's own answer: the same for the tower
//! service and for the application.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, Method, Response};

use super::Router;
use super::answer;
use super::development::{self, Question};
use super::resolve::{Mount, Outcome};
use super::url_args::{Outside, UrlArgs};

/// A request on its way to an endpoint.
pub(crate) trait Arriving {
    /// What decides where it goes.
    fn asked(&self) -> Asked<'_>;

    /// What decides as well, if there are host patterns.
    fn host(&self) -> Option<Cow<'_, str>>;

    /// Its head, which few answers need.
    fn head(&self) -> Parts;

    /// Takes the prefix of a mount, `length` bytes as the client encoded it, off the path.
    fn enter(&mut self, mount: &Mount, length: usize);

    /// Tells the endpoint what the router found.
    fn tell(&mut self, args: UrlArgs);
}

/// What of a request decides where it goes.
pub(crate) struct Asked<'r> {
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
    /// Nowhere: the router answers by itself.
    Answer(Response<Bytes>),
    /// Nowhere, and the answer depends on the client.
    Question(Question),
}

impl<S> Router<S> {
    #[inline]
    pub(crate) fn dispatch(&self, request: &mut impl Arriving) -> Dispatch<'_, S> {
        let shared = &self.shared;
        let asked = request.asked();
        let (section, host) = if shared.hosts.is_empty() {
            (0, None)
        } else {
            shared.host_section(request.host().as_deref())
        };
        let outcome = shared.resolve(section, host, asked.method, asked.path, asked.query);
        let outside = || Outside::new(asked.extensions, asked.script_name);
        match outcome {
            Outcome::Route(found) => {
                let Some(endpoint) = self.route_endpoint(found.id) else {
                    return Dispatch::Answer(answer::not_found());
                };
                let args = UrlArgs::new(shared, &found, asked.path_and_query, &outside());
                drop(found);
                let Some(args) = args else {
                    return Dispatch::Answer(answer::not_utf8());
                };
                request.tell(args);
                Dispatch::Endpoint(endpoint)
            }
            Outcome::Mount {
                index,
                rest,
                section,
            } => {
                let (Some(endpoint), Some(mount)) =
                    (self.mount_endpoint(index), shared.mounts.get(index))
                else {
                    return Dispatch::Answer(answer::not_found());
                };
                let args = UrlArgs::mounted(shared, index, section, &outside());
                request.enter(mount, rest);
                request.tell(args);
                Dispatch::Endpoint(endpoint)
            }
            Outcome::Miss { fallback, section } => {
                let Some(endpoint) = fallback.and_then(|index| self.fallback_endpoint(index))
                else {
                    return self.miss(&asked, request);
                };
                let args = UrlArgs::fallback(shared, section, &outside());
                request.tell(args);
                Dispatch::Endpoint(endpoint)
            }
            Outcome::Redirect(location) => Dispatch::Answer(answer::redirect(&location)),
            Outcome::MethodNotAllowed(allow) => {
                Dispatch::Answer(answer::method_not_allowed(&allow))
            }
            Outcome::Options(allow) => Dispatch::Answer(answer::options(&allow)),
            Outcome::BadPath => Dispatch::Answer(answer::not_utf8()),
        }
    }

    /// Nothing matches, and there is no fallback.
    #[cold]
    fn miss(&self, asked: &Asked<'_>, request: &impl Arriving) -> Dispatch<'_, S> {
        // RFC 9110, section 9.3.7: `*` asks about the server as a whole. That it is
        // there is all that is true of every route; `Allow` is about one resource.
        if *asked.method == Method::OPTIONS && !asked.path.starts_with('/') {
            return Dispatch::Answer(answer::no_content());
        }
        let question = if self.shared.settings.development.is_off() {
            None
        } else {
            development::question(&self.shared, &request.head(), asked.path)
        };
        question.map_or_else(|| Dispatch::Answer(answer::not_found()), Dispatch::Question)
    }
}
