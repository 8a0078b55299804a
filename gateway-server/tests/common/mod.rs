//! A server on a free port and a client that writes what it is told, byte by byte.
#![allow(
    clippy::allow_attributes,
    dead_code,
    reason = "each test file uses its part"
)]

pub(crate) mod framing;
#[cfg(feature = "tls")]
mod tunnel;

use std::net::SocketAddr;
use std::time::Duration;

use gateway_core::Body;
use gateway_server::http::Server;
use gateway_server::{HttpService, Outcome};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<Outcome>>,
}

impl Running {
    pub(crate) fn start<S>(service: S) -> Self
    where
        S: HttpService,
    {
        Self::with(service, |server| server)
    }

    pub(crate) fn with<S>(service: S, configure: impl FnOnce(Server) -> Server) -> Self
    where
        S: HttpService,
    {
        let (stop, stopped) = oneshot::channel();
        let server = configure(Server::bind("127.0.0.1:0").expect("a free port"));
        let addr = server.local_addr().expect("a TCP address");
        let server = server.with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        // The crate that runs the tests of others over TLS.
        #[cfg(feature = "tls")]
        if env!("CARGO_CRATE_NAME") == "over_tls" {
            let (tls, client) = tunnel::ends();
            return Self {
                addr: tunnel::start(addr, client),
                stop: Some(stop),
                serving: tokio::spawn(server.tls(tls).serve(service)),
            };
        }
        Self {
            addr,
            stop: Some(stop),
            serving: tokio::spawn(server.serve(service)),
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    pub(crate) fn begin_shutdown(&mut self) {
        let _ = self.stop.take().expect("begun once").send(());
    }

    pub(crate) async fn outcome(self) -> Outcome {
        let Self { serving, stop, .. } = self;
        drop(stop);
        let outcome = timeout(PATIENCE, serving).await.expect("the server ends");
        outcome.expect("no panic").expect("no error")
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) received: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server accepts");
        stream.set_nodelay(true).expect("a live socket");
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
        self
    }

    /// What comes until `end` does, `end` included.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let end = end.as_bytes();
        loop {
            let found = self
                .received
                .windows(end.len())
                .position(|part| part == end);
            if let Some(at) = found {
                let rest = self.received.split_off(at + end.len());
                let text = std::mem::replace(&mut self.received, rest);
                return String::from_utf8_lossy(&text).into_owned();
            }
            let more = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
            let more =
                more.unwrap_or_else(|_| panic!("no {end:?} after {self}", self = self.text()));
            assert!(more.expect("readable") > 0, "closed after {}", self.text());
        }
    }

    /// One response with a Content-Length.
    pub(crate) async fn response(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await;
        let answer = Answer {
            head,
            body: Vec::new(),
        };
        let length = answer
            .field("content-length")
            .map_or(0, |n| n.parse().expect("a number"));
        while self.received.len() < length {
            let more = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
            assert!(
                more.expect("in time").expect("readable") > 0,
                "closed in the body"
            );
        }
        let rest = self.received.split_off(length);
        let body = std::mem::replace(&mut self.received, rest);
        Answer { body, ..answer }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        self.response().await
    }

    /// All that comes until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut self.received)).await;
        // A reset ends a connection too.
        let _ = read.unwrap_or_else(|_| panic!("still open after {}", self.text()));
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        status(&self.head)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The status of the first response in `text`.
pub(crate) fn status(text: &str) -> u16 {
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {text:?}"))
}

/// The status of every response in `text`, whose bodies have no such line.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    let heads = text.split("HTTP/1.").skip(1);
    heads
        .filter_map(|head| head.get(2..5)?.parse().ok())
        .collect()
}

/// Answers "hello".
pub(crate) async fn hello(_: Request<Body>) -> Result<Response<String>, std::convert::Infallible> {
    Ok(Response::new("hello".to_string()))
}
