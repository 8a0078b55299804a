//! What every public type is, and what applications may rely on.

use std::io::{BufRead, Read, Write};

use gateway_core::compat::{StartResponse, wsgi};
use gateway_core::error::{Failure, Foreign, ForeignFrame};
use gateway_core::paths::{
    CanonicalPath, CanonicalPathLayer, Prefix, RecordPath, ScriptName, Spelling,
};
use gateway_core::request::{Cancellation, ClientCertificate, ConnInfo, Segment};
use gateway_core::testing::Client;
use gateway_core::validator::{Validator, ValidatorLayer};
use gateway_core::{
    AnyApplication, Application, Body, BoxError, Environ, Error, FailedBy, Input, IntoReply, Reply,
    application, escape,
};
use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

#[test]
fn the_public_types_are_what_threads_and_servers_need() {
    fn send<T: Send + 'static>() {}
    fn shared<T: Clone + Send + Sync + 'static>() {}
    // Bodies are `Send` and need not be `Sync`: tower-http #493.
    send::<Body>();
    send::<Input>();
    send::<Environ>();
    send::<Error>();
    send::<Reply>();
    shared::<ConnInfo>();
    shared::<ClientCertificate>();
    shared::<Foreign>();
    shared::<ForeignFrame>();
    shared::<ScriptName>();
    shared::<Prefix>();
    shared::<Segment>();
    shared::<Spelling<'static>>();
    shared::<CanonicalPathLayer>();
    shared::<CanonicalPath<AnyApplication>>();
    shared::<Cancellation>();
    shared::<AnyApplication>();
    shared::<ValidatorLayer>();
    shared::<Client>();
    fn default<T: Default>() {}
    default::<Body>();
}

#[test]
fn every_public_error_is_a_standard_one() {
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<Failure>();
    error::<Foreign>();
    error::<gateway_core::error::Reported>();
    error::<gateway_core::paths::InvalidPrefix>();
    error::<gateway_core::paths::InvalidScriptName>();
    error::<gateway_core::developer::Reason>();
    error::<gateway_core::validator::Breach>();
}

#[test]
fn the_service_inside_of_a_middleware_is_within_reach() {
    macro_rules! reaches {
        ($service:expr) => {{
            let mut service = $service;
            assert_eq!(*service.get_ref(), "inner");
            *service.get_mut() = "another";
            assert_eq!(service.into_inner(), "another");
        }};
    }
    reaches!(RecordPath::layer().layer("inner"));
    reaches!(CanonicalPath::layer().layer("inner"));
    reaches!(Validator::layer().layer("inner"));
    #[cfg(feature = "proxy")]
    reaches!(gateway_core::proxy::ProxyLayer::forwarded().layer("inner"));
    #[cfg(feature = "tokio")]
    reaches!(gateway_core::adapt::from_service("inner"));
    #[cfg(feature = "tokio")]
    reaches!(gateway_core::adapt::AnswerErrors::new("inner"));
}

#[test]
fn a_test_client_has_the_methods_of_a_site() {
    let client = Client::new(application(|environ| environ.method().to_string()));
    client.get("/").send().assert_text("GET");
    client.post("/").send().assert_text("POST");
    client.put("/").send().assert_text("PUT");
    client.patch("/").send().assert_text("PATCH");
    client.delete("/").send().assert_text("DELETE");
}

/// What a site's error pages go by: no program wrote these bodies.
#[tokio::test]
async fn every_bare_answer_says_that_it_is_one() {
    fn is_bare<B>(response: &Response<B>) -> bool {
        FailedBy::of(response.extensions()).is_some_and(FailedBy::is_bare)
    }
    let inner = || {
        service_fn(async |_: Request<Body>| {
            Ok::<_, std::convert::Infallible>(Response::new(Body::from("inner")))
        })
    };
    let get = |uri: &str| Request::get(uri).body(Body::empty()).unwrap();
    let mounted = gateway_core::mount("/m", inner()).unwrap();
    assert!(is_bare(&mounted.clone().oneshot(get("/x")).await.unwrap()));
    assert!(!is_bare(&mounted.oneshot(get("/m/x")).await.unwrap()));
    let strict = CanonicalPath::layer().layer(inner());
    assert!(is_bare(&strict.clone().oneshot(get("//")).await.unwrap()));
    // A redirect is an answer of its own.
    assert!(!is_bare(&strict.oneshot(get("/%61")).await.unwrap()));
    assert!(is_bare(&Reply::not_found().into_response().unwrap()));
    #[cfg(feature = "tokio")]
    {
        // Of an input that fails, or a path that is no text, the error is known as well.
        type View = fn(&mut Environ) -> Result<Reply, Error>;
        let views: [View; 2] = [
            |environ| Ok(Reply::new(environ.input().read_all(1)?)),
            |environ| Ok(Reply::text(environ.path_str()?.into_owned())),
        ];
        for (view, status) in views.into_iter().zip([413, 400]) {
            let service = view.into_service().answer_errors();
            let request = Request::post("/%ff").body(Body::from("too long")).unwrap();
            let response = service.oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
            assert!(is_bare(&response), "{status}");
            let failed_by = FailedBy::of(response.extensions()).unwrap();
            assert!(failed_by.error().is_some(), "{status}");
        }
    }
}

