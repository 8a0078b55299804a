//! The router as a service and as an application: the rows of its semantics.
#![cfg(feature = "service")]

use std::convert::Infallible;
use std::task::{Context, Poll};

use gateway_core::testing::Client;
use gateway_core::{Addr, Application, Arrival, Body, ConnInfo, Environ, Error, Reply, RequestExt};
use http::{Method, Request, Response, StatusCode};
use router::{
    BoxRouter, BuildError, LeadingSlash, ParseError, RequestUrlArgs, Router, RouterBuilder,
    TrailingSlash, UrlMap,
};
use serde::Deserialize;
use tower::{Service, ServiceExt, service_fn};

/// A concrete endpoint: says who it is and what it was told.
#[derive(Clone, Copy, Debug)]
struct Echo(&'static str);

impl<B> Service<Request<B>> for Echo {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut text = format!("{} {} {}", self.0, request.method(), request.uri().path());
        if let Some(args) = request.url_args() {
            for arg in args.iter() {
                text.push_str(&format!(" {}", arg.unwrap_or("-")));
            }
        }
        std::future::ready(Ok(Response::new(text)))
    }
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn ask_request(router: &Router<Echo>, request: Request<()>) -> Answer {
    let response = futures_executor(router.clone().oneshot(request));
    let (parts, body) = response.into_parts();
    let text = futures_executor(http_body_util::BodyExt::collect(body))
        .map(http_body_util::Collected::to_bytes);
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(text.unwrap().to_vec()).unwrap(),
    }
}

fn futures_executor<T, E: std::fmt::Debug>(
    future: impl Future<Output = Result<T, E>>,
) -> FutureValue<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    FutureValue(runtime.block_on(future).unwrap())
}

/// What a future that cannot fail gave.
struct FutureValue<T>(T);

impl FutureValue<Response<router::RouterBody<String>>> {
    fn into_parts(self) -> (http::response::Parts, router::RouterBody<String>) {
        self.0.into_parts()
    }
}

impl<T> FutureValue<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> FutureValue<U> {
        FutureValue(f(self.0))
    }

    fn unwrap(self) -> T {
        self.0
    }
}

fn ask(router: &Router<Echo>, method: Method, uri: &str) -> Answer {
    ask_request(
        router,
        Request::builder().method(method).uri(uri).body(()).unwrap(),
    )
}

fn get(router: &Router<Echo>, uri: &str) -> Answer {
    ask(router, Method::GET, uri)
}

fn build(builder: RouterBuilder<Echo>) -> Router<Echo> {
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

fn echo() -> RouterBuilder<Echo> {
    Router::builder()
}

#[test]
fn the_first_route_that_matches_answers() {
    let router = build(
        echo()
            .get("^a/(.+)$", Echo("first"))
            .get("^a/b$", Echo("second")),
    );
    assert_eq!(get(&router, "/a/b").text, "first GET /a/b b");
}

#[test]
fn one_leading_slash_is_taken_off_unless_told_otherwise() {
    let router = build(echo().get("^(.*)$", Echo("x")));
    assert_eq!(get(&router, "/").text, "x GET / ");
    assert_eq!(get(&router, "//a").text, "x GET //a /a");
    let router = build(
        echo()
            .leading_slash(LeadingSlash::StripAll)
            .get("^(.*)$", Echo("x")),
    );
    assert_eq!(get(&router, "///a").text, "x GET ///a a");
    assert_eq!(get(&router, "/%2F/a").text, "x GET /%2F/a a");
    let router = build(
        echo()
            .leading_slash(LeadingSlash::Keep)
            .get("^(/.*)$", Echo("x")),
    );
    assert_eq!(get(&router, "/a").text, "x GET /a /a");
}

#[test]
fn a_pattern_for_the_slash_that_is_taken_off_is_refused() {
    for pattern in ["^/users$", "^(/users)$", "^/?/x$|^/y$"] {
        let result = echo().get(pattern, Echo("x")).build();
        if pattern == "^/?/x$|^/y$" {
            assert!(result.is_ok(), "{pattern}");
            continue;
        }
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("the leading slash of the path is taken off"),
            "{error}"
        );
    }
}

