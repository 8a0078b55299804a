//! Routes of some hosts.

use http::Request;
use router::BuildError;

use crate::{Echo, ask_request, build, echo};

#[test]
fn hosts_have_routes_and_groups_of_their_own() {
    let router = build(
        echo()
            .host(r"^(?<tenant>[a-z]+)\.example\.com$", |routes| {
                routes.get("^(?<page>[^/]*)$", Echo("tenant"))
            })
            .host(r"^admin\.example\.com$", |routes| {
                routes.get("^$", Echo("never: the first host that matches counts"))
            })
            .get("^(.*)$", Echo("any")),
    );
    let at = |host: &str, path: &str| {
        ask_request(
            &router,
            Request::get(path).header("host", host).body(()).unwrap(),
        )
        .text
    };
    assert_eq!(at("acme.example.com", "/x"), "tenant GET /x acme x");
    assert_eq!(at("ACME.Example.COM.:8080", "/x"), "tenant GET /x acme x");
    assert_eq!(at("acme.example.com", "/x/y"), "any GET /x/y x/y");
    assert_eq!(at("example.org", "/x"), "any GET /x x");
    assert_eq!(at("[::1]:80", "/x"), "any GET /x x");
    let absolute = Request::get("http://acme.example.com:81/x")
        .header("host", "example.org")
        .body(())
        .unwrap();
    assert_eq!(ask_request(&router, absolute).text, "tenant GET /x acme x");
    let error = echo()
        .host("^(?<a>.*)$", |routes| routes.get("^(?<a>.*)$", Echo("x")))
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::DuplicateGroup { .. }));
}
