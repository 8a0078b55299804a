//! Which answers of the router's own may be replaced by a site's error pages.

use gateway_core::{Application, Environ, FailedBy, Reply};
use http::{Extensions, Method, Request};
use router::Router;
use router::service::TrailingSlash;

use crate::{Echo, build, echo, futures_executor};

/// Method, path, status, whether the answer is marked.
const ROWS: &[(&str, &str, u16, bool)] = &[
    ("GET", "/a/", 200, false),
    ("HEAD", "/a/", 200, false),
    ("GET", "/nowhere", 404, true),
    ("HEAD", "/nowhere", 404, true),
    ("GET", "/a/../a/", 404, true),
    ("POST", "/a/", 405, true),
    ("GET", "/%FF", 400, true),
    ("GET", "/a", 308, false),
    ("GET", "/%61/", 308, false),
    ("OPTIONS", "/a/", 204, false),
];

fn is_bare(extensions: &Extensions) -> bool {
    FailedBy::of(extensions).is_some_and(FailedBy::is_bare)
}

#[test]
fn bare_answers_of_the_service_say_so() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .get("^a/$", Echo("a")),
    );
    for &(method, path, status, bare) in ROWS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::builder().method(&method).uri(path);
        let response = tower::ServiceExt::oneshot(router.clone(), request.body(()).unwrap());
        let response = futures_executor(response).unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(is_bare(response.extensions()), bare, "{method} {path}");
    }
}

#[test]
fn bare_answers_of_the_application_say_so() {
    let router = Router::builder()
        .trailing_slash(TrailingSlash::RedirectToSlash)
        .get("^a/$", |_: &mut Environ| Reply::text("a"))
        .build()
        .unwrap();
    for &(method, path, status, bare) in ROWS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let environ = Environ::builder().method(method.clone()).uri(path);
        let response = router.respond(&mut environ.build()).unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(is_bare(response.extensions()), bare, "{method} {path}");
    }
}

#[test]
fn a_path_that_is_not_utf_8_says_so_in_its_error() {
    let router = build(echo().get("^a$", Echo("a")));
    let request = Request::get("/%FF").body(()).unwrap();
    let response = tower::ServiceExt::oneshot(router, request);
    let response = futures_executor(response).unwrap();
    let failed_by = FailedBy::of(response.extensions()).unwrap();
    assert_eq!(
        failed_by.error().unwrap().to_string(),
        "the decoded path is not UTF-8"
    );
}
