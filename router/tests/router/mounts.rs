//! Services below a prefix, ours and axum's, and ours below axum.

use std::convert::Infallible;

use gateway_core::testing::Client;
use gateway_core::{Environ, Reply};
use http::{Method, Request, Response};
use router::{BoxRouter, BuildError, IntoPattern, RequestUrlArgs, Router};
use tower::{ServiceExt, service_fn};

use crate::{Echo, ask, build, echo, get};

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
        .get("^told/([0-9]+)$".named("told"), told)
        .build()
        .unwrap();
    let outer = Router::builder().mount("/in", inner).build().unwrap();
    Client::new(outer)
        .get("/in/told/3")
        .send()
        .assert_text("/in /told/3 /in/told/1");
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

#[tokio::test]
async fn the_pattern_below_an_axum_nest_between_two_routers_has_the_nest() {
    let label = service_fn(async |request: Request<axum::body::Body>| {
        let pattern = request.url_args().unwrap().pattern().to_owned();
        Ok::<_, Infallible>(Response::new(axum::body::Body::from(pattern)))
    });
    let inner: BoxRouter<axum::body::Body> = BoxRouter::builder()
        .get("^x/(?<id>[0-9]+)$", label)
        .fallback(label)
        .build()
        .unwrap();
    let nests = axum::Router::new()
        .nest_service("/a/b", inner.clone())
        .nest_service("/u/{name}", inner);
    let ours: BoxRouter<axum::body::Body> =
        BoxRouter::builder().mount("/m", nests).build().unwrap();
    let app = axum::Router::new().nest_service("/outer", ours);
    let ask = async |app: axum::Router, path: &str| {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        let body = axum::body::Body::new(response.into_body());
        let bytes = axum::body::to_bytes(body, 1000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    for (path, pattern) in [
        ("/outer/m/a/b/x/1", "/m/a/b/x/(?<id>[0-9]+)$"),
        ("/outer/m/a/b/none", "/m/a/b"),
        ("/outer/m/u/J%20%C3%BC/x/1", "/m/u/J ü/x/(?<id>[0-9]+)$"),
    ] {
        assert_eq!(ask(app.clone(), path).await, pattern, "{path}");
    }
    // What axum calls the nest is known where the program has axum's word taken.
    #[cfg(feature = "axum")]
    for (path, pattern) in [
        ("/outer/m/a/b/x/1", "/m/a/b/x/(?<id>[0-9]+)$"),
        ("/outer/m/u/J%20%C3%BC/x/1", "/m/u/{name}/x/(?<id>[0-9]+)$"),
    ] {
        let app = app.clone().layer(router::FromAxumLayer::new());
        assert_eq!(ask(app, path).await, pattern, "{path}");
    }
}

#[test]
fn a_bare_mount_is_redirected_to_its_slash_where_that_is_set() {
    let router = build(
        echo()
            .mount_with_slash("/wiki", Echo("wiki"))
            .mount("/plain", Echo("plain"))
            .mount_with_slash("/", Echo("root")),
    );
    for method in [Method::GET, Method::HEAD] {
        for (path, location) in [
            ("/wiki", "./wiki/"),
            ("/wiki?q=1&r", "./wiki/?q=1&r"),
            ("/w%69ki?", "./wiki/?"),
        ] {
            let answer = ask(&router, method.clone(), path);
            assert_eq!(
                (answer.status, answer.header("location")),
                (308, location),
                "{method} {path}"
            );
        }
    }
    for (method, path, text) in [
        (Method::POST, "/wiki", "wiki POST /"),
        (Method::GET, "/wiki/", "wiki GET /"),
        (Method::GET, "/wiki/x", "wiki GET /x"),
        (Method::GET, "/plain", "plain GET /"),
        (Method::GET, "/wikis", "root GET /wikis"),
        (Method::GET, "/", "root GET /"),
    ] {
        assert_eq!(ask(&router, method, path).text, text, "{path}");
    }
}

#[test]
fn an_included_mount_and_an_application_keep_the_slash() {
    fn front(_: &mut Environ) -> Reply {
        Reply::text("front")
    }
    let inner = Router::builder().mount_with_slash("/wiki", front);
    let router = Router::builder().include("^blog/", inner).build().unwrap();
    let client = Client::new(router);
    let answer = client.get("/blog/wiki?q").send();
    answer.assert_status(308);
    assert_eq!(answer.header("location"), Some("./wiki/?q"));
    client.get("/blog/wiki/").send().assert_text("front");
}
