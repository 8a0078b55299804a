//! What `CanonicalPathLayer` lets through to services that are not strict themselves.

use std::convert::Infallible;

use axum::body::{Body, to_bytes};
use gateway_core::paths::CanonicalPathLayer;
use gateway_core::{RequestExt, mount};
use http::{Method, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Answers with what it sees.
async fn sees(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (script_name, path) = (request.raw_script_name(), request.uri());
    let seen = format!("{script_name} {path} {}", request.raw_path_info());
    Ok(Response::new(seen.into()))
}

/// The status, and `Location` or the body, of a request.
async fn ask<S, SB>(site: S, method: Method, uri: &str) -> (u16, String)
where
    S: Service<Request<Body>, Response = Response<SB>>,
    S::Error: std::fmt::Debug,
    SB: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    SB::Error: Into<axum::BoxError>,
{
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(Body::empty()).unwrap();
    let response = site.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    if let Some(location) = response.headers().get("location") {
        return (status, location.to_str().unwrap().to_owned());
    }
    let body = to_bytes(Body::new(response.into_body()), 1024).await;
    (status, String::from_utf8(body.unwrap().into()).unwrap())
}

async fn get<S, SB>(site: S, uri: &str) -> (u16, String)
where
    S: Service<Request<Body>, Response = Response<SB>>,
    S::Error: std::fmt::Debug,
    SB: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    SB::Error: Into<axum::BoxError>,
{
    ask(site, Method::GET, uri).await
}

#[tokio::test]
async fn canonical_paths_pass_as_they_came() {
    let site = CanonicalPathLayer::new().layer(service_fn(sees));
    for path in ["/", "/a/b/", "/.a/..b", "/a%20b/%C3%BC?q=%61//", "/@:%40"] {
        let seen = format!(" {path} {}", path.split('?').next().unwrap());
        assert_eq!(get(site.clone(), path).await, (200, seen));
    }
    assert_eq!(ask(site.clone(), Method::OPTIONS, "*").await.0, 200);
    assert_eq!(ask(site, Method::CONNECT, "host.example:443").await.0, 200);
}

#[tokio::test]
async fn other_spellings_are_redirected_whatever_the_method() {
    let site = CanonicalPathLayer::new().layer(service_fn(sees));
    for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
        for (path, location) in [
            ("/%70rivate/x?a=%61", "../private/x?a=%61"),
            ("/a/caf%c3%a9", "./caf%C3%A9"),
            ("/a/café", "./caf%C3%A9"),
            ("/100%", "./100%25"),
            ("/a%3A%62", "./a%3Ab"),
        ] {
            let answer = ask(site.clone(), method.clone(), path).await;
            assert_eq!(answer, (308, location.to_owned()), "{method} {path}");
        }
    }
    let absolute = get(site, "http://host.example/%61").await;
    assert_eq!(absolute, (308, "./a".to_owned()));
}

#[tokio::test]
async fn what_two_readers_read_in_two_ways_is_not_found_unless_allowed() {
    let strict = CanonicalPathLayer::new();
    let allowing = [
        ("/a//b", strict.allow_empty_segments()),
        ("/a%2Fb", strict.allow_encoded_slashes()),
        ("/a%5Cb", strict.allow_backslashes()),
    ];
    for (path, allowing) in allowing {
        assert_eq!(get(strict.layer(service_fn(sees)), path).await.0, 404);
        assert_eq!(get(allowing.layer(service_fn(sees)), path).await.0, 200);
    }
    let all = strict
        .allow_empty_segments()
        .allow_encoded_slashes()
        .allow_backslashes();
    for path in ["/./a", "/a/..", "/%2e/a", "/a/%2E.", "/a%00", "//a/../b"] {
        assert_eq!(
            get(all.layer(service_fn(sees)), path).await.0,
            404,
            "{path}"
        );
    }
    // Allowed, but still not as it was spelled.
    let location = get(all.layer(service_fn(sees)), "//a%2f\\b").await;
    assert_eq!(location, (308, "./a%2F%5Cb".to_owned()));
}

#[tokio::test]
async fn below_a_mount_only_the_path_below_it_is_judged() {
    let site = CanonicalPathLayer::new().layer(service_fn(sees));
    let site = mount("/m", site).unwrap();
    assert_eq!(get(site.clone(), "/%6D/x").await.1, "/%6D /x /x");
    assert_eq!(get(site.clone(), "/m").await.1, "/m / ");
    assert_eq!(get(site.clone(), "/m/%61/x").await.1, "../a/x");
    assert_eq!(get(site, "/m//x").await.0, 404);
}

#[tokio::test]
async fn a_rewriting_layer_hands_the_canonical_path_on() {
    let layer = CanonicalPathLayer::new().rewrite();
    let site = layer.layer(service_fn(sees));
    assert_eq!(get(site.clone(), "/%61?q=%61").await.1, " /a?q=%61 /a");
    assert_eq!(get(site.clone(), "/./a").await.0, 404);
    let mounted = mount("/m", site).unwrap();
    assert_eq!(
        get(mounted, "/%6D/%61/ü").await.1,
        "/%6D /a/%C3%BC /a/%C3%BC"
    );
    let nested = axum::Router::new().nest_service("/n", layer.layer(service_fn(sees)));
    assert_eq!(get(nested, "/n/%61").await.1, " /a /a");
}

/// A route of axum's beside a service that decodes and skips: the hole that the layer closes.
#[tokio::test]
async fn a_guarded_prefix_has_one_spelling() {
    let decoding = service_fn(async |request: Request<Body>| {
        let decoded =
            percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy();
        let segments = decoded
            .split('/')
            .filter(|segment| !matches!(*segment, "" | "."));
        let path = segments.collect::<Vec<_>>().join("/");
        Ok::<_, Infallible>(Response::new(Body::from(path)))
    });
    let router = axum::Router::new()
        .route(
            "/private/{*rest}",
            axum::routing::any(http::StatusCode::FORBIDDEN),
        )
        .fallback_service(decoding);
    let site = CanonicalPathLayer::new().layer(router.clone());
    for path in [
        "//private/x",
        "/./private/x",
        "/%2e/private/x",
        "/%70rivate/x",
        "/private%2fx",
        "/private//x",
    ] {
        assert_ne!(get(site.clone(), path).await.0, 200, "{path}");
    }
    assert_eq!(get(site.clone(), "/private/x").await.0, 403);
    assert_eq!(get(site, "/public/x").await.1, "public/x");
    // What the layer is for.
    assert_eq!(
        get(router, "//private/x").await,
        (200, "private/x".to_owned())
    );
}
