//! The same three answers from ours and from the peers: a greeting, the length of what was sent,
//! ten mebibytes.

use std::convert::Infallible;
use std::io::Read;

use axum::Router;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use gateway_core::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio_fastcgi::{RequestResult, Requests};

pub const HELLO: &str = "Hello World!\n";
pub const SIZE: usize = 10 << 20;

fn large() -> Vec<u8> {
    vec![b'x'; SIZE]
}

/// Reads a body to its end and counts.
async fn count(mut body: Body) -> String {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, |data| data.len());
    }
    length.to_string()
}

pub async fn respond(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let body = match request.uri().path() {
        "/upload" => Body::from(count(request.into_body()).await),
        "/download" => Body::from(large()),
        _ => Body::from(HELLO),
    };
    let mut response = Response::new(body);
    let plain = http::HeaderValue::from_static("text/plain");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, plain);
    Ok(response)
}

pub async fn ours(port: u16) {
    let service = tower::service_fn(respond);
    gateway_server::fastcgi::serve(format!("127.0.0.1:{port}"), service)
        .await
        .unwrap();
}

pub async fn scgi(port: u16) {
    let service = tower::service_fn(respond);
    gateway_server::scgi::serve(format!("127.0.0.1:{port}"), service)
        .await
        .unwrap();
}

pub async fn ours_http(port: u16) {
    let service = tower::service_fn(respond);
    gateway_server::http::serve(("127.0.0.1", port), service)
        .await
        .unwrap();
}

pub async fn axum_http(port: u16) {
    let upload = |body: axum::body::Body| async {
        let mut body = body;
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.unwrap().data_ref().map_or(0, |data| data.len());
        }
        length.to_string()
    };
    let app = Router::new()
        .route("/", get(|| async { HELLO }))
        .route("/upload", post(upload))
        .route("/download", get(|| async { large() }));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, app).await.unwrap();
}

pub async fn tokio_fastcgi(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut requests = Requests::from_split_socket(stream.split(), 10, 10);
            while let Ok(Some(request)) = requests.next().await {
                let answered = request.process(|request| async move {
                    let mut stdout = request.get_stdout();
                    let body = match request.get_str_param("PATH_INFO") {
                        Some("/upload") => {
                            let mut input = Vec::new();
                            request.get_stdin().read_to_end(&mut input).unwrap();
                            input.len().to_string().into_bytes()
                        }
                        Some("/download") => large(),
                        _ => HELLO.as_bytes().to_vec(),
                    };
                    let head = format!(
                        "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    let mut whole = head.into_bytes();
                    whole.extend(body);
                    // At the end of a round nginx is gone.
                    let _ = stdout.write(&whole).await;
                    RequestResult::Complete(0)
                });
                if answered.await.is_err() {
                    break;
                }
            }
        });
    }
}

pub const GO: &str = r#"package main

import (
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
)

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	large := make([]byte, 10<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		switch r.URL.Path {
		case "/upload":
			n, _ := io.Copy(io.Discard, r.Body)
			io.WriteString(w, strconv.FormatInt(n, 10))
		case "/download":
			w.Header().Set("Content-Length", strconv.Itoa(len(large)))
			w.Write(large)
		default:
			io.WriteString(w, "Hello World!\n")
		}
	})
	panic(fcgi.Serve(listener, handler))
}
"#;

pub const SH: &str =
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nHello %s!\\n' \"$QUERY_STRING\"\n";

pub const PYTHON: &str = "#!/usr/bin/python3\nimport os, sys\n\
    sys.stdout.write('Content-Type: text/plain\\r\\n\\r\\nHello %s!\\n' % os.environ['QUERY_STRING'])\n";

/// As little as a CGI program can do: two system calls (x86-64), and the same answer to the one request
/// that is asked.
pub const FLOOR: &str = r#"
static long call(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
void _start(void) {
    static const char answer[] = "Content-Type: text/plain\r\n\r\nHello subject=John!\n";
    call(1, 1, (long)answer, sizeof answer - 1);
    call(60, 0, 0, 0);
}
"#;