#[test]
fn the_decoded_path_is_matched() {
    let router = build(
        echo()
            .get("^straße/(.*)$", Echo("x"))
            .get("^a b/([^/]+)/(.*)$", Echo("y")),
    );
    assert_eq!(
        get(&router, "/stra%C3%9Fe/J%C3%BCrgen").text,
        "x GET /stra%C3%9Fe/J%C3%BCrgen Jürgen"
    );
    assert_eq!(get(&router, "/straße/ü").text, "x GET /straße/ü ü");
    assert_eq!(get(&router, "/a%20b/c%2Fd").text, "y GET /a%20b/c%2Fd c d");
    assert_eq!(
        get(&router, "/a%20b/100%/x").text,
        "y GET /a%20b/100%/x 100% x"
    );
}

#[test]
fn a_path_that_is_not_utf_8_is_a_bad_request_unless_a_mount_takes_it() {
    let router = build(
        echo()
            .get("^(.*)$", Echo("x"))
            .mount("/files", Echo("files")),
    );
    assert_eq!(get(&router, "/%FF").status, 400);
    assert_eq!(get(&router, "/files/%FF").text, "files GET /%FF");
}

#[test]
fn raw_paths_keep_an_encoded_slash_in_its_segment() {
    let router = build(
        echo()
            .raw_paths()
            .name("n")
            .get("^([^/]+)/(.*)$", Echo("x")),
    );
    assert_eq!(
        get(&router, "/a%2Fb/c%20d").text,
        "x GET /a%2Fb/c%20d a/b c d"
    );
    assert_eq!(get(&router, "/a%FF/c").status, 400);
    assert_eq!(router.url_for("n", ["a/b", "c d"]).unwrap(), "/a%2Fb/c%20d");
}

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
fn whoever_answers_a_head_request_sends_no_body() {
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

#[test]
fn strict_slashes_are_two_paths() {
    let router = build(echo().get("^a/$", Echo("x")));
    assert_eq!(get(&router, "/a").status, 404);
}

#[test]
fn a_missing_slash_is_redirected_with_the_query_and_relatively() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .get("^(a|x/[^/]*)/$", Echo("x"))
            .get("^b$", Echo("b")),
    );
    for (path, location) in [
        ("/a", "./a/"),
        ("/a?q=1&r=%2F", "./a/?q=1&r=%2F"),
        ("/x/a:b", "./a:b/"),
        ("/x/%C3%BC", "./%C3%BC/"),
        ("/x/ü", "./%C3%BC/"),
    ] {
        let answer = get(&router, path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location),
            "{path}"
        );
    }
    assert_eq!(ask(&router, Method::POST, "/a").status, 404);
    assert_eq!(get(&router, "/b").status, 200);
    assert_eq!(get(&router, "/b/").status, 404);
    assert_eq!(get(&router, "/").status, 404);
}

#[test]
fn a_slash_too_many_is_redirected() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToNoSlash)
            .get("^(a|x/b|/evil.example)$", Echo("x")),
    );
    for (path, location) in [
        ("/a/", "../a"),
        ("/x/b/?q", "../b?q"),
        ("//evil.example/", "../evil.example"),
    ] {
        let answer = get(&router, path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location),
            "{path}"
        );
    }
}

#[test]
fn double_slashes_are_merged_by_a_redirect_on_request() {
    let router = build(
        echo()
            .merge_slashes()
            .get("^a/b$", Echo("x"))
            .get("^evil.example$", Echo("y")),
    );
    for (path, location) in [
        ("/a//b", "../../a/b"),
        ("//a/b?q", "../../a/b?q"),
        ("//evil.example", "../evil.example"),
    ] {
        let answer = get(&router, path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location),
            "{path}"
        );
    }
    assert_eq!(get(&router, "/c//d").status, 404);
    assert_eq!(
        get(&build(echo().get("^a/b$", Echo("x"))), "/a//b").status,
        404
    );
}

