//! Connections that become something else.

mod common;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocketUpgrade};
use common::{Client, Running};
use gateway_core::Body;
use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower::service_fn;

async fn shout(mut request: Request<Body>) -> Result<Response<String>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.expect("upgraded"));
        let mut word = [0; 4];
        while stream.read_exact(&mut word).await.is_ok() {
            word.make_ascii_uppercase();
            stream.write_all(&word).await.unwrap();
        }
    });
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
        .headers_mut()
        .insert("upgrade", "shout".parse().unwrap());
    // Nothing that is still HTTP follows, so this must not leave (RFC 9110 section 8.6).
    let fields = response.headers_mut();
    fields.insert("content-length", "7".parse().unwrap());
    fields.insert("transfer-encoding", "chunked".parse().unwrap());
    Ok(response)
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n";

#[tokio::test]
async fn an_upgraded_connection_has_no_timeouts_and_holds_its_place() {
    let short = Duration::from_millis(100);
    let server = Running::with(service_fn(shout), |server| {
        server
            .first_byte_timeout(short)
            .header_read_timeout(short)
            .keep_alive_timeout(short)
            .body_read_timeout(short)
            .write_stall_timeout(short)
            .max_connections(1)
    });
    let mut client = server.client().await;
    // The first word comes with the head: nothing of it is lost.
    client.send(format!("{UPGRADE}word")).await;
    let head = client.until("\r\n\r\n").await;
    assert_eq!(common::status(&head), 101, "{head}");
    for field in ["content-length", "transfer-encoding"] {
        assert!(!head.contains(field), "{head}");
    }
    assert_eq!(client.until("WORD").await, "WORD");
    sleep(short * 5).await;
    client.send("more").await;
    assert_eq!(client.until("MORE").await, "MORE");
    let mut second = Client::connect(server.addr).await;
    second.send(UPGRADE).await;
    let early = tokio::time::timeout(short * 2, second.until("101")).await;
    assert!(early.is_err(), "beyond the limit");
    drop(client);
    second.until("101").await;
}

#[tokio::test]
async fn an_upgraded_connection_reads_its_end_at_a_shutdown_and_can_still_answer() {
    async fn farewell(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.expect("upgraded"));
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            // Not at once: the shutdown waits for it.
            sleep(Duration::from_millis(300)).await;
            stream.write_all(heard.as_bytes()).await.unwrap();
            stream.write_all(b" goodbye").await.unwrap();
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok(response)
    }
    let mut server = Running::with(service_fn(farewell), |server| {
        server.shutdown_grace(Duration::from_millis(200))
    });
    let mut client = server.client().await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    server.begin_shutdown();
    client.send("during the grace period,").await;
    assert_eq!(client.rest().await, "during the grace period, goodbye");
    let outcome = server.outcome().await;
    assert!(outcome.is_clean() && outcome.finished() == 1, "{outcome}");
}

#[tokio::test]
async fn an_upgraded_connection_is_cut_at_the_deadline_of_a_shutdown() {
    async fn deaf(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.expect("upgraded"));
            while stream.write_all(b"tick ").await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok(response)
    }
    let mut server = Running::with(service_fn(deaf), |server| {
        server
            .shutdown_grace(Duration::from_millis(50))
            .shutdown_deadline(Duration::from_millis(200))
    });
    let mut client = server.client().await;
    client.send(UPGRADE).await;
    client.until("tick ").await;
    server.begin_shutdown();
    client.rest().await;
    assert_eq!(server.outcome().await.cut(), 1);
}

#[tokio::test]
async fn a_websocket_of_axum_works() {
    let router = axum::Router::new().route(
        "/ws",
        axum::routing::get(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(|mut socket| async move {
                while let Some(Ok(Message::Text(text))) = socket.recv().await {
                    socket.send(Message::Text(text)).await.unwrap();
                }
            })
        }),
    );
    let server = Running::start(router);
    let mut client = server.client().await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    let head = client.until("\r\n\r\n").await;
    // The key's answer is the example of RFC 6455 section 1.3.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    // "Hello", masked (RFC 6455 section 5.7), comes back unmasked.
    client
        .send([
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ])
        .await;
    assert!(client.until("Hello").await.ends_with("Hello"));
}
