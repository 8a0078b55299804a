//! SCRIPT_NAME and PATH_INFO: the table of cases, and what holds for every path.

use std::convert::Infallible;

use gateway_core::paths::{Prefix, RecordPathLayer, ScriptName};
use gateway_core::{Body, Environ, Input, RequestExt, mount};
use http::{Request, Response, Uri};
use proptest::prelude::*;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Boxed = BoxCloneSyncService<Request<axum::body::Body>, Response<axum::body::Body>, Infallible>;

#[derive(serde::Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    rule: String,
    client: String,
    through: Vec<String>,
    status: Option<u16>,
    script_name: Option<String>,
    path_info: Option<String>,
    uri: Option<String>,
}

/// Answers with what it sees, asked in both ways: as a request and as an environ.
async fn observe(
    request: Request<axum::body::Body>,
) -> Result<Response<axum::body::Body>, Infallible> {
    let uri = request.uri().path().to_owned();
    let seen = format!("{} {}", request.raw_script_name(), request.raw_path_info());
    let (parts, _) = request.into_parts();
    let environ = Environ::new(parts, Input::empty());
    let again = format!("{} {}", environ.raw_script_name(), environ.raw_path_info());
    assert_eq!(seen, again, "the request and the environ disagree");
    Ok(Response::new(format!("{seen} {uri}").into()))
}

fn wrap(inner: Boxed, step: &str) -> Boxed {
    let (kind, path) = step.split_once(' ').unwrap_or((step, ""));
    match kind {
        "record" => BoxCloneSyncService::new(RecordPathLayer::new().layer(inner)),
        "mount" => {
            let mounted = mount(path, inner).unwrap();
            let mounted = mounted.map_response(|response| response.map(axum::body::Body::new));
            BoxCloneSyncService::new(mounted)
        }
        #[cfg(feature = "axum")]
        "axum" => BoxCloneSyncService::new(gateway_core::axum::FromAxumLayer::new().layer(inner)),
        "nest" => BoxCloneSyncService::new(axum::Router::new().nest_service(path, inner)),
        "rewrite" => {
            let uri: Uri = path.parse().unwrap();
            BoxCloneSyncService::new(inner.map_request(move |mut request: Request<_>| {
                *request.uri_mut() = uri.clone();
                request
            }))
        }
        other => panic!("`{other}` is not a step"),
    }
}

#[tokio::test]
async fn the_table_of_paths_holds() {
    let table: Table = toml::from_str(include_str!("cases/paths.toml")).unwrap();
    for case in table.case {
        if cfg!(not(feature = "axum")) && case.through.iter().any(|step| step == "axum") {
            continue;
        }
        let observer = BoxCloneSyncService::new(service_fn(observe));
        let through = case.through.iter().rev();
        let service = through.fold(observer, |inner, step| wrap(inner, step));
        let method = if case.client.starts_with("example.com") {
            "CONNECT"
        } else {
            "GET"
        };
        let request = Request::builder()
            .method(method)
            .uri(&case.client)
            .body(axum::body::Body::empty())
            .unwrap();
        let response = service.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(status, case.status.unwrap_or(200), "{}", case.rule);
        if status != 200 {
            continue;
        }
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        let expected = [case.script_name, case.path_info, case.uri].map(Option::unwrap);
        assert_eq!(body, expected.join(" "), "{}", case.rule);
    }
}

