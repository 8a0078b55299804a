//! One call: cancelled, panicking, failing, waiting for its turn.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use gateway_core::adapt::from_service;
use gateway_core::{Application, Body, BoxError, Environ, Error, Failure, Reply, application};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
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
        while !environ.is_cancelled() && start.elapsed() < Duration::from_secs(10) {
            sleep(PAUSE);
        }
        tell.send(environ.is_cancelled()).unwrap();
    }));
    let client = server.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
    assert!(!hear.recv().unwrap(), "called");
    drop(client);
    assert!(hear.recv_timeout(Duration::from_secs(20)).unwrap());
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
    hear.recv_timeout(Duration::from_secs(20)).unwrap();
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
        wait.recv_timeout(Duration::from_secs(20)).unwrap();
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
fn a_panic_reaches_the_caller_with_the_frames_of_its_own_thread() {
    panic_capture::install();
    static LINE: AtomicU32 = AtomicU32::new(0);
    let expected = |caught: panic_capture::Caught| {
        let capture = caught.capture.unwrap();
        let place = capture.place().unwrap();
        assert!(place.file.ends_with("calls.rs"), "{place}");
        assert_eq!(place.line, LINE.load(Ordering::SeqCst));
    };
    fn fail(stage: &str) -> ! {
        LINE.store(line!() + 1, Ordering::SeqCst);
        panic!("expected: in the {stage}");
    }
    let in_handler = application(|_: &mut Environ| -> Reply { fail("handler") });
    let in_chunks = application(|_: &mut Environ| {
        let second = std::iter::once_with(|| fail("chunks"));
        Reply::new(Body::chunks(std::iter::once("whole").chain(second)))
    });
    let in_writer = application(|_: &mut Environ| {
        Reply::new(Body::from_writer(|out| -> std::io::Result<()> {
            out.write_all(b"whole")?;
            fail("writer")
        }))
    });
    multi_thread().block_on(async {
        let mut future = in_handler.into_service().oneshot(request());
        expected(guarded_poll(&mut future).await);
        for service in [
            in_chunks.into_service().boxed_clone(),
            in_writer.into_service().boxed_clone(),
        ] {
            let response = service.oneshot(request()).await.unwrap();
            let mut body = response.into_body();
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(first, "whole");
            expected(guarded_poll(&mut body.frame()).await);
            assert!(
                body.frame().await.is_none(),
                "a body that panicked has ended"
            );
        }
    });
}

#[test]
fn what_fails_before_the_first_piece_fails_the_call() {
    let chunks = application(|_: &mut Environ| {
        sleep(PAUSE);
        let failed = || {
            sleep(PAUSE);
            Err::<&str, _>(Error::new(StatusCode::NOT_FOUND, "no rows"))
        };
        Reply::new(Body::try_chunks(std::iter::once_with(failed)))
    });
    let writer = application(|_: &mut Environ| {
        Reply::new(Body::from_writer(|_| {
            sleep(PAUSE);
            Err(Error::new(StatusCode::NOT_FOUND, "no rows"))
        }))
    });
    let panics = application(|_: &mut Environ| {
        let failed = || -> &str { panic!("expected: no rows") };
        Reply::new(Body::chunks(std::iter::once_with(failed)))
    });
    multi_thread().block_on(async {
        for service in [
            chunks.into_service().boxed_clone(),
            writer.into_service().boxed_clone(),
        ] {
            let error = service.oneshot(request()).await.unwrap_err();
            assert_eq!(error.to_string(), "no rows");
            let failure = error.downcast_ref::<Failure>().unwrap();
            assert_eq!(failure.status(), StatusCode::NOT_FOUND);
        }
        let called = AssertUnwindSafe(panics.into_service().oneshot(request()));
        called.catch_unwind().await.unwrap_err();
    });
}

// hyper drops what it has not sent yet, the head with it, when a body fails: half of the answers
// were empty.
#[test]
fn the_pieces_before_a_failure_are_sent_before_the_client_sees_it() {
    fn failing(how: &str) -> Body {
        let panics = how == "panic";
        let last = move || {
            assert!(!panics, "expected");
            Err(std::io::Error::other("expected"))
        };
        let pieces = ["one", "two", "three"].into_iter().map(Ok);
        Body::try_chunks(pieces.chain(std::iter::once_with(last)))
    }
    let app = |environ: &mut Environ| Reply::new(failing(environ.query_string()));
    let blocking = Server::of(application(app).into_service());
    let inline = Server::of(application(app).into_inline_service());
    for _ in 0..50 {
        for server in [&blocking, &inline] {
            for how in ["error", "panic"] {
                let answer = server.get(&format!("/?{how}"));
                let sent = "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n";
                assert!(answer.ends_with(sent), "{how}: {answer:?}");
            }
        }
    }
}

