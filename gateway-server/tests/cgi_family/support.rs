//! A server on a port of its own, and front ends made by hand.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gateway_core::{Body, RequestExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

/// A runtime with a server on it, stopped when dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Runs `serve`, which is told when to stop.
    pub(crate) fn start<F>(
        addr: SocketAddr,
        serve: impl FnOnce(oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(stopped));
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        Self {
            addr,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Begins a shutdown, without waiting for its end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the server's end.
    pub(crate) fn join(mut self) {
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A server of the protocol in question, for the service of the tests: `server(|server| settings)`, and
/// `plain()` for one without settings. A macro, since what the two servers share has no name to bound by.
macro_rules! front_end {
    ($server:ty) => {
        fn server(
            configure: impl FnOnce($server) -> $server,
        ) -> ($crate::support::Running, $crate::support::Seen) {
            let seen = $crate::support::Seen::default();
            let service = {
                let seen = seen.clone();
                tower::service_fn(move |request| $crate::support::respond(request, seen.clone()))
            };
            let server = configure(<$server>::bind("127.0.0.1:0").unwrap());
            let addr = server.local_addr().unwrap();
            let running = $crate::support::Running::start(addr, |stopped| async move {
                let stopped = async { drop(stopped.await) };
                let server = server
                    .with_graceful_shutdown(stopped)
                    .shutdown_grace(std::time::Duration::ZERO);
                server
                    .shutdown_deadline(std::time::Duration::from_secs(2))
                    .serve(service)
                    .await
                    .unwrap();
            });
            (running, seen)
        }

        fn plain() -> ($crate::support::Running, $crate::support::Seen) {
            server(|server| server)
        }
    };
}
pub(crate) use front_end;

/// What the service did, for tests to look at.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) called: Arc<AtomicUsize>,
    pub(crate) dropped: Arc<AtomicUsize>,
    pub(crate) pulled: Arc<AtomicUsize>,
}

impl Seen {
    pub(crate) fn wait(&self, counter: impl Fn(&Self) -> &AtomicUsize, value: usize) {
        let start = Instant::now();
        while counter(self).load(Ordering::SeqCst) < value {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "waited in vain for {value}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Counts its own end.
pub(crate) struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The service of all these tests: what it does stands in the path.
pub(crate) async fn respond(request: Request<Body>, seen: Seen) -> io::Result<Response<Body>> {
    seen.called.fetch_add(1, Ordering::SeqCst);
    let guard = Guard(Arc::clone(&seen.dropped));
    let path = request.uri().path().to_owned();
    let number = |at: usize| {
        path.split('/')
            .nth(at)
            .and_then(|n| n.parse::<usize>().ok())
            .unwrap_or(0)
    };
    let response = match path.split('/').nth(1).unwrap_or("") {
        "echo" => Response::new(request.into_body()),
        "count" => {
            let read = request.into_body().collect().await;
            match read {
                Ok(body) => Response::new(body.to_bytes().len().to_string().into()),
                Err(error) => Response::builder()
                    .status(400)
                    .body(error.to_string().into())
                    .unwrap(),
            }
        }
        "ignore" => Response::new("ignored\n".into()),
        "never" => {
            std::future::pending::<()>().await;
            unreachable!()
        }
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(number(2) as u64)).await;
            Response::new("slept\n".into())
        }
        "big" => Response::new(vec![b'x'; number(2)].into()),
        "stream" => {
            // /stream/N/MS: N pieces with a pause in front of each but the first.
            let (count, pause) = (number(2), number(3) as u64);
            let pieces = futures_like(count, pause, seen.pulled.clone(), guard);
            return Ok(Response::new(pieces));
        }
        "failat" => Response::new(Body::try_chunks((0..3).map(|n| match n {
            2 => Err(io::Error::other("the third piece is missing")),
            n => Ok(format!("piece {n}\n")),
        }))),
        "short" => Response::builder()
            .header("content-length", "10")
            .body(Body::chunks(["short"]))
            .unwrap(),
        "error" => return Err(io::Error::other("it did not work")),
        "panic" => panic!("as asked for"),
        "status" => Response::builder()
            .status(number(2) as u16)
            .header("etag", "\"x\"")
            .body("body".into())
            .unwrap(),
        "hop" => Response::builder()
            .header("connection", "close, x-private")
            .header("x-private", "1")
            .header("keep-alive", "5")
            .header("transfer-encoding", "identity")
            .header("upgrade", "h2c")
            .header("status", "201 Created")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body("hop".into())
            .unwrap(),
        "errors" => {
            let (parts, body) = request.into_parts();
            let environ = gateway_core::Environ::new(parts, body);
            io::Write::write_all(&mut environ.errors(), b"a line for the log\n")?;
            Response::new("logged\n".into())
        }
        _ => {
            let mut lines: Vec<_> = request
                .vars()
                .map(|(name, value)| format!("{name}={}\n", text(&value)))
                .collect();
            lines.sort();
            Response::new(lines.concat().into())
        }
    };
    drop(guard);
    Ok(response)
}

/// A body of `count` pieces that pauses in front of each but the first.
fn futures_like(count: usize, pause: u64, pulled: Arc<AtomicUsize>, guard: Guard) -> Body {
    struct Pieces {
        next: usize,
        count: usize,
        pause: Duration,
        sleep: std::pin::Pin<Box<tokio::time::Sleep>>,
        pulled: Arc<AtomicUsize>,
        _guard: Guard,
    }
    impl http_body::Body for Pieces {
        type Data = bytes::Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
            if self.next == self.count {
                return std::task::Poll::Ready(None);
            }
            std::task::ready!(self.sleep.as_mut().poll(cx));
            let pause = self.pause;
            self.sleep
                .as_mut()
                .reset(tokio::time::Instant::now() + pause);
            self.next += 1;
            self.pulled.fetch_add(1, Ordering::SeqCst);
            let piece = if pause.is_zero() {
                vec![b'x'; 64 * 1024].into()
            } else {
                format!("chunk-{}\n", self.next - 1).into()
            };
            std::task::Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
        }
    }
    Body::new(Pieces {
        next: 0,
        count,
        pause: Duration::from_millis(pause),
        sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
        pulled,
        _guard: guard,
    })
}

/// Anything that answers as CGI does, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(stdout: &[u8]) -> Self {
        let end = stdout
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let head = text(&stdout[..end]);
        let mut lines = head
            .split("\r\n")
            .map(|line| line.split_once(": ").expect(line));
        let (name, status) = lines.next().unwrap();
        assert_eq!(name, "Status");
        Self {
            status: status[..3].parse().unwrap(),
            headers: lines
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: stdout[end + 4..].to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
