//! Files below a prefix, beside another service: ours, and axum.

mod common;

use std::convert::Infallible;

use bytes::Bytes;
use common::Site;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use middleware_static::source::{Directory, Io};
use middleware_static::{StaticFile, StaticFiles, StaticLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

/// An application that says which path reached it, with trailers.
async fn application(
    request: Request<&'static str>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", HeaderValue::from_static("kept"));
    let text = format!(
        "application {} {} {}",
        request.method(),
        request.uri(),
        request.body()
    );
    let frames = [
        Ok(Frame::data(Bytes::from(text))),
        Ok(Frame::trailers(trailers)),
    ];
    Ok(Response::new(StreamBody::new(futures_util::stream::iter(
        frames,
    ))))
}

async fn ask(layer: &StaticLayer, method: Method, uri: &str) -> (StatusCode, String, HeaderMap) {
    let service = layer.layer(service_fn(application));
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .body("body")
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let mut fields = parts.headers;
    fields.extend(collected.trailers().cloned().unwrap_or_default());
    (
        parts.status,
        String::from_utf8_lossy(&collected.to_bytes()).into_owned(),
        fields,
    )
}

fn layers(site: &Site) -> [StaticLayer; 2] {
    let portable = Directory::new(site.root()).io(Io::Portable);
    [
        StaticLayer::new("/public", site.root()).unwrap(),
        StaticLayer::with_files("/public", StaticFiles::from_source(portable)).unwrap(),
    ]
}

#[tokio::test]
async fn what_is_not_below_the_prefix_reaches_the_application_untouched() {
    let site = Site::with(&[("a.js", "let a")]);
    for layer in layers(&site) {
        for uri in [
            "/",
            "/public2/a.js",
            "/a.js",
            "/x/public/a.js",
            "/publi?q=1",
        ] {
            let (status, text, fields) = ask(&layer, Method::POST, uri).await;
            assert_eq!(
                (status.as_u16(), text),
                (200, format!("application POST {uri} body"))
            );
            assert_eq!(fields["x-trailer"], "kept", "{uri}");
        }
    }
}

#[tokio::test]
async fn what_is_below_the_prefix_is_a_file_or_nothing() {
    let site = Site::with(&[("a.js", "let a"), ("d/index.html", "index")]);
    for layer in layers(&site) {
        assert_eq!(ask(&layer, Method::GET, "/public/a.js").await.1, "let a");
        assert_eq!(ask(&layer, Method::GET, "/p%75blic/a.js").await.1, "let a");
        assert_eq!(ask(&layer, Method::GET, "/public/missing").await.0, 404);
        assert_eq!(ask(&layer, Method::POST, "/public/a.js").await.0, 405);
        let (status, _, fields) = ask(&layer, Method::GET, "/public/d?x").await;
        assert_eq!(
            (status.as_u16(), fields["location"].to_str().unwrap()),
            (301, "./d/?x")
        );
        let (status, _, fields) = ask(&layer, Method::GET, "/public").await;
        assert_eq!(
            (status.as_u16(), fields["location"].to_str().unwrap()),
            (301, "./public/")
        );
    }
}

#[tokio::test]
async fn what_is_missing_may_reach_the_application_too() {
    let site = Site::with(&[("a.js", "let a"), (".env", "secret")]);
    for layer in layers(&site) {
        let layer = layer.fall_through();
        assert_eq!(ask(&layer, Method::GET, "/public/a.js").await.1, "let a");
        assert_eq!(
            ask(&layer, Method::POST, "/public/a.js").await.0,
            405,
            "there is a file"
        );
        for (method, uri) in [
            (Method::GET, "/public/missing?q=1"),
            (Method::POST, "/public/missing"),
            (Method::GET, "/public/.env"),
            (Method::GET, "/public/%"),
            (Method::GET, "/public/../x"),
        ] {
            let (status, text, fields) = ask(&layer, method.clone(), uri).await;
            assert_eq!(
                (status.as_u16(), text),
                (200, format!("application {method} {uri} body"))
            );
            assert_eq!(fields["x-trailer"], "kept");
        }
    }
}

// A layer before a whole application would otherwise take the names of its directories from it.
#[tokio::test]
async fn a_directory_without_an_index_is_missing_too() {
    let site = Site::with(&[("articles/a.png", "png"), ("d/index.html", "index")]);
    for layer in layers(&site) {
        let layer = layer.fall_through();
        for uri in [
            "/public",
            "/public/",
            "/public/articles",
            "/public/articles/",
        ] {
            let (status, text, _) = ask(&layer, Method::GET, uri).await;
            assert_eq!(
                (status.as_u16(), text),
                (200, format!("application GET {uri} body"))
            );
        }
        let (status, _, fields) = ask(&layer, Method::GET, "/public/d").await;
        assert_eq!(
            (status.as_u16(), fields["location"].to_str().unwrap()),
            (301, "./d/")
        );
        assert_eq!(ask(&layer, Method::GET, "/public/d/").await.1, "index");
    }
    let site = Site::with(&[("index.html", "index")]);
    for layer in layers(&site) {
        let (status, _, fields) = ask(&layer.fall_through(), Method::GET, "/public").await;
        assert_eq!(
            (status.as_u16(), fields["location"].to_str().unwrap()),
            (301, "./public/")
        );
    }
}

#[tokio::test]
async fn the_service_that_was_ready_takes_the_call() {
    // A service that panics when called without being ready, as tower allows.
    #[derive(Default)]
    struct Ready(bool);
    impl Clone for Ready {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<()>> for Ready {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            self.0 = true;
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "called without being ready");
            std::future::ready(Ok(Response::default()))
        }
    }
    let site = Site::with(&[]);
    for layer in layers(&site) {
        let mut service = layer.fall_through().layer(Ready::default());
        for uri in ["/x", "/public/missing", "/public/missing"] {
            let request = Request::get(uri).body(()).unwrap();
            assert_eq!(
                service
                    .ready()
                    .await
                    .unwrap()
                    .call(request)
                    .await
                    .unwrap()
                    .status(),
                200,
                "{uri}"
            );
        }
    }
}

