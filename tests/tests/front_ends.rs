//! What each front end makes of odd requests: the tables of `docs/05-deployment.md`, measured.
//!
//! Each test sends the requests through a front end to `environ` and compares what arrives with the front end's row in that
//! page; a row that is not there any more is printed as it should be.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use conformance::deploy::{
    Folder, Reply, Running, apache, binary, caddy, free_port, get_with, haproxy_with, lighttpd,
    nginx, root, wait_for_port,
};

const PAGE: &str = "docs/05-deployment.md";

/// `environ`, which speaks `http` or `fcgi`.
fn backend(speak: &str) -> (Running, String) {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let running =
        Running::start(Command::new(binary("environ", "environ")).args([speak, &address]));
    wait_for_port(port);
    (running, address)
}

/// What `environ` tells of the variable `name`.
fn var(reply: &Reply, name: &str) -> Option<String> {
    reply.json()[name].as_str().map(str::to_owned)
}

/// What arrives of a path whose decoded form is `info`.
fn path(port: u16, sent: &str, info: &str) -> String {
    let reply = get_with(port, sent, &[]);
    if reply.status != 200 {
        return reply.status.to_string();
    }
    let uri = var(&reply, "REQUEST_URI").unwrap_or_default();
    let script = var(&reply, "SCRIPT_NAME").unwrap_or_default();
    let seen = format!("{script}{}", var(&reply, "PATH_INFO").unwrap_or_default());
    match (uri == sent, seen == info) {
        (true, true) => "kept".to_owned(),
        (true, false) => format!("PATH_INFO `{}`", seen.escape_default()),
        (false, _) => format!("`{uri}`"),
    }
}

fn underscore(port: u16) -> String {
    let reply = get_with(port, "/", &[("X_Auth", "evil")]);
    match var(&reply, "HTTP_X_AUTH") {
        None => "absent".to_owned(),
        Some(value) => format!("**`{value}`**"),
    }
}

/// Sends the head, waits for `100 Continue`, and sends the body.
fn expect(port: u16) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let wait = |seconds| Some(Duration::from_secs(seconds));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    // RFC 9110 10.1.1: a client does not wait for ever.
    connection.set_read_timeout(wait(5)).unwrap();
    let mut first = [0; 12];
    let told = match connection.read_exact(&mut first) {
        Ok(()) => {
            assert_eq!(first.escape_ascii().to_string(), "HTTP/1.1 100");
            "100"
        }
        Err(_) => "no 100",
    };
    connection.set_read_timeout(wait(20)).unwrap();
    connection.write_all(b"abc").unwrap();
    let mut rest = String::new();
    connection.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"input_len\":3"), "{rest}");
    match rest.contains("HTTP_EXPECT") {
        true => format!("{told}, HTTP_EXPECT"),
        false => told.to_owned(),
    }
}

/// A chunked body arrives whole; with a length, or without. One of 64 KiB may be too large for a front end that gathers
/// it in a buffer.
fn chunked(port: u16) -> String {
    match upload(port, 0x1_0000) {
        Ok(told) => told.to_owned(),
        Err(status) => format!("{}; **{status}** for 64 KiB", upload(port, 0x2000).unwrap()),
    }
}

/// How a chunked body of so many bytes arrives; the status where it does not.
fn upload(port: u16, bytes: usize) -> Result<&'static str, u16> {
    let half = bytes / 2;
    let chunk = format!("{half:x}\r\n{}\r\n", "x".repeat(half));
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // What is refused half way may end with a reset.
    let _ = connection.read_to_string(&mut answer);
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(answer[9..12].parse().unwrap());
    }
    assert!(
        answer.contains(&format!("\"input_len\":{bytes}")),
        "{answer}"
    );
    // What Caddy says of a length that it does not know reaches no application.
    assert!(!answer.contains("\"CONTENT_LENGTH\":\"-1\""), "{answer}");
    match answer.contains("\"CONTENT_LENGTH\"") {
        true => Ok("CONTENT_LENGTH"),
        false => Ok("no length"),
    }
}

/// The row of the front end at `port`, which has to be in the page.
fn check(name: &str, port: u16) {
    let cells = [
        path(port, "/a%2Fb", "/a/b"),
        path(port, "/a//b", "/a//b"),
        path(port, "/a/../b", "/a/../b"),
        path(port, "/a/%2e%2e/b", "/a/../b"),
        path(port, "/a%00b", "/a\0b"),
        underscore(port),
        expect(port),
        chunked(port),
    ];
    let row = format!("| {name} | {} |", cells.join(" | "));
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    assert!(page.lines().any(|line| line == row), "{PAGE} lacks\n{row}");
}

