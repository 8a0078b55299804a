//! Real clients, slow ones and rude ones, over HTTP.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use gateway_server::http::Server;
use gateway_wsgi::Wsgi;
use pyo3::prelude::*;
use pyo3::types::PyModule;
use support::{app, module};

/// A server of `app` over HTTP, for as long as the test.
struct Site {
    addr: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn of(app: Wsgi) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(async { Server::bind("127.0.0.1:0").unwrap() });
        let addr = server.local_addr().unwrap();
        runtime.spawn(server.serve(app.into_service()));
        Self {
            addr,
            _runtime: runtime,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        // Against hanging alone.
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn of_module(module: &Py<PyModule>) -> Wsgi {
    let application = Python::attach(|py| module.getattr(py, "application").unwrap());
    Wsgi::from_python(application).unwrap()
}

fn count(module: &Py<PyModule>, name: &str) -> u64 {
    Python::attach(|py| module.getattr(py, name).unwrap().extract(py).unwrap())
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

#[test]
fn of_ten_thousand_clients_that_go_away_every_iterable_is_closed_once() {
    let module = module(
        "
opened = closed = 0
class Body:
    def __init__(self):
        global opened
        opened += 1
        self.closed = False
    def __iter__(self):
        for _ in range(50):
            yield b'x' * 5000
    def close(self):
        global closed
        assert not self.closed
        self.closed = True
        closed += 1
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return Body()
",
    );
    let site = Site::of(of_module(&module));
    let addr = site.addr;
    let clients: Vec<_> = (0..4)
        .map(|which| {
            thread::spawn(move || {
                for n in 0..2500 {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                    // Some go away at once, some after the head, some later.
                    let mut piece = vec![0; [0, 1, 4096][(n + which) % 3]];
                    _ = stream.read(&mut piece);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let settled = || count(&module, "opened") == count(&module, "closed");
    eventually("opened == closed", || {
        let before = count(&module, "opened");
        thread::sleep(Duration::from_millis(50));
        settled() && before == count(&module, "opened")
    });
    assert!(count(&module, "opened") > 0);
    assert!(site.get("/").starts_with("HTTP/1.1 200 OK\r\n"));
}

const READS: &str = "
begun = read = 0
def application(environ, start_response):
    global begun, read
    if environ['REQUEST_METHOD'] == 'POST':
        begun += 1
        try:
            body = environ['wsgi.input'].read()
        except OSError as error:
            start_response('400 Bad', [('X-Error', type(error).__name__)])
            return [b'cut']
        read += 1
        start_response('200 OK', [])
        return [str(len(body)).encode()]
    start_response('200 OK', [])
    return [b'x' * 4000000 if environ['PATH_INFO'] == '/large' else b'small']
";

#[test]
fn stalled_uploads_keep_no_other_request_waiting() {
    let module = module(READS);
    let site = Site::of(of_module(&module));
    let mut stalled: Vec<_> = (0..64).map(|_| site.connect()).collect();
    for stream in &mut stalled {
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n")
            .unwrap();
        stream.write_all(&[b'x'; 100_000]).unwrap();
    }
    // As many are inside as there are places: a quarter of the threads.
    eventually("the places are taken", || count(&module, "begun") == 16);
    for _ in 0..200 {
        assert!(site.get("/").ends_with("small"));
    }
    assert_eq!(count(&module, "read"), 0);
    for stream in &mut stalled {
        stream.write_all(&[b'x'; 300_000]).unwrap();
    }
    for stream in stalled {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    }
    assert_eq!(count(&module, "read"), 64);
}

#[test]
fn slow_readers_keep_no_other_request_waiting() {
    let module = module(READS);
    let site = Site::of(of_module(&module));
    let mut slow: Vec<_> = (0..64).map(|_| site.connect()).collect();
    for stream in &mut slow {
        stream
            .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
    }
    for _ in 0..200 {
        assert!(site.get("/").ends_with("small"));
    }
}

#[test]
fn a_chunked_body_arrives_as_it_is() {
    let site = Site::of(app(READS));
    let mut stream = site.connect();
    let head =
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..30 {
        stream.write_all(b"1388\r\n").unwrap();
        stream.write_all(&[b'x'; 5000]).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\n150000"), "{answer}");
}

#[test]
fn a_client_that_expects_100_is_told_at_the_first_read_and_not_before() {
    let site = Site::of(app("
def application(environ, start_response):
    start_response('200 OK', [])
    if environ['PATH_INFO'] == '/refuse':
        return [b'unread']
    return [environ['wsgi.input'].read()]
"));
    let expecting = |path: &str| {
        let mut stream = site.connect();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        .unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap())
            .read_line(&mut line)
            .unwrap();
        (stream, line)
    };
    assert_eq!(expecting("/refuse").1, "HTTP/1.1 200 OK\r\n");
    let (mut stream, line) = expecting("/");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.write_all(b"body").unwrap();
}

#[test]
fn a_body_that_is_cut_short_is_an_oserror() {
    let module = module(READS);
    let site = Site::of(of_module(&module));
    let mut stream = site.connect();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n")
        .unwrap();
    stream.write_all(&[b'x'; 100_000]).unwrap();
    eventually("it is read", || count(&module, "begun") == 1);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    _ = stream.read_to_string(&mut answer);
    eventually("it is over", || site.get("/").ends_with("small"));
    assert_eq!(count(&module, "read"), 0);
}

#[test]
fn write_waits_for_a_slow_client_and_for_no_other() {
    let module = module(
        "
written = 0
def application(environ, start_response):
    global written
    write = start_response('200 OK', [])
    if environ['PATH_INFO'] == '/pushed':
        for _ in range(2000):
            write(b'x' * 10000)
            written += 1
        return []
    return [b'small']
",
    );
    let site = Site::of(of_module(&module));
    let mut slow = site.connect();
    slow.write_all(b"GET /pushed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    eventually("it writes", || count(&module, "written") > 10);
    for _ in 0..50 {
        assert!(site.get("/").ends_with("small"));
    }
    // 20 MB fit into no buffer.
    assert!(count(&module, "written") < 2000);
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).unwrap();
    assert_eq!(count(&module, "written"), 2000);
    assert!(answer.len() > 20_000_000);
}

#[test]
fn a_head_has_the_length_and_no_body() {
    let site = Site::of(app("
def application(environ, start_response):
    start_response('200 OK', [('Content-Length', '5')])
    return [b'', b'12345']
"));
    let mut stream = site.connect();
    stream
        .write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("content-length: 5\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn a_real_file_goes_out_whole_and_with_its_length() {
    let site = Site::of(app("
import tempfile
name = tempfile.NamedTemporaryFile(delete=False).name
with open(name, 'wb') as f:
    for n in range(100000):
        f.write(b'%09d\\n' % n)
def application(environ, start_response):
    start_response('200 OK', [])
    return environ['wsgi.file_wrapper'](open(name, 'rb'), 100)
"));
    let answer = site.get("/");
    assert!(
        answer.contains("content-length: 1000000\r\n"),
        "{}",
        &answer[..200]
    );
    assert!(answer.ends_with("000099998\n000099999\n"));
    assert_eq!(answer.split("\r\n\r\n").nth(1).unwrap().len(), 1_000_000);
}

#[test]
fn a_body_that_comes_byte_by_byte_arrives_whole() {
    let site = Site::of(app(READS));
    let mut stream = site.connect();
    stream.set_nodelay(true).unwrap();
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    for _ in 0..500 {
        stream.write_all(b"x").unwrap();
        thread::yield_now();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\n500"), "{answer}");
}
