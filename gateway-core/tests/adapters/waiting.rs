//! Requests that wait for a thread: for how long, and what becomes of those who gave up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_core::{Application, Body, BoxError, Environ, application};
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{Service, ServiceExt};

use crate::server::multi_thread;

const MOMENT: Duration = Duration::from_millis(20);

/// An application that waits until the test says so, and the number of its calls.
fn gated() -> (impl Application, Sender<()>, Arc<AtomicUsize>) {
    let (open, gate): (_, Receiver<()>) = channel();
    let gate = Mutex::new(gate);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let app = application(move |_: &mut Environ| {
        count.fetch_add(1, Ordering::SeqCst);
        _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        "served\n"
    });
    (app, open, calls)
}

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

/// Whether the service takes a call now; its waker is woken when it may.
async fn ready<S: Service<Request<Body>, Error = BoxError>>(service: &mut S) {
    ServiceExt::<Request<Body>>::ready(service).await.unwrap();
}

async fn until_called(calls: &AtomicUsize, times: usize) {
    while calls.load(Ordering::SeqCst) < times {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_request_that_waits_too_long_for_a_thread_is_answered_with_503() {
    let (app, open, calls) = gated();
    let service = app.into_service().threads(1).wait_timeout(MOMENT);
    multi_thread().block_on(async {
        // Three are let in at once, since to be ready reserves nothing.
        let mut first = service.clone();
        let mut second = service.clone();
        ready(&mut first).await;
        ready(&mut second).await;
        let first = tokio::spawn(first.call(request()));
        until_called(&calls, 1).await;
        // In the queue, behind the first.
        let response = second.call(request()).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        // And before it is let into the queue.
        for _ in 0..3 {
            let response = service.clone().oneshot(request()).await.unwrap();
            assert_eq!(response.status(), 503);
        }
        open.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
        assert_eq!(calls.load(Ordering::SeqCst), 1, "only one ever ran");
        open.send(()).unwrap();
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 200);
    });
}

#[test]
fn an_upload_that_waits_too_long_for_a_place_is_answered_with_503() {
    let (app, open, calls) = gated();
    let service = app
        .into_service()
        .threads(4)
        .held_threads(1)
        .input_buffer(10)
        .wait_timeout(MOMENT);
    let upload = || {
        let pieces = ["larger than the buffer", "and more"];
        let pieces = pieces.into_iter().chain(std::iter::repeat("and more"));
        Request::new(Body::chunks(pieces))
    };
    multi_thread().block_on(async {
        let first = tokio::spawn(service.clone().oneshot(upload()));
        until_called(&calls, 1).await;
        let response = service.clone().oneshot(upload()).await.unwrap();
        assert_eq!(response.status(), 503);
        open.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
        open.send(()).unwrap();
        let response = service.oneshot(upload()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn the_time_in_which_a_body_arrives_is_no_wait_for_a_thread() {
    let (app, open, _) = gated();
    open.send(()).unwrap();
    let service = app.into_service().threads(1).wait_timeout(MOMENT);
    multi_thread().block_on(async {
        let late = futures_util::stream::once(async {
            tokio::time::sleep(3 * MOMENT).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"late")))
        });
        let body = Body::new(StreamBody::new(late));
        let response = service.oneshot(Request::new(body)).await.unwrap();
        assert_eq!(response.status(), 200);
    });
}
