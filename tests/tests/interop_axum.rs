//! axum programs under our server, and our layers and services in axum programs, over real sockets.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::routing::{any, get as on_get, post};
use bytes::Bytes;
use conformance::interop::{BOTH, Connection, Served, Speaks, get, request, serve, serve_axum};
use futures_util::{SinkExt, StreamExt};
use gateway_core::paths::{MountLayer, RecordPathLayer};
use gateway_core::validator::ValidatorLayer;
use gateway_core::{Application, Body, Environ, Reply, RequestExt, mount};
use gateway_server::HttpService;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use middleware_exceptions::ExceptionsLayer;
use middleware_static::{StaticFiles, StaticLayer};
use tower::{Layer, ServiceBuilder, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// A folder with a style sheet long enough to be worth compressing.
fn assets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("style.css"),
        "p { color: teal }\n".repeat(100),
    )
    .unwrap();
    folder
}

fn blocking(environ: &mut Environ) -> Reply {
    if environ.query("panic").is_some() {
        panic!("in the application");
    }
    Reply::text(
        format!(
            "{} {}\n",
            environ.raw_script_name(),
            environ.raw_path_info()
        )
        .repeat(10),
    )
}

#[tokio::test]
async fn an_axum_router_runs_under_our_server_over_http_1_and_2() {
    let peer = async |request: Request<axum::body::Body>| {
        let conn = request.conn().expect("our server says who is there");
        format!("{} {:?}", conn.peer().is_loopback(), request.version())
    };
    let router = Router::new()
        .route(
            "/users/{id}",
            on_get(async |Path(id): Path<u32>| format!("user {id}")),
        )
        .route(
            "/state",
            on_get(async |State(state): State<&'static str>| state),
        )
        .route("/echo", post(async |body: Bytes| body))
        .route("/peer", on_get(peer))
        .with_state("state");
    let validator = ValidatorLayer::new();
    let served = serve(validator.layer(router)).await;
    for speaks in BOTH {
        assert_eq!(get(&served, speaks, "/users/7").await.text, "user 7");
        assert_eq!(get(&served, speaks, "/users/x").await.status, 400);
        assert_eq!(get(&served, speaks, "/state").await.text, "state");
        assert_eq!(get(&served, speaks, "/none").await.status, 404);
        let posted = request(&served, speaks, "POST", "/echo")
            .body(Body::from("back"))
            .unwrap();
        let answer = Connection::open(&served, speaks).await.send(posted).await;
        assert_eq!(answer.text, "back");
    }
    assert!(
        get(&served, Speaks::Http1, "/peer")
            .await
            .text
            .contains("true HTTP/1.1")
    );
    assert!(
        get(&served, Speaks::Http2, "/peer")
            .await
            .text
            .contains("true HTTP/2.0")
    );
    validator.breaches().assert_none();
}

#[tokio::test]
async fn our_layers_and_services_stack_in_an_axum_program() {
    let folder = assets();
    let validator = ValidatorLayer::new();
    let urls = router::Router::builder()
        .get(r"^(?<year>[0-9]{4})$", on_get(async || "a year"))
        .build()
        .unwrap();
    let exceptions = ExceptionsLayer::new();
    let program = Router::new()
        .route(
            "/panic",
            on_get(async || -> &'static str { panic!("in a handler") }),
        )
        .nest_service("/files", StaticFiles::new(folder.path()))
        .nest_service("/archive", urls)
        .nest_service("/app", exceptions.layer(blocking.into_service()))
        .fallback_service(mount("/mounted", exceptions.layer(blocking.into_service())).unwrap())
        .layer(StaticLayer::new("/public", folder.path()).unwrap())
        .layer(exceptions)
        .layer(RecordPathLayer::new())
        .layer(validator.clone());
    // By axum's server and by ours.
    for served in [
        serve_axum(program.clone()).await,
        serve(program.clone()).await,
    ] {
        for speaks in BOTH {
            let mut connection = Connection::open(&served, speaks).await;
            for (path, status, text) in [
                ("/panic", 500, "Error ID"),
                ("/files/style.css", 200, "teal"),
                ("/files/none", 404, ""),
                ("/archive/2007", 200, "a year"),
                ("/archive/07", 404, ""),
                ("/app/page", 200, "/app /page\n"),
                ("/app?panic", 500, "Error ID"),
                ("/mounted/page", 200, "/mounted /page\n"),
                ("/mounted?panic", 500, "Error ID"),
                ("/elsewhere", 404, ""),
                ("/public/style.css", 200, "teal"),
            ] {
                // All on one connection: no failure costs it.
                let asked = request(&served, speaks, "GET", path)
                    .body(Body::empty())
                    .unwrap();
                let answer = connection.send(asked).await;
                assert_eq!(answer.status, status, "{path}: {answer:?}");
                assert!(answer.text.contains(text), "{path}: {answer:?}");
            }
        }
    }
    validator.breaches().assert_none();
}

/// Answers a preflight request of a browser and compresses a page, whatever body is inside.
async fn shared_and_compressed(served: &Served, name: &str, path: &str) {
    for speaks in BOTH {
        let preflight = request(served, speaks, "OPTIONS", path)
            .header("origin", "http://elsewhere.example")
            .header("access-control-request-method", "GET");
        let preflight = preflight.body(Body::empty()).unwrap();
        let answer = Connection::open(served, speaks).await.send(preflight).await;
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{name}");
        assert_eq!(answer.text, "", "{name}");

        let page = request(served, speaks, "GET", path)
            .header("origin", "http://elsewhere.example")
            .header("accept-encoding", "gzip");
        let page = page.body(Body::empty()).unwrap();
        let answer = Connection::open(served, speaks).await.send(page).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{name}");
        assert_eq!(
            answer.header("content-encoding"),
            "gzip",
            "{name}: {answer:?}"
        );
        assert!(!answer.cut, "{name}");
    }
}

/// tower-http's layers over a service of ours. CORS and the time-out make bodies by `Default`: once
/// of the compressed body, once of ours.
macro_rules! stacks {
    ($name:literal, $path:literal, $service:expr) => {{
        let validator = ValidatorLayer::new();
        let too_late = StatusCode::SERVICE_UNAVAILABLE;
        let outermost = ServiceBuilder::new()
            .layer(validator.clone())
            .layer(TraceLayer::new_for_http())
            .layer(CorsLayer::permissive())
            .layer(TimeoutLayer::with_status_code(
                too_late,
                Duration::from_secs(30),
            ))
            .layer(CompressionLayer::new())
            .service($service);
        shared_and_compressed(&serve(outermost).await, $name, $path).await;
        let innermost = ServiceBuilder::new()
            .layer(validator.clone())
            .layer(TraceLayer::new_for_http())
            .layer(CompressionLayer::new())
            .layer(TimeoutLayer::with_status_code(
                too_late,
                Duration::from_secs(30),
            ))
            .layer(CorsLayer::permissive())
            .service($service);
        shared_and_compressed(&serve(innermost).await, $name, $path).await;
        validator.breaches().assert_none();
    }};
}

#[tokio::test]
async fn tower_https_layers_stack_over_every_body_of_ours() {
    let folder = assets();
    let files = StaticFiles::new(folder.path());
    stacks!("files", "/style.css", files.clone());
    stacks!("application", "/page", blocking.into_service());
    stacks!(
        "inline application",
        "/page",
        blocking.into_inline_service()
    );
    stacks!(
        "answered application",
        "/page",
        blocking.into_service().answer_errors()
    );
    let exceptions = ExceptionsLayer::new();
    stacks!(
        "exceptions",
        "/page",
        exceptions.layer(blocking.into_service())
    );
    let public = StaticLayer::new("/public", folder.path()).unwrap();
    stacks!(
        "static layer",
        "/public/style.css",
        public.layer(blocking.into_service())
    );
    stacks!(
        "below the static layer",
        "/page",
        public.layer(blocking.into_service())
    );
    stacks!("mount", "/m/style.css", mount("/m", files.clone()).unwrap());
    let otherwise = MountLayer::new("/m", files.clone()).unwrap();
    stacks!(
        "beside a mount",
        "/page",
        otherwise.layer(exceptions.layer(blocking.into_service()))
    );
    let urls = router::Router::builder()
        .get("^page$", blocking.into_service())
        .build()
        .unwrap();
    stacks!("router", "/page", urls.clone());
}

/// A body that ends in trailers, and repeats those of the request.
async fn trailing<B>(request: Request<B>) -> Result<Response<Body>, Infallible>
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("7"));
    let sent = request.into_body().collect().await.unwrap();
    trailers.extend(sent.trailers().cloned().unwrap_or_default());
    let frames = [
        Ok::<_, Infallible>(Frame::data(Bytes::from("a body\n"))),
        Ok(Frame::trailers(trailers)),
    ];
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let response = Response::builder().header("trailer", "x-checksum, x-sent");
    Ok(response.body(body).unwrap())
}