#[test]
fn double_slashes_and_the_slash_at_the_end_are_mended_by_one_redirect() {
    let router = |trailing, pattern| {
        build(
            echo()
                .merge_slashes()
                .trailing_slash(trailing)
                .get(pattern, Echo("x")),
        )
    };
    for (trailing, pattern, path, location) in [
        (
            TrailingSlash::RedirectToSlash,
            "^a/b/$",
            "//a//b?q",
            "../../../a/b/?q",
        ),
        (
            TrailingSlash::RedirectToNoSlash,
            "^a/b$",
            "/a//b//",
            "../../../../a/b",
        ),
        (TrailingSlash::RedirectToNoSlash, "^a$", "//a/", "../../a"),
    ] {
        let answer = get(&router(trailing, pattern), path);
        assert_eq!(answer.status, 308, "{path}");
        assert_eq!(answer.header("location"), location, "{path}");
    }
}

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

#[test]
fn mounts_end_at_the_edge_of_a_segment_and_see_the_rest() {
    let router = build(
        echo()
            .get("^app/x$", Echo("route"))
            .mount("/app", Echo("app"))
            .mount("/app2/sub", Echo("sub"))
            .fallback(Echo("no")),
    );
    for (path, text) in [
        ("/app/x", "app GET /x"),
        ("/app", "app GET /"),
        ("/app/", "app GET /"),
        ("/%61pp/%78", "app GET /%78"),
        ("/apple", "no GET /apple"),
        ("/app2/sub/deep?q", "sub GET /deep"),
        ("/app2/subway", "no GET /app2/subway"),
        ("//app/x", "no GET //app/x"),
    ] {
        assert_eq!(get(&router, path).text, text, "{path}");
    }
    assert!(matches!(
        echo().mount("app", Echo("x")).build(),
        Err(BuildError::Setting { .. })
    ));
}

/// Tells where it is, and makes a URL.
fn tell(request: &Request<Body>) -> String {
    let args = request.url_args().unwrap();
    format!(
        "pattern={} name={} script={} url={}",
        args.pattern(),
        args.route_name().unwrap_or("-"),
        request.raw_script_name(),
        args.urls()
            .url_for("page", [("id", 7)])
            .unwrap_or_else(|error| error.to_string()),
    )
}

fn telling()
-> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from(tell(&request))))
    })
}

#[test]
fn nested_routers_report_the_whole_pattern_and_make_whole_urls() {
    let inner: BoxRouter = BoxRouter::builder()
        .name("page")
        .get("^page/(?<id>[0-9]+)$", telling())
        .template([Method::GET], "t/{x}", telling())
        .build()
        .unwrap();
    let middle: BoxRouter = BoxRouter::builder()
        .mount("/wiki", inner.clone())
        .name("top")
        .get("^top$", telling())
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/site", middle)
        .mount("/wiki", inner.clone())
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    client
        .get("/wiki/page/3")
        .send()
        .assert_text("pattern=/wiki/page/(?<id>[0-9]+)$ name=page script=/wiki url=/wiki/page/7");
    client
        .get("/site/w%69ki/page/3")
        .send()
        .assert_text("pattern=/site/wiki/page/(?<id>[0-9]+)$ name=page script=/site/w%69ki url=/site/w%69ki/page/7");
    client
        .get("/site/wiki/t/1")
        .send()
        .assert_text("pattern=/site/wiki/t/{x} name=- script=/site/wiki url=/site/wiki/page/7");
    client
        .get("/site/top")
        .send()
        .assert_text("pattern=/site/top$ name=top script=/site url=no route is named `page`");
    Client::of_service(inner)
        .get("/page/3")
        .send()
        .assert_text("pattern=^page/(?<id>[0-9]+)$ name=page script= url=/page/7");
}

