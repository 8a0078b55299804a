//! Connections through a load balancer that says by the PROXY protocol who the client is.
#![cfg(feature = "proxy-protocol")]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use common::{Client, PATIENCE, status};
use gateway_core::{Body, RequestExt};
use gateway_server::http::Server;
use gateway_server::proxy_protocol::{OtherPeers, ProxyProtocol};
use gateway_server::{Listener, Sockets};
use http::{Request, Response};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tower::service_fn;

/// Says what it knows of the connection.
async fn conn(request: Request<Body>) -> Result<Response<String>, Infallible> {
    let conn = request.conn().expect("a server says it");
    let proxy = conn.proxy().map_or("-".to_owned(), ToString::to_string);
    let (peer, local, scheme) = (conn.peer(), conn.local(), conn.scheme());
    Ok(Response::new(format!("{peer} {proxy} {local} {scheme}")))
}

type Wrapped = ProxyProtocol<Sockets>;

/// A server that believes 127.0.0.2, and its address.
fn start(configure: impl FnOnce(Wrapped) -> Wrapped) -> SocketAddr {
    serve(configure, |server| server)
}

fn serve(
    configure: impl FnOnce(Wrapped) -> Wrapped,
    set: impl FnOnce(Server<Wrapped>) -> Server<Wrapped>,
) -> SocketAddr {
    let sockets = Sockets::bind("127.0.0.1:0").unwrap();
    let listener = ProxyProtocol::new(sockets).trust_peers("127.0.0.2/32".parse().unwrap());
    let listener = configure(listener);
    let server = set(Server::on(listener)).with_graceful_shutdown(std::future::pending());
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve(service_fn(conn)));
    addr
}

async fn client_from(ip: &str, addr: SocketAddr) -> (Client, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    let stream = socket.connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let from = stream.local_addr().unwrap();
    let received = Vec::new();
    (Client { stream, received }, from)
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 5678 443\r\n";

/// The same in version 2, with a client that speaks TLS.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".to_vec();
    header.extend([192, 0, 2, 1, 198, 51, 100, 7, 0x16, 0x2E, 0x01, 0xBB]);
    header.extend([0x20, 0, 5, 1, 0, 0, 0, 0]);
    header
}

#[tokio::test]
async fn a_named_peer_says_who_the_client_is_for_every_request_of_the_connection() {
    let addr = start(|listener| listener);
    for (header, scheme) in [(V1.to_vec(), "http"), (v2(), "https")] {
        // Whole, and byte by byte.
        for piece in [1000, 1] {
            let (mut balancer, from) = client_from("127.0.0.2", addr).await;
            for bytes in header.chunks(piece) {
                balancer.send(bytes).await;
                tokio::task::yield_now().await;
            }
            for _ in 0..2 {
                let answer = balancer.get("/").await;
                let expected = format!("192.0.2.1:5678 {from} 198.51.100.7:443 {scheme}");
                assert_eq!(answer.text(), expected);
            }
        }
    }
}

#[tokio::test]
async fn a_request_in_one_piece_with_the_header_is_read_whole() {
    let addr = start(|listener| listener);
    for header in [V1.to_vec(), v2()] {
        let (mut balancer, _) = client_from("127.0.0.2", addr).await;
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        balancer
            .send([&header[..], request, request].concat())
            .await;
        for _ in 0..2 {
            assert!(
                balancer
                    .response()
                    .await
                    .text()
                    .starts_with("192.0.2.1:5678 ")
            );
        }
    }
}

#[tokio::test]
async fn a_health_check_is_the_balancers_own_and_counts_as_proxied() {
    let addr = start(|listener| listener);
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let (mut balancer, from) = client_from("127.0.0.2", addr).await;
        balancer.send(header).await;
        let answer = balancer.get("/").await;
        assert_eq!(answer.text(), format!("{from} {from} {addr} http"));
    }
}

#[tokio::test]
async fn a_peer_of_no_name_is_refused_whatever_it_sends() {
    let addr = start(|listener| listener);
    for bytes in [V1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let (mut stranger, _) = client_from("127.0.0.3", addr).await;
        stranger.send(bytes).await;
        assert_eq!(stranger.rest().await, "");
    }
}

#[tokio::test]
async fn a_peer_of_no_name_may_be_taken_for_a_client_of_its_own_and_its_header_for_no_http() {
    let addr = start(|listener| listener.other_peers(OtherPeers::Plain));
    let (mut stranger, from) = client_from("127.0.0.3", addr).await;
    let answer = stranger.get("/").await;
    assert_eq!(answer.text(), format!("{from} - {addr} http"));
    let (mut liar, _) = client_from("127.0.0.3", addr).await;
    liar.send(V1)
        .await
        .send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(status(&liar.rest().await), 400);
}

#[tokio::test]
async fn a_named_peer_that_sends_no_header_is_refused_and_what_it_sent_is_not_answered() {
    let addr = start(|listener| listener);
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.1 198.51.100.7 99999 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let (mut balancer, _) = client_from("127.0.0.2", addr).await;
        balancer.send(bytes).await;
        assert_eq!(balancer.rest().await, "");
    }
}

#[tokio::test]
async fn a_header_that_does_not_come_keeps_no_other_client_waiting_and_is_given_up() {
    let addr = start(|listener| listener.header_timeout(Duration::from_secs(2)));
    let mut silent = Vec::new();
    for _ in 0..50 {
        let (mut balancer, _) = client_from("127.0.0.2", addr).await;
        balancer.send(b"PROXY TCP4 ").await;
        silent.push(balancer);
    }
    let (mut balancer, _) = client_from("127.0.0.2", addr).await;
    balancer.send(V1).await;
    assert_eq!(balancer.get("/").await.status(), 200);
    for mut balancer in silent {
        assert_eq!(balancer.rest().await, "");
    }
}

#[cfg(feature = "fairness")]
#[tokio::test]
async fn the_connections_of_a_client_count_as_its_own() {
    let addr = serve(
        |listener| listener,
        |server| server.max_connections_per_client(1),
    );
    let through = async |client: u8| {
        let (mut balancer, _) = client_from("127.0.0.2", addr).await;
        let header = format!("PROXY TCP4 192.0.2.{client} 198.51.100.7 1 2\r\n");
        balancer.send(header).await;
        balancer
    };
    let mut first = through(1).await;
    assert_eq!(first.get("/").await.status(), 200);
    assert_eq!(through(2).await.get("/").await.status(), 200);
    assert_eq!(through(1).await.rest().await, "");
    assert_eq!(first.get("/").await.status(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn a_balancer_over_a_unix_socket_is_named_by_the_path() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    for (trusts, expected) in [(true, "192.0.2.1:5678 "), (false, "")] {
        let sockets = Sockets::new().and_unix(&path, 0o600).unwrap();
        let mut listener = ProxyProtocol::new(sockets);
        if trusts {
            listener = listener.trust_unix(&path);
        }
        assert!(listener.local_addr().is_ok());
        let server = Server::on(listener).with_graceful_shutdown(std::future::pending());
        let serving = tokio::spawn(server.serve(service_fn(conn)));
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        // Where it is refused, that may be so before everything is written.
        let _ = stream.write_all(&[V1, request].concat()).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let body = answer.rsplit("\r\n\r\n").next().unwrap();
        assert!(
            body.starts_with(expected) && body.is_empty() == expected.is_empty(),
            "{answer}"
        );
        serving.abort();
        let _ = serving.await;
    }
}
