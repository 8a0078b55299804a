//! Proxies that add nothing to a request, in front of a program in development: strangers behind them see
//! neither its tracebacks nor its routes, and the developer beside them does.
//!
//! The proxies' workers have to run as a user of their own, as in a package of a distribution, so these tests do their
//! work as root only. Started by the developer's own user a silent proxy cannot be seen.

use std::convert::Infallible;
use std::sync::mpsc;
use std::thread;

use conformance::deploy::{
    Folder, Reply, Running, free_port, get, get_with, haproxy, is_root, nginx_as, request,
};
use gateway_core::Body;
use gateway_server::http::Server;
use http::{Request, Response};
use middleware_exceptions::ExceptionsLayer;
use router::BoxRouter;
use tower::{Layer, service_fn};

const SECRET: &str = "the-secret-of-this-program";

/// A program whose `/broken` panics and whose list of routes has a secret in it, on a port of its own.
fn program(exceptions: ExceptionsLayer, routes: router::service::BoxRouterBuilder) -> u16 {
    let broken = service_fn(
        async |_: Request<Body>| -> Result<Response<Body>, Infallible> { panic!("{SECRET}") },
    );
    let routes = routes
        .get("^broken$", broken)
        .get(format!("^{SECRET}$"), broken)
        .build()
        .unwrap();
    let service = exceptions.silence_default_hook().layer(routes);
    let (sender, port) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let server = Server::bind("127.0.0.1:0").unwrap();
            sender.send(server.local_addr().unwrap().port()).unwrap();
            server.serve(service).await.unwrap()
        })
    });
    port.recv().unwrap()
}

fn in_development() -> u16 {
    program(
        ExceptionsLayer::new().development_in_release(),
        BoxRouter::builder().development_in_release(),
    )
}

fn assert_shown(port: u16) {
    for (path, status) in [("/broken", 500), ("/nowhere", 404)] {
        let reply = get(port, path);
        assert_eq!(reply.status, status);
        assert!(reply.text().contains(SECRET), "{path}: {}", reply.text());
    }
}

fn assert_withheld(reply: &Reply, status: u16, why: &str) {
    assert_eq!(reply.status, status);
    let text = reply.text();
    assert!(
        !text.contains(SECRET) && !text.contains("silent_proxies.rs"),
        "{text}"
    );
    assert!(text.contains(why), "{text}");
}

/// What a client at `port` is told, in place of a traceback and of the routes.
fn assert_withheld_at(port: u16, why: &str, why_no_routes: &str) {
    for (path, status, why) in [("/broken", 500, why), ("/nowhere", 404, why_no_routes)] {
        for accept in ["*/*", "text/html", "application/problem+json"] {
            let reply = get_with(port, path, &[("Accept", accept)]);
            assert_withheld(&reply, status, why);
        }
        // The client's Host is what a stranger may choose, where the proxy passes it on.
        for host in ["localhost", "public.example"] {
            let reply = get_with(port, path, &[("Host", host)]);
            assert_eq!(reply.status, status);
            assert!(!reply.text().contains(SECRET), "{host}: {}", reply.text());
        }
    }
}

fn another_user(name: &str) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name));
    let uid = line.and_then(|line| line.split(':').nth(2)).unwrap();
    format!(
        "The other end of this connection belongs to user {uid} ({name}), this program runs as 0: a proxy or another \
         user's client. `.trust_users([{uid}])` shows details to it."
    )
}

fn bare_nginx(app: u16, lines: &str) -> (Folder, Running, u16) {
    let folder = Folder::new();
    let port = free_port();
    let conf = format!(
        "upstream app {{ server 127.0.0.1:{app}; keepalive 4; }}
        server {{ listen 127.0.0.1:{port}; location / {{ {lines} }} }}"
    );
    let running = nginx_as("www-data", &folder, port, &conf);
    (folder, running, port)
}

#[test]
#[ignore = "needs nginx"]
fn a_bare_proxy_pass_over_http_1_1_is_another_user() {
    if !is_root() {
        return;
    }
    let app = in_development();
    let why = another_user("www-data");
    // As nginx does it by itself from 1.29.7 on.
    let speaks = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
    for host in ["", "proxy_set_header Host $http_host;"] {
        let lines = format!("proxy_pass http://127.0.0.1:{app}; {speaks} {host}");
        let (_folder, _nginx, port) = bare_nginx(app, &lines);
        assert_withheld_at(port, &why, &why);
    }
    // Over connections that stay open, too.
    let lines = format!("proxy_pass http://app; {speaks} proxy_set_header Host localhost;");
    let (_folder, _nginx, port) = bare_nginx(app, &lines);
    for _ in 0..3 {
        assert_withheld_at(port, &why, &why);
    }
    assert_shown(app);
}

