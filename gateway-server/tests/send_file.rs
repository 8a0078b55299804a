//! Files that the kernel sends: the bytes are those of the file, and everywhere else it is as if they were read.
#![cfg(target_os = "linux")]

mod common;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::future::Ready;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::PATIENCE;
use gateway_core::Body;
use gateway_core::body::{FileBody, FileRange, Piece};
use gateway_server::http::Server;
use gateway_server::{Listener, Sockets, Stream};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::service_fn;

const MIB: usize = 1 << 20;

/// How often a body gave ranges, and how often bytes.
#[derive(Default)]
struct Asked {
    ranges: AtomicUsize,
    frames: AtomicUsize,
}

impl Asked {
    fn counts(&self) -> (usize, usize) {
        let [ranges, frames] = [&self.ranges, &self.frames].map(|it| it.load(Ordering::Relaxed));
        (ranges, frames)
    }
}

/// Bytes in front, and then ranges of a file.
struct Ranges {
    head: Option<Bytes>,
    file: Arc<File>,
    ranges: VecDeque<(u64, usize)>,
    asked: Arc<Asked>,
}

impl Ranges {
    fn left(&self) -> usize {
        let head = self.head.as_ref().map_or(0, Bytes::len);
        head + self.ranges.iter().map(|(_, length)| length).sum::<usize>()
    }
}

impl HttpBody for Ranges {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let Some((offset, length)) = self.ranges.pop_front() else {
            return Poll::Ready(None);
        };
        self.asked.frames.fetch_add(1, Ordering::Relaxed);
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset);
        Poll::Ready(Some(read.map(|()| Frame::data(bytes.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left() as u64)
    }
}

impl FileBody for Ranges {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Piece>>> {
        if self.head.is_none()
            && let Some((offset, length)) = self.ranges.pop_front()
        {
            self.asked.ranges.fetch_add(1, Ordering::Relaxed);
            let range = FileRange::new(Arc::clone(&self.file) as _, offset, length);
            return Poll::Ready(Some(Ok(Piece::File(range))));
        }
        self.poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map(Piece::Frame)))
    }
}

/// A file whose bytes tell where they are.
fn file(length: usize) -> (Arc<File>, Vec<u8>) {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut state = 1_u64;
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (Arc::new(file), bytes)
}

/// Answers `/A-B,C-D` with these ranges of the file, and `text` in front of them.
fn service(
    file: &Arc<File>,
    text: &'static str,
) -> (
    impl gateway_server::HttpService<ResponseBody = Ranges>,
    Arc<Asked>,
) {
    let asked = Arc::new(Asked::default());
    let (file, counted) = (Arc::clone(file), Arc::clone(&asked));
    let service = service_fn(move |request: Request<Body>| {
        let ranges = request.uri().path().trim_start_matches('/').split(',');
        let number = |text: &str| text.parse::<usize>().unwrap();
        let ranges = ranges
            .filter_map(|range| range.split_once('-'))
            .map(|(start, end)| (number(start) as u64, number(end) - number(start)));
        let body = Ranges {
            head: (!text.is_empty()).then(|| Bytes::from_static(text.as_bytes())),
            file: Arc::clone(&file),
            ranges: ranges.collect(),
            asked: Arc::clone(&counted),
        };
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    (service, asked)
}

async fn serve<S>(service: S) -> SocketAddr
where
    S: gateway_server::HttpService<ResponseBody: FileBody>,
{
    let server = Server::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let server = server.write_stall_timeout(Duration::from_millis(500));
    tokio::spawn(server.serve_files(service));
    addr
}

/// What a client on a thread of its own gets for these requests, sent at once on one connection, to the connection's end.
async fn ask(addr: SocketAddr, paths: &[&str]) -> Vec<u8> {
    let mut requests = String::new();
    for (at, path) in paths.iter().enumerate() {
        let close = if at + 1 == paths.len() {
            "Connection: close\r\n"
        } else {
            ""
        };
        requests += &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{close}\r\n");
    }
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        all
    });
    asking.await.unwrap()
}

/// The bodies of responses with a length, one behind the other.
fn bodies(mut all: &[u8]) -> Vec<&[u8]> {
    let mut bodies = vec![];
    while !all.is_empty() {
        let end = all.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split('\r').next().unwrap().parse().unwrap();
        let length = length.min(all.len() - end);
        bodies.push(&all[end..end + length]);
        all = &all[end + length..];
    }
    bodies
}

#[tokio::test]
async fn files_of_every_size_are_sent_whole_one_after_the_other_on_one_connection() {
    let (file, bytes) = file(20 * MIB);
    let (service, asked) = service(&file, "");
    let addr = serve(service).await;
    let big = format!("/0-{}", bytes.len());
    let paths = [
        "/0-1000",
        "/7-1048583",
        &big,
        "/5-6",
        "/0-0",
        "/3-3000000,1-2,9-2000000",
    ];
    let all = ask(addr, &paths).await;
    let bodies = bodies(&all);
    assert_eq!(bodies.len(), paths.len());
    assert!(bodies[0] == &bytes[..1000]);
    assert!(bodies[1] == &bytes[7..1_048_583]);
    // One range, longer than the slice that stands for it.
    assert!(bodies[2] == bytes);
    assert!(bodies[3] == &bytes[5..6] && bodies[4].is_empty());
    let several = [&bytes[3..3_000_000], &bytes[1..2], &bytes[9..2_000_000]].concat();
    assert!(bodies[5] == several);
    let (ranges, frames) = asked.counts();
    assert_eq!((ranges, frames), (7, 0), "an empty body is not asked");
}

