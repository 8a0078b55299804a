//! How many instructions are the inline adapter's own? Counted by valgrind, where it is installed:
//! a call of the adapted application, beside a service that makes the environ and calls the
//! application by hand, and one that has never heard of either.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};

use gateway_core::{Application, Body, Environ, Input, application};
use http::{Request, Response};
use tower_service::Service;

#[derive(Clone)]
struct ByHand;

impl Service<Request<Body>> for ByHand {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::from("hello\n"))))
    }
}

struct EnvironByHand<A>(A);

impl<A: Application> Service<Request<Body>> for EnvironByHand<A> {
    type Response = Response<Body>;
    type Error = gateway_core::Error;
    type Future = Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (parts, body) = request.into_parts();
        ready(
            self.0
                .respond(&mut Environ::new(parts, Input::from_body(body))),
        )
    }
}

pub fn run(name: &str, times: usize) {
    let inline = application(|_: &mut Environ| Response::new(Body::from("hello\n")));
    match name {
        "by hand" => repeat(ByHand, times),
        "environ by hand" => repeat(EnvironByHand(inline), times),
        "inline" => repeat(inline.into_inline_service(), times),
        _ => panic!("no loop is called `{name}`"),
    }
}

fn repeat<S>(mut service: S, times: usize)
where
    S: Service<Request<Body>, Response = Response<Body>, Error: std::fmt::Debug>,
{
    for _ in 0..times {
        let request = Request::new(Body::empty());
        let mut future = pin!(service.call(std::hint::black_box(request)));
        let Poll::Ready(response) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("hello waits");
        };
        std::hint::black_box(response.unwrap());
    }
}

pub fn measure() {
    println!("\ninstructions per call");
    let counts = ["by hand", "environ by hand", "inline"].map(|name| (name, count(name)));
    for (name, count) in counts {
        match count {
            Some(count) => println!("{count:6} {name}"),
            None => return println!("(valgrind is not installed)"),
        }
    }
}

/// The difference of two runs, so that what comes before and after the loop is not counted.
fn count(name: &str) -> Option<i64> {
    const CALLS: i64 = 10_000;
    let run = |times: i64| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["loop", name, &times.to_string()])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, count) = text.split_once("Collected : ")?;
        count.split_whitespace().next()?.parse::<i64>().ok()
    };
    Some((run(2 * CALLS)? - run(CALLS)?) / CALLS)
}
