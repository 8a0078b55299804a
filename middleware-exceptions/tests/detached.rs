//! Work that goes on beside a request: its failure is of the request.

#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{hint::black_box, panic::resume_unwind, sync::mpsc, thread};

use axum::{Router, body::Body};
use gateway_core::Error;
use http::Request;
use middleware_exceptions::{in_request, in_request_fn};
use support::{Log, layer, take};
use tokio::sync::oneshot;
use tower::{Layer as _, ServiceExt as _, service_fn};

fn boom(n: usize) {
    if black_box(n) < usize::MAX {
        panic!("boom {n}");
    }
}

/// Asks for a path of its own, so that the log tells of which request a failure is.
async fn ask<H, T>(path: &str, handler: H) -> u16
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    let app = Router::new().fallback(handler).layer(layer());
    let request = Request::get(path).body(Body::empty()).unwrap();
    take(app.oneshot(request).await.unwrap())
        .await
        .status
        .as_u16()
}

/// What follows `id=` in a record.
fn id_of(record: &str) -> &str {
    &record.split_once(" id=").unwrap().1[..16]
}

#[tokio::test]
async fn however_work_is_detached_its_failure_is_reported_with_the_request() {
    let log = Log::new();
    type Start = fn();
    let starts: [(&str, Start); 6] = [
        ("/task", || _ = tokio::spawn(in_request(async { boom(1) }))),
        ("/later", || {
            _ = tokio::spawn(in_request(async {
                tokio::task::yield_now().await;
                boom(2);
            }));
        }),
        ("/blocking", || {
            _ = tokio::task::spawn_blocking(in_request_fn(|| boom(3)));
        }),
        ("/thread", || _ = thread::spawn(in_request_fn(|| boom(4)))),
        ("/rayon", || rayon_spawn(in_request_fn(|| boom(5)))),
        ("/nested", || {
            _ = tokio::spawn(in_request(async {
                _ = thread::spawn(in_request_fn(|| boom(6))).join();
            }));
        }),
    ];
    for (path, start) in starts {
        let status = ask(path, async move || start()).await;
        assert_eq!(status, 200, "{path}");
        let record = log.only().await;
        assert!(record.contains(&format!("request=GET {path} ")), "{record}");
        assert!(record.contains("stage=detached work"), "{record}");
        assert!(record.contains("boom "), "{record}");
        assert!(record.contains("in boom"), "frames: {record}");
        assert!(record.contains("tests/detached.rs"), "{record}");
    }
}

/// rayon ends the process when a spawned closure panics, unless its pool says what to do then.
fn rayon_spawn(run: impl FnOnce() + Send + 'static) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .panic_handler(|_| ());
    pool.build().unwrap().spawn(run);
}

#[tokio::test]
async fn of_two_requests_on_one_thread_each_has_its_own_work() {
    let log = Log::new();
    let (started, starts) = mpsc::channel();
    for path in ["/first", "/second"] {
        let started = started.clone();
        let handler = async move || {
            let (go, waits) = oneshot::channel::<()>();
            tokio::spawn(in_request(async move {
                _ = waits.await;
                boom(1);
            }));
            started.send(go).unwrap();
        };
        ask(path, handler).await;
    }
    for path in ["/first", "/second"] {
        starts.recv().unwrap().send(()).unwrap();
        let record = log.only().await;
        assert!(record.contains(&format!("request=GET {path} ")), "{record}");
    }
}

