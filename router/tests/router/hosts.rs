//! Routes of some hosts.

use http::Request;
use router::service::LeadingSlash;
use router::{BuildError, Router};

use crate::{Echo, ask_request, build, echo, get};

#[test]
fn hosts_have_routes_and_groups_of_their_own() {
    let router = build(
        echo()
            .host(r"^(?<tenant>[a-z]+)\.example\.com$", |routes| {
                routes.get("^(?<page>[^/]*)$", Echo("tenant"))
            })
            .host(r"^admin\.example\.com$", |routes| {
                routes.get("^$", Echo("never: the first host that matches counts"))
            })
            .get("^(.*)$", Echo("any")),
    );
    let at = |host: &str, path: &str| {
        ask_request(
            &router,
            Request::get(path).header("host", host).body(()).unwrap(),
        )
        .text
    };
    assert_eq!(at("acme.example.com", "/x"), "tenant GET /x acme x");
    assert_eq!(at("ACME.Example.COM.:8080", "/x"), "tenant GET /x acme x");
    assert_eq!(at("acme.example.com", "/x/y"), "any GET /x/y x/y");
    assert_eq!(at("example.org", "/x"), "any GET /x x");
    assert_eq!(at("[::1]:80", "/x"), "any GET /x x");
    let absolute = Request::get("http://acme.example.com:81/x")
        .header("host", "example.org")
        .body(())
        .unwrap();
    assert_eq!(ask_request(&router, absolute).text, "tenant GET /x acme x");
    let error = echo()
        .host("^(?<a>.*)$", |routes| routes.get("^(?<a>.*)$", Echo("x")))
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::DuplicateGroup { .. }));
}

fn at(router: &Router<Echo>, host: &str, path: &str) -> String {
    let request = Request::get(path).header("host", host).body(()).unwrap();
    ask_request(router, request).text
}

#[test]
fn what_is_limited_to_a_host_stays_so_when_it_is_included() {
    // Its section was dropped, and its routes were open to every host.
    let inner = || {
        echo()
            .host("^admin\\.", |routes| {
                routes
                    .get("^secret$", Echo("secret"))
                    .mount("/files", Echo("files"))
            })
            .get("^open$", Echo("open"))
            .mount("/static", Echo("static"))
    };
    let router = build(
        echo()
            .host("^admin\\.", |routes| routes.get("^$", Echo("admin")))
            .include("^area/", inner()),
    );
    for (host, path, text) in [
        ("admin.example", "/", "admin GET /"),
        ("admin.example", "/area/secret", "secret GET /area/secret"),
        ("admin.example", "/area/files/x", "files GET /x"),
        ("admin.example", "/area/open", "open GET /area/open"),
        ("www.example", "/", "Not Found\n"),
        ("www.example", "/area/secret", "Not Found\n"),
        ("www.example", "/area/files/x", "Not Found\n"),
        ("www.example", "/area/open", "open GET /area/open"),
        ("www.example", "/area/static/x", "static GET /x"),
        ("www.example", "/static/x", "Not Found\n"),
    ] {
        assert_eq!(at(&router, host, path), text, "{host} {path}");
    }
    for below_a_host in [
        echo().host("^a$", |routes| routes.include("^area/", inner())),
        echo().host("^a$", |routes| {
            routes.host("^b$", |routes| routes.get("^$", Echo("x")))
        }),
    ] {
        let error = below_a_host.build().unwrap_err().to_string();
        assert!(error.contains("a host inside of another one"), "{error}");
    }
}

#[test]
fn an_included_mount_is_below_the_prefix() {
    let inner = || {
        echo()
            .mount("/static", Echo("static"))
            .get("^x$", Echo("x"))
    };
    let router = build(
        echo()
            .include("^a/b/", inner())
            .include("^c", inner())
            .include("^", inner()),
    );
    for (path, text) in [
        ("/a/b/static/f", "static GET /f"),
        ("/a/b/x", "x GET /a/b/x"),
        ("/cstatic/f", "static GET /f"),
        ("/cx", "x GET /cx"),
        ("/static/f", "static GET /f"),
    ] {
        assert_eq!(get(&router, path).text, text, "{path}");
    }
    let kept = echo()
        .leading_slash(LeadingSlash::Keep)
        .include("^/a", inner());
    assert_eq!(get(&build(kept), "/a/static/f").text, "static GET /f");
    for prefix in ["^[a-z]+/", "a/", "(?i)^a/"] {
        let error = echo().include(prefix, inner()).build().unwrap_err();
        assert!(matches!(error, BuildError::Setting { .. }), "{error}");
        assert!(error.to_string().contains("the mount `/static`"), "{error}");
    }
}

#[test]
fn mounts_and_fallbacks_of_a_host_are_for_that_host() {
    let router = build(
        echo()
            .mount("/m", Echo("any"))
            .fallback(Echo("nothing"))
            .host("^admin$", |routes| {
                routes
                    .mount("/m/secret", Echo("secret"))
                    .mount("/files", Echo("files"))
                    .fallback(Echo("nothing for admins"))
            }),
    );
    for (host, path, text) in [
        ("admin", "/files/x", "files GET /x"),
        ("admin", "/m/secret/x", "secret GET /x"),
        ("admin", "/m/x", "any GET /x"),
        ("admin", "/none", "nothing for admins GET /none"),
        ("www", "/files/x", "nothing GET /files/x"),
        ("www", "/m/secret/x", "any GET /secret/x"),
        ("www", "/none", "nothing GET /none"),
    ] {
        assert_eq!(at(&router, host, path), text, "{host} {path}");
    }
}
