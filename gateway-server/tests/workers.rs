//! Connections on threads of their own.

mod common;

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use common::Running;
use gateway_core::Body;
use gateway_server::http::Server;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower::service_fn;

/// Says on which thread it was woken.
async fn thread(_: Request<Body>) -> Result<Response<String>, Infallible> {
    sleep(Duration::from_millis(1)).await;
    let name = std::thread::current().name().map(str::to_owned);
    Ok(Response::new(name.unwrap_or_default()))
}

#[tokio::test]
async fn connections_are_shared_out_and_stay_where_they_are() {
    let server = Running::with(service_fn(thread), |server| server.workers(3).unwrap());
    let mut connections = HashMap::<_, usize>::new();
    let mut clients = Vec::new();
    for _ in 0..9 {
        let mut client = server.client().await;
        let name = client.get("/").await.text().to_owned();
        assert!(name.starts_with("gateway-"), "{name}");
        *connections.entry(name.clone()).or_default() += 1;
        clients.push((client, name));
    }
    for (client, name) in &mut clients {
        for _ in 0..5 {
            assert_eq!(client.get("/").await.text(), name.as_str());
        }
    }
    assert_eq!(connections.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    // The thread that lost its connections is the idlest now.
    let (_, name) = clients.swap_remove(0);
    clients.retain(|(_, other)| *other != name);
    while server.client().await.get("/").await.text() != name {
        sleep(Duration::from_millis(1)).await; // until the ends have been seen
    }
    assert!(server.outcome().await.is_clean());
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_served_on_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Server::new().unix(&path, 0o600).unwrap();
    tokio::spawn(server.workers(1).unwrap().serve(service_fn(thread)));
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("gateway-0"), "{answer}");
}

#[tokio::test]
async fn at_the_deadline_they_are_cut_and_the_threads_end() {
    let forever = service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<String>, Infallible>>()
    });
    let mut server = Running::with(forever, |server| {
        let server = server.workers(2).unwrap();
        server
            .shutdown_grace(Duration::from_millis(10))
            .shutdown_deadline(Duration::from_millis(100))
    });
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_millis(20)).await;
    server.begin_shutdown();
    assert_eq!(client.rest().await, "");
    let outcome = server.outcome().await;
    assert_eq!((outcome.finished(), outcome.cut()), (0, 1));
}
