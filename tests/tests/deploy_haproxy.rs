//! HAProxy in front, forwarding bytes: the PROXY protocol tells who the client is.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use conformance::deploy::{Folder, Running, free_port, haproxy};
use gateway_core::{Body, RequestExt};
use gateway_server::Sockets;
use gateway_server::http::Server;
use gateway_server::proxy_protocol::ProxyProtocol;
use http::{Request, Response};
use middleware_exceptions::ExceptionsLayer;
use tower::{Layer, service_fn};

/// Says who the client is, and who stands in front of it; `/broken` panics.
async fn app(request: Request<Body>) -> Result<Response<String>, Infallible> {
    assert_ne!(
        request.uri().path(),
        "/broken",
        "the-secret-of-this-program"
    );
    let conn = request.conn().unwrap();
    let proxy = conn.proxy().and_then(gateway_core::request::Addr::ip);
    Ok(Response::new(format!(
        "{} {:?} {}",
        conn.peer(),
        proxy,
        conn.local()
    )))
}

/// A program in development that believes HAProxy on this machine.
fn program() -> u16 {
    let service = ExceptionsLayer::new()
        .development_in_release()
        .silence_default_hook()
        .layer(service_fn(app));
    let (sender, port) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let sockets = Sockets::bind("127.0.0.1:0").unwrap();
            let listener = ProxyProtocol::new(sockets).trust_peers("127.0.0.1/32".parse().unwrap());
            let server = Server::on(listener);
            sender.send(server.local_addr().unwrap().port()).unwrap();
            server.serve(service).await.unwrap()
        })
    });
    port.recv().unwrap()
}

/// What `path` is answered with, and the address that it was asked for from.
fn get(port: u16, path: &str) -> (String, SocketAddr) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    (answer, connection.local_addr().unwrap())
}

fn in_front(app: u16, send: &str) -> (Folder, Running, u16) {
    let folder = Folder::new();
    let port = free_port();
    let conf = format!("tcp\n  server app 127.0.0.1:{app} {send}");
    let running = haproxy(&folder, port, &conf);
    (folder, running, port)
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_names_the_client_in_both_versions_and_its_health_checks_succeed() {
    let app = program();
    for send in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 check check-send-proxy inter 100",
        "send-proxy check inter 100",
    ] {
        let (_folder, _haproxy, port) = in_front(app, send);
        // Long enough for some health checks, after which HAProxy would answer nothing.
        for _ in 0..10 {
            let (answer, from) = get(port, "/");
            let body = answer.rsplit("\r\n\r\n").next().unwrap();
            assert_eq!(
                body,
                format!("{from} Some(127.0.0.1) 127.0.0.1:{port}"),
                "{send}"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
#[ignore = "needs haproxy"]
fn no_traceback_is_shown_behind_haproxy() {
    let app = program();
    for send in ["send-proxy", "send-proxy-v2"] {
        let (_folder, _haproxy, port) = in_front(app, send);
        let (answer, _) = get(port, "/broken");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(!answer.contains("the-secret-of-this-program"), "{answer}");
        assert!(answer.contains("proxy"), "{answer}");
    }
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_that_sends_no_header_is_not_served() {
    let (_folder, _haproxy, port) = in_front(program(), "");
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    connection
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // The end, or a reset.
    let _ = connection.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", answer.escape_ascii());
}