#[test]
fn names_of_outer_routers_are_found_from_inner_ones() {
    let url = service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from(
            request.url_args().unwrap().url_for("home", ()).unwrap(),
        )))
    });
    let inner: BoxRouter = BoxRouter::builder().get("^x$", url).build().unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/in", inner)
        .name("home")
        .get("^home$", Echo("x"))
        .build()
        .unwrap();
    let all: BoxRouter = BoxRouter::builder().mount("/all", outer).build().unwrap();
    Client::of_service(all)
        .get("/all/in/x")
        .send()
        .assert_text("/all/home");
}

#[test]
fn urls_are_whole_below_a_recorded_prefix_and_behind_a_stripping_proxy() {
    let router: BoxRouter = BoxRouter::builder()
        .name("page")
        .get("^page/(?<id>[0-9]+)$", telling())
        .build()
        .unwrap();
    let mut request = Request::get("/page/1").body(Body::empty()).unwrap();
    let recorded = gateway_core::ScriptName::below("/shop", request.uri()).unwrap();
    request
        .extensions_mut()
        .insert(Arrival::default().with_script_name(recorded));
    let response = futures_executor(router.oneshot(request)).unwrap();
    let text = response
        .into_body()
        .into_inner()
        .unwrap()
        .into_bytes()
        .unwrap();
    assert_eq!(
        text,
        "pattern=^page/(?<id>[0-9]+)$ name=page script=/shop url=/shop/page/7"
    );
    let router = build(
        echo()
            .external_prefix("/behind/")
            .name("page")
            .get("^page/(?<id>[0-9]+)$", Echo("x")),
    );
    assert_eq!(router.url_for("page", [1]).unwrap(), "/behind/page/1");
    assert!(echo().external_prefix("//evil").build().is_err());
}

#[test]
fn the_prefix_of_a_stripping_proxy_is_in_front_of_the_urls_of_nested_routers_too() {
    let url = service_fn(async |request: Request<Body>| {
        let args = request.url_args().unwrap();
        let urls = ["page", "home"].map(|name| args.url_for(name, ()).unwrap());
        Ok::<_, Infallible>(Response::new(Body::from(urls.join(" "))))
    });
    let inner: BoxRouter = BoxRouter::builder()
        .external_prefix("/never")
        .name("page")
        .get("^page$", url)
        .build()
        .unwrap();
    let middle: BoxRouter = BoxRouter::builder().mount("/b", inner).build().unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .external_prefix("/behind")
        .mount("/a", middle)
        .name("home")
        .get("^$", Echo("x"))
        .build()
        .unwrap();
    Client::of_service(outer)
        .get("/a/b/page")
        .send()
        .assert_text("/behind/a/b/page /behind/");
}

#[test]
fn url_for_is_ascii_whatever_the_client_called_the_mount() {
    let url = service_fn(async |request: Request<Body>| {
        let url = request.url_args().unwrap().url_for("x", ()).unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(url)))
    });
    let inner: BoxRouter = BoxRouter::builder()
        .name("x")
        .get("^x$", url)
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .external_prefix("/ä")
        .mount("/é", inner)
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    for path in ["/é/x", "/%C3%A9/x"] {
        client.get(path).send().assert_text("/%C3%A4/%C3%A9/x");
    }
    let router = build(echo().external_prefix("/ä").name("x").get("^x$", Echo("x")));
    assert_eq!(router.url_for("x", ()).unwrap(), "/%C3%A4/x");
}

