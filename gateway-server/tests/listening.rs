//! Where connections come from.

mod common;

use std::convert::Infallible;
use std::future::Ready;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use common::{PATIENCE, hello, statuses};
use futures_util::FutureExt;
use gateway_core::request::{Addr, ConnInfo};
use gateway_core::{Body, RequestExt};
use gateway_server::http::Server;
use gateway_server::{Listener, Sockets};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::service_fn;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async fn ask(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("in time").unwrap();
    answer
}

async fn whence(request: Request<Body>) -> Result<Response<String>, Infallible> {
    let conn = request.conn().unwrap();
    Ok(Response::new(format!(
        "{} at {}",
        conn.peer(),
        conn.local()
    )))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn one_server_listens_on_tcp_and_unix_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .and_unix(&path, 0o660)
        .unwrap();
    let addr = server.local_addr().unwrap();
    assert_eq!(
        server.local_addrs(),
        [Addr::Ip(addr), Addr::Unix(Some(path.clone()))]
    );
    assert_eq!(mode(&path), 0o660);
    tokio::spawn(server.serve(service_fn(whence)));
    let answer = ask(tokio::net::TcpStream::connect(addr).await.unwrap()).await;
    assert!(answer.ends_with(&format!("at {addr}")), "{answer}");
    let answer = ask(tokio::net::UnixStream::connect(&path).await.unwrap()).await;
    assert!(
        answer.ends_with(&format!("unix: at unix:{}", path.display())),
        "{answer}"
    );
}

#[test]
fn a_unix_socket_has_exactly_the_mode_asked_for_and_is_removed_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    for asked in [0o600, 0o660, 0o666, 0o777] {
        let path = dir.path().join("app.sock");
        let sockets = Sockets::new().and_unix(&path, asked).unwrap();
        assert_eq!(mode(&path), asked, "{asked:o}");
        drop(sockets);
        assert!(!path.exists());
    }
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let bind = || Sockets::new().and_unix(&path, 0o600);
    drop(UnixListener::bind(&path).unwrap());
    let live = bind().expect("the stale socket is replaced");
    assert!(UnixStream::connect(&path).is_ok());
    assert_eq!(bind().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(live);
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(bind().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_file_of_somebody_else_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let ours = Sockets::new().and_unix(&path, 0o600).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
}

#[test]
fn binding_an_address_in_use_is_an_error_and_so_is_no_address() {
    let first = Server::bind("127.0.0.1:0").unwrap();
    let addr = first.local_addr().unwrap();
    let error = Server::bind(addr).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let said = format!("cannot listen on {addr}: ");
    assert!(error.to_string().starts_with(&said), "{error}");
    assert_eq!(
        Server::bind(&[][..]).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}

/// Connections in memory, with a handshake that fails for some and never ends for others.
struct InMemory(mpsc::UnboundedReceiver<(DuplexStream, Shake)>);

#[derive(Clone, Copy, PartialEq)]
enum Shake {
    Done,
    Fails,
    Hangs,
}

impl Listener for InMemory {
    type Io = DuplexStream;
    type Handshake =
        std::pin::Pin<Box<dyn Future<Output = io::Result<(DuplexStream, ConnInfo)>> + Send>>;

    async fn accept(&mut self) -> io::Result<Self::Handshake> {
        match self.0.recv().await {
            Some((stream, shake)) => Ok(Box::pin(async move {
                match shake {
                    Shake::Done => Ok((stream, ConnInfo::new(Addr::Unknown, Addr::Unknown))),
                    Shake::Fails => Err(io::ErrorKind::InvalidData.into()),
                    Shake::Hangs => std::future::pending().await,
                }
            })),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::Unknown)
    }
}

#[tokio::test]
async fn a_listener_of_ones_own_is_served_beside_sockets_and_slow_handshakes_hold_nobody_up() {
    let (connect, connections) = mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .and_listener(InMemory(connections))
        .first_byte_timeout(std::time::Duration::from_millis(300));
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve(service_fn(hello)));
    let (mut hanging, theirs) = tokio::io::duplex(1024);
    connect.send((theirs, Shake::Hangs)).unwrap();
    let (mut failing, theirs) = tokio::io::duplex(1024);
    connect.send((theirs, Shake::Fails)).unwrap();
    let (ours, theirs) = tokio::io::duplex(1024);
    connect.send((theirs, Shake::Done)).unwrap();
    assert_eq!(statuses(&ask(ours).await), [200]);
    assert_eq!(
        statuses(&ask(tokio::net::TcpStream::connect(addr).await.unwrap()).await),
        [200]
    );
    let mut nothing = Vec::new();
    for stream in [&mut failing, &mut hanging] {
        let closed = timeout(PATIENCE, stream.read_to_end(&mut nothing)).await;
        closed.expect("closed in time").unwrap();
    }
}

#[tokio::test]
async fn a_single_connection_can_be_served_without_a_listener() {
    let (client, ours) = tokio::io::duplex(1024);
    let conn = ConnInfo::new(Addr::Unix(Some("/peer".into())), Addr::Unknown);
    let server = Server::new();
    tokio::spawn(server.serve_connection(ours, conn, service_fn(whence)));
    assert!(ask(client).await.ends_with("unix:/peer at -"));
}

#[test]
fn sockets_that_listen_need_no_runtime_and_hold_connections_until_they_are_served() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let mut client = std::net::TcpStream::connect(addr).unwrap();
    io::Write::write_all(&mut client, REQUEST).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(server.serve(service_fn(hello)));
    let mut answer = String::new();
    io::Read::read_to_string(&mut client, &mut answer).unwrap();
    assert_eq!(statuses(&answer), [200]);
}

#[expect(dead_code, reason = "compiled to show that it can be named")]
type Named = Ready<io::Result<(gateway_server::Stream, ConnInfo)>>;

#[tokio::test]
async fn the_last_call_takes_what_the_runtime_has_not_heard_of() {
    // A listener that is dropped resets what is in its queue: a client that has sent its request by
    // then has lost it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut tcp = Sockets::bind("127.0.0.1:0").unwrap();
    let mut unix = Sockets::new().and_unix(&path, 0o600).unwrap();
    for sockets in [&mut tcp, &mut unix] {
        assert!(sockets.accept().now_or_never().is_none());
    }
    let addr = tcp.local_addrs()[0].to_string();
    let _tcp_client = std::net::TcpStream::connect(addr).unwrap();
    let _unix_client = UnixStream::connect(&path).unwrap();
    for sockets in [&mut tcp, &mut unix] {
        sockets.last_call();
        let accepted = sockets.accept().now_or_never();
        let (_, conn) = accepted.unwrap().unwrap().await.unwrap();
        assert_eq!(conn.local(), &sockets.local_addrs()[0]);
        assert!(sockets.accept().now_or_never().is_none());
    }
}
