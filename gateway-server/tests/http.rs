//! What a service sees, and what becomes of its answer.

mod common;

use std::convert::Infallible;

use common::{Running, hello};
use gateway_core::{Body, RequestExt};
use http::{Request, Response};
use tower::service_fn;

#[tokio::test]
async fn a_service_fn_is_served_over_http_1_1() {
    let server = Running::start(service_fn(hello));
    let mut client = server.client().await;
    for _ in 0..3 {
        let answer = client.get("/").await;
        assert_eq!((answer.status(), answer.text()), (200, "hello"));
    }
}

#[tokio::test]
async fn an_axum_router_goes_in_as_it_is() {
    let router = axum::Router::new().route("/a", axum::routing::get(|| async { "axum" }));
    let server = Running::start(router);
    let mut client = server.client().await;
    assert_eq!(client.get("/a").await.text(), "axum");
    assert_eq!(client.get("/b").await.status(), 404);
}

#[tokio::test]
async fn a_service_sees_the_connection_and_the_recorded_path() {
    let server = Running::start(service_fn(|request: Request<Body>| async move {
        let conn = request.conn().expect("a connection");
        let text = format!(
            "{} {} {} {}",
            conn.peer(),
            conn.local(),
            request.scheme(),
            request.raw_path_info()
        );
        Ok::<_, Infallible>(Response::new(text))
    }));
    let mut client = server.client().await;
    let peer = client.stream.local_addr().unwrap();
    let expected = format!("{peer} {} http /a%20b", server.addr);
    assert_eq!(client.get("/a%20b?c").await.text(), expected);
}

#[tokio::test]
async fn a_panic_is_answered_with_a_bare_500_wherever_it_happens() {
    #[derive(Clone)]
    struct PanicsInCall;
    impl tower::Service<Request<Body>> for PanicsInCall {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<String>, Infallible>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<Body>) -> Self::Future {
            if request.uri().path() == "/panic" {
                panic!("in call");
            }
            std::future::ready(Ok(Response::new("alive".into())))
        }
    }
    let in_future = service_fn(|request: Request<Body>| async move {
        tokio::task::yield_now().await;
        assert!(request.uri().path() != "/panic", "in the future");
        Ok::<_, Infallible>(Response::new("alive".to_string()))
    });
    for server in [Running::start(PanicsInCall), Running::start(in_future)] {
        let mut client = server.client().await;
        let answer = client.get("/panic").await;
        assert_eq!((answer.status(), answer.text()), (500, ""));
        assert_eq!(
            client.get("/").await.text(),
            "alive",
            "the connection goes on"
        );
    }
}

#[tokio::test]
async fn an_error_of_the_service_is_answered_with_a_bare_500() {
    let server = Running::start(service_fn(|_: Request<Body>| async {
        Err::<Response<String>, _>(std::io::Error::other("secret"))
    }));
    let answer = server.client().await.get("/").await;
    assert_eq!((answer.status(), answer.text()), (500, ""));
}

#[tokio::test]
async fn a_target_that_names_a_host_overrules_the_field() {
    let server = Running::start(service_fn(|request: Request<Body>| async move {
        let host = request.headers()[http::header::HOST].to_str().unwrap();
        Ok::<_, Infallible>(Response::new(host.to_string()))
    }));
    let mut client = server.client().await;
    client
        .send("GET http://a.example:81/ HTTP/1.1\r\nHost: b.example\r\n\r\n")
        .await;
    assert_eq!(client.response().await.text(), "a.example:81");
}

#[tokio::test]
async fn an_interim_status_is_not_the_services_to_answer() {
    let server = Running::start(service_fn(|_: Request<Body>| async {
        let mut response = Response::new("hint".to_string());
        *response.status_mut() = http::StatusCode::EARLY_HINTS;
        Ok::<_, Infallible>(response)
    }));
    let mut client = server.client().await;
    for _ in 0..2 {
        assert_eq!(client.get("/").await.status(), 500);
    }
}

/// A body that gives some pieces and then fails.
fn failing(pieces: usize) -> Body {
    let frames = (0..=pieces).map(move |piece| match piece < pieces {
        true => Ok(http_body::Frame::data(bytes::Bytes::from_static(b"piece "))),
        false => Err(std::io::Error::other("half way")),
    });
    Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(
        frames,
    )))
}

#[tokio::test]
async fn what_a_body_gave_before_it_failed_is_sent_and_its_end_is_not() {
    let server = Running::start(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(failing(2)))
    }));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(
        answer.ends_with("6\r\npiece \r\n6\r\npiece \r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_fails_at_once_leaves_no_answer_at_all() {
    let server = Running::start(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(failing(0)))
    }));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_failed_body_that_only_the_end_of_the_connection_ends_is_reset() {
    use tokio::io::AsyncReadExt;
    let server = Running::start(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(failing(2)))
    }));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let error = client.stream.read_to_end(&mut client.received).await;
    let kind = error.map_err(|error| error.kind());
    assert_eq!(kind, Err(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_dropped_is_sent_whole() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("when dropped");
        }
    }
    let server = Running::start(service_fn(|_: Request<Body>| async {
        let fragile = Fragile;
        let frames = ["who", "le"].map(|piece| http_body::Frame::data(piece.into()));
        let frames = frames.into_iter().map(move |frame| {
            let _held = &fragile;
            Ok::<http_body::Frame<bytes::Bytes>, Infallible>(frame)
        });
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        Ok::<_, Infallible>(Response::new(Body::new(body)))
    }));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n").await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n").await;
}