// A page whose application was busy came without its styles, which do not depend on the application.
#[tokio::test]
async fn files_are_served_while_the_application_is_saturated() {
    let site = Site::with(&[("a.js", "let a")]);
    for layer in layers(&site) {
        for layer in [layer.clone(), layer.fall_through()] {
            let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
            let busy = {
                let gate = gate.clone();
                service_fn(move |_: Request<()>| {
                    let gate = gate.clone();
                    async move {
                        gate.acquire().await.unwrap().forget();
                        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                    }
                })
            };
            let limited = tower::limit::ConcurrencyLimitLayer::new(1).layer(busy);
            let site = layer.layer(limited);
            let ask = |uri: &str| {
                let request = Request::get(uri).body(()).unwrap();
                tokio::spawn(site.clone().oneshot(request))
            };
            let (first, second) = (ask("/one"), ask("/two"));
            for _ in 0..3 {
                let file = ask("/public/a.js").await.unwrap().unwrap();
                assert_eq!(file.headers()["content-length"], "5");
            }
            assert!(!first.is_finished() && !second.is_finished());
            gate.add_permits(2);
            for answer in [first, second] {
                assert_eq!(answer.await.unwrap().unwrap().status(), 200);
            }
        }
    }
}

#[tokio::test]
async fn the_error_of_the_inner_service_is_passed_on_as_it_is() {
    /// Never ready.
    #[derive(Clone)]
    struct Broken;
    impl Service<Request<()>> for Broken {
        type Response = Response<Full<Bytes>>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, &'static str>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), &'static str>> {
            std::task::Poll::Ready(Err("broken"))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let site = Site::with(&[("a.js", "let a")]);
    for layer in layers(&site) {
        let service = layer.layer(Broken);
        let ask = |uri: &str| {
            let request = Request::get(uri).body(()).unwrap();
            service.clone().oneshot(request)
        };
        assert_eq!(ask("/elsewhere").await.unwrap_err(), "broken");
        assert_eq!(ask("/public/a.js").await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn the_error_of_an_inner_body_can_be_downcast() {
    let site = Site::with(&[]);
    let inner = service_fn(async |_: Request<()>| {
        let failing = StreamBody::new(futures_util::stream::iter([Err::<Frame<Bytes>, _>(
            std::fmt::Error,
        )]));
        Ok::<_, Infallible>(Response::new(failing))
    });
    let service = StaticLayer::new("/public", site.root())
        .unwrap()
        .layer(inner);
    let response = service.oneshot(Request::new(())).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.is::<std::fmt::Error>());
}

// `public` without a slash was served at `/public` once, where a mount says that it is no prefix.
#[test]
fn a_prefix_is_one_that_a_mount_takes() {
    for prefix in ["/public", "/public/", "/a/b", "/caf\u{e9}", "/", ""] {
        assert!(StaticLayer::new(prefix, "site").is_ok(), "{prefix}");
    }
    for prefix in ["public", "//public", "/a//b", "public/", "http://a/b", "*"] {
        let refused = StaticLayer::new(prefix, "site").unwrap_err();
        let by_mount = gateway_core::paths::MountLayer::new(prefix, ()).unwrap_err();
        assert_eq!(refused.to_string(), by_mount.to_string());
    }
}

#[test]
fn the_inner_service_can_be_reached_changed_and_taken_back() {
    let mut service = middleware_static::Static::new(1, "/public", "site").unwrap();
    assert_eq!(service.get_ref(), &1);
    *service.get_mut() = 2;
    assert_eq!(service.into_inner(), 2);
    let service = middleware_static::Static::layer("/public", "site")
        .unwrap()
        .layer(3_u8);
    assert_eq!(service.into_inner(), 3);
}

#[tokio::test]
async fn axum_serves_it_as_a_fallback_and_below_a_nest() {
    let site = Site::with(&[("a.js", "let a"), ("d/index.html", "index")]);
    let router = axum::Router::new()
        .route("/api", axum::routing::get(async || "api"))
        .route_service("/favicon.ico", StaticFile::new(site.path("a.js")).unwrap())
        .nest_service("/assets", StaticFiles::new(site.root()).listing())
        .fallback_service(StaticFiles::new(site.root()))
        .layer(StaticLayer::new("/public", site.root()).unwrap());
    let get = async |uri: &str| {
        let request = Request::get(uri).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let location = response
            .headers()
            .get("location")
            .map(|location| location.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            String::from_utf8_lossy(&body).into_owned(),
            location,
        )
    };
    assert_eq!(get("/api").await.1, "api");
    for uri in ["/favicon.ico", "/assets/a.js", "/a.js", "/public/a.js"] {
        assert_eq!(get(uri).await.1, "let a", "{uri}");
    }
    for uri in ["/assets/d", "/d", "/public/d"] {
        assert_eq!(get(uri).await.2.as_deref(), Some("./d/"), "{uri}");
    }
    assert!(get("/assets/").await.1.contains("href=\"./a.js\""));
    // The nest took the whole path, and no layer recorded it.
    assert_eq!(get("/assets").await.0, 200);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_root_of_every_nest_is_reached() {
    let site = Site::with(&[
        ("a.js", "let a"),
        ("index.html", "index"),
        ("d/index.html", "d"),
    ]);
    let files = || StaticFiles::new(site.root());
    let fallback = || axum::Router::new().fallback_service(files());
    let router = axum::Router::new()
        .nest_service("/service", files())
        .nest("/nest", fallback())
        .nest("/slash/", fallback())
        .nest("/a", axum::Router::new().nest_service("/b", files()))
        .layer(middleware_static::FromAxumLayer::new());
    for (uri, status, location) in [
        ("/service", 301, "./service/"),
        ("/service?q", 301, "./service/?q"),
        ("/service/", 200, ""),
        ("/service/index.html", 200, ""),
        ("/service/d", 301, "./d/"),
        ("/service/d/?q", 200, ""),
        // axum itself answers 404 for `/nest/`, so the files of this root are reached without the slash.
        ("/nest", 200, ""),
        ("/nest/a.js", 200, ""),
        ("/nest/d", 301, "./d/"),
        ("/nest/d/", 200, ""),
        ("/slash/", 200, ""),
        ("/slash/d", 301, "./d/"),
        ("/a/b", 301, "./b/"),
        ("/a/b/", 200, ""),
    ] {
        let request = Request::get(uri).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let got = response.headers().get("location");
        let got = got.map_or("", |value| value.to_str().unwrap());
        assert_eq!(
            (response.status().as_u16(), got),
            (status, location),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn bodies_have_a_default_for_who_needs_one() {
    // tower-http's CORS answers preflights with `B::default()`.
    let site = Site::with(&[("a.js", "let a")]);
    let service = tower_http::cors::CorsLayer::permissive().layer(StaticFiles::new(site.root()));
    let response = service
        .oneshot(Request::get("/a.js").body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let layered = StaticLayer::new("/public", site.root())
        .unwrap()
        .layer(service_fn(application));
    let _ = tower_http::cors::CorsLayer::permissive()
        .layer(layered)
        .oneshot(Request::get("/").body("").unwrap())
        .await;
}

#[tokio::test]
async fn one_file_answers_every_path() {
    let site = Site::with(&[
        ("a b.css", "body {}"),
        ("a b.css.gz", "gzipped"),
        (".dot", "dot"),
    ]);
    let file = StaticFile::new(site.path("a b.css"))
        .unwrap()
        .precompressed()
        .cache_control("max-age=9".parse().unwrap());
    for uri in ["/", "/anything/at/all", "/%", "*"] {
        let request = Request::get(uri)
            .header("accept-encoding", "gzip")
            .body(())
            .unwrap();
        let response = file.clone().oneshot(request).await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "text/css; charset=utf-8",
            "{uri}"
        );
        assert_eq!(response.headers()["cache-control"], "max-age=9", "{uri}");
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "gzipped",
            "{uri}"
        );
    }
    let dot = StaticFile::new(site.path(".dot"))
        .unwrap()
        .content_type("text/x".parse().unwrap());
    let response = dot
        .oneshot(Request::get("/").body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["content-type"].to_str().unwrap()
        ),
        (200, "text/x")
    );
    let missing = StaticFile::new(site.path("none"))
        .unwrap()
        .oneshot(Request::get("/").body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(missing.status(), 404);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", site.path("link")).unwrap();
        let linked = StaticFile::new(site.path("link"))
            .unwrap()
            .oneshot(Request::get("/").body(()).unwrap())
            .await
            .unwrap();
        assert_eq!(linked.status(), 200, "the program named it");
    }
}

#[cfg(feature = "gateway-core")]
#[tokio::test]
async fn a_mount_of_ours_is_redirected_to_with_its_slash() {
    let site = Site::with(&[("d/index.html", "index")]);
    let files = StaticFiles::new(site.root()).listing();
    let mounted = gateway_core::mount("/a/wiki", files).unwrap();
    for (uri, location) in [
        ("/a/wiki", Some("./wiki/")),
        ("/a/wiki?x", Some("./wiki/?x")),
        ("/a/wiki/", None),
        ("/a/wiki/d", Some("./d/")),
    ] {
        let request = Request::get(uri).body(()).unwrap();
        let response = mounted.clone().oneshot(request).await.unwrap();
        let got = response
            .headers()
            .get("location")
            .map(|location| location.to_str().unwrap());
        assert_eq!(got, location, "{uri}");
    }
}

/// Names of which the file system does not say whether they are there.
struct Refusing;

impl middleware_static::source::Source for Refusing {
    fn open(
        &self,
        path: &std::path::Path,
        _: middleware_static::source::Wait,
    ) -> std::io::Result<middleware_static::source::Node> {
        use middleware_static::source::{File, Node};
        match path.to_str().unwrap() {
            "file" => Ok(Node::File(File::from_bytes("file"))),
            "locked" => Err(std::io::ErrorKind::PermissionDenied.into()),
            #[cfg(unix)]
            "exhausted" => Err(rustix::io::Errno::MFILE.into()),
            _ => Err(std::io::Error::other("out of order")),
        }
    }
}

#[tokio::test]
async fn where_the_file_system_does_not_say_other_methods_are_for_the_application() {
    let files = StaticFiles::from_source(Refusing);
    let site = StaticLayer::with_files("/public", files)
        .unwrap()
        .fall_through();
    let site = site.layer(service_fn(application));
    for (path, reads, others) in [
        ("file", 200, 405),
        ("locked", 403, 200),
        ("exhausted", 503, 200),
        ("wrong", 500, 200),
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let request = Request::builder()
                .method(method)
                .uri(format!("/public/{path}"));
            let response = site
                .clone()
                .oneshot(request.body("").unwrap())
                .await
                .unwrap();
            let expected = if matches!(method, "GET" | "HEAD") {
                reads
            } else {
                others
            };
            assert_eq!(response.status(), expected, "{method} {path}");
        }
    }
}

#[test]
fn a_file_that_is_a_directory_is_refused_where_it_is_made() {
    let site = Site::with(&[("d/a.js", "let a")]);
    for path in [
        site.root().to_owned(),
        site.path("d"),
        site.path("d/"),
        site.path("d/.."),
        "/".into(),
        "".into(),
    ] {
        let error = StaticFile::new(&path).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::IsADirectory, "{path:?}");
        assert!(error.to_string().contains("StaticFiles"), "{error}");
    }
    for path in [site.path("none"), site.path("d/a.js"), site.path("x/y")] {
        assert!(StaticFile::new(&path).is_ok(), "{path:?}");
    }
}
