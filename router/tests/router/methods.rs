//! Methods: HEAD, OPTIONS, 405, and what nothing matches.

use gateway_core::testing::Client;
use gateway_core::{Application, Environ, Reply};
use http::Method;
use router::Router;

use crate::{Echo, ask, build, echo, get};

#[test]
fn get_implies_head_without_the_body_and_with_its_length() {
    let router = build(echo().get("^a$", Echo("x")));
    let answer = ask(&router, Method::HEAD, "/a");
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(
        answer.header("content-length"),
        "x HEAD /a".len().to_string()
    );
}

#[test]
fn no_answer_to_a_head_request_has_a_body() {
    let router = build(echo().mount("/m", Echo("m")).fallback(Echo("fallback")));
    for (path, text) in [("/m/x", "m HEAD /x"), ("/x", "fallback HEAD /x")] {
        let answer = ask(&router, Method::HEAD, path);
        assert_eq!(answer.text, "", "{path}");
        assert_eq!(answer.header("content-length"), text.len().to_string());
    }
}

#[test]
fn an_application_answers_head_without_the_body_and_with_its_length() {
    let text = gateway_core::application(|_| Reply::text("hello"));
    let urls = Router::builder().get("^a$", text).build().unwrap();
    for (path, length) in [("/a", "5"), ("/none", "10")] {
        let mut environ = Environ::builder().method(Method::HEAD).uri(path).build();
        let response = urls.respond(&mut environ).unwrap();
        assert_eq!(response.headers()["content-length"], length, "{path}");
        assert_eq!(response.into_body().into_bytes().unwrap(), "", "{path}");
    }
}

#[test]
fn a_route_that_lists_head_goes_before_those_that_imply_it() {
    let router = build(echo().get("^a$", Echo("get")).head("^a$", Echo("head")));
    assert_eq!(
        ask(&router, Method::HEAD, "/a").header("content-length"),
        "head HEAD /a".len().to_string()
    );
    assert_eq!(get(&router, "/a").text, "get GET /a");
}

#[test]
fn options_are_answered_unless_listed() {
    let router = build(
        echo()
            .get("^a$", Echo("x"))
            .post("^a$", Echo("y"))
            .options("^b$", Echo("own")),
    );
    let answer = ask(&router, Method::OPTIONS, "/a");
    assert_eq!(
        (answer.status, answer.header("allow"), answer.text.as_str()),
        (204, "GET, HEAD, POST, OPTIONS", "")
    );
    assert_eq!(ask(&router, Method::OPTIONS, "/b").text, "own OPTIONS /b");
    assert_eq!(ask(&router, Method::OPTIONS, "/c").status, 404);
}

#[test]
fn method_not_allowed_only_after_all_routes_failed_with_all_their_methods() {
    let router = build(
        echo()
            .get("^a/(.*)$", Echo("1"))
            .methods([Method::PUT, Method::DELETE], "^a/b$", Echo("2"))
            .post("^other$", Echo("3"))
            .methods([Method::from_bytes(b"PURGE").unwrap()], "^a/b$", Echo("4")),
    );
    let answer = ask(&router, Method::POST, "/a/b");
    assert_eq!(answer.status, 405);
    assert_eq!(
        answer.header("allow"),
        "GET, HEAD, PUT, DELETE, PURGE, OPTIONS"
    );
    assert_eq!(answer.text, "Method Not Allowed\n");
    assert_eq!(
        ask(&router, Method::POST, "/a/c").header("allow"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(ask(&router, Method::PUT, "/a/b").text, "2 PUT /a/b");
    assert_eq!(
        ask(&router, Method::from_bytes(b"PURGE").unwrap(), "/a/b").text,
        "4 PURGE /a/b"
    );
    let router = build(echo().get("^a$", Echo("1")).route("^a$", Echo("any")));
    assert_eq!(ask(&router, Method::PATCH, "/a").text, "any PATCH /a");
}

#[test]
fn a_later_route_of_another_method_is_not_lost() {
    let router = build(
        echo()
            .get("^a/.*$", Echo("get"))
            .post("^a/b$", Echo("post")),
    );
    assert_eq!(ask(&router, Method::POST, "/a/b").text, "post POST /a/b");
}

#[test]
fn a_miss_is_404_text_or_the_fallback() {
    let router = build(echo().get("^a$", Echo("x")));
    let answer = get(&router, "/b");
    assert_eq!((answer.status, answer.text.as_str()), (404, "Not Found\n"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let answer = ask(&router, Method::HEAD, "/b");
    assert_eq!(
        (
            answer.status,
            answer.text.as_str(),
            answer.header("content-length")
        ),
        (404, "", "10")
    );
    let router = build(echo().get("^a$", Echo("x")).fallback(Echo("fallback")));
    assert_eq!(get(&router, "/b").text, "fallback GET /b");
}

#[test]
fn star_and_connect_skip_routing() {
    let router = build(echo().route("^.*$", Echo("x")).fallback(Echo("fallback")));
    assert_eq!(
        ask(&router, Method::OPTIONS, "*").text,
        "fallback OPTIONS *"
    );
    assert_eq!(
        ask(&router, Method::CONNECT, "example.com:443").text,
        "fallback CONNECT "
    );
}

#[test]
fn options_of_the_server_as_a_whole_say_that_it_is_there() {
    let router = build(echo().route("^.*$", Echo("x")).get("^a$", Echo("a")));
    let answer = ask(&router, Method::OPTIONS, "*");
    assert_eq!(
        (answer.status, &*answer.text, answer.header("allow")),
        (204, "", "")
    );
    assert_eq!(ask(&router, Method::CONNECT, "example.com:443").status, 404);
    let functions = Router::builder()
        .route("^.*$", gateway_core::application(|_| "x"))
        .build()
        .unwrap();
    let answer = Client::new(functions).request(Method::OPTIONS, "*").send();
    assert_eq!(answer.status(), 204);
}
