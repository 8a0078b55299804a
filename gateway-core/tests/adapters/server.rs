//! A real hyper server on a loopback socket, and clients that misbehave at will.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gateway_core::request::{Arrival, ConnInfo};
use gateway_core::{Application, Body};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::Service;
use tower::util::MapRequest;

/// Serves until it is dropped, on a runtime of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) runtime: Option<Runtime>,
}

pub(crate) fn multi_thread() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

impl Server {
    pub(crate) fn run(application: impl Application) -> Self {
        Self::of(application.into_service())
    }

    pub(crate) fn of<S>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<gateway_core::BoxError>,
    {
        Self::on(multi_thread(), service)
    }

    pub(crate) fn on<S>(runtime: Runtime, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<gateway_core::BoxError>,
    {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let Ok((socket, peer)) = listener.accept().await else {
                    continue;
                };
                // As a gateway does: one for the connection.
                let conn = ConnInfo::new(peer, address);
                let service = MapRequest::new(service.clone(), move |mut request: Request<_>| {
                    let arrival = Arrival::over(conn.clone());
                    request.extensions_mut().insert(arrival);
                    request
                });
                let service = TowerToHyperService::new(service);
                tokio::spawn(async move {
                    let mut builder =
                        hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    builder.http1().max_buf_size(64 * 1024);
                    let served = builder.serve_connection(TokioIo::new(socket), service);
                    // Broken connections are what these tests are about.
                    _ = served.await;
                });
            }
        });
        Self {
            address,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// A request, sent; the answer is not read.
    pub(crate) fn send(&self, head: &str) -> TcpStream {
        let mut socket = self.connect();
        socket.write_all(head.as_bytes()).unwrap();
        socket
    }

    /// The whole answer to a GET.
    pub(crate) fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
        read_all(self.send(&request))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Until the server closes, or breaks off.
pub(crate) fn read_all(mut socket: TcpStream) -> String {
    let mut whole = Vec::new();
    _ = socket.read_to_end(&mut whole);
    String::from_utf8_lossy(&whole).into_owned()
}