#[test]
fn groups_are_the_same_in_short_and_long_paths_decoded_or_not() {
    let router = build(echo().get("^([^/]*)/(.*)$", Echo("x")));
    for length in [0, 1, 20, 43, 44, 45, 46, 47, 48, 200] {
        for (sent, read) in [("a", "a"), ("%62", "b"), ("é", "é")] {
            let path = format!("/{}/{sent}", "x".repeat(length));
            let expected = format!("x GET {path} {} {read}", "x".repeat(length));
            assert_eq!(get(&router, &path).text, expected);
        }
    }
}

#[test]
fn url_for_never_names_another_host() {
    let router = build(echo().name("any").get("^(.*)$", Echo("x")));
    assert!(router.url_for("any", ["/evil.example"]).is_err());
    assert_eq!(router.url_for("any", ["a//b"]).unwrap(), "/a//b");
    assert_eq!(router.url_for("any", [""]).unwrap(), "/");
}

#[test]
fn url_for_goes_by_the_methods_of_the_route() {
    let router = build(
        echo()
            .get("^a/.*$", Echo("get"))
            .name("post")
            .post("^a/b$", Echo("post"))
            .name("lost")
            .get("^a/c$", Echo("x")),
    );
    assert_eq!(router.url_for("post", ()).unwrap(), "/a/b");
    assert!(
        router
            .url_for("lost", ())
            .unwrap_err()
            .to_string()
            .contains("would be taken by `^a/.*$`")
    );
}

#[test]
fn functions_are_endpoints_as_in_the_article() {
    type View = fn(&mut Environ) -> Reply;
    fn index(_: &mut Environ) -> Reply {
        Reply::text("index")
    }
    fn hello(environ: &mut Environ) -> Reply {
        Reply::text(format!(
            "Hello {}!",
            environ.url_args().unwrap().get(0).unwrap_or("World")
        ))
    }
    let urls = Router::<View>::builder()
        .get("^$", index)
        .get("hello/?$", hello)
        .get("hello/(.+)$", hello)
        .build()
        .unwrap();
    let client = Client::new(urls);
    client.get("/").send().assert_text("index");
    client.get("/hello").send().assert_text("Hello World!");
    client
        .get("/say/hello/John%20D")
        .send()
        .assert_text("Hello John D!");
    client
        .get("/bye")
        .send()
        .assert_status(404)
        .assert_text("Not Found\n");
    client.post("/hello").send().assert_status(405);
}

#[test]
fn applications_are_mounted_and_know_where_they_are() {
    type View = fn(&mut Environ) -> Reply;
    fn told(environ: &mut Environ) -> Reply {
        let url = environ
            .url_args()
            .and_then(|args| args.url_for("told", [1]).ok())
            .unwrap_or_default();
        Reply::text(format!(
            "{} {} {url}",
            environ.raw_script_name(),
            environ.raw_path_info()
        ))
    }
    let inner = Router::<View>::builder()
        .name("told")
        .get("^told/([0-9]+)$", told)
        .build()
        .unwrap();
    let outer = Router::builder().mount("/in", inner).build().unwrap();
    Client::new(outer)
        .get("/in/told/3")
        .send()
        .assert_text("/in /told/3 /in/told/1");
}

