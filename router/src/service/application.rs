//! The router as a blocking application, over applications.

use gateway_core::{Application, Body, Environ, Error, Response};
use http::Method;

use super::Router;
use super::dispatch::{Asked, Dispatch};
use super::future::without_body;

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
        let asked = Asked {
            method: environ.method(),
            host: host.as_deref(),
            path: &path,
            query: Some(environ.query_string()).filter(|query| !query.is_empty()),
            path_and_query: None,
            script_name: environ.raw_script_name(),
            extensions: environ.extensions(),
        };
        let endpoint = match self.dispatch(&asked, || environ.parts().clone()) {
            Dispatch::Endpoint(endpoint, args) => {
                environ.insert(args);
                endpoint
            }
            Dispatch::Mount(endpoint, args, index, _) => {
                environ.insert(args);
                if let Some(mount) = self.shared.mounts.get(index) {
                    environ.shift_prefix(&mount.prefix);
                }
                endpoint
            }
            Dispatch::Answer(response) => return Ok(response.map(Body::from)),
            Dispatch::Question(question) => return Ok(question.answer().map(Body::from)),
        };
        endpoint.respond(environ)
    }
}
