//! The router as a service and as an application: the rows of its semantics.
#![cfg(feature = "service")]

use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use router::service::{RouterBody, RouterBuilder};
use router::{RequestUrlArgs, Router};
use tower::{Service, ServiceExt};

mod arguments;
mod bare;
mod building;
mod development;
mod endpoints;
mod hosts;
mod logged;
mod methods;
mod mounts;
mod paths;
mod shadowed;
mod sites;
mod spellings;
mod urls;

/// A concrete endpoint: says who it is and what it was told.
#[derive(Clone, Copy, Debug)]
struct Echo(&'static str);

impl<B> Service<Request<B>> for Echo {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut text = format!("{} {} {}", self.0, request.method(), request.uri().path());
        if let Some(args) = request.url_args() {
            for arg in args.iter() {
                text.push_str(&format!(" {}", arg.unwrap_or("-")));
            }
        }
        std::future::ready(Ok(Response::new(text)))
    }
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn ask_request<S>(router: &S, request: Request<()>) -> Answer
where
    S: Service<Request<()>, Response = Response<RouterBody<String>>> + Clone,
    S::Error: std::fmt::Debug,
{
    let response = futures_executor(router.clone().oneshot(request));
    let (parts, body) = response.into_parts();
    let text = futures_executor(http_body_util::BodyExt::collect(body))
        .map(http_body_util::Collected::to_bytes);
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(text.unwrap().to_vec()).unwrap(),
    }
}

fn futures_executor<T, E: std::fmt::Debug>(
    future: impl Future<Output = Result<T, E>>,
) -> FutureValue<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    FutureValue(runtime.block_on(future).unwrap())
}

/// What a future that cannot fail gave.
struct FutureValue<T>(T);

impl FutureValue<Response<RouterBody<String>>> {
    fn into_parts(self) -> (http::response::Parts, RouterBody<String>) {
        self.0.into_parts()
    }
}

impl<T> FutureValue<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> FutureValue<U> {
        FutureValue(f(self.0))
    }

    fn unwrap(self) -> T {
        self.0
    }
}

fn ask(router: &Router<Echo>, method: Method, uri: &str) -> Answer {
    ask_request(
        router,
        Request::builder().method(method).uri(uri).body(()).unwrap(),
    )
}

fn get(router: &Router<Echo>, uri: &str) -> Answer {
    ask(router, Method::GET, uri)
}

fn build(builder: RouterBuilder<Echo>) -> Router<Echo> {
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

fn echo() -> RouterBuilder<Echo> {
    Router::builder()
}
