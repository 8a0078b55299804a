//! Mounts of ours around other people's services, and ours below other people's mounts.

use gateway_core::axum::FromAxumLayer;
use gateway_core::paths::{MountLayer, RecordPathLayer};
use gateway_core::{Application, Environ, Reply, RequestExt, mount};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use tower_http::services::ServeDir;

/// Status, `location` and body of a GET.
async fn get<S, B>(service: S, uri: &str) -> (StatusCode, Option<String>, String)
where
    S: Service<Request<axum::body::Body>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: BodyExt<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let request = Request::get(uri).body(axum::body::Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    let location = response.headers().get("location");
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        location,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

/// A blocking application that says where it stands.
fn position(environ: &mut Environ) -> Reply {
    Reply::text(format!(
        "{} {}",
        environ.raw_script_name(),
        environ.raw_path_info()
    ))
}

#[tokio::test]
async fn a_mounted_serve_dir_serves_its_files() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("app.js"), "let a").unwrap();
    std::fs::create_dir(root.path().join("sub")).unwrap();
    let site = mount("/static", ServeDir::new(root.path())).unwrap();
    assert_eq!(get(site.clone(), "/static/app.js").await.2, "let a");
    assert_eq!(get(site.clone(), "/static/none.js").await.0, 404);
    assert_eq!(get(site, "/app.js").await.0, 404);
}

#[tokio::test]
async fn a_mounted_axum_router_routes_below_the_prefix() {
    let path = async |uri: http::Uri| uri.path().to_owned();
    let router = axum::Router::new().route("/users/{id}", axum::routing::get(path));
    let site = mount("/api", router).unwrap();
    assert_eq!(get(site.clone(), "/api/users/7").await.2, "/users/7");
    assert_eq!(get(site.clone(), "/api/none").await.0, 404);
    assert_eq!(get(site, "/users/7").await.0, 404);
}

#[tokio::test]
async fn a_mount_layer_hands_the_rest_to_the_layered_service() {
    let api = axum::Router::new().fallback(async || "api");
    let site = MountLayer::new("/api", api)
        .unwrap()
        .layer(position.into_inline_service());
    assert_eq!(get(site.clone(), "/api/x").await.2, "api");
    assert_eq!(get(site, "/apix").await.2, " /apix");
}

#[tokio::test]
async fn an_application_below_axums_nest_service_knows_the_whole_path() {
    let app = position.into_service().answer_errors();
    let router = axum::Router::new().nest_service("/wiki", app);
    // By the layer that reads axum's own record, and by the one that needs no feature.
    for site in [
        router.clone().layer(FromAxumLayer::new()),
        axum::Router::new().fallback_service(RecordPathLayer::new().layer(router)),
    ] {
        assert_eq!(get(site.clone(), "/wiki/a%2Fb").await.2, "/wiki /a%2Fb");
        assert_eq!(get(site.clone(), "/wiki/").await.2, "/wiki /");
        assert_eq!(get(site, "/wiki").await.2, "/wiki ");
    }
}

#[tokio::test]
async fn a_mount_inside_an_axum_nest_inside_a_mount() {
    let inner = mount("/c", position.into_inline_service().answer_errors()).unwrap();
    let router = axum::Router::new().nest_service("/b", inner);
    let site = mount("/a", router).unwrap();
    assert_eq!(get(site, "/a/b/c/d?e").await.2, "/a/b/c /d");
}

#[tokio::test]
async fn an_axum_handler_reads_the_same_view() {
    let handler = async |request: Request<axum::body::Body>| {
        format!("{} {}", request.raw_script_name(), request.raw_path_info())
    };
    let router = axum::Router::new().nest(
        "/a",
        axum::Router::new().route("/b", axum::routing::get(handler)),
    );
    let router = router.layer(FromAxumLayer::new());
    assert_eq!(get(router, "/a/b").await.2, "/a /b");
}

#[tokio::test]
async fn a_tower_service_is_an_application_again() {
    use gateway_core::adapt::from_service;
    let router = axum::Router::new().route("/x", axum::routing::get(async || "router"));
    let app = from_service(router);
    let shifted = move |environ: &mut Environ| {
        environ.shift_path_info();
        app.respond(environ)
    };
    let shifted = gateway_core::application(shifted);
    assert_eq!(get(shifted.into_service(), "/app/x").await.2, "router");
}
