//! Lists of routes while they are written, and as they are printed.

use http::Method;

use router::service::{EncodedSlashes, LeadingSlash, RouterBuilder};
use router::{BuildError, IntoPattern, full, template};

use crate::{Echo, ask, build, echo, get};

#[test]
fn includes_keep_methods_and_names() {
    let articles = echo()
        .get("^$".named("list"), Echo("list"))
        .post("^(?<id>[0-9]+)/$".named("edit"), Echo("edit"));
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
            .get("^$".named("home"), Echo("x"))
            .methods([Method::PUT, Method::POST], "^a$", Echo("x"))
            .route("^b$", Echo("x")),
    );
    assert_eq!(
        router.to_string(),
        "mount     /static/\nGET       ^$        home\nPUT,POST  ^a$\n*         ^b$\n"
    );
}

#[test]
fn a_route_that_wins_for_another_method_is_not_shadowed() {
    for routes in [
        echo().get("^x$", Echo("a")).route("^x$", Echo("b")),
        echo().head("^x$", Echo("a")).get("^x$", Echo("b")),
        echo().get("^x$", Echo("a")).head("^x$", Echo("b")),
        echo()
            .get("^x$", Echo("a"))
            .methods([Method::GET, Method::POST], "^x$", Echo("b")),
        echo()
            .host("^a$", |routes| routes.route("^x$", Echo("a")))
            .route("^x$", Echo("b")),
    ] {
        build(routes.deny_shadowed());
    }
}

#[test]
fn a_route_that_wins_for_no_method_is_shadowed_by_all_that_take_its_paths() {
    let error = |routes: RouterBuilder<Echo>| match routes.deny_shadowed().build() {
        Err(BuildError::Shadowed { pattern, by, .. }) => format!("{pattern} by {}", by.join(" ")),
        other => format!("{other:?}"),
    };
    for (routes, expected) in [
        (
            echo().route("^x$", Echo("a")).get("^x$", Echo("b")),
            "^x$ by ^x$",
        ),
        (
            echo()
                .get("^[a-z]$", Echo("a"))
                .post("^.$", Echo("b"))
                .methods([Method::POST, Method::GET], "^x$", Echo("c")),
            "^x$ by ^[a-z]$ ^.$",
        ),
        (
            echo()
                .mount("/static", Echo("m"))
                .get("^static/(.*)$", Echo("a")),
            "^static/(.*)$ by /static/",
        ),
        (
            echo()
                .mount("/static", Echo("m"))
                .get("^[a-z]+$", Echo("a"))
                .get("^(?:static(?:/x)?|ab)$", Echo("b")),
            "^(?:static(?:/x)?|ab)$ by ^[a-z]+$ /static/",
        ),
        (
            echo().mount("/", Echo("m")).get("^x$", Echo("a")),
            "^x$ by /",
        ),
        (
            echo()
                .leading_slash(LeadingSlash::Keep)
                .mount("/a/b", Echo("m"))
                .get("^/a/b/c$", Echo("a")),
            "^/a/b/c$ by /a/b/",
        ),
        (
            echo().host("^a$", |routes| {
                routes.mount("/m", Echo("m")).get("^m$", Echo("a"))
            }),
            "^m$ by /m/",
        ),
    ] {
        let told = error(routes);
        assert!(told.contains(expected), "{expected}: {told}");
    }
    // Mounts that are passed by some spelling, or are of other hosts, take not all.
    for routes in [
        echo()
            .leading_slash(LeadingSlash::StripAll)
            .mount("/m", Echo("m"))
            .get("^m$", Echo("a")),
        echo()
            .encoded_slashes(EncodedSlashes::Decode)
            .mount("/m", Echo("m"))
            .get("^m/x$", Echo("a")),
        echo().mount("/m", Echo("m")).get("^m", Echo("a")),
        echo()
            .host("^a$", |routes| routes.mount("/m", Echo("m")))
            .get("^m$", Echo("a")),
        echo()
            .raw_paths()
            .mount("/mü", Echo("m"))
            .get("^m%C3%BC$", Echo("a")),
    ] {
        build(routes.deny_shadowed());
    }
}

#[test]
fn a_name_is_part_of_its_route() {
    let named = build(
        echo()
            .get("^a$".named("a"), Echo("a"))
            .get("^b$", Echo("b"))
            .route(template("c").named("lost").named("c"), Echo("c"))
            .post(full("d|e").named("d"), Echo("d")),
    );
    let names: Vec<_> = named.routes().map(|route| route.name()).collect();
    assert_eq!(names, [Some("a"), None, Some("c"), Some("d")]);
    assert_eq!(named.url_for("c", ()).unwrap(), "/c");
    assert_eq!(ask(&named, Method::POST, "/e").text, "d POST /e");
    assert_eq!(get(&named, "/dd").status, 404);
}

#[test]
fn a_template_may_be_a_prefix_and_a_prefix_has_no_name() {
    let inner = || echo().get("^x$", Echo("x"));
    let router = build(echo().include(template("{lang}/"), inner()));
    assert_eq!(get(&router, "/de/x").text, "x GET /de/x de");
    let error = echo().include("^i/".named("n"), inner()).build();
    assert_eq!(
        error.unwrap_err().to_string(),
        "`n`: `^i/` is a prefix and no route, so it has no name"
    );
}
