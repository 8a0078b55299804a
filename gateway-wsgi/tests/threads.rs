//! Who runs Python when: one thread while it gets on, others where it waits.

mod support;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use gateway_core::Body;
use gateway_core::testing::Client;
use gateway_wsgi::Wsgi;
use http::Request;
use pyo3::prelude::*;
use support::app;
use tower::ServiceExt;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

const WHO: &str = "
import threading
local = threading.local()
def application(environ, start_response):
    local.count = getattr(local, 'count', 0) + 1
    start_response('200 OK', [])
    return [f'{threading.get_ident()} {local.count}'.encode()]
";

async fn get(app: Wsgi, path: &str) -> String {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.into_service().oneshot(request).await.unwrap();
    let body = tokio::task::spawn_blocking(|| response.into_body().into_bytes());
    String::from_utf8(body.await.unwrap().unwrap().to_vec()).unwrap()
}

#[test]
fn calls_that_wait_outside_the_lock_wait_together() {
    // All of them must be inside at once, or none returns.
    let app = app("
import threading
barrier = threading.Barrier(20)
def application(environ, start_response):
    barrier.wait(60)
    start_response('200 OK', [])
    return [b'together']
");
    runtime().block_on(async {
        let calls: Vec<_> = (0..20)
            .map(|_| tokio::spawn(get(app.clone(), "/")))
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), "together");
        }
    });
}

#[test]
fn there_are_never_more_threads_than_were_allowed() {
    let app = app("
import threading, time
lock = threading.Lock()
inside = most = 0
def application(environ, start_response):
    global inside, most
    with lock:
        inside += 1
        most = max(most, inside)
    time.sleep(0.005)
    with lock:
        inside -= 1
    start_response('200 OK', [])
    return [str(most).encode()]
");
    let import = Python::attach(|py| app.application(py).unbind());
    let app = Wsgi::from_python_with(import, 3).unwrap();
    runtime().block_on(async {
        let calls: Vec<_> = (0..60)
            .map(|_| tokio::spawn(get(app.clone(), "/")))
            .collect();
        for call in calls {
            let most: usize = call.await.unwrap().parse().unwrap();
            assert!(most <= 3, "{most}");
        }
    });
}

#[test]
fn calls_from_threads_without_a_runtime_are_answered() {
    let app = app(WHO);
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (client, start) = (Client::new(app.clone()), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for _ in 0..100 {
                    client.get("/").send().assert_status(200);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_response_is_sent_before_what_comes_after_its_first_piece() {
    let app = app("
import threading
released = threading.Event()
def application(environ, start_response):
    if environ['PATH_INFO'] == '/release':
        released.set()
        start_response('200 OK', [])
        return [b'released']
    start_response('200 OK', [])
    return pieces()
def pieces():
    yield b'first '
    assert released.wait(60)
    yield b'second'
");
    runtime().block_on(async {
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = app.clone().into_service().oneshot(request).await.unwrap();
        // Its head is here while it waits.
        assert_eq!(get(app.clone(), "/release").await, "released");
        let body = tokio::task::spawn_blocking(|| response.into_body().into_bytes());
        assert_eq!(body.await.unwrap().unwrap(), "first second");
    });
}

#[test]
fn python_threads_may_call_the_application_back() {
    let module = support::module(
        "
import threading
call = None
def application(environ, start_response):
    if environ['PATH_INFO'] == '/inner':
        start_response('200 OK', [])
        return [b'inner']
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(call())) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
    start_response('200 OK', [])
    return [b','.join(answers)]
",
    );
    let application = Python::attach(|py| module.getattr(py, "application").unwrap());
    let app = Wsgi::from_python(application).unwrap();
    let inner = app.clone();
    Python::attach(|py| {
        let call = pyo3::types::PyCFunction::new_closure(py, None, None, move |args, _| {
            let client = Client::new(inner.clone());
            let answer = args
                .py()
                .detach(|| client.get("/inner").send().bytes().to_vec());
            Ok::<_, PyErr>(pyo3::types::PyBytes::new(args.py(), &answer).unbind())
        });
        module.setattr(py, "call", call.unwrap()).unwrap();
    });
    Client::new(app)
        .get("/")
        .send()
        .assert_text("inner,inner,inner,inner");
}

#[test]
fn a_body_may_be_dropped_while_another_thread_has_the_lock() {
    let module = support::module(
        "
opened = closed = 0
class Body:
    def __init__(self):
        global opened
        opened += 1
    def __iter__(self):
        while True:
            yield b'x' * 10000
    def close(self):
        global closed
        closed += 1
def application(environ, start_response):
    start_response('200 OK', [])
    return Body()
",
    );
    let application = Python::attach(|py| module.getattr(py, "application").unwrap());
    let app = Wsgi::from_python(application).unwrap();
    runtime().block_on(async {
        for _ in 0..100 {
            let request = Request::get("/").body(Body::empty()).unwrap();
            let response = app.clone().into_service().oneshot(request).await.unwrap();
            // This thread has the lock, and drops all the same.
            Python::attach(|_| drop(response));
        }
        let counts = || {
            Python::attach(|py| {
                let count = |name| {
                    module
                        .getattr(py, name)
                        .unwrap()
                        .extract::<u32>(py)
                        .unwrap()
                };
                (count("opened"), count("closed"))
            })
        };
        for _ in 0..2000 {
            if counts() == (100, 100) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}", counts());
    });
}