#[tokio::test]
async fn work_of_a_handler_that_fails_has_the_request_and_work_of_call_an_id() {
    let log = Log::new();
    for in_call in [true, false] {
        let (go, waits) = oneshot::channel::<()>();
        let start = move || {
            tokio::spawn(in_request(async move {
                _ = waits.await;
                boom(1);
            }));
        };
        let mut start = Some(start);
        let service = service_fn(move |_: Request<Body>| {
            let start = start.take().unwrap();
            let later = if in_call {
                start();
                None
            } else {
                Some(start)
            };
            async move {
                if let Some(start) = later {
                    start();
                }
                Err::<http::Response<Body>, gateway_core::BoxError>("no".into())
            }
        });
        let request = Request::get("/failing").body(Body::empty()).unwrap();
        let answered = layer().layer(service).oneshot(request).await.unwrap();
        assert_eq!(answered.status(), 500);
        assert!(log.only().await.contains("stage=handler future"));
        go.send(()).unwrap();
        let record = log.only().await;
        let has_request = record.contains("request=GET /failing ");
        assert_eq!(has_request, !in_call, "{record}");
        assert!(record.contains("stage=detached work"), "{record}");
    }
}

#[tokio::test]
async fn who_awaits_the_work_names_the_id_of_its_first_report() {
    let log = Log::new();
    async fn returned() -> Result<(), Error> {
        Ok(tokio::spawn(in_request(async { boom(1) })).await?)
    }
    async fn unwrapped() {
        tokio::spawn(in_request(async { boom(2) })).await.unwrap();
    }
    async fn resumed() {
        let failed = tokio::spawn(in_request(async { boom(3) })).await;
        resume_unwind(failed.unwrap_err().into_panic());
    }
    async fn literal() {
        let failed = tokio::spawn(in_request(async { panic!("a literal") })).await;
        let failed: Result<(), _> = failed;
        resume_unwind(failed.unwrap_err().into_panic());
    }
    async fn joined() {
        let failed = thread::spawn(in_request_fn(|| boom(4))).join();
        resume_unwind(failed.unwrap_err());
    }
    for (how, status) in [
        ("returned", ask("/a", returned).await),
        ("unwrapped", ask("/a", unwrapped).await),
        ("resumed", ask("/a", resumed).await),
        ("literal", ask("/a", literal).await),
        ("joined", ask("/a", joined).await),
    ] {
        assert_eq!(status, 500, "{how}");
    }
    let mut records = Vec::new();
    while records.len() < 10 {
        records.extend(log.take());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let (first, later): (Vec<_>, Vec<_>) = records
        .iter()
        .partition(|record| record.contains("stage=detached work"));
    assert_eq!((first.len(), later.len()), (5, 5));
    for first in first {
        let named = format!("irst reported under error id {}", id_of(first));
        let naming = later.iter().filter(|record| record.contains(&named));
        assert_eq!(naming.count(), 1, "{named} of {first} in {later:#?}");
    }
}

#[tokio::test]
async fn in_no_request_the_failure_has_an_id_all_the_same() {
    let log = Log::new();
    _ = layer();
    assert!(tokio::spawn(in_request(async { boom(1) })).await.is_err());
    let record = log.only().await;
    assert_eq!(id_of(&record).len(), 16);
    assert!(record.contains("boom 1"), "{record}");
    // Of a pool's thread that no layer has control of, nothing is kept for the next request there.
    _ = panic_capture::guard(|| tokio::spawn(in_request(async {})))
        .unwrap()
        .await;
}

#[tokio::test]
async fn work_that_does_not_fail_gives_what_it_gives() {
    let log = Log::new();
    let handler = async || {
        let one = tokio::spawn(in_request(async { 1 })).await.unwrap();
        let two = thread::spawn(in_request_fn(|| 2)).join().unwrap();
        (one + two).to_string()
    };
    assert_eq!(ask("/", handler).await, 200);
    assert_eq!(log.take(), [""; 0]);
}

/// Aborted, or its runtime gone: a panic of its drop goes where a panic of its own would.
#[tokio::test]
async fn a_panic_of_its_drop_is_reported() {
    let log = Log::new();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(9);
        }
    }
    let handler = async || {
        let task = tokio::spawn(in_request(async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        }));
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_panic());
    };
    assert_eq!(ask("/drop", handler).await, 200);
    let record = log.only().await;
    assert!(
        record.contains("request=GET /drop ") && record.contains("boom 9"),
        "{record}"
    );
}
