//! What `examples/environ` must say, whichever way a request has come to it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::deploy::{get, get_with, request, wait_for};

/// What a front end does of its own, and the application cannot help.
#[derive(Debug, Clone, Copy, Default)]
pub struct Front {
    /// It decodes the path in a way that loses `%2F`.
    pub loses_encoded_slashes: bool,
    /// It refuses paths with raw bytes that are not ASCII.
    pub refuses_odd_bytes: bool,
    /// It joins Cookie lines with a comma, before we can do it right (RFC 6265 section 5.4).
    pub breaks_cookies: bool,
    /// It delivers what is streamed only at its end.
    pub gathers: bool,
    /// A body that is cut short looks complete.
    pub hides_cuts: bool,
    /// It does so where it delivers what is streamed at once (below `/stream/`).
    pub hides_cuts_unbuffered: bool,
}

/// Checks paths, header fields, bodies, statuses and streams through the front end on `port`.
///
/// `environ` stands at the root, or below the script name `below`.
pub fn check(port: u16, below: &str, front: Front) {
    paths(port, below, front);
    fields(port, below, front);
    bodies(port, below);
    statuses(port, below);
    streams(port, below, front);
}

fn is(json: &Value, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(
            json[name].as_str().unwrap_or_default(),
            *value,
            "{name} in {json:#}"
        );
    }
}

fn paths(port: u16, below: &str, front: Front) {
    let script = format!("{below}/wiki");
    for (path, info) in [
        ("/wiki", ""),
        ("/wiki/", "/"),
        ("/wiki/a%20b", "/a b"),
        ("/wiki/Main/Page", "/Main/Page"),
    ] {
        let json = get(port, &format!("{below}{path}?q=1&x=%20")).json();
        is(
            &json,
            &[
                ("SCRIPT_NAME", &script),
                ("PATH_INFO", info),
                ("QUERY_STRING", "q=1&x=%20"),
            ],
        );
        let uri = format!("{below}{path}?q=1&x=%20");
        is(
            &json,
            &[
                ("REQUEST_URI", &uri),
                ("REQUEST_METHOD", "GET"),
                ("url_scheme", "http"),
            ],
        );
    }
    let json = get(port, &format!("{below}/")).json();
    is(
        &json,
        &[
            ("SCRIPT_NAME", below),
            ("PATH_INFO", "/"),
            ("QUERY_STRING", ""),
        ],
    );
    is(
        &json,
        &[
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("SERVER_PORT", &port.to_string()),
        ],
    );
    if !front.loses_encoded_slashes {
        let json = get(port, &format!("{below}/wiki/a%2Fb")).json();
        is(
            &json,
            &[
                ("PATH_INFO", "/a/b"),
                ("REQUEST_URI", &format!("{below}/wiki/a%2Fb")),
            ],
        );
    }
    if !front.refuses_odd_bytes {
        let target = [below.as_bytes(), b"/caf\xe9?q=\xff"].concat();
        let json = request(port, "GET", &target, &[], &[]).unwrap().json();
        is(
            &json,
            &[("PATH_INFO", "/caf\u{e9}"), ("SCRIPT_NAME", below)],
        );
    }
}

