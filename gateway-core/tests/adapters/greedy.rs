//! Clients that hold what is scarce as long as they can, over one connection or many, and others
//! beside them.

use std::io::{BufRead, Read, Write};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gateway_core::{Application, Body, BoxError, Environ, Error, Reply};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::reading::read_until;
use crate::server::{Server, multi_thread};

const LARGE: usize = 100_000;
const NOW_AND_THEN: Duration = Duration::from_millis(100);

fn uploads_and_exports(environ: &mut Environ) -> Result<Reply, Error> {
    if environ.path_str()? == "/export" {
        return Ok(Reply::new(Body::from_writer(|out| {
            (0..512).try_for_each(|_| out.write_all(&[b'x'; 16 * 1024]))
        })));
    }
    let input = environ.input();
    let mut total = 0;
    loop {
        let length = input.fill_buf()?.len();
        if length == 0 {
            return Ok(Reply::text(format!("{total} bytes\n")));
        }
        total += length;
        input.consume(length);
    }
}

/// Each over a connection of its own, as other clients have.
fn the_others_go_on(server: &Server) {
    let head = format!("POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: {LARGE}\r\n");
    let mut upload = server.send(&format!("{head}\r\n"));
    upload.write_all(&[b'x'; LARGE]).unwrap();
    assert!(read_until(&mut upload, "100000 bytes").starts_with("HTTP/1.1 200"));

    let mut expecting = server.send(&format!("{head}expect: 100-continue\r\n\r\n"));
    assert!(read_until(&mut expecting, "\r\n\r\n").starts_with("HTTP/1.1 100"));
    expecting.write_all(&[b'x'; LARGE]).unwrap();
    assert!(read_until(&mut expecting, "100000 bytes").starts_with("HTTP/1.1 200"));

    let mut export = server.send("GET /export HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    let mut whole = Vec::new();
    export.read_to_end(&mut whole).unwrap();
    assert!(whole.len() > 512 * 16 * 1024, "{}", whole.len());
}

/// Many requests over one HTTP/2 connection.
struct Greedy {
    runtime: Runtime,
    requests: SendRequest<Body>,
    sent: Vec<JoinHandle<hyper::Result<Response<Incoming>>>>,
}

impl Greedy {
    fn towards(server: &Server) -> Self {
        let runtime = multi_thread();
        let address = server.address;
        let requests = runtime.block_on(async move {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            // It takes what it must, and no more.
            client.initial_stream_window_size(1024);
            let (requests, connection) = client.handshake(TokioIo::new(socket)).await.unwrap();
            tokio::spawn(connection);
            requests
        });
        Self {
            runtime,
            requests,
            sent: Vec::new(),
        }
    }

    fn send(&mut self, request: Request<Body>) {
        let mut requests = self.requests.clone();
        let sending = async move { requests.send_request(request).await };
        self.sent.push(self.runtime.spawn(sending));
    }
}

/// So much at once, and then a byte now and then.
fn dripping(first: usize) -> Body {
    let pieces = stream::unfold(Some(first), |first| async move {
        let piece = match first {
            Some(first) => Bytes::from(vec![b'x'; first]),
            None => {
                tokio::time::sleep(NOW_AND_THEN).await;
                Bytes::from_static(b"x")
            }
        };
        Some((Ok::<_, BoxError>(Frame::data(piece)), None))
    });
    Body::new(StreamBody::new(pieces))
}

// It had all the places, and kept them: each byte began the wait for the next one anew.
#[test]
fn one_connection_that_expects_to_be_asked_and_drips_keeps_no_other_client_waiting() {
    let server = Server::run(uploads_and_exports);
    let mut greedy = Greedy::towards(&server);
    for _ in 0..64 {
        let request = Request::post("http://t/upload").header("expect", "100-continue");
        greedy.send(request.body(dripping(1)).unwrap());
    }
    std::thread::sleep(3 * NOW_AND_THEN);
    for _ in 0..3 {
        the_others_go_on(&server);
    }
}

#[test]
fn one_connection_that_begins_large_uploads_and_drips_keeps_no_other_client_waiting() {
    let server = Server::run(uploads_and_exports);
    let mut greedy = Greedy::towards(&server);
    for _ in 0..64 {
        let request = Request::post("http://t/upload");
        greedy.send(request.body(dripping(LARGE)).unwrap());
    }
    std::thread::sleep(3 * NOW_AND_THEN);
    for _ in 0..3 {
        the_others_go_on(&server);
    }
}

#[test]
fn one_connection_that_takes_nothing_of_what_is_written_keeps_no_other_client_waiting() {
    let server = Server::run(uploads_and_exports);
    let mut greedy = Greedy::towards(&server);
    for _ in 0..100 {
        greedy.send(Request::get("http://t/export").body(Body::empty()).unwrap());
    }
    std::thread::sleep(3 * NOW_AND_THEN);
    for _ in 0..3 {
        the_others_go_on(&server);
    }
}

// Those that fit into a share do not go on beside others for ever, either.
#[test]
fn many_connections_that_drip_have_to_make_room() {
    let service = uploads_and_exports.into_service();
    // A third of it while others wait.
    let service = service.stall_timeout(Duration::from_secs(9));
    let server = Server::of(service.answer_errors());
    let expecting = |number| match number % 2 {
        0 => "expect: 100-continue\r\n",
        _ => "",
    };
    let mut dripping: Vec<_> = (0..140)
        .map(|number| {
            let expecting = expecting(number);
            let mut client = server.send(&format!(
                "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 9000000\r\n{expecting}\r\n"
            ));
            client.write_all(&[b'x'; LARGE]).unwrap();
            client.set_nonblocking(true).unwrap();
            client
        })
        .collect();
    let mut taking: Vec<_> = (0..70)
        .map(|_| {
            let client = server.send("GET /export HTTP/1.1\r\nhost: t\r\n\r\n");
            client.set_nonblocking(true).unwrap();
            client
        })
        .collect();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let drips = std::thread::spawn(move || {
        while ended.recv_timeout(NOW_AND_THEN)
            != Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
        {
            for client in &mut dripping {
                _ = client.write_all(b"x");
            }
            for client in &mut taking {
                _ = client.read(&mut [0]);
            }
        }
        dripping
    });
    for _ in 0..3 {
        the_others_go_on(&server);
    }
    drop(end);
    let mut dripping = drips.join().unwrap();
    dripping[1].set_nonblocking(false).unwrap();
    let cut = read_until(&mut dripping[1], "\r\n\r\n");
    assert!(cut.starts_with("HTTP/1.1 408"), "{cut}");
}