#[derive(Debug, Deserialize, PartialEq)]
struct Article {
    year: u16,
    slug: String,
    page: Option<u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

fn parsed<T: for<'de> Deserialize<'de>>(pattern: &str, path: &str) -> Result<T, Error> {
    use std::sync::Mutex;
    let slot: Mutex<Option<Result<T, Error>>> = Mutex::new(None);
    let router = Router::builder()
        .get(
            pattern,
            service_fn(async |request: Request<()>| {
                *slot.lock().unwrap() = Some(request.url_args().unwrap().parse::<T>());
                Ok::<_, Infallible>(Response::new(String::new()))
            }),
        )
        .build()
        .unwrap();
    futures_executor(router.oneshot(Request::get(path).body(()).unwrap()));
    slot.into_inner()
        .unwrap()
        .unwrap_or_else(|| panic!("`{pattern}` does not match {path}"))
}

#[test]
fn arguments_are_parsed_into_structs_tuples_numbers_and_words() {
    let pattern = r"^(?<year>\d+)/(?<slug>[^/]+)(?:/(?<page>\d+))?$";
    let article = |page| Article {
        year: 2007,
        slug: "wsgi".into(),
        page,
    };
    assert_eq!(
        parsed::<Article>(pattern, "/2007/wsgi").unwrap(),
        article(None)
    );
    assert_eq!(
        parsed::<Article>(pattern, "/2007/wsgi/2").unwrap(),
        article(Some(2))
    );
    assert_eq!(
        parsed::<(u16, String, Option<u8>)>(pattern, "/2007/wsgi").unwrap(),
        (2007, "wsgi".into(), None)
    );
    assert_eq!(parsed::<u64>(r"^(\d+)$", "/42").unwrap(), 42);
    assert_eq!(parsed::<(i8,)>(r"^(-?\d+)$", "/-42").unwrap(), (-42,));
    assert_eq!(parsed::<String>("^(.*)$", "/%C3%BC").unwrap(), "ü");
    assert_eq!(
        parsed::<Order>("^(asc|desc)$", "/desc").unwrap(),
        Order::Desc
    );
    assert_eq!(
        parsed::<Vec<String>>("^(a)(b)$", "/ab").unwrap(),
        ["a", "b"]
    );
    assert_eq!(parsed::<Option<f32>>("^(.*)$", "/1.5").unwrap(), Some(1.5));
}

#[test]
fn an_argument_that_does_not_fit_is_named() {
    let error = parsed::<Article>(r"^(?<year>\d+)/(?<slug>.*)$", "/70000/x").unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        error.to_string(),
        "`70000`, the argument `year`, is not a number from 0 to 65535"
    );
    let cause = error.cause().downcast_ref::<ParseError>().unwrap();
    assert_eq!(
        (cause.field(), cause.value()),
        (Some("year"), Some("70000"))
    );
    let message = |error: Error| error.to_string();
    assert_eq!(
        message(parsed::<(u8, u8)>("^(.)/(.)$", "/1/x").unwrap_err()),
        "`x`, the argument 1, is not a number from 0 to 255"
    );
    assert_eq!(
        message(parsed::<(u8, u8)>("^(.)$", "/1").unwrap_err()),
        "the pattern has 1 groups where 2 are asked for"
    );
    assert_eq!(
        message(parsed::<u8>("^(.)(.)$", "/12").unwrap_err()),
        "the pattern has 2 groups where one is asked for"
    );
    assert_eq!(
        message(parsed::<Article>(r"^(?<year>\d+)$", "/1").unwrap_err()),
        "the argument `slug` is missing: the pattern has no such group"
    );
    assert!(
        message(parsed::<Order>("^(.*)$", "/up").unwrap_err())
            .starts_with("`up`, the argument 0, ")
    );
    assert!(
        message(parsed::<(String, u8)>("^(a)(b)?$", "/a").unwrap_err()).contains("took no part")
    );
}

#[test]
fn another_status_for_arguments_that_do_not_fit_is_a_choice() {
    let router = Router::builder()
        .get(
            "^(.*)$",
            service_fn(async |request: Request<()>| {
                let error = request
                    .url_args()
                    .unwrap()
                    .parse_or::<u8>(StatusCode::BAD_REQUEST)
                    .unwrap_err();
                Ok::<_, Infallible>(Response::new(error.status().to_string()))
            }),
        )
        .build()
        .unwrap();
    let response = futures_executor(router.oneshot(Request::get("/x").body(()).unwrap())).unwrap();
    assert_eq!(
        response.into_body().into_inner().unwrap(),
        "400 Bad Request"
    );
}

