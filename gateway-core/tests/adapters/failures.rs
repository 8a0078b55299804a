//! What fails: panics, errors, clients that break off; and who sees it.

use std::io::Write;
use std::net::Shutdown;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use futures_util::FutureExt;
use gateway_core::adapt::from_service;
use gateway_core::error::Failure;
use gateway_core::{Application, Body, BoxError, Environ, Error, Reply, application};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt;

use crate::reading::read_until;
use crate::server::{Server, multi_thread, read_all};

const PAUSE: Duration = Duration::from_millis(20);

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

#[test]
fn a_panic_reaches_the_caller_with_the_frames_of_its_own_thread() {
    panic_capture::install();
    static LINE: AtomicU32 = AtomicU32::new(0);
    let expected = |caught: panic_capture::Caught| {
        let capture = caught.capture.unwrap();
        let place = capture.place().unwrap();
        assert!(place.file.ends_with("failures.rs"), "{place}");
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

/// Two thousand bodies that failed at once once took all threads of a runtime, for a pause each.
#[test]
fn a_body_that_fails_takes_no_thread_of_the_runtime_while_it_waits() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let other_work = tokio::task::spawn_blocking(move || wait.recv());
        let bodies = (0..100).map(|_| {
            tokio::spawn(async {
                let pieces = [Ok("piece"), Err("expected: no more")];
                let mut body = Body::try_chunks(pieces);
                assert!(body.frame().await.unwrap().is_ok());
                assert!(body.frame().await.unwrap().is_err());
            })
        });
        for body in bodies.collect::<Vec<_>>() {
            body.await.unwrap();
        }
        drop(done);
        other_work.await.unwrap().unwrap_err();
    });
}
