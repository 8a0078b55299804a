//! Requests that wait for a thread: for how long, and what becomes of those who gave up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_core::{Application, Body, BoxError, Environ, application};
use http::Request;
use http_body::{Body as _, Frame};
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

/// What `send` comes to when it is served. On a busy machine a thread may come too late.
async fn served<F>(send: impl Fn() -> F)
where
    F: Future<Output = Result<gateway_core::Response, BoxError>>,
{
    while send().await.unwrap().status() != 200 {}
}

#[test]
fn a_request_that_waits_too_long_for_a_thread_is_answered_with_503() {
    let (app, open, calls) = gated();
    let service = app.into_service().threads(1).wait_timeout(MOMENT);
    multi_thread().block_on(async {
        // Two are let in at once, since to be ready reserves nothing.
        let mut second = service.clone();
        ready(&mut second).await;
        let first = service.clone();
        let first = tokio::spawn(served(move || first.clone().oneshot(request())));
        until_called(&calls, 1).await;
        // In the queue, behind the first.
        let response = second.call(request()).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        let failed_by = gateway_core::FailedBy::of(response.extensions());
        assert!(failed_by.unwrap().is_bare());
        // And before it is let into the queue.
        for _ in 0..3 {
            let response = service.clone().oneshot(request()).await.unwrap();
            assert_eq!(response.status(), 503);
        }
        open.send(()).unwrap();
        first.await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1, "only one ever ran");
        open.send(()).unwrap();
        served(|| service.clone().oneshot(request())).await;
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
    fn upload() -> Request<Body> {
        let pieces = ["larger than the buffer", "and more"];
        let pieces = pieces.into_iter().chain(std::iter::repeat("and more"));
        Request::new(Body::chunks(pieces))
    }
    multi_thread().block_on(async {
        let first = service.clone();
        let first = tokio::spawn(served(move || first.clone().oneshot(upload())));
        until_called(&calls, 1).await;
        let response = service.clone().oneshot(upload()).await.unwrap();
        assert_eq!(response.status(), 503);
        open.send(()).unwrap();
        first.await.unwrap();
        open.send(()).unwrap();
        served(|| service.clone().oneshot(upload())).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn the_time_in_which_a_body_arrives_is_no_wait_for_a_thread() {
    let (app, open, _) = gated();
    open.send(()).unwrap();
    let wait = 10 * MOMENT;
    let service = app.into_service().threads(1).wait_timeout(wait);
    multi_thread().block_on(async {
        let late = futures_util::stream::once(async move {
            tokio::time::sleep(2 * wait).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"late")))
        });
        let body = Body::new(StreamBody::new(late));
        let response = service.oneshot(Request::new(body)).await.unwrap();
        assert_eq!(response.status(), 200);
    });
}

/// A task that notes that it was woken and does what it likes.
#[derive(Default)]
struct Task {
    woken: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
    }
}

/// One that would call the service, as a connection does.
struct Caller<S> {
    service: S,
    task: Arc<Task>,
}

impl<S: Service<Request<Body>, Error = BoxError> + Clone> Caller<S> {
    fn of(service: &S) -> Self {
        Self {
            service: service.clone(),
            task: Arc::default(),
        }
    }