#[test]
fn layers_go_around_every_service() {
    let loud = tower::util::MapResponseLayer::new(|response: Response<String>| {
        response.map(|text| text.to_uppercase())
    });
    let router = Router::builder()
        .get("^a$", Echo("x"))
        .fallback(Echo("none"))
        .build()
        .unwrap()
        .layer(loud);
    let response =
        futures_executor(router.clone().oneshot(Request::get("/a").body(()).unwrap())).unwrap();
    assert_eq!(response.into_body().into_inner().unwrap(), "X GET /A");
    let response = futures_executor(router.oneshot(Request::get("/b").body(()).unwrap())).unwrap();
    assert_eq!(response.into_body().into_inner().unwrap(), "NONE GET /B");
}

#[test]
fn a_boxed_router_takes_layered_services_beside_plain_ones() {
    let loud = tower::util::MapResponseLayer::new(|response: Response<String>| {
        response.map(|text| text.to_uppercase())
    });
    let router: BoxRouter = BoxRouter::builder()
        .get("^loud$", tower::Layer::layer(&loud, Echo("x")))
        .get("^plain$", Echo("x"))
        .fallback(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Body::from("nobody")))
        }))
        .build()
        .unwrap();
    let client = Client::of_service(router);
    client.get("/loud").send().assert_text("X GET /LOUD");
    client.get("/plain").send().assert_text("x GET /plain");
    client.get("/").send().assert_text("nobody");
}

#[test]
fn a_service_is_polled_ready_before_it_is_called() {
    #[derive(Clone)]
    struct Reluctant {
        polls: u32,
    }
    impl Service<Request<()>> for Reluctant {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<String>, Infallible>>;
        fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.polls += 1;
            if self.polls < 3 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            std::future::ready(Ok(Response::new(self.polls.to_string())))
        }
    }
    let router = Router::builder()
        .get("^$", Reluctant { polls: 0 })
        .build()
        .unwrap();
    let response = futures_executor(router.oneshot(Request::get("/").body(()).unwrap())).unwrap();
    assert_eq!(response.into_body().into_inner().unwrap(), "3");
}

#[test]
fn a_service_that_refuses_is_not_called_and_its_error_is_passed_on() {
    #[derive(Clone)]
    struct Closed;
    impl Service<Request<()>> for Closed {
        type Response = Response<String>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<String>, &'static str>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("closed"))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("it was not ready")
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let request = || Request::get("/").body(()).unwrap();
    let plain = Router::builder().get("^$", Closed).build().unwrap();
    let answer = runtime.block_on(plain.oneshot(request()));
    assert_eq!(answer.unwrap_err(), "closed");
    let boxed = BoxRouter::<(), &str>::builder().get("^$", Closed);
    let answer = runtime.block_on(boxed.build().unwrap().oneshot(request()));
    assert_eq!(answer.unwrap_err(), "closed");
}

#[test]
fn includes_keep_methods_and_names() {
    let articles = echo()
        .name("list")
        .get("^$", Echo("list"))
        .name("edit")
        .post("^(?<id>[0-9]+)/$", Echo("edit"));
    let router = build(echo().include("^articles/", articles));
    assert_eq!(get(&router, "/articles/").text, "list GET /articles/");
    assert_eq!(
        ask(&router, Method::POST, "/articles/3/").text,
        "edit POST /articles/3/ 3"
    );
    assert_eq!(router.url_for("edit", [("id", 3)]).unwrap(), "/articles/3/");
}

#[test]
fn the_table_prints_for_people() {
    let router = build(
        echo()
            .mount("/static", Echo("x"))
            .name("home")
            .get("^$", Echo("x"))
            .methods([Method::PUT, Method::POST], "^a$", Echo("x"))
            .route("^b$", Echo("x")),
    );
    assert_eq!(
        router.to_string(),
        "*  /static/...\nGET       ^$   home\nPUT,POST  ^a$\n*         ^b$\n"
    );
}

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

#[test]
fn hostile_paths_are_answered() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .merge_slashes()
            .get("^([^/]+/)+$", Echo("x"))
            .get(r"^(\w+)/(\w+)$", Echo("y")),
    );
    let long = 65_000;
    for path in [
        "/".repeat(long),
        format!("/{}", "a".repeat(long)),
        format!("/{}", "a/".repeat(long / 2)),
        format!("/{}", "%00".repeat(long / 3)),
        format!("/{}", "%".repeat(long)),
        format!("/{}", "%2F".repeat(long / 3)),
        format!("/{}", "%C3".repeat(long / 3)),
    ] {
        let status = get(&router, &path).status;
        assert!([200, 308, 404, 400].contains(&status), "{status}");
    }
}

