//! The way from a request to its endpoint, or to the router's own answer: the same for the tower
//! service and for the application.

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, Method, Response};

use super::Router;
use super::answer;
use super::development::{self, Question};
use super::resolve::Outcome;
use super::url_args::{Outside, UrlArgs};

/// What of a request decides where it goes.
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    /// Looked at only if there are host patterns.
    pub(crate) host: Option<&'r str>,
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
    /// To a route or the fallback, with what it is told.
    Endpoint(&'s S, UrlArgs),
    /// To a mount of this index, below a prefix of this length.
    Mount(&'s S, UrlArgs, usize, usize),
    /// Nowhere: the router answers by itself.
    Answer(Response<Bytes>),
    /// Nowhere, and the answer depends on the client.
    Question(Question),
}

impl<S> Router<S> {
    /// `head` gives the head of the request, which few answers need.
    #[inline]
    pub(crate) fn dispatch(
        &self,
        asked: &Asked<'_>,
        head: impl FnOnce() -> Parts,
    ) -> Dispatch<'_, S> {
        let shared = &self.shared;
        let outcome = shared.resolve(asked.method, asked.host, asked.path, asked.query);
        let outside = || Outside::new(asked.extensions, asked.script_name);
        match outcome {
            Outcome::Route(found) => {
                let args = UrlArgs::new(shared, &found, asked.path_and_query, &outside());
                match (self.route_endpoint(found.id), args) {
                    (Some(endpoint), Some(args)) => Dispatch::Endpoint(endpoint, args),
                    (_, None) => Dispatch::Answer(answer::not_utf8()),
                    (None, _) => Dispatch::Answer(answer::not_found()),
                }
            }
            Outcome::Mount {
                index,
                rest,
                section,
            } => match self.mount_endpoint(index) {
                Some(endpoint) => {
                    let args = UrlArgs::mounted(shared, index, section, &outside());
                    Dispatch::Mount(endpoint, args, index, rest)
                }
                None => Dispatch::Answer(answer::not_found()),
            },
            Outcome::Miss { fallback, section } => {
                match fallback.and_then(|index| self.fallback_endpoint(index)) {
                    Some(endpoint) => {
                        let args = UrlArgs::fallback(shared, section, &outside());
                        Dispatch::Endpoint(endpoint, args)
                    }
                    None => self.miss(asked, head),
                }
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
    fn miss(&self, asked: &Asked<'_>, head: impl FnOnce() -> Parts) -> Dispatch<'_, S> {
        // RFC 9110, section 9.3.7: `*` asks about the server as a whole. That it is
        // there is all that is true of every route; `Allow` is about one resource.
        if *asked.method == Method::OPTIONS && !asked.path.starts_with('/') {
            return Dispatch::Answer(answer::no_content());
        }
        let question = if self.shared.settings.development.is_off() {
            None
        } else {
            development::question(&self.shared, &head(), asked.path)
        };
        question.map_or_else(|| Dispatch::Answer(answer::not_found()), Dispatch::Question)
    }
}
