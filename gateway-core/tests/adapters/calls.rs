//! One call: its pieces, its turn, and a client that goes away.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use gateway_core::adapt::from_service;
use gateway_core::{Application, Body, BoxError, Environ, Error, Reply, application};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

use crate::reading::read_until;
use crate::server::{Server, multi_thread, read_all};

const PAUSE: Duration = Duration::from_millis(20);

/// Whether the service takes a call now; its waker is woken when it may.
async fn ready<S: Service<Request<Body>, Error = BoxError>>(service: &mut S) {
    ServiceExt::<Request<Body>>::ready(service).await.unwrap();
}

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

#[test]
fn is_cancelled_turns_true_when_the_client_goes_away() {
    let (tell, hear) = channel();
    let server = Server::run(application(move |environ: &mut Environ| {
        tell.send(false).unwrap();
        let start = Instant::now();
        while !environ.is_cancelled() && start.elapsed() < Duration::from_secs(60) {
            sleep(PAUSE);
        }
        tell.send(environ.is_cancelled()).unwrap();
    }));
    let client = server.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
    assert!(!hear.recv().unwrap(), "called");
    drop(client);
    assert!(hear.recv_timeout(Duration::from_secs(60)).unwrap());
}

#[test]
fn an_iterator_sees_through_its_handle_that_the_client_went_away() {
    let (tell, hear) = channel();
    let server = Server::run(application(move |environ: &mut Environ| {
        let cancellation = environ.cancellation();
        let tell = tell.clone();
        let search = move || {
            while !cancellation.is_cancelled() {
                sleep(PAUSE);
            }
            tell.send(()).unwrap();
            "found"
        };
        Reply::new(Body::chunks(
            std::iter::once("begun").chain(std::iter::once_with(search)),
        ))
    }));
    let mut client = server.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
    read_until(&mut client, "begun");
    drop(client);
    hear.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_call_that_was_answered_is_not_cancelled() {
    let (tell, hear) = channel();
    let server = Server::run(application(move |environ: &mut Environ| {
        tell.send(environ.cancellation()).unwrap();
        Reply::new(Body::chunks(["whole"]))
    }));
    assert!(server.get("/").contains("whole"));
    assert!(!hear.recv().unwrap().is_cancelled());
}

/// Waits until the test says so.
#[derive(Clone)]
struct Gate(Arc<std::sync::Mutex<std::sync::mpsc::Receiver<()>>>);

fn gate() -> (std::sync::mpsc::Sender<()>, Gate) {
    let (go, wait) = channel();
    (go, Gate(Arc::new(std::sync::Mutex::new(wait))))
}

impl Gate {
    fn pass(&self) {
        let wait = self.0.lock().unwrap();
        wait.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn each_chunk_is_on_its_way_when_it_is_made_and_is_not_joined_with_the_next() {
    let (go, gate) = gate();
    let server = Server::run(application(move |_: &mut Environ| {
        let gate = gate.clone();
        Reply::new(Body::chunks((0..4).map(move |n| {
            // The third is ready together with the second.
            if n != 2 {
                gate.pass();
            }
            format!("chunk-{n}\n")
        })))
    }));
    let mut client = server.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
    let mut text = String::new();
    for last in [0, 2, 3] {
        go.send(()).unwrap();
        // The next is not made before this one is here.
        text += &read_until(&mut client, &format!("8\r\nchunk-{last}\n\r\n"));
    }
    assert!(
        text.contains("8\r\nchunk-1\n\r\n8\r\nchunk-2\n\r\n"),
        "{text}"
    );
}

#[test]
fn an_empty_piece_or_a_flush_sends_the_head_ahead() {
    let (go, gate) = gate();
    let server = Server::run(application(move |environ: &mut Environ| {
        let gate = gate.clone();
        let first = move || {
            gate.pass();
            "first"
        };
        Reply::new(match environ.query_string() {
            "chunks" => Body::chunks(std::iter::once("").chain(std::iter::once_with(first))),
            "late" => Body::chunks(std::iter::once_with(first)),
            _ => Body::from_writer(move |out| {
                out.flush()?;
                out.write_all(first().as_bytes())
            }),
        })
    }));
    let get = |query| server.send(&format!("GET /?{query} HTTP/1.1\r\nhost: t\r\n\r\n"));
    for query in ["chunks", "writer"] {
        let mut client = get(query);
        assert!(
            read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 200"),
            "{query}"
        );
        go.send(()).unwrap();
        let rest = read_until(&mut client, "0\r\n\r\n");
        assert!(rest.starts_with("5\r\nfirst\r\n"), "{query}: {rest}");
    }
    let mut late = get("late");
    late.set_read_timeout(Some(10 * PAUSE)).unwrap();
    assert!(
        late.read(&mut [0; 1]).is_err(),
        "a head, and nothing to follow it"
    );
    late.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    go.send(()).unwrap();
    assert!(read_until(&mut late, "first").starts_with("HTTP/1.1 200"));
}

#[test]
fn single_bytes_count_for_what_they_take_up() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let app = application(move |_: &mut Environ| {
        let count = Arc::clone(&count);
        Reply::new(Body::chunks(std::iter::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            "x"
        })))
    });
    multi_thread().block_on(async {
        let response = app.into_service().oneshot(request()).await.unwrap();
        sleep(5 * PAUSE);
        let ahead = made.load(Ordering::SeqCst);
        assert!((900..1100).contains(&ahead), "{ahead}");
        drop(response);
    });
}

