//! The whole call of a router as a tower service: the request goes in, the
//! endpoint answers at once, the head of the response comes out.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use router::{BoxRouter, RequestUrlArgs, Router};
use tower_service::Service;

use crate::tables::{self, Table};

/// Answers with an empty body.
#[derive(Clone, Copy)]
pub struct Answer;

impl Service<Request> for Answer {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        black_box(request.url_args().map(|args| args.len()));
        ready(Ok(Response::new(Body::empty())))
    }
}

pub fn axum_services(table: &Table) -> axum::Router {
    table
        .routes
        .iter()
        .fold(axum::Router::new(), |router, route| {
            router.route(&route.template, axum::routing::get_service(Answer))
        })
}

pub fn ours(table: &Table) -> Router<Answer> {
    let builder = table.routes.iter().fold(Router::builder(), |ours, route| {
        ours.get(route.regex.replacen("^/", "^", 1), Answer)
    });
    builder.build().unwrap()
}

pub fn boxed(table: &Table) -> BoxRouter<Body> {
    let builder = table
        .routes
        .iter()
        .fold(BoxRouter::builder(), |boxed, route| {
            boxed.get(route.regex.replacen("^/", "^", 1), Answer)
        });
    builder.build().unwrap()
}

pub fn run() {
    let table = tables::all().swap_remove(1);
    let theirs = axum_services(&table);
    let ours = ours(&table);
    let boxed = boxed(&table);
    let handlers: axum::Router = table
        .routes
        .iter()
        .fold(axum::Router::new(), |router, route| {
            router.route(&route.template, axum::routing::get(async || ()))
        });
    println!(
        "\ntower (the whole call, {} routes, {} paths)",
        table.routes.len(),
        table.paths.len()
    );
    let mut best = [Duration::MAX; 5];
    for _ in 0..60 {
        best[0] = best[0].min(round(&mut theirs.clone(), &table.paths));
        best[1] = best[1].min(round(&mut handlers.clone(), &table.paths));
        best[2] = best[2].min(round(&mut ours.clone(), &table.paths));
        best[3] = best[3].min(round(&mut boxed.clone(), &table.paths));
        best[4] = best[4].min(round(&mut Answer, &table.paths));
    }
    let names = [
        "axum Router, services",
        "axum Router, handlers",
        "our Router",
        "our BoxRouter",
        "the endpoint alone",
    ];
    for (name, time) in names.iter().zip(best) {
        println!(
            "  {name:<22} {:>6.2}x  {:>8.1} ns a call",
            time.as_secs_f64() / best[0].as_secs_f64(),
            time.as_nanos() as f64 / table.paths.len() as f64
        );
    }
}

pub fn round<S, B>(service: &mut S, paths: &[String]) -> Duration
where
    S: Service<Request, Response = http::Response<B>>,
{
    let requests: Vec<Request> = paths
        .iter()
        .map(|path| Request::get(path).body(Body::empty()).unwrap())
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    let before = Instant::now();
    for request in requests {
        let mut future = pin!(service.call(request));
        match future.as_mut().poll(&mut context) {
            Poll::Ready(Ok(response)) => assert!(black_box(response).status() == 200),
            _ => panic!("the endpoint answers at once"),
        }
    }
    before.elapsed()
}
