//! What is too large, and what is too many.

mod common;

use std::time::Duration;

use common::{Client, Running, hello, statuses};
use gateway_core::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use tower::service_fn;

async fn count(request: Request<Body>) -> Result<Response<String>, gateway_core::BoxError> {
    let body = request.into_body().collect().await?;
    Ok(Response::new(body.to_bytes().len().to_string()))
}

#[tokio::test]
async fn a_head_of_a_mebibyte_is_answered_431_and_the_answer_arrives() {
    let server = Running::start(service_fn(hello));
    for _ in 0..10 {
        let mut client = server.client().await;
        // All of it is on its way before the client looks for an answer.
        let field = "a".repeat(1024 * 1024);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {field}\r\n\r\n"))
            .await;
        assert_eq!(statuses(&client.rest().await), [431]);
    }
}

#[tokio::test]
async fn the_head_of_a_request_may_have_as_many_bytes_as_allowed() {
    for most in [1000, 100_000] {
        let server = Running::with(service_fn(hello), |server| server.max_header_size(most));
        let around = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        for (length, expected) in [(most, 200), (most + 1, 431)] {
            let field = "a".repeat(length - around);
            let mut client = server.client().await;
            client
                .send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {field}\r\n\r\n"))
                .await;
            assert_eq!(
                client.response().await.status(),
                expected,
                "{length} of {most}"
            );
        }
    }
}

#[tokio::test]
async fn the_head_of_a_request_may_have_as_many_fields_as_allowed() {
    for (most, server) in [
        (100, Running::start(service_fn(hello))),
        (
            7,
            Running::with(service_fn(hello), |server| server.max_headers(7)),
        ),
    ] {
        for (fields, expected) in [(most, 200), (most + 1, 431)] {
            let more = "X: a\r\n".repeat(fields - 1);
            let mut client = server.client().await;
            client
                .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n"))
                .await;
            assert_eq!(
                client.response().await.status(),
                expected,
                "{fields} of {most}"
            );
        }
    }
}

#[tokio::test]
async fn a_target_beyond_what_a_uri_can_hold_is_answered_414() {
    let server = Running::with(service_fn(hello), |server| server.max_header_size(200_000));
    let mut client = server.client().await;
    let path = "a".repeat(70_000);
    client
        .send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    assert_eq!(statuses(&client.rest().await), [414]);
}

#[tokio::test]
async fn a_body_has_no_limit_unless_one_is_set() {
    let server = Running::start(service_fn(count));
    let mut client = server.client().await;
    let body = "x".repeat(10_000_000);
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n{body}"
        ))
        .await;
    assert_eq!(client.response().await.text(), "10000000");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_413_and_the_answer_arrives() {
    let server = Running::with(service_fn(count), |server| server.max_body(1000));
    let fits = "x".repeat(1000);
    let large = "x".repeat(2_000_000);
    for (body, expected) in [(&fits, 200), (&large, 413)] {
        let length = body.len();
        let mut client = server.client().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(
            client.response().await.status(),
            expected,
            "Content-Length: {length}"
        );
        let mut client = server.client().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            ))
            .await;
        assert_eq!(
            client.response().await.status(),
            expected,
            "chunked: {length}"
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_a_100_is_told_413_without_sending() {
    let server = Running::with(service_fn(count), |server| server.max_body(10));
    let mut client = server.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        .await;
    let answer = client.response().await;
    assert!(answer.status() == 413 && answer.closes(), "{answer:?}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_and_are_served_in_turn() {
    let server = Running::with(service_fn(hello), |server| server.max_connections(5));
    let mut first = Vec::new();
    for _ in 0..5 {
        let mut client = server.client().await;
        assert_eq!(client.get("/").await.status(), 200);
        first.push(client);
    }
    // A flood: each connects, asks, and waits.
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut client = server.client().await;
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        waiting.push(client);
    }
    let early = timeout(Duration::from_millis(200), waiting[0].response()).await;
    assert!(early.is_err(), "beyond the limit and answered");
    // Those inside are as well off as before.
    assert_eq!(first[0].get("/").await.status(), 200);
    first.truncate(2);
    for mut client in waiting {
        assert_eq!(statuses(&client.rest().await), [200]);
    }
}

#[tokio::test]
async fn the_place_of_a_connection_is_free_again_however_it_ended() {
    let server = Running::with(service_fn(hello), |server| {
        server
            .max_connections(1)
            .header_read_timeout(Duration::from_millis(100))
    });
    for bytes in [
        "",
        "G",
        "garbage\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(bytes).await;
        sleep(Duration::from_millis(20)).await;
        drop(client);
        let mut next = Client::connect(server.addr).await;
        let answer = timeout(common::PATIENCE, next.get("/")).await;
        assert_eq!(answer.expect("a place").status(), 200, "after {bytes:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_answered_early_may_send_the_rest() {
    // A proxy that has begun to pass an upload on looks for the answer when it has sent it; a reset in
    // between costs it the answer, and its own client is told 502.
    let server = Running::with(service_fn(count), |server| server.max_body(1000));
    const REST: usize = 32 * 1024 * 1024;
    let mut client = server.client().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {REST}\r\n\r\n");
    client.send(head).await;
    client.send(vec![b'x'; REST]).await;
    let answer = client.response().await;
    assert!(answer.status() == 413 && answer.closes(), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_is_not_read_ends_the_connection_unless_it_came_with_its_head() {
    let server = Running::start(service_fn(hello));
    let post = |length| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    for length in [5, 3000] {
        let mut client = server.client().await;
        let body = "x".repeat(length);
        client.send(post(length) + &body).await;
        let answer = client.response().await;
        assert!(answer.status() == 200 && !answer.closes(), "{answer:?}");
        assert_eq!(client.get("/").await.status(), 200);
        // Of this one, nothing has come when its answer leaves: the head has to say what follows.
        client.send(post(length)).await;
        let answer = client.response().await;
        assert!(answer.status() == 200 && answer.closes(), "{answer:?}");
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.rest().await, "");
    }
}
