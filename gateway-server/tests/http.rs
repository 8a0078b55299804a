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
async fn a_hyper_service_fn_goes_in_as_it_is() {
    let service =
        hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
            Ok::<_, Infallible>(Response::new(request.uri().path().to_string()))
        });
    let server = Running::start(service);
    assert_eq!(server.client().await.get("/hyper").await.text(), "/hyper");
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