/// The same with the body of an axum handler.
async fn axum_trailing(request: axum::extract::Request) -> Response<Body> {
    trailing(request.map(Body::new)).await.unwrap()
}

async fn keeps_trailers<S>(name: &str, path: &str, service: S)
where
    S: HttpService + Sync,
{
    let served = serve(service).await;
    for speaks in BOTH {
        let mut sent = HeaderMap::new();
        sent.insert("x-sent", HeaderValue::from_static("yes"));
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from("upwards"))),
            Ok(Frame::trailers(sent)),
        ];
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let asked = request(&served, speaks, "POST", path)
            .header("te", "trailers")
            .header("trailer", "x-sent");
        let asked = asked.body(body).unwrap();
        let answer = Connection::open(&served, speaks).await.send(asked).await;
        assert_eq!(answer.text, "a body\n", "{name} {speaks:?}");
        let trailers = answer
            .trailers
            .unwrap_or_else(|| panic!("{name} {speaks:?}: no trailers"));
        assert_eq!(trailers["x-checksum"], "7", "{name} {speaks:?}");
        assert_eq!(
            trailers["x-sent"], "yes",
            "{name} {speaks:?}: those of the request"
        );
    }
}

#[tokio::test]
async fn trailers_pass_every_layer_untouched_in_both_directions() {
    let folder = assets();
    let inner = || service_fn(trailing::<Body>);
    let validator = ValidatorLayer::new();
    keeps_trailers("nothing", "/", inner()).await;
    let watched = service_fn(|request: Request<_>| trailing(request));
    keeps_trailers("validator", "/", validator.layer(watched)).await;
    let exceptions = ExceptionsLayer::new();
    keeps_trailers("exceptions", "/", exceptions.layer(inner())).await;
    keeps_trailers(
        "development",
        "/",
        ExceptionsLayer::new().development().layer(inner()),
    )
    .await;
    let public = StaticLayer::new("/public", folder.path()).unwrap();
    keeps_trailers("static", "/", public.layer(inner())).await;
    let falling = StaticLayer::new("/public", folder.path())
        .unwrap()
        .fall_through();
    keeps_trailers(
        "static, fallen through",
        "/public/none",
        falling.layer(inner()),
    )
    .await;
    keeps_trailers("mount", "/m/x", mount("/m", inner()).unwrap()).await;
    let beside = MountLayer::new("/m", StaticFiles::new(folder.path())).unwrap();
    keeps_trailers("beside a mount", "/", beside.layer(inner())).await;
    keeps_trailers("record path", "/", RecordPathLayer::new().layer(inner())).await;
    let urls = router::Router::builder()
        .post("^page$", inner())
        .build()
        .unwrap();
    keeps_trailers("router", "/page", urls).await;
    let boxed: router::BoxRouter = router::BoxRouter::builder()
        .post("^page$", inner())
        .build()
        .unwrap();
    keeps_trailers("boxed router", "/page", boxed).await;
    let program = Router::new().route("/page", any(axum_trailing));
    keeps_trailers("axum", "/page", program.clone()).await;
    let all = ServiceBuilder::new()
        .layer(validator.clone())
        .layer(exceptions)
        .layer(public)
        .layer(RecordPathLayer::new())
        .layer(beside)
        .layer(validator.clone())
        .service(program);
    keeps_trailers("all of them around axum", "/page", all).await;
    validator.breaches().assert_none();
}

