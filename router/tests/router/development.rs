//! The page for what is not found, while a program is being written.

use gateway_core::{Addr, ConnInfo};
use http::Request;

use crate::{Echo, ask_request, build, echo};

fn development(
    host: &str,
    peer: &str,
    header: Option<(&str, &str)>,
    accept: &str,
) -> (u16, String) {
    let router = build(
        echo()
            .development_in_release()
            .name("article")
            .get(r"^articles/(?<year>[0-9]{4})/$", Echo("x"))
            .post("^orders/<$", Echo("x"))
            .mount("/static", Echo("x")),
    );
    let mut request = Request::get("/artcles/2007/?%3Cscript%3E")
        .header("host", host)
        .header("accept", accept);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let mut request = request.body(()).unwrap();
    let conn = ConnInfo::new(peer.parse::<std::net::SocketAddr>().unwrap(), Addr::Unknown);
    request.extensions_mut().insert(conn);
    let answer = ask_request(&router, request);
    (answer.status, answer.text)
}

#[test]
fn in_development_a_miss_lists_the_routes_and_the_nearest() {
    let (status, text) = development("localhost:8000", "127.0.0.1:5000", None, "*/*");
    assert_eq!(status, 404);
    assert_eq!(
        text,
        "404 Not Found: GET /artcles/2007/\n\
         Routes are asked with: artcles/2007/\n\
         The nearest is: GET      ^articles/(?<year>[0-9]{4})/$  (article)\n\
         Tried in this order:\n\
         mount    /static/\n\
         GET      ^articles/(?<year>[0-9]{4})/$  (article)\n\
         POST     ^orders/<$\n\
         This page is shown to requests from this machine because of `.development()`.\n"
    );
    let (_, html) = development("[::1]:8000", "[::1]:5000", None, "text/html,*/*");
    assert!(html.starts_with("<!doctype html>"), "{html}");
    assert!(html.contains("^orders/&lt;$") && !html.contains("orders/<$"));
}

#[test]
fn the_routes_are_shown_to_nobody_but_this_machine() {
    for (host, peer, header) in [
        ("localhost", "192.0.2.1:5000", None),
        ("evil.example", "127.0.0.1:5000", None),
        (
            "localhost",
            "127.0.0.1:5000",
            Some(("x-forwarded-for", "192.0.2.1")),
        ),
        (
            "localhost",
            "127.0.0.1:5000",
            Some(("forwarded", "for=192.0.2.1")),
        ),
        (
            "localhost",
            "127.0.0.1:5000",
            Some(("x-real-ip", "192.0.2.1")),
        ),
        ("localhost", "127.0.0.1:5000", Some(("via", "1.1 x"))),
        ("localhost.evil.example", "127.0.0.1:5000", None),
    ] {
        assert_eq!(
            development(host, peer, header, "*/*"),
            (404, "Not Found\n".into()),
            "{host} {peer} {header:?}"
        );
    }
}

#[test]
fn in_development_a_miss_says_so_if_nobody_told_the_peer() {
    let router = build(echo().development_in_release().get("^secret$", Echo("x")));
    let request = |host: &str| {
        Request::get("/")
            .header("host", host)
            .body(())
            .expect("a request")
    };
    let answer = ask_request(&router, request("localhost"));
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("into_make_service_with_connect_info"));
    assert!(!answer.text.contains("secret"));
    let answer = ask_request(&router, request("example.com"));
    assert_eq!(answer.text, "Not Found\n");
}

#[cfg(feature = "axum")]
#[test]
fn in_development_the_peer_may_be_told_by_axum() {
    let router = build(echo().development_in_release().get("^secret$", Echo("x")));
    for (peer, shown) in [("127.0.0.1:5000", true), ("192.0.2.1:5000", false)] {
        let mut request = Request::get("/")
            .header("host", "localhost")
            .body(())
            .unwrap();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        request
            .extensions_mut()
            .insert(axum::extract::ConnectInfo(peer));
        let answer = ask_request(&router, request);
        assert_eq!(answer.text.contains("secret"), shown, "{peer}");
    }
}
