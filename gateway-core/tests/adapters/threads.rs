//! How many threads come for which work.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use gateway_core::{Application, Body, Environ, Error, Reply, application};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::server::multi_thread;

/// A gate that ends up open, even if a test fails meanwhile.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let (open, opened) = &*self.0;
        let shut = open.lock().unwrap();
        drop(opened.wait_while(shut, |open| !*open).unwrap());
    }

    fn open(&self) {
        let (open, opened) = &*self.0;
        *open.lock().unwrap() = true;
        opened.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

type Answer = Result<Response<Body>, gateway_core::BoxError>;

fn call<S>(calls: &mut JoinSet<Answer>, service: &S, path: &str)
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = gateway_core::BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let request = Request::get(path).body(Body::empty()).unwrap();
    calls.spawn(service.clone().oneshot(request));
}

async fn all(calls: JoinSet<Answer>) -> usize {
    let answers = tokio::time::timeout(Duration::from_secs(60), calls.join_all());
    let answers = answers.await.expect("some call waits for ever");
    answers.into_iter().map(Result::unwrap).count()
}

/// A runtime whose threads have just been busy with work that is quick.
fn after_quick_work<A: Application>(service: &gateway_core::adapt::BlockingService<A>) -> Runtime {
    let runtime = multi_thread();
    runtime.block_on(async {
        for _ in 0..20 {
            let mut calls = JoinSet::new();
            (0..50).for_each(|_| call(&mut calls, service, "/quick"));
            assert_eq!(all(calls).await, 50);
        }
    });
    runtime
}

#[test]
fn calls_that_wait_for_each_other_each_have_a_thread() {
    let meeting = Arc::new(Barrier::new(60));
    let app = application(move |environ: &mut Environ| {
        if *environ.path_info() == *b"/meet" {
            meeting.wait();
        }
        Ok::<_, Error>("there\n")
    });
    let service = app.into_service();
    let runtime = after_quick_work(&service);
    runtime.block_on(async {
        for _ in 0..3 {
            let mut calls = JoinSet::new();
            (0..60).for_each(|_| call(&mut calls, &service, "/meet"));
            assert_eq!(all(calls).await, 60);
        }
    });
}

#[test]
fn what_is_called_after_work_that_blocks_for_ever_is_answered() {
    let gate = Gate::default();
    let inside = gate.clone();
    let blocked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&blocked);
    let app = application(move |environ: &mut Environ| {
        if *environ.path_info() == *b"/block" {
            count.fetch_add(1, Ordering::SeqCst);
            inside.wait();
        }
        Ok::<_, Error>("done\n")
    });
    let service = app.into_service().threads(30);
    let runtime = after_quick_work(&service);
    runtime.block_on(async {
        let mut blocking = JoinSet::new();
        // One by one, with quick ones in between, of which some are queued behind it.
        for round in 1..=25 {
            call(&mut blocking, &service, "/block");
            let mut calls = JoinSet::new();
            (0..4).for_each(|_| call(&mut calls, &service, "/quick"));
            assert_eq!(all(calls).await, 4, "round {round}");
        }
        gate.open();
        assert_eq!(all(blocking).await, 25);
    });
    assert_eq!(blocked.load(Ordering::SeqCst), 25);
}

#[test]
fn iterators_that_block_for_ever_keep_no_other_client_from_its_pieces() {
    let gate = Gate::default();
    let inside = gate.clone();
    let app = application(move |environ: &mut Environ| {
        let inside = inside.clone();
        let blocks = *environ.path_info() == *b"/block";
        Reply::new(Body::chunks((0..400).map(move |n| {
            if blocks && n == 30 {
                inside.wait();
            }
            vec![b'x'; 16 * 1024]
        })))
    });
    let service = app.into_service();
    let read = async |response: Response<Body>| {
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len()
    };
    multi_thread().block_on(async {
        let mut blocked = JoinSet::new();
        let mut whole = JoinSet::new();
        for n in 0..100 {
            let path = if n % 5 == 0 { "/block" } else { "/" };
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = service.clone().oneshot(request);
            let task = async move { read(answer.await.unwrap()).await };
            _ = if n % 5 == 0 {
                blocked.spawn(task)
            } else {
                whole.spawn(task)
            };
        }
        let lengths = tokio::time::timeout(Duration::from_secs(60), whole.join_all());
        let lengths = lengths.await.expect("some body waits for ever");
        assert_eq!(lengths, [400 * 16 * 1024; 80]);
        gate.open();
        assert_eq!(blocked.join_all().await, [400 * 16 * 1024; 20]);
    });
}

#[test]
fn a_runtime_shuts_down_in_the_middle_of_quick_work() {
    for _ in 0..5 {
        let app = application(|_: &mut Environ| {
            Reply::new(Body::chunks((0..100).map(|_| vec![b'x'; 16 * 1024])))
        });
        let service = app.into_service();
        let runtime = after_quick_work(&service);
        for _ in 0..100 {
            let service = service.clone();
            runtime.spawn(async move {
                loop {
                    let request = Request::get("/").body(Body::empty()).unwrap();
                    let response = service.clone().oneshot(request).await.unwrap();
                    _ = response.into_body().collect().await;
                }
            });
        }
        std::thread::sleep(Duration::from_millis(20));
        let (over, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(runtime);
            over.send(()).unwrap();
        });
        wait.recv_timeout(Duration::from_secs(60))
            .expect("the runtime does not end");
    }
}

#[test]
fn quick_work_one_after_the_other_is_done_by_few_threads() {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let threads = Arc::clone(&seen);
    let app = application(move |_: &mut Environ| {
        threads.lock().unwrap().insert(std::thread::current().id());
        "quick\n"
    });
    let service = app.into_service();
    multi_thread().block_on(async {
        for _ in 0..500 {
            let mut calls = JoinSet::new();
            call(&mut calls, &service, "/");
            all(calls).await;
        }
    });
    // One after the other; and a thread is changed for another every quarter of a second.
    let few = seen.lock().unwrap().len();
    assert!(few < 60, "{few}");
}

// What slow clients have room for is made soon, and not now: when the one thread there was blocked,
// it filled the queue, and a call that waited for room in the queue waited for that thread.
#[test]
fn what_waits_for_room_sees_to_it_that_the_queue_moves() {
    let gate = Gate::default();
    let waits = gate.clone();
    let app = application(move |environ: &mut Environ| match environ.raw_path_info() {
        "/stream" => Reply::new(Body::chunks((0..1000).map(|_| vec![b'x'; 16 * 1024]))),
        "/blocks" => {
            waits.wait();
            Reply::text("at last\n")
        }
        _ => Reply::text("here\n"),
    });
    let service = app.into_service().threads(3);
    let runtime = multi_thread();
    runtime.block_on(async {
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        let mut streams = Vec::new();
        for _ in 0..2 {
            let response = service.clone().oneshot(get("/stream")).await.unwrap();
            streams.push(response.into_body());
        }
        let blocked = tokio::spawn(service.clone().oneshot(get("/blocks")));
        tokio::time::sleep(Duration::from_millis(20)).await;
        for stream in &mut streams {
            // As a server does until its client's buffers are full.
            for _ in 0..3 {
                stream.frame().await.unwrap().unwrap();
            }
        }
        let answer = tokio::time::timeout(Duration::from_secs(60), service.oneshot(get("/"))).await;
        gate.open();
        assert_eq!(answer.expect("answered").unwrap().status(), 200);
        blocked.await.unwrap().unwrap();
    });
}
