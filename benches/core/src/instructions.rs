//! How many instructions are the inline adapter's own? Counted by valgrind, where it is installed:
//! a call of the adapted application less a call of a service that answers the same by hand.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};

use gateway_core::{Application, Body, Environ, Reply, application};
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

pub fn run(name: &str, times: usize) {
    let inline = application(|_: &mut Environ| Reply::new(Body::from("hello\n")));
    match name {
        "by hand" => repeat(ByHand, times),
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
        let Poll::Ready(response) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("hello waits");
        };
        std::hint::black_box(response.unwrap());
    }
}

pub fn measure() {
    println!("\ninstructions per call");
    let (Some(inline), Some(by_hand)) = (count("inline"), count("by hand")) else {
        println!("(valgrind is not installed)");
        return;
    };
    println!("inline adapter {inline}, by hand {by_hand}: its own {}", inline - by_hand);
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