/// Sends back what it is sent.
async fn echo(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

async fn echoes(served: &Served, path: &str) {
    let stream = tokio::net::TcpStream::connect(served.address)
        .await
        .unwrap();
    let url = format!("ws://{}{path}", served.address);
    let (mut socket, response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    assert_eq!(response.status(), 101);
    assert!(!response.headers().contains_key("content-length"));
    for text in ["hello", &"long".repeat(50_000)] {
        socket.send(text.into()).await.unwrap();
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message.to_text().unwrap(), text);
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn web_sockets_pass_through_all_layers() {
    let folder = assets();
    let validator = ValidatorLayer::new();
    let urls = router::Router::builder()
        .get("^socket$", on_get(echo))
        .build()
        .unwrap();
    let program = Router::new()
        .route("/socket", any(echo))
        .nest_service("/routed", urls);
    let layered = program
        .layer(StaticLayer::new("/public", folder.path()).unwrap())
        .layer(ExceptionsLayer::new())
        .layer(CorsLayer::permissive())
        .layer(TraceLayer::new_for_http())
        .layer(RecordPathLayer::new())
        .layer(validator.clone());
    let ours = mount("/m", layered.clone()).unwrap();
    for (served, paths) in [
        (
            serve_axum(layered.clone()).await,
            ["/socket", "/routed/socket"],
        ),
        (serve(layered).await, ["/socket", "/routed/socket"]),
        (
            serve(validator.layer(ours)).await,
            ["/m/socket", "/m/routed/socket"],
        ),
    ] {
        for path in paths {
            echoes(&served, path).await;
        }
    }
    // axum's routes give a Content-Length of 0 to the 101, too; no server sends it.
    let mut breaches = validator.breaches().take();
    breaches
        .retain(|breach| breach.rule != "no Content-Length with 1xx or 204 (RFC 9110 section 8.6)");
    assert!(breaches.is_empty(), "{breaches:?}");
}
