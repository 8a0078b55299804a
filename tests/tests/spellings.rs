//! Whatever a guard lets pass is not served by another spelling: every guard in front of every
//! service, and what axum, `ServeDir` and nginx answer beside them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use axum::body::Body;
use axum::routing::any;
use conformance::deploy::{Folder, free_port, nginx};
use gateway_core::paths::{CanonicalPathLayer, MountLayer};
use gateway_core::{BoxError, mount};
use http::{Request, Response, StatusCode};
use middleware_static::{StaticFiles, StaticLayer};
use router::BoxRouter;
use serde::Deserialize;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::services::ServeDir;

type Site = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    spelling: Vec<Spelling>,
}

#[derive(Deserialize)]
struct Spelling {
    rule: String,
    path: String,
    /// Why guards that compare raw paths are passed.
    open: Option<String>,
    #[serde(flatten)]
    statuses: BTreeMap<String, u16>,
}

impl Spelling {
    /// The answer of a guard, if it takes the path.
    fn taken(&self, guard: &str) -> Option<u16> {
        let like = match guard {
            "router_mount" => "decoded",
            "raw_route" => "raw",
            _ => guard,
        };
        let status = self.statuses.get(guard).or(self.statuses.get(like));
        status.copied().filter(|&status| status != 0)
    }

    /// The answer of a service.
    fn answer(&self, service: &str) -> u16 {
        self.statuses.get(service).copied().unwrap_or(404)
    }
}

fn table() -> Vec<Spelling> {
    let table: Table = toml::from_str(include_str!("cases/spellings.toml")).unwrap();
    table.spelling
}

/// The guarded prefixes, as `MountLayer` takes them and as axum does.
const GUARDED: [(&str, &str); 3] = [
    ("/files/private", "/files/private"),
    ("/files/privé", "/files/priv%C3%A9"),
    ("/files/p@", "/files/p@"),
];

fn files() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, _) in GUARDED {
        let folder = root.path().join(folder.trim_start_matches('/'));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("s"), "SECRET").unwrap();
    }
    std::fs::create_dir(root.path().join("files/public")).unwrap();
    root
}

fn boxed<S, B>(service: S) -> Site
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(service.map_response(|response| response.map(Body::new)))
}

fn answering(status: StatusCode, text: &'static str) -> Site {
    boxed(service_fn(move |_: Request<Body>| {
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        std::future::ready(Ok::<_, Infallible>(response))
    }))
}

fn forbidden() -> Site {
    answering(StatusCode::FORBIDDEN, "forbidden")
}

fn secret() -> Site {
    answering(StatusCode::OK, "SECRET")
}

fn nothing() -> Site {
    answering(StatusCode::NOT_FOUND, "nothing")
}

type Guard = fn(Site) -> Site;

/// Each with the key of its answers in the table.
fn guards() -> [(&'static str, &'static str, Guard); 6] {
    [
        ("decoded", "MountLayer", |inner| {
            GUARDED.iter().fold(inner, |inner, (prefix, _)| {
                boxed(MountLayer::new(prefix, forbidden()).unwrap().layer(inner))
            })
        }),
        ("router_mount", "Router::mount", |inner| {
            let router = BoxRouter::<Body>::builder().fallback(inner);
            let router = GUARDED.iter().fold(router, |router, (prefix, _)| {
                router.mount(prefix, forbidden())
            });
            boxed(router.build().unwrap())
        }),
        ("route", "a route of Router", |inner| {
            let router = BoxRouter::<Body>::builder()
                .route("^files/(private|privé|p@)/", forbidden())
                .fallback(inner);
            boxed(router.build().unwrap())
        }),
        ("raw_route", "a route of Router, raw", |inner| {
            let router = BoxRouter::<Body>::builder()
                .raw_paths()
                .route("^files/(private|priv%C3%A9|p@)/", forbidden())
                .fallback(inner);
            boxed(router.build().unwrap())
        }),
        ("raw", "a route of axum", |inner| {
            let router = GUARDED
                .iter()
                .fold(axum::Router::new(), |router, (_, raw)| {
                    router.route(&format!("{raw}/{{*rest}}"), any(StatusCode::FORBIDDEN))
                });
            boxed(router.fallback_service(inner))
        }),
        ("raw", "axum's nest_service", |inner| {
            let router = GUARDED
                .iter()
                .fold(axum::Router::new(), |router, (_, raw)| {
                    router.nest_service(raw, forbidden())
                });
            boxed(router.fallback_service(inner))
        }),
    ]
}