#[tokio::test]
async fn a_current_thread_runtime_will_do() {
    let app = application(|environ: &mut Environ| {
        sleep(PAUSE);
        let input = environ.input().read_all(1000).unwrap();
        Reply::new(Body::chunks(vec![input, "!".into()]))
    });
    let response = app
        .into_service()
        .oneshot(Request::new(Body::from("hi")))
        .await
        .unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "hi!"
    );
    let export = application(|_: &mut Environ| {
        Reply::new(Body::from_writer(|out| out.write_all(&[b'x'; 300_000])))
    });
    let response = export.into_service().oneshot(request()).await.unwrap();
    assert_eq!(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len(),
        300_000
    );
}

#[test]
fn where_no_runtime_runs_the_thread_that_polls_does_the_work() {
    let app = application(|environ: &mut Environ| {
        let here = std::thread::current().id();
        let echoed = environ.input().read_all(100).unwrap();
        let name = format!("{here:?}");
        Reply::new(Body::chunks([echoed].into_iter().chain(
            std::iter::once_with(move || {
                assert_eq!(here, std::thread::current().id());
                name.into()
            }),
        )))
    });
    let again = from_service(app.into_service());
    let response = again
        .respond(&mut Environ::builder().body("echo ").build())
        .unwrap();
    let here = std::thread::current().id();
    let text = response.into_body().into_bytes().unwrap();
    assert_eq!(text, format!("echo {here:?}"));
}

#[test]
fn readiness_shows_the_limit_and_nothing_leaks() {
    multi_thread().block_on(async {
        let open = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicUsize::new(0));
        let app = application({
            let (open, calls) = (Arc::clone(&open), Arc::clone(&calls));
            move |environ: &mut Environ| {
                calls.fetch_add(1, Ordering::SeqCst);
                while !open.load(Ordering::SeqCst) && !environ.is_cancelled() {
                    sleep(Duration::from_millis(1));
                }
            }
        });
        let service = app.into_service().threads(2);
        let mut probe = service.clone();
        for _ in 0..50 {
            let first = tokio::spawn(service.clone().oneshot(request()));
            let second = tokio::spawn(service.clone().oneshot(request()));
            let third = tokio::spawn(service.clone().oneshot(request()));
            while calls.load(Ordering::SeqCst) < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(
                ready(&mut probe).now_or_never().is_none(),
                "saturated, and ready?"
            );
            // One that waits goes away; two that run do.
            third.abort();
            first.abort();
            second.abort();
            let place = tokio::time::timeout(Duration::from_secs(60), ready(&mut probe)).await;
            place.expect("a place was lost");
            while ready(&mut service.clone()).now_or_never().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            calls.store(0, Ordering::SeqCst);
        }
        // All who wait get their turn.
        let waiting: Vec<_> = (0..50)
            .map(|_| tokio::spawn(service.clone().oneshot(request())))
            .collect();
        tokio::time::sleep(2 * PAUSE).await;
        assert!(calls.load(Ordering::SeqCst) <= 2 + 2, "the limit holds");
        open.store(true, Ordering::SeqCst);
        for call in waiting {
            let answered = tokio::time::timeout(Duration::from_secs(60), call).await;
            answered.expect("one waits for ever").unwrap().unwrap();
        }
        assert_eq!(calls.load(Ordering::SeqCst), 50);
    });
}

#[test]
fn the_hundred_continue_goes_out_when_the_input_is_read_and_not_before() {
    let (go, gate) = gate();
    let server = Server::run(application(move |environ: &mut Environ| {
        gate.pass();
        let mut text = String::new();
        environ.input().read_to_string(&mut text)?;
        Ok::<_, Error>(Reply::text(text))
    }));
    let head = "HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    let mut client = server.send(&format!("POST / {head}"));
    client.set_read_timeout(Some(10 * PAUSE)).unwrap();
    assert!(
        client.read(&mut [0; 1]).is_err(),
        "something came before the read"
    );
    client
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    go.send(()).unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 100 "));
    client.write_all(b"hello").unwrap();
    assert!(read_all(client).ends_with("hello"));

    let refused = Server::of(
        application(|_: &mut Environ| -> Result<Reply, Error> {
            Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, "no"))
        })
        .into_service()
        .answer_errors(),
    );
    let answer = read_all(refused.send(&format!("POST / {head}")));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn from_service_calls_the_instance_that_was_polled_ready() {
    #[derive(Clone, Default)]
    struct Careful {
        ready: bool,
    }
    impl Service<Request<Body>> for Careful {
        type Response = http::Response<String>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Self::Response, BoxError>>;
        fn poll_ready(
            &mut self,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            if std::mem::replace(&mut self.ready, true) {
                return std::task::Poll::Ready(Ok(()));
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called without readiness");
            std::future::ready(Ok(http::Response::new("ready".into())))
        }
    }
    let app = from_service(Careful::default());
    for _ in 0..3 {
        let response = app.respond(&mut Environ::builder().build()).unwrap();
        assert_eq!(response.into_body().into_bytes().unwrap(), "ready");
    }
}

#[test]
fn axum_takes_an_application_in_one_line() {
    fn hello(environ: &mut Environ) -> Reply {
        let place = String::from_utf8_lossy(&environ.path_info()).into_owned();
        Reply::text(place)
    }
    let app: axum::Router = axum::Router::new()
        .route_service("/one", hello.into_service().answer_errors())
        .nest_service("/below", hello.into_inline_service().answer_errors())
        .fallback_service(hello.into_service().answer_errors());
    multi_thread().block_on(async {
        for (path, seen) in [
            ("/one", "/one"),
            ("/below/two", "/two"),
            ("/three", "/three"),
        ] {
            let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let text = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, seen);
        }
    });
}
