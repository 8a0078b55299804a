//! What the tests of interoperation share: servers on real sockets, and a client that shows all it got.

use std::fmt;
use std::net::SocketAddr;

use gateway_core::Body;
use gateway_server::HttpService;
use gateway_server::http::Server;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that lives as long as this.
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// A server that a test runs itself.
    #[must_use]
    pub fn new(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Self { address, task }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Served").field(&self.address).finish()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `service` under our server.
pub async fn serve<S>(service: S) -> Served
where
    S: HttpService + Sync,
{
    let server = Server::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    // Not by signals: those are the test runner's.
    let server = server.with_graceful_shutdown(std::future::pending());
    let task = tokio::spawn(async move {
        server.serve(service).await.unwrap();
    });
    Served { address, task }
}

/// A router under axum's server.
pub async fn serve_axum(router: axum::Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move {
        axum::serve(listener, service).await.unwrap();
    });
    Served { address, task }
}

/// The protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge.
    Http2,
}

/// One after the other.
pub const BOTH: [Speaks; 2] = [Speaks::Http1, Speaks::Http2];

/// All that came back.
#[derive(Debug)]
pub struct Answer {
    /// Of the head.
    pub status: StatusCode,
    /// Of the head.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// What came after the body.
    pub trailers: Option<HeaderMap>,
    /// The body broke off.
    pub cut: bool,
}

impl Answer {
    /// A header field that is there.
    #[track_caller]
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_str()
            .unwrap()
    }
}

/// A connection of a client.
#[derive(Debug)]
pub enum Connection {
    /// Speaks HTTP/1.1.
    Http1(hyper::client::conn::http1::SendRequest<Body>),
    /// Speaks HTTP/2.
    Http2(hyper::client::conn::http2::SendRequest<Body>),
}

impl Connection {
    /// Connects.
    pub async fn open(served: &Served, speaks: Speaks) -> Self {
        let stream = TokioIo::new(TcpStream::connect(served.address).await.unwrap());
        match speaks {
            Speaks::Http1 => {
                let (sender, connection) =
                    hyper::client::conn::http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Speaks::Http2 => {
                let executor = TokioExecutor::new();
                let (sender, connection) = hyper::client::conn::http2::handshake(executor, stream)
                    .await
                    .unwrap();
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    /// Sends a request and waits for all of the answer.
    ///
    /// # Panics
    ///
    /// Nothing came back, not even a head.
    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Self::Http2(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
        };
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut trailers, mut cut) = (Vec::new(), None, false);
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: head.status,
            headers: head.headers,
            text,
            trailers,
            cut,
        }
    }
}

/// A request whose target has the form that the protocol wants.
pub fn request(
    served: &Served,
    speaks: Speaks,
    method: &str,
    path: &str,
) -> http::request::Builder {
    let address = served.address;
    let builder = Request::builder().method(method);
    match speaks {
        Speaks::Http1 => builder.uri(path).header("host", address.to_string()),
        Speaks::Http2 => builder.uri(format!("http://{address}{path}")),
    }
}

/// GET on a connection of its own.
pub async fn get(served: &Served, speaks: Speaks, path: &str) -> Answer {
    let request = request(served, speaks, "GET", path)
        .body(Body::empty())
        .unwrap();
    Connection::open(served, speaks).await.send(request).await
}
