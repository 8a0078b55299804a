//! The router as a blocking application, over applications.

use gateway_core::{Application, Body, Environ, Error, Response};
use http::Method;

use super::Router;
use super::answer::{Unrouted, own_response, unrouted};
use super::future::without_body;
use super::plain::not_found;
use super::resolve::Outcome;
use super::url_args::{Outside, UrlArgs};

/// Functions as endpoints, without a runtime and without a thread in between:
/// the router runs where it is called. `into_service()` makes one tower service
/// of all of it.
impl<A: Application> Application for Router<A> {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let head = *environ.method() == Method::HEAD;
        let response = self.answer(environ)?;
        Ok(if head {
            without_body(response)
        } else {
            response
        })
    }
}

impl<A: Application> Router<A> {
    fn answer(&self, environ: &mut Environ) -> Result<Response, Error> {
        let path = match (environ.raw_script_name(), environ.raw_path_info()) {
            // Right at a mount, which a tower service sees as `/`.
            (script_name, "") if !script_name.is_empty() => "/".to_owned(),
            (_, path) => path.to_owned(),
        };
        let host = if self.shared.hosts.is_empty() {
            None
        } else {
            environ
                .var("HTTP_HOST")
                .map(|host| String::from_utf8_lossy(&host).into_owned())
        };
        let query = Some(environ.query_string()).filter(|query| !query.is_empty());
        let outcome = self
            .shared
            .resolve(environ.method(), host.as_deref(), &path, query);
        let outside = Outside::new(environ.extensions(), environ.raw_script_name());
        match outcome {
            Outcome::Route(found) => {
                let Some(args) = UrlArgs::new(&self.shared, &found, None, &outside) else {
                    return Ok(own(&Outcome::BadPath));
                };
                environ.insert(args);
                match self.route_endpoint(found.id) {
                    Some(endpoint) => endpoint.respond(environ),
                    None => Ok(not_found().map(Body::from)),
                }
            }
            Outcome::Mount { index, section, .. } => {
                let args = UrlArgs::mounted(&self.shared, index, section, &outside);
                let (Some(endpoint), Some(mount)) =
                    (self.mount_endpoint(index), self.shared.mounts.get(index))
                else {
                    return Ok(not_found().map(Body::from));
                };
                environ.insert(args);
                environ.shift_prefix(&mount.prefix);
                endpoint.respond(environ)
            }
            Outcome::Miss { fallback, section } => {
                match fallback.and_then(|index| self.fallback_endpoint(index)) {
                    Some(endpoint) => {
                        let args = UrlArgs::fallback(&self.shared, section, &outside);
                        environ.insert(args);
                        endpoint.respond(environ)
                    }
                    None => {
                        let parts = || environ.parts().clone();
                        let unrouted = unrouted(&self.shared, environ.method(), &path, parts);
                        let response = match unrouted {
                            Unrouted::Answer(response) => response,
                            Unrouted::Question(question) => question.answer(),
                        };
                        Ok(response.map(Body::from))
                    }
                }
            }
            other => Ok(own(&other)),
        }
    }
}

fn own(outcome: &Outcome<'_>) -> Response {
    own_response(outcome).map(Body::from)
}
