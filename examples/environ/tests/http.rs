//! `environ http`, from outside: a process, sockets, bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

struct Environ {
    process: Child,
    address: SocketAddr,
}

impl Environ {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_environ"))
            .args(["http", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        let address = address.parse().unwrap();
        Self { process, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Sends bytes as they are; the whole answer.
    fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn ask(&self, target: &str, wish: &str) -> String {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        self.raw(&format!("{head}X-Demo: {wish}\r\n\r\n"))
    }

    fn vars(&self, request: &str) -> Value {
        let answer = self.raw(request);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    fn counters(&self) -> (u64, u64) {
        let answer = self.ask("/", "counters");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let counters: Value = serde_json::from_str(body).unwrap();
        (
            counters["opened"].as_u64().unwrap(),
            counters["closed"].as_u64().unwrap(),
        )
    }

    #[track_caller]
    fn wait_for_counters(&self, expected: (u64, u64)) {
        let start = Instant::now();
        while self.counters() != expected {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{:?}",
                self.counters()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the process; what it has told on standard error.
    fn end(&mut self) -> String {
        self.process.kill().unwrap();
        let mut told = String::new();
        let mut stderr = self.process.stderr.take().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        told
    }
}

impl Drop for Environ {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_variables_and_the_input_are_told() {
    let environ = Environ::start();
    let vars = environ.vars(
        "POST /wiki/a%20b/%E9?q=1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\
         Content-Type: text/plain\r\nCookie: a=1\r\nCookie: b=2\r\nProxy: http://evil\r\n\
         X_Auth: forged\r\nConnection: close\r\n\r\nhello",
    );
    for (name, value) in [
        ("SCRIPT_NAME", "/wiki"),
        ("PATH_INFO", "/a b/\u{e9}"),
        ("QUERY_STRING", "q=1"),
        ("REQUEST_METHOD", "POST"),
        ("SERVER_NAME", "example.com"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "5"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("url_scheme", "http"),
        (
            "input_sha256",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ),
    ] {
        assert_eq!(vars[name], value, "{name}");
    }
    assert_eq!(vars["input_len"], 5);
    assert_eq!(vars["SERVER_PORT"], environ.address.port().to_string());
    for absent in ["HTTP_PROXY", "HTTP_X_AUTH", "HTTP_CONTENT_TYPE"] {
        assert!(vars.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_chunked_input_ends_where_it_ends() {
    let environ = Environ::start();
    let vars = environ.vars(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    );
    assert_eq!(vars["input_len"], 5);
}

#[test]
fn the_input_is_read_as_far_as_was_asked() {
    let environ = Environ::start();
    let post = |wish: &str| {
        environ.vars(&format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Demo: {wish}\r\n\
             Connection: close\r\n\r\nhello"
        ))
    };
    assert_eq!(post("read=2")["input_len"], 2);
    assert_eq!(post("read=0")["input_len"], 0);
    assert!(post("noread").get("input_len").is_none());
}

#[test]
fn statuses_come_with_the_bodies_they_may_have() {
    let environ = Environ::start();
    let teapot = environ.ask("/", "status=418");
    assert!(
        teapot.starts_with("HTTP/1.1 418 ") && teapot.ends_with("status\n"),
        "{teapot}"
    );
    for status in ["204", "304"] {
        let answer = environ.ask("/", &format!("status={status}"));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("etag: \"demo\"\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
    assert!(
        environ
            .ask("/", "status=99999")
            .starts_with("HTTP/1.1 400 ")
    );
}

#[test]
fn an_error_before_the_response_is_500_and_the_server_lives_on() {
    let environ = Environ::start();
    assert!(environ.ask("/", "error").starts_with("HTTP/1.1 500 "));
    assert!(environ.ask("/", "noread").starts_with("HTTP/1.1 200 "));
}

#[test]
fn duplicate_fields_stay_apart() {
    let answer = Environ::start().ask("/", "dup");
    for field in [
        "set-cookie: a=1; Path=/\r\n",
        "set-cookie: b=2; Path=/\r\n",
        "x-dup: one\r\n",
    ] {
        assert!(answer.contains(field), "{answer}");
    }
}

#[test]
fn a_big_body_has_its_length() {
    let answer = Environ::start().ask("/", "big=1000000");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 1000000"), "{head}");
    assert!(body.len() == 1_000_000 && body.bytes().all(|byte| byte == b'x'));
}

#[test]
fn a_call_that_sleeps_does_not_outlive_the_deadline() {
    for (wish, code, told) in [
        (
            "sleep=600",
            1,
            "HTTP server stopped: 0 connections finished, 1 cut at the deadline\n",
        ),
        ("sleep=1", 0, ""),
    ] {
        let mut environ = Environ::start_with(&["--deadline", "4"]);
        let mut client = environ.connect();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Demo: {wish}\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        // The request is on its way before the signal is.
        thread::sleep(Duration::from_millis(200));
        let process = environ.process.id().to_string();
        Command::new("kill").arg(process).status().unwrap();
        assert_eq!(environ.process.wait().unwrap().code(), Some(code), "{wish}");
        let mut stderr = String::new();
        let mut pipe = environ.process.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, told, "{wish}");
        let mut answer = String::new();
        let _ = client.read_to_string(&mut answer);
        assert_eq!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            code == 0,
            "{answer}"
        );
    }
}

#[test]
fn a_length_that_is_not_the_bodys_does_not_leave() {
    let mut environ = Environ::start();
    for (length, status, body) in [
        ("6", "200 OK", "hello\n"),
        ("150", "500 Internal Server Error", ""),
        ("3", "500 Internal Server Error", ""),
        ("six", "500 Internal Server Error", ""),
    ] {
        let next = "GET / HTTP/1.1\r\nHost: a\r\nX-Demo: counters\r\nConnection: close\r\n\r\n";
        let first = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Demo: length={length}\r\n\r\n");
        let answers = environ.raw(&(first + next));
        let begin = format!("HTTP/1.1 {status}\r\n");
        assert!(answers.starts_with(&begin), "{length}: {answers}");
        let second = format!("\r\n\r\n{body}HTTP/1.1 200 OK\r\n");
        assert!(answers.contains(&second), "{length}: {answers}");
    }
    let told = environ.end();
    let unsendable = "a response that cannot be sent: its Content-Length is ";
    assert_eq!(told.matches(unsendable).count(), 3, "{told}");
}

#[test]
fn chunks_come_when_they_are_produced_and_the_iterator_is_closed() {
    let environ = Environ::start();
    let mut stream = environ.connect();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Demo: stream=3,300\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let start = Instant::now();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "chunk-0"));
    let first = start.elapsed();
    assert!(lines.any(|line| line == "chunk-2"));
    // Two pauses lie between them.
    assert!(start.elapsed() - first > Duration::from_millis(450));
    environ.wait_for_counters((1, 1));
}

#[test]
fn a_stream_that_fails_is_seen_to_be_cut_short() {
    let environ = Environ::start();
    let start = Instant::now();
    let answer = environ.ask("/", "stream=5,50;failat=2");
    assert!(
        answer.contains("chunk-1\n") && !answer.contains("chunk-2"),
        "{answer}"
    );
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    // It once took the server 15 seconds to let go of such a connection.
    assert!(start.elapsed() < Duration::from_secs(10));
    environ.wait_for_counters((1, 1));
}

#[test]
fn the_iterator_is_closed_when_the_client_goes_away() {
    let environ = Environ::start();
    let mut stream = environ.connect();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Demo: stream=100000,10\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    drop(stream);
    environ.wait_for_counters((1, 1));
}

#[test]
fn head_has_the_length_and_no_body() {
    let environ = Environ::start();
    let answer = environ.raw("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(
        answer.contains("content-length: ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn the_errors_stream_is_standard_error() {
    let mut environ = Environ::start();
    let answer = environ.ask("/", "errors=look here");
    assert!(answer.contains("\"PATH_INFO\":\"/\""), "{answer}");
    let told = environ.end();
    assert!(told.contains("look here\n"), "{told}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_standard_output_that_takes_nothing_is_an_error_and_no_panic() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_environ"))
        .args(["http", "127.0.0.1:0"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("environ: No space left"), "{said}");
}