fn view(below: &str) -> BoxRouter<Body> {
    let pattern = format!("^{below}(private|privé|p@)/(.*)$");
    BoxRouter::builder()
        .route(pattern, secret())
        .build()
        .unwrap()
}

/// Each with the key of its answers in the table.
fn services(root: &Path) -> Vec<(&'static str, &'static str, Site)> {
    let files = root.join("files");
    let below = || StaticFiles::new(&files);
    let routers = BoxRouter::<Body>::builder().mount("/files", below());
    let raw = BoxRouter::<Body>::builder()
        .raw_paths()
        .route("^files/(private|priv%C3%A9|p@)/(.*)$", secret());
    vec![
        ("static", "StaticFiles", boxed(StaticFiles::new(root))),
        (
            "static_below",
            "StaticLayer",
            boxed(StaticLayer::new("/files", &files).unwrap().layer(nothing())),
        ),
        (
            "static_below",
            "StaticFiles below a mount",
            boxed(mount("/files", below()).unwrap()),
        ),
        (
            "static_below",
            "StaticFiles below Router::mount",
            boxed(routers.build().unwrap()),
        ),
        ("router", "Router", boxed(view("files/"))),
        (
            "router_below",
            "Router below a mount",
            boxed(mount("/files", view("")).unwrap()),
        ),
        ("raw_router", "Router, raw", boxed(raw.build().unwrap())),
    ]
}

/// The services of others.
fn others(root: &Path) -> [(&'static str, &'static str, Site); 2] {
    let router = GUARDED
        .iter()
        .fold(axum::Router::new(), |router, (_, raw)| {
            router.route_service(&format!("{raw}/{{*rest}}"), secret())
        });
    [
        ("axum", "axum", boxed(router)),
        ("serve_dir", "ServeDir", boxed(ServeDir::new(root))),
    ]
}