#[tokio::test]
async fn a_path_of_64_kib_passes_every_mount() {
    let long = "x".repeat(65_000);
    let client = format!("/a/b/{long}");
    let steps = ["record", "mount /a", "nest /b"];
    let observer: Boxed = BoxCloneSyncService::new(service_fn(observe));
    let service = steps
        .iter()
        .rev()
        .fold(observer, |inner, step| wrap(inner, step));
    let request = Request::get(client)
        .body(axum::body::Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    assert_eq!(body, format!("/a/b /{long} /{long}"));
}

#[test]
fn a_prefix_is_rooted_and_has_no_empty_segment() {
    for bad in ["wiki", "//", "/a//b", "//a", "a/"] {
        assert!(Prefix::new(bad).is_err(), "{bad}");
    }
    for (given, kept) in [("", ""), ("/", ""), ("/wiki", "/wiki"), ("/wiki/", "/wiki")] {
        assert_eq!(Prefix::new(given).unwrap().as_str(), kept, "{given}");
    }
}

#[test]
fn a_prefix_is_written_decoded_and_matches_every_spelling_of_it() {
    for (prefix, path, end) in [
        ("/public", "/public/a", Some(7)),
        ("/public/", "/public/", Some(7)),
        ("/public", "/public", Some(7)),
        ("/a/b", "/a/b/c/", Some(4)),
        ("/a/b", "/%61/b", Some(6)),
        ("/public", "/p%75blic/a", Some(9)),
        ("/public", "/public2", None),
        ("/public", "/publi", None),
        ("/public", "/other/public/a", None),
        ("/public", "//public/a", None),
        ("/public", "/public%2Fa", None),
        ("/public", "*", None),
        // A percent sign in a prefix is one, and no escape.
        ("/p%75blic", "/public/a", None),
        ("/p%75blic", "/p%75blic/a", None),
        ("/p%75blic", "/p%2575blic/a", Some(11)),
        ("/100%", "/100%25", Some(7)),
        ("/caf\u{e9}", "/caf%C3%A9/a", Some(10)),
        ("/", "/a", Some(0)),
        ("", "/", Some(0)),
        ("", "*", None),
    ] {
        let found = Prefix::new(prefix).unwrap().matched_in(path);
        assert_eq!(found, end, "{prefix} {path}");
    }
}

#[test]
fn what_a_gateway_says_is_the_script_name_is_checked() {
    let uri: Uri = "/Page".parse().unwrap();
    for bad in [
        "wiki",
        "//evil.example",
        "http://evil.example",
        "/a?b",
        "/a#b",
        "/a\r\nb",
        "/a\0",
    ] {
        assert!(ScriptName::below(bad, &uri).is_err(), "{bad:?}");
    }
    let below = ScriptName::below("/wiki/", &uri).unwrap();
    assert_eq!(below.split("/Page").unwrap().script_name, "/wiki");
    // Found by fuzzing: a target without a path was below the prefix, and then stale.
    let asterisk = ScriptName::below("/wiki", &Uri::from_static("*")).unwrap();
    assert_eq!(asterisk.split("*").unwrap().script_name, "");
    let empty = ScriptName::join("/wiki", "").unwrap();
    assert_eq!(empty.split("/").unwrap().path_info, "");
}

#[test]
fn shift_path_info_does_as_wsgiref_where_the_path_stays_the_clients() {
    // The cases of wsgiref's own tests: (path, [(name, SCRIPT_NAME, PATH_INFO)]).
    type Step = (&'static str, &'static str, &'static str);
    let cases: &[(&str, &[Step])] = &[
        ("/", &[("", "/", "")]),
        ("/x/y", &[("x", "/x", "/y"), ("y", "/x/y", "")]),
        ("/x/", &[("x", "/x", "/"), ("", "/x/", "")]),
        (
            "/a/b//y",
            &[
                ("a", "/a", "/b//y"),
                ("b", "/a/b", "//y"),
                ("y", "/a/b//y", ""),
            ],
        ),
        ("/a/./y", &[("a", "/a", "/./y"), ("y", "/a/./y", "")]),
        ("/a///", &[("a", "/a", "///"), ("", "/a///", "")]),
        ("/caf%C3%A9", &[("café", "/caf%C3%A9", "")]),
        ("/%ff", &[("%ff", "/%ff", "")]),
    ];
    for (path, steps) in cases {
        let mut environ = Environ::builder().uri(*path).build();
        for (name, script_name, path_info) in *steps {
            assert_eq!(environ.shift_path_info().as_deref(), Some(*name), "{path}");
            assert_eq!(environ.raw_script_name(), *script_name, "{path}");
            assert_eq!(environ.raw_path_info(), *path_info, "{path}");
        }
        assert!(environ.shift_path_info().is_none(), "{path}");
    }
}

#[test]
fn a_request_passed_on_goes_from_where_the_environ_stands() {
    let mut environ = Environ::builder()
        .script_name("/app")
        .uri("/wiki/Page?a=1")
        .body("text")
        .build();
    environ.shift_path_info();
    let request = environ.take_request();
    assert_eq!(request.uri(), "/Page?a=1");
    assert_eq!(request.raw_script_name(), "/app/wiki");
    assert_eq!(request.into_body().into_bytes().unwrap(), "text");
}

fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-c.%/]{0,4}",
        "%[0-9a-fA-F]{2}",
        "%2[fF]",
        Just("é".to_owned())
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn script_name_and_path_info_are_always_the_clients_path(path in any_path(), shifts in 0..12) {
        let mut environ = Environ::builder().uri(path.as_str()).build();
        for _ in 0..shifts {
            let left = environ.raw_path_info().len();
            let shifted = environ.shift_path_info().is_some();
            prop_assert_eq!(format!("{}{}", environ.raw_script_name(), environ.raw_path_info()), &*path);
            prop_assert!(!shifted || environ.raw_path_info().len() < left);
        }
    }

    #[test]
    fn shifting_to_the_end_leaves_nothing(path in any_path()) {
        let mut environ = Environ::builder().uri(path.as_str()).build();
        while environ.shift_path_info().is_some() {}
        prop_assert_eq!(environ.raw_path_info(), "");
        prop_assert_eq!(environ.raw_script_name(), path);
    }

    #[test]
    fn a_mount_takes_a_whole_prefix_or_nothing(path in any_path(), prefix in "(/[a-c]{1,2}){0,3}") {
        let prefix = Prefix::new(&prefix).unwrap();
        if let Some(end) = prefix.matched_in(&path) {
            let (front, rest) = path.split_at(end);
            prop_assert!(rest.is_empty() || rest.starts_with('/'));
            let decoded = percent_encoding::percent_decode_str(front).decode_utf8().unwrap();
            prop_assert_eq!(decoded, prefix.as_str());
        }
    }

    #[test]
    fn any_target_that_http_accepts_is_no_panic(target in "\\PC{0,40}") {
        if let Ok(request) = Request::get(target).body(Body::empty()) {
            let _ = (request.path_info().len(), request.request_uri(), request.vars().count());
        }
    }
}
