//! The router as a blocking application, over applications.

use std::borrow::Cow;

use gateway_core::{Application, Body, Environ, Error, Response};
use http::Method;
use http::request::Parts;

use super::Router;
use super::dispatch::{Dispatch, IncomingRequest, Target, dispatch};
use super::future::without_body;
use super::resolve::Mount;
use super::url_args::UrlArgs;

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
        match dispatch(&self.shared, &self.endpoints, environ) {
            Dispatch::Endpoint(endpoint) => endpoint.respond(environ),
            Dispatch::Answer(response) => Ok(response.map(Body::from)),
            Dispatch::Question(question) => Ok(question.answer().map(Body::from)),
        }
    }
}

impl IncomingRequest for Environ {
    fn target(&self) -> Target<'_> {
        let path = match (self.raw_script_name(), self.raw_path_info()) {
            // Right at a mount, which a tower service sees as `/`.
            (script_name, "") if !script_name.is_empty() => "/",
            (_, path) => path,
        };
        Target {
            method: self.method(),
            path,
            query: Some(self.query_string()).filter(|query| !query.is_empty()),
            path_and_query: None,
            script_name: self.raw_script_name(),
            extensions: self.extensions(),
        }
    }

    fn host(&self) -> Option<Cow<'_, str>> {
        let host = self.var("HTTP_HOST")?;
        Some(String::from_utf8_lossy(&host).into_owned().into())
    }

    fn head(&self) -> Parts {
        self.parts().clone()
    }

    fn strip_mount(&mut self, mount: &Mount) {
        self.shift_prefix(&mount.prefix);
    }

    fn insert_args(&mut self, args: UrlArgs) {
        self.insert(args);
    }
}
