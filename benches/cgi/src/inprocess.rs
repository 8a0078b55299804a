//! Requests as nginx sends them over a pipe in memory: what the servers themselves execute, without
//! a kernel. To be run below callgrind, which counts:
//!
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null bench-cgi loop fastcgi 2000

use axum::Router;
use axum::routing::get;
use gateway_server::fastcgi::Server;
use gateway_server::fastcgi::record::{BeginRequest, Header, Kind, Role, put_pair};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::backends::{HELLO, respond};

const FIELDS: [(&str, &str); 5] = [
    ("Host", "example.com"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef"),
];

fn record(kind: Kind, content: &[u8]) -> Vec<u8> {
    let header = Header::new(kind, 1, content.len() as u16);
    let mut bytes = [&header.encode(), content].concat();
    bytes.resize(bytes.len() + usize::from(header.padding_length), 0);
    bytes
}

/// As nginx with Debian's `fastcgi_params`.
fn fastcgi_request() -> Vec<u8> {
    let mut params = Vec::new();
    for (name, value) in [
        ("QUERY_STRING", ""),
        ("REQUEST_METHOD", "GET"),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", ""),
        ("SCRIPT_NAME", "/"),
        ("REQUEST_URI", "/"),
        ("DOCUMENT_URI", "/"),
        ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "nginx/1.22.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "34567"),
        ("REMOTE_USER", ""),
        ("SERVER_ADDR", "127.0.0.1"),
        ("SERVER_PORT", "8080"),
        ("SERVER_NAME", "example.com"),
        ("REDIRECT_STATUS", "200"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/"),
    ] {
        put_pair(&mut params, name.as_bytes(), value.as_bytes());
    }
    for (name, value) in FIELDS {
        let name = format!("HTTP_{}", name.to_uppercase().replace('-', "_"));
        put_pair(&mut params, name.as_bytes(), value.as_bytes());
    }
    let begin = BeginRequest {
        role: Role::RESPONDER,
        keep_connection: true,
    }
    .encode();
    [
        record(Kind::BEGIN_REQUEST, &begin),
        record(Kind::PARAMS, &params),
        record(Kind::PARAMS, &[]),
        record(Kind::STDIN, &[]),
    ]
    .concat()
}

/// As nginx with `proxy_http_version 1.1` and kept connections.
fn http_request() -> Vec<u8> {
    let mut request = "GET / HTTP/1.1\r\n".to_owned();
    for (name, value) in FIELDS {
        request += &format!("{name}: {value}\r\n");
    }
    (request + "\r\n").into_bytes()
}

pub fn run(protocol: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, server) = tokio::io::duplex(64 * 1024);
        match protocol {
            "fastcgi" => {
                let serving = Server::new().serve_connection(server, tower::service_fn(respond));
                tokio::join!(
                    serving,
                    ask(client, fastcgi_request(), b"\x01\x03\x00\x01", 16, count)
                );
            }
            "axum" => {
                let app = Router::new().route("/", get(|| async { HELLO }));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let service = TowerToHyperService::new(app);
                let serving = builder.serve_connection(TokioIo::new(server), service);
                let (served, ()) = tokio::join!(
                    serving,
                    ask(client, http_request(), HELLO.as_bytes(), HELLO.len(), count)
                );
                served.unwrap();
            }
            _ => panic!("fastcgi or axum"),
        }
    });
}

/// `end` is how the last `length` bytes of an answer begin.
async fn ask(mut client: DuplexStream, request: Vec<u8>, end: &[u8], length: usize, count: usize) {
    let mut answer = Vec::with_capacity(4096);
    for _ in 0..count {
        client.write_all(&request).await.unwrap();
        answer.clear();
        while answer.len() < length || !answer[answer.len() - length..].starts_with(end) {
            assert!(client.read_buf(&mut answer).await.unwrap() > 0);
        }
    }
}