#[test]
fn a_function_a_closure_and_a_struct_are_applications() {
    struct Greeting(String);
    impl Application for Greeting {
        fn respond(&self, _: &mut Environ) -> Result<gateway_core::Response, Error> {
            self.0.clone().into_reply()
        }
    }
    fn function(_: &mut Environ) -> Reply {
        Reply::text("hi")
    }
    fn fallible(_: &mut Environ) -> Result<Reply, Error> {
        Ok(Reply::text("hi"))
    }
    fn boxed(_: &mut Environ) -> Result<&'static str, BoxError> {
        Ok("hi")
    }
    let all = [
        AnyApplication::new(Greeting("hi".into())),
        AnyApplication::new(function),
        AnyApplication::new(fallible),
        AnyApplication::new(boxed),
        AnyApplication::new(application(|_| "hi")),
        AnyApplication::new(application(|_| (StatusCode::OK, "hi"))),
    ];
    for app in all {
        Client::new(app)
            .get("/")
            .send()
            .assert_status(200)
            .assert_text("hi");
    }
}

#[test]
fn an_error_keeps_its_place_and_status_in_a_box() {
    fn fails() -> Result<Reply, Error> {
        let _: u8 = "x".parse()?;
        Ok(Reply::text(""))
    }
    let line = line!() - 3;
    let error = fails().unwrap_err().with_status(StatusCode::BAD_GATEWAY);
    assert_eq!(error.location().unwrap().line(), line);
    let boxed: BoxError = error.into();
    let failure = boxed.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(failure.location().unwrap().line(), line);
    assert_eq!(failure.type_name(), Some("core::num::error::ParseIntError"));
    assert!(failure.cause().is::<std::num::ParseIntError>());
    let again = Error::from_boxed(boxed);
    assert_eq!(
        (again.status(), again.location().unwrap().line()),
        (StatusCode::BAD_GATEWAY, line)
    );
}