#[test]
#[ignore = "needs nginx"]
fn a_bare_proxy_pass_over_http_1_0_is_an_old_version() {
    if !is_root() {
        return;
    }
    let app = in_development();
    let lines = format!("proxy_pass http://127.0.0.1:{app}; proxy_http_version 1.0;");
    let (_folder, _nginx, port) = bare_nginx(app, &lines);
    assert_withheld_at(port, "HTTP/1.0", "Not Found");
    assert_shown(app);
}

#[test]
#[ignore = "needs nginx"]
fn the_users_of_a_proxy_can_be_trusted_by_name() {
    if !is_root() {
        return;
    }
    let sentence = another_user("www-data");
    let (_, rest) = sentence.split_once(".trust_users([").unwrap();
    let uid: u32 = rest.split_once(']').unwrap().0.parse().unwrap();
    let app = program(
        ExceptionsLayer::new()
            .development_in_release()
            .trust_users([uid]),
        BoxRouter::builder()
            .development_in_release()
            .trust_users([uid]),
    );
    let lines = format!("proxy_pass http://127.0.0.1:{app}; proxy_http_version 1.1;");
    let (_folder, _nginx, port) = bare_nginx(app, &lines);
    assert_shown(port);
    // Everything else is judged all the same.
    let lines = format!(
        "proxy_pass http://127.0.0.1:{app}; proxy_http_version 1.1; proxy_set_header X-Forwarded-For $remote_addr;"
    );
    let (_folder, _nginx, port) = bare_nginx(app, &lines);
    assert_withheld_at(port, "x-forwarded-*", "Not Found");
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_is_another_user_whether_it_reads_http_or_not() {
    if !is_root() {
        return;
    }
    let app = in_development();
    for mode in ["tcp", "http"] {
        let folder = Folder::new();
        let port = free_port();
        let conf = format!("{mode}\n  server app 127.0.0.1:{app}");
        let _haproxy = haproxy(&folder, port, &conf);
        for (path, status) in [("/broken", 500), ("/nowhere", 404)] {
            let reply = get_with(port, path, &[("Host", "localhost")]);
            assert_withheld(&reply, status, &another_user("haproxy"));
        }
    }
    assert_shown(app);
}

/// The smallest requests that were shown something once, word for word.
#[test]
fn what_pretends_to_be_this_machine_is_withheld_over_a_real_socket() {
    let app = in_development();
    let localhost = format!("localhost:{app}");
    assert_shown(app);
    let foreign: [(&str, &[(&str, &str)]); 12] = [
        ("", &[("Host", "public.example")]),
        ("", &[("Host", "[::1]evil.example")]),
        ("", &[("Host", "localhost:x@evil.example")]),
        ("http://evil.example", &[("Host", "localhost")]),
        ("http://evil.example", &[]),
        ("", &[("CF-Ray", "1")]),
        ("", &[("X-Original-Host", "public.example")]),
        ("", &[("Fly-Client-IP", "8.8.8.8")]),
        ("", &[("Forwarded-For", "8.8.8.8")]),
        ("", &[("Origin", "https://evil.example")]),
        ("", &[("Origin", "null")]),
        ("", &[("Sec-Fetch-Site", "cross-site")]),
    ];
    for (before, fields) in foreign {
        for path in ["/broken", "/nowhere"] {
            let target = format!("{before}{path}");
            let reply = request(app, "GET", target.as_bytes(), fields, &[]).unwrap();
            assert!(reply.status >= 400, "{target} {fields:?}");
            assert!(
                !reply.text().contains(SECRET),
                "{target} {fields:?}: {}",
                reply.text()
            );
        }
    }
    // A page of ours, and one at the port of a front end's development server.
    for origin in [
        format!("http://{localhost}"),
        "http://localhost:5173".into(),
    ] {
        let reply = get_with(app, "/broken", &[("Origin", &origin), ("Host", &localhost)]);
        assert!(reply.text().contains(SECRET), "{}", reply.text());
    }
}