/// nginx judges and looks up the same: what is left of a path when it is decoded, its slashes
/// merged and its dot segments resolved.
#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_answers_as_the_table_says() {
    let folder = Folder::new();
    let port = free_port();
    for (guarded, _) in GUARDED {
        folder.write(&format!("site{guarded}/s"), "SECRET");
    }
    let guards = GUARDED.map(|(prefix, _)| format!("location {prefix}/ {{ return 403; }}"));
    let conf = format!(
        "server {{ listen 127.0.0.1:{port}; root {}/site; {} }}",
        folder.text(),
        guards.join("\n")
    );
    let _nginx = nginx(&folder, port, &conf);
    let mut wrong = Vec::new();
    for spelling in table() {
        let (rule, path) = (&spelling.rule, &spelling.path);
        // Bytes as they are: `é` too.
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: site.example\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
        if status != spelling.answer("nginx") {
            wrong.push(format!("{status} to {path}: {rule}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

struct Answer {
    status: u16,
    location: Option<String>,
    is_secret: bool,
}

async fn ask(site: &Site, path: &str) -> Answer {
    let request = Request::post(path).body(Body::empty()).unwrap();
    // Files are read, and a redirect is for every method.
    let get = Request::get(path).body(Body::empty()).unwrap();
    let response = site.clone().oneshot(get).await.unwrap();
    let status = response.status().as_u16();
    let location = response.headers().get("location");
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(response.into_body(), 65536)
        .await
        .unwrap();
    if status == 308 {
        let posted = site.clone().oneshot(request).await.unwrap();
        assert_eq!(posted.status(), 308, "POST {path}");
    }
    Answer {
        status,
        location,
        is_secret: body == "SECRET",
    }
}

/// Where a browser goes from `path`.
fn followed(path: &str, location: &str) -> String {
    let base = url::Url::parse(&format!("http://site.example{path}")).unwrap();
    let url = base.join(location).unwrap();
    assert_eq!(url.host_str(), Some("site.example"));
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[tokio::test]
async fn a_service_answers_to_each_spelling_as_the_table_says() {
    let root = files();
    let mut wrong = Vec::new();
    for (key, name, site) in services(root.path()).into_iter().chain(others(root.path())) {
        for spelling in table() {
            let answer = ask(&site, &spelling.path).await;
            if answer.status != spelling.answer(key) || answer.is_secret != (answer.status == 200) {
                let (rule, path) = (&spelling.rule, &spelling.path);
                wrong.push(format!("{name}: {} to {path}: {rule}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_a_guard_lets_pass_is_not_served() {
    let root = files();
    let mut wrong = Vec::new();
    for (guard_key, guard_name, guard) in guards() {
        for (key, name, site) in services(root.path()) {
            let site = guard(site);
            for spelling in table() {
                let answer = ask(&site, &spelling.path).await;
                let expected = spelling
                    .taken(guard_key)
                    .unwrap_or_else(|| spelling.answer(key));
                let is_open = spelling.open.is_some() && guard_key.starts_with("raw");
                if answer.status != expected || answer.is_secret && !is_open {
                    let (rule, path) = (&spelling.rule, &spelling.path);
                    let status = answer.status;
                    wrong.push(format!("{guard_name}, {name}: {status} to {path}: {rule}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_redirect_is_followed_once_and_ends_at_the_guard() {
    let root = files();
    for (guard_key, guard_name, guard) in guards() {
        for (_, name, site) in services(root.path()) {
            let site = guard(site);
            for spelling in table() {
                let path = &spelling.path;
                let Some(location) = ask(&site, path).await.location else {
                    continue;
                };
                let next = followed(path, &location);
                let answer = ask(&site, &next).await;
                let context = format!("{guard_name}, {name}: {path} to {location}: {next}");
                assert!(answer.location.is_none(), "{context}: round again");
                assert!(!answer.is_secret, "{context}: served");
                assert_eq!(
                    path.split_once('?').map(|(_, query)| query),
                    next.split_once('?').map(|(_, query)| query),
                    "{context}"
                );
                // But for a name that is another one, the guard has it now.
                let is_guarded = spelling.taken("decoded").is_some();
                assert_eq!(
                    answer.status,
                    if is_guarded { 403 } else { 404 },
                    "{context} ({guard_key})"
                );
            }
        }
    }
}

/// Without the layer a guard of axum's in front of `ServeDir` has the holes that the table shows.
#[tokio::test]
async fn below_the_layer_for_canonical_paths_the_services_of_others_are_guarded() {
    let root = files();
    for (guard_key, guard_name, guard) in guards() {
        for (key, name, site) in others(root.path()) {
            let bare = guard(site);
            let site = boxed(CanonicalPathLayer::new().layer(bare.clone()));
            for spelling in table() {
                let (rule, path) = (&spelling.rule, &spelling.path);
                let context = format!("{guard_name}, {name}: {path}: {rule}");
                let unguarded = spelling
                    .taken(guard_key)
                    .unwrap_or_else(|| spelling.answer(key));
                assert_eq!(ask(&bare, path).await.status, unguarded, "{context}, bare");
                let answer = ask(&site, path).await;
                assert_eq!(
                    answer.status,
                    spelling.taken("layer").unwrap_or(unguarded),
                    "{context}"
                );
                // What is left are reserved characters, which are not a matter of spelling.
                let is_reserved = path.contains("%40");
                assert!(
                    !answer.is_secret || is_reserved && guard_key.starts_with("raw"),
                    "{context}"
                );
                if let Some(location) = answer.location {
                    let answer = ask(&site, &followed(path, &location)).await;
                    assert!(answer.location.is_none() && !answer.is_secret, "{context}");
                }
            }
        }
    }
}
