//! How connections end: a client can tell an end from a cut (RFC 8446 section 6.1).

use std::convert::Infallible;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use gateway_core::Body;
use gateway_server::tls::Tls;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tower::service_fn;

use crate::common::{PATIENCE, hello};
use crate::support::{Authority, Running};

fn tls(authority: &Authority) -> Tls {
    Tls::files(authority.localhost()).unwrap()
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_a_goodbye() {
    let authority = Authority::new();
    let server = Running::with(tls(&authority), service_fn(hello), |server| {
        server.keep_alive_timeout(Duration::from_millis(100))
    });
    let mut stream = server
        .shake_hands("localhost", authority.trusting())
        .await
        .unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // Without a goodbye rustls says `UnexpectedEof`.
    read.unwrap().unwrap();
    assert!(rest.ends_with(b"hello"));
}

#[tokio::test]
async fn a_body_cut_short_ends_without_a_goodbye() {
    async fn fails(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"half"))),
            Err(std::io::Error::other("no more")),
        ];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Ok(Response::new(Body::new(body)))
    }
    let authority = Authority::new();
    let server = Running::with(tls(&authority), service_fn(fails), |server| server);
    // Over HTTP/1.0 the end of the connection is the end of the body.
    let mut stream = server
        .shake_hands("localhost", authority.trusting())
        .await
        .unwrap();
    let request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    let error = read.unwrap().expect_err("a cut");
    let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

#[tokio::test]
async fn a_shutdown_finishes_requests_and_ends_handshakes() {
    async fn slow(_: Request<Body>) -> Result<Response<String>, Infallible> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(Response::new("done".to_owned()))
    }
    let authority = Authority::new();
    let mut server = Running::with(tls(&authority), service_fn(slow), |server| {
        server.shutdown_grace(Duration::from_millis(100))
    });
    let half_open = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let mut stream = server
        .shake_hands("localhost", authority.trusting())
        .await
        .unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.begin_shutdown();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer));
    read.await.unwrap().unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(server.outcome().await.is_clean());
    drop(half_open);
}