    /// Asks whether it may call now.
    fn asks(&mut self) -> bool {
        self.task.woken.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.task));
        let polled = self.service.poll_ready(&mut Context::from_waker(&waker));
        polled.is_ready()
    }

    fn is_woken(&self) -> bool {
        self.task.woken.load(Ordering::SeqCst)
    }

    /// Asks again whenever it is woken, until it may call.
    async fn until_let_in(&mut self) {
        tokio::time::timeout(Duration::from_secs(60), async {
            while !(self.is_woken() && self.asks()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("who waits is woken");
    }
}

// A FastCGI front end aborted a request that waited: its connection kept the service, was woken
// when there was room, and had nothing to call it for. The next in line was never woken.
#[test]
fn one_that_was_woken_and_does_not_come_keeps_no_other_from_it() {
    let (app, open, calls) = gated();
    let service = app.into_service().threads(1);
    multi_thread().block_on(async {
        let first = tokio::spawn(service.clone().oneshot(request()));
        until_called(&calls, 1).await;
        let mut gone: Vec<_> = (0..5).map(|_| Caller::of(&service)).collect();
        assert!(!gone.iter_mut().any(Caller::asks));
        let mut last = Caller::of(&service);
        assert!(!last.asks());
        open.send(()).unwrap();
        first.await.unwrap().unwrap();
        last.until_let_in().await;
        assert!(gone.iter().any(Caller::is_woken), "in order");
    });
}

#[test]
fn a_request_that_asks_when_woken_is_let_in_whatever_the_others_do() {
    let runtime = multi_thread();
    for seed in 0..60 {
        let mut random = numbers(seed);
        let (app, open, calls) = gated();
        let threads = 1 + random(3);
        let service = app.into_service().threads(threads);
        runtime.block_on(async {
            // To be ready reserves nothing, so that all of them are.
            let mut first: Vec<_> = (0..threads).map(|_| service.clone()).collect();
            for service in &mut first {
                ready(service).await;
            }
            let calls_of = first.iter_mut().map(|service| service.call(request()));
            let running: Vec<_> = calls_of.map(tokio::spawn).collect();
            until_called(&calls, threads).await;
            let mut callers: Vec<_> = (0..8).map(|_| Caller::of(&service)).collect();
            let steadfast = random(8);
            for caller in &mut callers {
                assert!(!caller.asks());
            }
            let mut ended = 0;
            for _ in 0..20 {
                let n = random(callers.len());
                match random(4) {
                    // One call ends.
                    0 if ended < threads => {
                        open.send(()).unwrap();
                        ended += 1;
                    }
                    // One goes away, and another comes.
                    1 if n != steadfast => callers[n] = Caller::of(&service),
                    // One comes that was woken, and does not call after all.
                    2 if n != steadfast && callers[n].is_woken() => _ = callers[n].asks(),
                    _ => tokio::task::yield_now().await,
                }
            }
            if ended == 0 {
                open.send(()).unwrap();
            }
            callers[steadfast].until_let_in().await;
            drop(open);
            for call in running {
                call.await.unwrap().unwrap();
            }
        });
    }
}

/// A waker that does something when its last clone is dropped, as an executor's may.
struct Last(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Last {
    fn waker(does: impl FnOnce() + Send + 'static) -> Waker {
        Arc::new(Self(Mutex::new(Some(Box::new(does))))).into()
    }
}

impl Wake for Last {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        let does = self.0.get_mut().unwrap().take();
        does.unwrap()();
    }
}

/// Polls as a task would that has `waker` and then another one, which drops the first. What the second poll gives.
fn polled_by<T>(waker: Waker, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    assert!(poll(&mut Context::from_waker(&waker)).is_pending());
    // Now only the poll's subject has it.
    drop(waker);
    let other = Waker::from(Arc::new(Task::default()));
    poll(&mut Context::from_waker(&other))
}

// Each was dropped under a lock that the other side wants, too.
#[test]
fn a_waker_is_dropped_where_its_drop_may_use_the_service() {
    let (app, open, calls) = gated();
    let service = app.into_service().threads(1);
    multi_thread().block_on(async {
        let first = tokio::spawn(service.clone().oneshot(request()));
        until_called(&calls, 1).await;
        let (tell, hear) = channel();
        let mut asked = Caller::of(&service);
        let waker = Last::waker(move || tell.send(asked.asks()).unwrap());
        let mut waiting = service.clone();
        let polled = polled_by(waker, |context| {
            Service::<Request<Body>>::poll_ready(&mut waiting, context)
        });
        assert!(polled.is_pending());
        assert_eq!(hear.try_recv(), Ok(false));
        open.send(()).unwrap();
        first.await.unwrap().unwrap();
    });
}

#[test]
fn a_waker_is_dropped_where_its_drop_may_wait_for_the_call() {
    let (app, open, calls) = gated();
    let service = app.into_service().threads(1);
    multi_thread().block_on(async {
        ready(&mut service.clone()).await;
        let mut first = std::pin::pin!(service.clone().oneshot(request()));
        // The first poll submits the call and lets others go first.
        let noop = &mut Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(noop).is_pending());
        until_called(&calls, 1).await;
        let (tell, hear) = channel();
        let mut asked = Caller::of(&service);
        let waker = Last::waker(move || {
            open.send(()).unwrap();
            // There is room when the thread has answered and is free again.
            let start = Instant::now();
            while !asked.asks() && start.elapsed() < Duration::from_secs(10) {
                std::thread::yield_now();
            }
            tell.send(asked.asks()).unwrap();
        });
        // It looks again after it has dropped the waker, and finds what that waited for.
        let Poll::Ready(answer) = polled_by(waker, |context| first.as_mut().poll(context)) else {
            panic!("the answer is there");
        };
        assert_eq!(hear.try_recv(), Ok(true));
        assert_eq!(answer.unwrap().status(), 200);
    });
}

#[test]
fn a_waker_is_dropped_where_its_drop_may_wait_for_the_writer() {
    multi_thread().block_on(async {
        let (go, gate) = channel::<()>();
        let (done, written) = channel();
        let body = Body::from_writer(move |out| {
            _ = gate.recv();
            out.send("piece")?;
            done.send(()).map_err(std::io::Error::other)
        });
        let mut body = std::pin::pin!(body);
        let (tell, hear) = channel();
        let waker = Last::waker(move || {
            go.send(()).unwrap();
            tell.send(written.recv_timeout(Duration::from_secs(10)).is_ok())
                .unwrap();
        });
        // A reader that finds nothing lets other tasks go first, once.
        let noop = &mut Context::from_waker(Waker::noop());
        assert!(body.as_mut().poll_frame(noop).is_pending());
        assert!(body.as_mut().poll_frame(noop).is_pending());
        let polled = polled_by(waker, |context| body.as_mut().poll_frame(context));
        assert!(matches!(polled, Poll::Ready(Some(Ok(_)))));
        assert_eq!(hear.try_recv(), Ok(true));
    });
}

/// A number below its argument, each time another; the same for the same seed.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}