#[test]
fn over_http_2_too() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let app = application(|_: &mut Environ| {
        let failed = Err(std::io::Error::other("expected"));
        Reply::new(Body::try_chunks([Ok("one"), Ok("two"), failed]))
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let service = TowerToHyperService::new(app.into_inline_service());
        tokio::spawn(server.serve_connection(TokioIo::new(far), service));
        let client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (mut requests, connection) = client.handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let response = requests.send_request(request()).await.unwrap();
        let mut body = response.into_body();
        let mut text = Vec::new();
        let error = loop {
            match body.frame().await.expect("cut short") {
                Ok(frame) => text.extend_from_slice(frame.data_ref().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(text, b"onetwo", "{error}");
    });
}

#[test]
fn a_body_that_the_client_breaks_off_is_its_own_fault_and_answered_with_400() {
    let length = |environ: &mut Environ| -> Result<String, Error> {
        Ok(std::io::copy(environ.input(), &mut std::io::sink())?.to_string())
    };
    let server = Server::of(application(length).into_service().answer_errors());
    let long = "x".repeat(100_000);
    for (head, body) in [
        ("content-length: 5", "abc"),
        ("content-length: 500000", &*long),
        ("transfer-encoding: chunked", "5\r\nabc"),
        ("transfer-encoding: chunked", "no length\r\n"),
    ] {
        let request = format!("POST / HTTP/1.1\r\nhost: t\r\n{head}\r\n\r\n{body}");
        let client = server.send(&request);
        client.shutdown(Shutdown::Write).unwrap();
        let answer = read_all(client);
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
}

#[test]
fn a_body_that_stalls_is_answered_with_408() {
    let length = |environ: &mut Environ| -> Result<String, Error> {
        Ok(std::io::copy(environ.input(), &mut std::io::sink())?.to_string())
    };
    let service = application(length).into_service().input_buffer(0);
    let server = Server::of(service.stall_timeout(PAUSE).answer_errors());
    let client = server.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nabc");
    let answer = read_until(&mut client.try_clone().unwrap(), "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
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
    late.set_read_timeout(Some(Duration::from_secs(20)))
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

async fn guarded_poll<F: Future + Unpin>(future: &mut F) -> panic_capture::Caught {
    std::future::poll_fn(
        |context| match panic_capture::guard(|| future.poll_unpin(context)) {
            Ok(poll) => poll.map(|_| panic!("no panic")),
            Err(caught) => std::task::Poll::Ready(caught),
        },
    )
    .await
}

#[test]
fn a_panic_costs_its_connection_and_no_other() {
    let server = Server::run(application(|environ: &mut Environ| {
        assert!(
            environ.query("panics").is_none(),
            "expected: a handler panics"
        );
        "here\n"
    }));
    for _ in 0..300 {
        assert_eq!(server.get("/?panics=1"), "");
    }
    assert!(server.get("/").ends_with("here\n"));
}

#[tokio::test]
async fn an_error_keeps_status_and_place() {
    let line = line!() + 2;
    let failing = application(|_: &mut Environ| -> Result<Reply, Error> {
        Err(Error::new(StatusCode::CONFLICT, "edited meanwhile"))
    });
    let check = |error: BoxError| {
        let failure = error.downcast::<Failure>().unwrap();
        assert_eq!(failure.status(), StatusCode::CONFLICT);
        assert_eq!(failure.location().unwrap().line(), line);
    };
    check(failing.into_service().oneshot(request()).await.unwrap_err());
    check(
        failing
            .into_inline_service()
            .oneshot(request())
            .await
            .unwrap_err(),
    );
    let there_and_back = from_service(failing.into_inline_service());
    let error = there_and_back
        .respond(&mut Environ::builder().build())
        .unwrap_err();
    check(error.into());

    let answered = failing.into_service().answer_errors();
    let response = answered.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "Conflict\n");
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
            let place = tokio::time::timeout(Duration::from_secs(20), ready(&mut probe)).await;
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
            let answered = tokio::time::timeout(Duration::from_secs(20), call).await;
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
        .set_read_timeout(Some(Duration::from_secs(20)))
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

#[test]
fn a_second_panic_in_a_drop_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("expected: a drop panics");
            }
        }
    }
    let server = Server::run(application(|_: &mut Environ| {
        let bomb = Bomb;
        Reply::new(Body::chunks(std::iter::repeat_with(move || {
            _ = &bomb;
            vec![b'x'; 8192]
        })))
    }));
    for _ in 0..20 {
        let mut client = server.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
        read_until(&mut client, "xxx");
    }
    sleep(5 * PAUSE);
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut client = server.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n");
        read_until(&mut client, "xxx").contains("200 OK")
    }));
    assert!(caught.unwrap());
}