#[test]
fn the_map_and_the_router_are_what_axum_needs() {
    fn needs<T: Clone + Send + Sync + 'static>() {}
    needs::<UrlMap<String>>();
    needs::<Router<Echo>>();
    needs::<BoxRouter<axum::body::Body>>();
}

#[tokio::test]
async fn axum_takes_a_router_as_fallback_and_in_a_nest() {
    let ours: BoxRouter<axum::body::Body> = BoxRouter::builder()
        .get("^hello/(?<name>[^/]+)$", Echo("ours"))
        .get(
            "^axum$",
            axum::handler::Handler::with_state(async || "an axum handler", ()),
        )
        .build()
        .unwrap();
    let unboxed = build(echo().get("^(.*)$", Echo("nested")));
    let app: axum::Router = axum::Router::new()
        .route("/own", axum::routing::get(async || "axum"))
        .nest_service("/nest", unboxed)
        .fallback_service(ours);
    for (path, text) in [
        ("/own", "axum"),
        ("/hello/John", "ours GET /hello/John John"),
        ("/axum", "an axum handler"),
        ("/nest/x", "nested GET /x x"),
        ("/none", "Not Found\n"),
    ] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), 1000)
            .await
            .unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), text, "{path}");
    }
}

#[tokio::test]
async fn an_axum_router_works_below_a_mount() {
    let inner: axum::Router = axum::Router::new().route(
        "/x/{id}",
        axum::routing::get(async |axum::extract::Path(id): axum::extract::Path<u32>| {
            id.to_string()
        }),
    );
    let router: BoxRouter<axum::body::Body> =
        BoxRouter::builder().mount("/axum", inner).build().unwrap();
    let request = Request::get("/axum/x/7")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let body = axum::body::Body::new(response.into_body());
    assert_eq!(axum::body::to_bytes(body, 1000).await.unwrap(), "7");
}

#[test]
fn an_application_is_answered_by_the_router_itself() {
    let urls = Router::builder()
        .get("^x$", gateway_core::application(|_| "x"))
        .build()
        .unwrap();
    assert_eq!(
        urls.respond(&mut Environ::builder().uri("/y").build())
            .unwrap()
            .status(),
        404
    );
}

#[cfg(feature = "tokio")]
#[test]
fn functions_and_services_stand_beside_each_other_in_a_boxed_router() {
    fn hello(environ: &mut Environ) -> Reply {
        Reply::text(format!(
            "Hello {}!",
            environ.url_args().unwrap().name("subject").unwrap()
        ))
    }
    fn failing(_: &mut Environ) -> Result<Reply, Error> {
        let id: u8 = "x".parse()?;
        Ok(Reply::text(id.to_string()))
    }
    let router: BoxRouter = BoxRouter::builder()
        .get("^hello/(?<subject>.+)$", hello)
        .get("^fail$", failing)
        .get("^echo$", Echo("x"))
        .build()
        .unwrap();
    let client = Client::of_service(router);
    client.get("/hello/John").send().assert_text("Hello John!");
    client.get("/echo").send().assert_text("x GET /echo");
    assert_eq!(client.get("/fail").expecting(500).send().status(), 500);
    assert_eq!(client.head("/hello/J").send().status(), 200);
}