#[test]
fn a_failure_shows_the_error_it_carries() {
    #[derive(Debug)]
    struct Outer(std::fmt::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let boxed: BoxError = Error::from(Outer(std::fmt::Error)).into();
    assert_eq!(boxed.to_string(), "outer");
    assert!(boxed.source().unwrap().is::<std::fmt::Error>());
}

#[test]
fn a_header_that_cannot_be_is_an_error_and_no_panic() {
    let split = Reply::text("x").header("x-name", "a\r\nset-cookie: b");
    assert_eq!(split.into_response().unwrap_err().status(), 500);
    let client = Client::new(application(|_| Reply::see_other("/a\nb")));
    client.get("/").expecting(500).send();
}

#[test]
fn a_header_is_added_and_content_type_is_replaced() {
    let reply = Reply::html("x")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2");
    let response = reply
        .header("content-type", "text/x")
        .into_response()
        .unwrap();
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(response.headers().get_all("content-type").iter().count(), 1);
}

#[test]
fn the_input_reads_lines_and_ends() {
    let mut environ = Environ::builder().body("one\ntwo").build();
    let mut line = String::new();
    environ.input().read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    let mut rest = environ.take_input();
    let mut text = String::new();
    rest.read_to_string(&mut text).unwrap();
    assert_eq!(text, "two");
    assert_eq!(rest.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(environ.input().read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn an_input_over_the_limit_is_413() {
    let streamed = || Body::chunks(["12345", "67890"]);
    let read = |limit| {
        Environ::builder()
            .body(streamed())
            .build()
            .input()
            .read_all(limit)
    };
    assert_eq!(read(10).unwrap(), "1234567890");
    assert_eq!(read(9).unwrap_err().status(), 413);
    let whole = Environ::builder()
        .body("1234567890")
        .build()
        .input()
        .read_all(9);
    assert_eq!(whole.unwrap_err().status(), 413);
}

#[test]
fn a_body_that_breaks_off_is_an_error_of_the_reader() {
    let broken = Body::try_chunks([Ok("half"), Err("gone")]);
    let mut environ = Environ::builder().body(broken).build();
    let error = environ.input().read_all(100).unwrap_err();
    assert_eq!(
        (error.status().as_u16(), error.to_string().as_str()),
        (400, "gone")
    );
}

#[test]
fn a_form_is_decoded_and_another_type_is_415() {
    let app = application(|environ| -> Result<String, Error> {
        let form = environ.form(1000)?;
        Ok(format!("{:?} {:?}", form.get("text"), form.get("none")))
    });
    let client = Client::new(app);
    let posted = client.post("/").form(&[("text", "a&b=ü +")]).send();
    posted.assert_text("Some(\"a&b=ü +\") None");
    client
        .post("/")
        .header("content-type", "text/plain")
        .body("text=1")
        .expecting(415)
        .send();
}

#[test]
fn a_body_writer_that_fails_cuts_the_body_short() {
    let body = Body::from_writer(|out| {
        write!(out, "half")?;
        Err(std::io::Error::other("disk full"))
    });
    let mut out = Vec::new();
    assert_eq!(
        body.write_to(&mut out).unwrap_err().to_string(),
        "disk full"
    );
    assert_eq!(out, b"half");
}

#[test]
fn a_body_writer_polled_as_a_stream_gives_every_byte() {
    let service = service_fn(async |_: Request<Body>| {
        let body = Body::from_writer(|out| {
            for number in 0..20_000 {
                writeln!(out, "{number}")?;
            }
            std::io::Result::Ok(())
        });
        Ok::<_, std::convert::Infallible>(Response::new(body))
    });
    let expected: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    Client::of_service(service)
        .get("/")
        .send()
        .assert_text(&expected);
}

#[test]
fn an_iterator_that_fails_ends_the_body_and_is_dropped_once() {
    use std::sync::Arc;
    struct Counted {
        _alive: Arc<()>,
        calls: u8,
    }
    impl Iterator for Counted {
        type Item = Result<&'static str, &'static str>;
        fn next(&mut self) -> Option<Self::Item> {
            self.calls += 1;
            Some(if self.calls == 2 {
                Err("no more")
            } else {
                Ok("x")
            })
        }
    }
    let alive = Arc::new(());
    let mut out = Vec::new();
    let body = Body::try_chunks(Counted {
        _alive: Arc::clone(&alive),
        calls: 0,
    });
    assert_eq!(Arc::strong_count(&alive), 2);
    assert_eq!(body.write_to(&mut out).unwrap_err().to_string(), "no more");
    assert_eq!((Arc::strong_count(&alive), out.as_slice()), (1, &b"x"[..]));
}

#[test]
fn start_response_keeps_pep_3333s_order() {
    type Program = fn(&mut Environ, &mut StartResponse) -> Body;
    let never: Program = |_, _| Body::empty();
    let twice: Program = |_, start| {
        start.start("200 OK", &[]);
        start.start("200 OK", &[]);
        Body::empty()
    };
    let after_output: Program = |_, start| {
        let _ = start.start("200 OK", &[]).write_all(b"out");
        start.start_again("500 Oops", &[], "too late");
        Body::empty()
    };
    let bad_status: Program = |_, start| {
        start.start("20 OK", &[]);
        Body::empty()
    };
    for (program, reason) in [
        (never, "without calling start_response"),
        (twice, "a second time without an error"),
        (after_output, "too late"),
        (bad_status, "invalid status code"),
    ] {
        let response = Client::new(wsgi(program)).get("/").expecting(500).send();
        let failure = response.failure().unwrap();
        assert!(failure.contains(reason), "{reason}: {failure}");
    }
    let replaced: Program = |_, start| {
        start.start("200 OK", &[("X-First", "1")]);
        start.start_again("500 Oops", &[("X-Second", "2")], "in time");
        "sorry".into()
    };
    let response = Client::new(wsgi(replaced)).get("/").expecting(500).send();
    response
        .assert_header("x-second", "2")
        .assert_no_header("x-first")
        .assert_text("sorry");
    let written: Program = |_, start| {
        let _ = start.start("200 OK", &[]).write_all(b"written, ");
        Body::chunks(["then ", "returned"])
    };
    Client::new(wsgi(written))
        .get("/")
        .send()
        .assert_text("written, then returned");
}

#[tokio::test]
async fn the_test_client_works_inside_a_runtime_too() {
    let service = service_fn(async |request: Request<Body>| {
        tokio::task::yield_now().await;
        Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
    });
    Client::of_service(service)
        .post("/")
        .body("echo")
        .send()
        .assert_text("echo");
}

#[test]
#[should_panic(expected = "expected 200, got GET /missing -> 404")]
fn a_failed_assertion_names_the_request_and_the_status() {
    let client = Client::new(application(|_| Reply::not_found()));
    client.get("/missing").send().assert_status(200);
}

#[test]
fn head_gets_no_body_and_does_not_ask_for_one() {
    let client = Client::new(application(|environ| {
        assert_eq!(environ.method(), "HEAD");
        Reply::text(Body::try_chunks([Err::<String, _>("never asked")]))
    }));
    client.head("/").send().assert_status(200).assert_text("");
}

/// A service whose response is given, under the validator; what it found.
fn validated(response: fn() -> Response<Body>, request: Request<Body>) -> Vec<&'static str> {
    let layer = ValidatorLayer::reporting(|_| {});
    let service = service_fn(move |_| async move { Ok::<_, std::convert::Infallible>(response()) });
    let client = Client::of_service(layer.layer(service));
    let (parts, body) = request.into_parts();
    let mut sent = client
        .request(parts.method, &parts.uri.to_string())
        .body(body);
    for (name, value) in &parts.headers {
        sent = sent.header(name, value);
    }
    sent.send();
    layer
        .breaches()
        .take()
        .into_iter()
        .map(|breach| breach.rule)
        .collect()
}

fn get() -> Request<Body> {
    Request::get("/").body(Body::empty()).unwrap()
}

#[test]
fn the_validator_finds_nothing_in_a_good_exchange() {
    let response = || {
        let response = Response::builder().header("content-length", "2");
        response.body("ok".into()).unwrap()
    };
    assert_eq!(validated(response, get()), [""; 0]);
    let post = Request::post("/").body("text".into()).unwrap();
    assert_eq!(validated(Response::default, post), [""; 0]);
}

#[test]
fn the_validator_names_every_rule_that_is_broken() {
    type Case = (fn() -> Response<Body>, &'static str);
    let cases: &[Case] = &[
        (|| with("connection", "close"), "no hop-by-hop fields"),
        (
            || with("transfer-encoding", "chunked"),
            "no hop-by-hop fields",
        ),
        (|| with("status", "200 OK"), "no Status field"),
        (
            || with("content-length", "99"),
            "body as long as Content-Length",
        ),
        (
            || with("content-length", "1"),
            "body as long as Content-Length",
        ),
        (|| with("content-length", "+2"), "Content-Length is digits"),
        (|| with("location", "/a b"), "Location is a URI reference"),
        (|| status(204, "body"), "no body to HEAD"),
        (|| status(304, "body"), "no body to HEAD"),
        (|| status(205, "body"), "no body to HEAD"),
        (|| status(405, ""), "405 comes with Allow"),
        (|| status(401, ""), "401 comes with WWW-Authenticate"),
        (|| status(206, ""), "206 says which part"),
        (|| status(103, ""), "a final status is not 1xx"),
    ];
    for (response, rule) in cases {
        let found = validated(*response, get());
        assert!(
            found.iter().any(|found| found.starts_with(rule)),
            "{rule}: {found:?}"
        );
    }
    let head = Request::head("/").body(Body::empty()).unwrap();
    assert_eq!(validated(Response::default, head), [""; 0]);
    let hosts = Request::get("/").header("host", "a").header("host", "b");
    let found = validated(Response::default, hosts.body(Body::empty()).unwrap());
    assert!(found[0].starts_with("exactly one Host"), "{found:?}");
}

fn with(name: &'static str, value: &'static str) -> Response<Body> {
    Response::builder()
        .header(name, value)
        .body("ok".into())
        .unwrap()
}

fn status(status: u16, body: &'static str) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn the_validator_sees_a_call_without_readiness() {
    use tower::Service;
    let layer = ValidatorLayer::reporting(|_| {});
    let service =
        service_fn(async |_: Request<_>| Ok::<_, std::convert::Infallible>(status(200, "")));
    let mut service = layer.layer(service);
    let request = Request::get("http://a/").body(Body::empty()).unwrap();
    let _ = service.call(request).await;
    let breaches = layer.breaches().take();
    assert!(
        breaches[0].rule.starts_with("poll_ready answers Ready"),
        "{breaches:?}"
    );
}

proptest! {
    #[test]
    fn escaped_text_has_no_markup_and_unescapes_to_itself(text in "\\PC{0,60}") {
        let escaped = escape(&text);
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        prop_assert_eq!(back.replace("&#39;", "'").replace("&amp;", "&"), text);
    }

    #[test]
    fn any_chunks_come_out_in_order(chunks in proptest::collection::vec("[a-z]{0,5}", 0..10)) {
        let whole = chunks.concat();
        prop_assert_eq!(Body::chunks(chunks).into_bytes().unwrap(), whole);
    }
}

#[test]
fn a_long_chain_of_foreign_causes_overflows_no_stack() {
    let mut raised = Foreign::new("Python", "ValueError", "the root");
    for _ in 0..200_000 {
        raised = Foreign::new("Python", "ValueError", "").with_cause(raised);
    }
    let frame =
        ForeignFrame::new("a.py", 3, "f").with_source(2, vec!["def f():".into(), "x".into()]);
    assert_eq!(frame.source().0, 2);
    drop(raised.with_frame(frame));
}