#[tokio::test]
async fn bytes_in_front_of_a_range_arrive_in_front_of_it() {
    let (file, bytes) = file(2 * MIB);
    // As long as heads are, and longer than what is joined to one buffer.
    static LONG: &str = const { long_text() };
    for text in ["--boundary\r\n\r\n", LONG] {
        let (service, asked) = service(&file, text);
        let addr = serve(service).await;
        let all = ask(addr, &["/0-2097152", "/1-100"]).await;
        let bodies = bodies(&all);
        assert!(bodies[0] == [text.as_bytes(), &bytes].concat());
        assert!(bodies[1] == [text.as_bytes(), &bytes[1..100]].concat());
        assert_eq!(asked.counts(), (2, 0));
    }
}

/// 8 KiB of text.
const fn long_text() -> &'static str {
    const BYTES: [u8; 8192] = [b'x'; 8192];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
}

#[tokio::test]
async fn a_file_that_becomes_shorter_breaks_the_connection_and_is_not_filled_up() {
    let (file, bytes) = file(MIB);
    let (service, _) = service(&file, "");
    let addr = serve(service).await;
    let all = ask(addr, &["/0-3000000", "/0-1"]).await;
    let bodies = bodies(&all);
    assert_eq!(bodies.len(), 1, "nothing behind it");
    assert!(bodies[0] == bytes);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_after_the_write_stall_timeout() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(64 << 20).unwrap();
    let (service, _) = service(&Arc::new(file), "");
    let addr = serve(service).await;
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"GET /0-67108864 HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        // As long as the timeout takes, and a while for a busy machine.
        std::thread::sleep(Duration::from_secs(3));
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        all.len()
    });
    assert!(asking.await.unwrap() < 64 << 20, "cut off");
}

#[tokio::test]
async fn over_http2_the_bytes_are_read() {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let (file, bytes) = file(2 * MIB);
    let (service, asked) = service(&file, "");
    let addr = serve(service).await;
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/5-2000000")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body == bytes[5..2_000_000]);
    assert_eq!(asked.counts(), (0, 1));
}

/// Streams that say of themselves what the test wants.
struct Other {
    sockets: Sockets,
}

/// A stream that is not the kernel's, such as TLS: what is written to it is not what leaves.
struct Wrapped<const VECTORED: bool>(Stream);

impl<const VECTORED: bool> AsyncRead for Wrapped<VECTORED> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<const VECTORED: bool> AsyncWrite for Wrapped<VECTORED> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        VECTORED
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

macro_rules! listener {
    ($name:ident, $vectored:literal, $sends_files:literal) => {
        struct $name(Other);

        impl Listener for $name {
            type Io = Wrapped<$vectored>;
            type Handshake = Ready<io::Result<(Self::Io, gateway_core::request::ConnInfo)>>;

            async fn accept(&mut self) -> io::Result<Self::Handshake> {
                let (stream, conn) = self.0.sockets.accept().await?.await?;
                Ok(std::future::ready(Ok((Wrapped(stream), conn))))
            }

            fn local_addr(&self) -> io::Result<gateway_core::request::Addr> {
                self.0.sockets.local_addr()
            }

            fn sends_files(_: &Self::Io) -> bool {
                $sends_files
            }
        }
    };
}

listener!(Encrypting, true, false);
listener!(OneBuffer, false, true);

#[tokio::test]
async fn through_a_stream_that_is_not_the_kernels_the_bytes_are_read() {
    let (file, bytes) = file(2 * MIB);
    let sockets = || Other {
        sockets: Sockets::bind("127.0.0.1:0").unwrap(),
    };
    let (service, asked) = service(&file, "");
    let encrypting = Server::on(Encrypting(sockets()));
    let one_buffer = Server::on(OneBuffer(sockets()));
    let addrs = [
        encrypting.local_addr().unwrap(),
        one_buffer.local_addr().unwrap(),
    ];
    tokio::spawn(encrypting.serve_files(service.clone()));
    // What cannot gather slices would have the mark copied, and send zeroes.
    tokio::spawn(one_buffer.serve_files(service));
    for addr in addrs {
        let all = ask(addr, &["/5-2000000"]).await;
        assert!(bodies(&all)[0] == &bytes[5..2_000_000]);
    }
    assert_eq!(asked.counts(), (0, 2));
}

#[tokio::test]
async fn by_a_server_that_was_not_asked_to_the_bytes_are_read() {
    let (file, bytes) = file(2 * MIB);
    let (service, asked) = service(&file, "");
    let server = Server::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve(service));
    let all = ask(addr, &["/5-2000000"]).await;
    assert!(bodies(&all)[0] == &bytes[5..2_000_000]);
    assert_eq!(asked.counts(), (0, 1));
}

// One thread: a client that takes whatever comes must not keep it from the others.
#[tokio::test(flavor = "current_thread")]
async fn a_client_on_a_fast_network_leaves_others_their_turn() {
    let file = tempfile::tempfile().unwrap();
    let length = 4 << 30;
    file.set_len(length).unwrap();
    let (service, _) = service(&Arc::new(file), "");
    let addr = serve(service).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        let request = format!("GET /0-{length} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut buffer = vec![0; MIB];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            counting.fetch_add(read, Ordering::Relaxed);
        }
    });
    while taken.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..10 {
        let all = ask(addr, &["/0-10"]).await;
        assert_eq!(bodies(&all)[0].len(), 10);
    }
    let taken = taken.load(Ordering::Relaxed);
    assert!(
        (taken as u64) < length,
        "the others were answered meanwhile"
    );
}
