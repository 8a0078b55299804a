//! Connections: hyper, HTTP/1.1, until somebody asks to stop.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use middleware_static::ResponseBody;
use tokio::net::TcpListener;
use tower_service::Service;

/// How much of a response waits in memory for a slow client: one piece of a file, not seven.
const BUFFER: usize = 64 * 1024;

/// Serves until `stop`, then lets what has begun finish for a while.
pub(crate) async fn run<S>(listener: TcpListener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .max_buf_size(BUFFER);
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        // A small answer must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        let call = service_fn(move |request| service.clone().call(request));
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), call));
        tokio::spawn(async move {
            // Who hangs up, or whose file was truncated, is nobody's concern here.
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(Duration::from_secs(10), connections.shutdown()).await;
}

/// A connection that is gone before it was accepted costs nothing; without descriptors there is nothing to do but wait.
async fn pause_after(error: &io::Error) {
    let gone = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::Interrupted,
    ];
    if !gone.contains(&error.kind()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