/// The page shows the configuration that is tested here, but for its comments.
fn is_shown(config: &str) {
    let text = fs::read_to_string(root().join("examples/deploy").join(config)).unwrap();
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let parts = text.split("\n\n").map(|part| {
        let lines = part.lines().filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    });
    for part in parts {
        assert!(page.contains(part.trim()), "{PAGE} lacks\n{part}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn nginx_by_http_and_fastcgi() {
    for (name, speak, conf, address) in [
        ("nginx, HTTP", "http", "nginx/http.conf", "127.0.0.1:8080"),
        (
            "nginx, FastCGI",
            "fcgi",
            "nginx/fastcgi.conf",
            "unix:/run/app/app.sock",
        ),
    ] {
        let (_backend, app) = backend(speak);
        let (folder, port) = (Folder::new(), free_port());
        let listen = format!("listen 127.0.0.1:{port}");
        let conf = folder.config(
            conf,
            &[
                (&format!("server {address}"), &format!("server {app}")),
                ("listen 80", &listen),
            ],
        );
        let _nginx = nginx(&folder, port, &conf);
        check(name, port);
    }
}

#[test]
#[ignore = "needs apache2"]
fn apache_by_http_and_fastcgi() {
    let (_backend, app) = backend("http");
    let (folder, port) = (Folder::new(), free_port());
    let conf = format!("AllowEncodedSlashes NoDecode\nProxyPass / http://{app}/ nocanon\n");
    let running = apache(&folder, port, &["proxy", "proxy_http"], &conf);
    check("Apache, HTTP (`nocanon`)", port);
    drop(running);

    let (_backend, app) = backend("fcgi");
    let (folder, port) = (Folder::new(), free_port());
    let conf = folder.config(
        "apache/proxy_fcgi.conf",
        &[(":80>", &format!(":{port}>")), ("127.0.0.1:9000", &app)],
    );
    let _apache = apache(&folder, port, &["proxy", "proxy_fcgi"], &conf);
    check("Apache, FastCGI", port);
}

#[test]
#[ignore = "needs lighttpd"]
fn lighttpd_by_http_and_fastcgi() {
    for (name, speak, module, more) in [
        ("lighttpd, HTTP", "http", "proxy", ""),
        (
            "lighttpd, FastCGI",
            "fcgi",
            "fastcgi",
            r#", "check-local" => "disable", "fix-root-scriptname" => "enable""#,
        ),
    ] {
        let (_backend, app) = backend(speak);
        let (folder, port) = (Folder::new(), free_port());
        let app = app.rsplit(':').next().unwrap();
        let conf = format!(
            "server.document-root = \"{}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
             server.modules = (\"mod_{module}\")\n\
             {module}.server = (\"/\" => ((\"host\" => \"127.0.0.1\", \"port\" => {app}{more})))\n",
            folder.text()
        );
        let _lighttpd = lighttpd(&folder, port, &conf);
        check(name, port);
    }
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_by_http_h2c_and_fastcgi() {
    is_shown("haproxy/haproxy.cfg");
    for (name, speak, choice) in [
        ("HAProxy, HTTP", "http", "http"),
        ("HAProxy, h2c", "http", "h2c"),
        ("HAProxy, FastCGI", "fcgi", "fastcgi"),
    ] {
        let (_backend, app) = backend(speak);
        let (folder, port) = (Folder::new(), free_port());
        let conf = folder.config(
            "haproxy/haproxy.cfg",
            &[
                ("bind :80\n", &format!("bind 127.0.0.1:{port}\n")),
                ("default_backend http", &format!("default_backend {choice}")),
                ("127.0.0.1:8080", &app),
                ("127.0.0.1:9000", &app),
            ],
        );
        let _haproxy = haproxy_with(&folder, port, &conf);
        if choice != "fastcgi" {
            let reply = get_with(port, "/", &[("X-Forwarded-For", "6.6.6.6")]);
            assert_eq!(
                var(&reply, "HTTP_X_FORWARDED_FOR").as_deref(),
                Some("127.0.0.1")
            );
        }
        check(name, port);
    }
}

#[test]
#[ignore = "needs caddy"]
fn caddy_by_http_h2c_and_fastcgi() {
    is_shown("caddy/Caddyfile");
    for (name, speak, site) in [
        ("Caddy, HTTP", "http", "http.example.com"),
        ("Caddy, h2c", "http", "h2c.example.com"),
        ("Caddy, FastCGI", "fcgi", "fastcgi.example.com"),
    ] {
        let (_backend, app) = backend(speak);
        let (folder, port) = (Folder::new(), free_port());
        let mut replace = vec![("127.0.0.1:8080", app.clone()), ("127.0.0.1:9000", app)];
        for other in ["http.example.com", "h2c.example.com", "fastcgi.example.com"] {
            let port = if other == site { port } else { free_port() };
            replace.push((other, format!("http://127.0.0.1:{port}")));
        }
        let replace: Vec<_> = replace
            .iter()
            .map(|(from, to)| (*from, to.as_str()))
            .collect();
        let conf = folder.config("caddy/Caddyfile", &replace);
        let _caddy = caddy(&folder, port, &conf);
        let reply = get_with(port, "/", &[("X-Forwarded-For", "6.6.6.6")]);
        assert_eq!(
            var(&reply, "HTTP_X_FORWARDED_FOR").as_deref(),
            Some("127.0.0.1")
        );
        check(name, port);
    }
}