fn fields(port: u16, below: &str, front: Front) {
    let sent = [
        ("Host", "example.com"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Proxy", "http://evil.example"),
        ("X-Latin", "caf\u{e9}"),
    ];
    let json = get_with(port, &format!("{below}/"), &sent).json();
    let cookie = if front.breaks_cookies {
        "a=1, b=2"
    } else {
        "a=1; b=2"
    };
    is(
        &json,
        &[
            ("HTTP_HOST", "example.com"),
            ("HTTP_COOKIE", cookie),
            ("HTTP_X_TWICE", "1, 2"),
        ],
    );
    // UTF-8 on the wire, Latin-1 in the dump.
    is(
        &json,
        &[
            ("HTTP_X_LATIN", "caf\u{c3}\u{a9}"),
            ("SERVER_NAME", json["SERVER_NAME"].as_str().unwrap()),
        ],
    );
    for name in [
        "HTTP_PROXY",
        "HTTP_CONTENT_TYPE",
        "HTTP_CONTENT_LENGTH",
        "PATH",
        "HOME",
    ] {
        assert!(json.get(name).is_none(), "{name} in {json:#}");
    }
    // A field of that name shadows none of ours, whether the front end drops it or we do.
    let json = get_with(
        port,
        &format!("{below}/"),
        &[("X_Auth", "forged"), ("X-Auth", "real")],
    )
    .json();
    is(&json, &[("HTTP_X_AUTH", "real")]);
}

fn bodies(port: u16, below: &str) {
    let target = format!("{below}/");
    let json = request(
        port,
        "POST",
        target.as_bytes(),
        &[("Content-Type", "text/x")],
        b"hello",
    )
    .unwrap()
    .json();
    is(
        &json,
        &[("CONTENT_TYPE", "text/x"), ("CONTENT_LENGTH", "5")],
    );
    is(
        &json,
        &[(
            "input_sha256",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        )],
    );
    let large = vec![b'x'; 900_000];
    let json = request(port, "PUT", target.as_bytes(), &[], &large)
        .unwrap()
        .json();
    assert_eq!(json["input_len"], 900_000);
    // Not read, read in part: the answer arrives all the same.
    let reply = request(
        port,
        "POST",
        target.as_bytes(),
        &[("X-Demo", "noread")],
        &large,
    )
    .unwrap();
    assert_eq!((reply.status, reply.json().get("input_len")), (200, None));
    let reply = request(
        port,
        "POST",
        target.as_bytes(),
        &[("X-Demo", "read=10")],
        &large,
    )
    .unwrap();
    assert_eq!(reply.json()["input_len"], 10);
}

fn statuses(port: u16, below: &str) {
    let demo = |wish: &str| get_with(port, &format!("{below}/"), &[("X-Demo", wish)]);
    for status in [200, 201, 404, 418, 503] {
        let reply = demo(&format!("status={status}"));
        assert_eq!((reply.status, reply.text().as_str()), (status, "status\n"));
    }
    for status in [204, 304] {
        let reply = demo(&format!("status={status}"));
        assert_eq!(
            (reply.status, reply.body.len(), reply.header("etag")),
            (status, 0, Some("\"demo\""))
        );
    }
    assert_eq!(demo("error").status, 500);
    let reply = demo("dup");
    assert_eq!(reply.all("set-cookie"), ["a=1; Path=/", "b=2; Path=/"]);
    assert_eq!(reply.header("x-dup"), Some("one"));
    let reply = demo("big=3000000");
    assert_eq!(
        (reply.body.len(), reply.header("content-length")),
        (3_000_000, Some("3000000"))
    );
    let reply = request(
        port,
        "HEAD",
        format!("{below}/").as_bytes(),
        &[("X-Demo", "big=100")],
        &[],
    )
    .unwrap();
    assert_eq!(
        (
            reply.status,
            reply.body.len(),
            reply.header("content-length")
        ),
        (200, 0, Some("100"))
    );
}

fn streams(port: u16, below: &str, front: Front) {
    let target = format!("{below}/stream/");
    let reply = get_with(port, &target, &[("X-Demo", "stream=3,0")]);
    assert_eq!(
        (reply.text().as_str(), reply.complete),
        ("chunk-0\nchunk-1\nchunk-2\n", true)
    );
    for (target, hidden) in [
        (&target, front.hides_cuts_unbuffered),
        (&format!("{below}/"), front.hides_cuts),
    ] {
        let cut = get_with(port, target, &[("X-Demo", "stream=5,20;failat=2")]);
        // A front end may throw away what it has gathered.
        assert!(
            "chunk-0\nchunk-1\n".starts_with(&cut.text()),
            "{:?}",
            cut.text()
        );
        assert!(
            hidden || !cut.complete,
            "a body that failed looks complete at {target}"
        );
    }
    if front.gathers {
        return;
    }
    let mut connection = begin(port, &target, "stream=3,400");
    let start = Instant::now();
    let mut got = String::new();
    while !got.contains("chunk-0") {
        read_some(&mut connection, &mut got);
    }
    assert!(
        start.elapsed() < Duration::from_millis(350),
        "the first chunk came after {:?}",
        start.elapsed()
    );
    while !got.contains("chunk-2") {
        read_some(&mut connection, &mut got);
    }
    assert!(start.elapsed() > Duration::from_millis(700));
}

/// Checks that a client who goes away ends the stream it was reading: `counters` are the process's,
/// so this is not for CGI.
pub fn check_abandoned(port: u16, below: &str) {
    let target = format!("{below}/stream/");
    let mut connection = begin(port, &target, "stream=1000,50");
    let mut got = String::new();
    while !got.contains("chunk-1") {
        read_some(&mut connection, &mut got);
    }
    drop(connection);
    wait_for("the iterator to be dropped", || {
        thread::sleep(Duration::from_millis(50));
        let counters = get_with(port, &target, &[("X-Demo", "counters")]).json();
        counters["opened"] == counters["closed"] && counters["opened"] != 0
    });
}

fn begin(port: u16, target: &str, wish: &str) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Demo: {wish}\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    connection
}

fn read_some(connection: &mut TcpStream, got: &mut String) {
    let mut bytes = [0; 1024];
    let read = connection.read(&mut bytes).unwrap();
    assert!(read > 0, "closed after {got:?}");
    got.push_str(&String::from_utf8_lossy(&bytes[..read]));
}
