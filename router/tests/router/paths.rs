//! What of a path the patterns see, and which other spellings are redirected.

use http::Method;
use router::IntoPattern;
use router::service::{EncodedSlashes, LeadingSlash, TrailingSlash};

use crate::{Echo, ask, build, echo, get};

#[test]
fn the_first_route_that_matches_answers() {
    let router = build(
        echo()
            .get("^a/(.+)$", Echo("first"))
            .get("^a/b$", Echo("second")),
    );
    assert_eq!(get(&router, "/a/b").text, "first GET /a/b b");
}

#[test]
fn one_leading_slash_is_taken_off_unless_told_otherwise() {
    let router = build(echo().get("^(.*)$", Echo("x")));
    assert_eq!(get(&router, "/").text, "x GET / ");
    assert_eq!(get(&router, "//a").text, "x GET //a /a");
    let router = build(
        echo()
            .leading_slash(LeadingSlash::StripAll)
            .get("^(.*)$", Echo("x")),
    );
    assert_eq!(get(&router, "///a").text, "x GET ///a a");
    let router = build(
        echo()
            .leading_slash(LeadingSlash::StripAll)
            .encoded_slashes(EncodedSlashes::Decode)
            .get("^(.*)$", Echo("x")),
    );
    assert_eq!(get(&router, "/%2F/a").text, "x GET /%2F/a a");
    let router = build(
        echo()
            .leading_slash(LeadingSlash::Keep)
            .get("^(/.*)$", Echo("x")),
    );
    assert_eq!(get(&router, "/a").text, "x GET /a /a");
}

#[test]
fn a_pattern_for_the_slash_that_is_taken_off_is_refused() {
    for pattern in ["^/users$", "^(/users)$", "^/?/x$|^/y$"] {
        let result = echo().get(pattern, Echo("x")).build();
        if pattern == "^/?/x$|^/y$" {
            assert!(result.is_ok(), "{pattern}");
            continue;
        }
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("the leading slash of the path is taken off"),
            "{error}"
        );
    }
}

#[test]
fn the_decoded_path_is_matched() {
    let router = build(
        echo()
            .get("^straße/(.*)$", Echo("x"))
            .get("^a b/([^/]+)/(.*)$", Echo("y")),
    );
    assert_eq!(
        get(&router, "/stra%C3%9Fe/J%C3%BCrgen").text,
        "x GET /stra%C3%9Fe/J%C3%BCrgen Jürgen"
    );
    assert_eq!(get(&router, "/straße/ü").text, "x GET /straße/ü ü");
    assert_eq!(get(&router, "/a%20b/c/d").text, "y GET /a%20b/c/d c d");
    assert_eq!(
        get(&router, "/a%20b/100%/x").text,
        "y GET /a%20b/100%/x 100% x"
    );
}

#[test]
fn a_path_that_is_not_utf_8_is_a_bad_request_unless_a_mount_takes_it() {
    let router = build(
        echo()
            .get("^(.*)$", Echo("x"))
            .mount("/files", Echo("files")),
    );
    assert_eq!(get(&router, "/%FF").status, 400);
    assert_eq!(get(&router, "/files/%FF").text, "files GET /%FF");
}

#[test]
fn raw_paths_keep_an_encoded_slash_in_its_segment() {
    let router = build(
        echo()
            .raw_paths()
            .get("^([^/]+)/(.*)$".named("n"), Echo("x")),
    );
    assert_eq!(
        get(&router, "/a%2Fb/c%20d").text,
        "x GET /a%2Fb/c%20d a/b c d"
    );
    assert_eq!(get(&router, "/a%FF/c").status, 400);
    assert_eq!(router.url_for("n", ["a/b", "c d"]).unwrap(), "/a%2Fb/c%20d");
}

#[test]
fn strict_slashes_are_two_paths() {
    let router = build(echo().get("^a/$", Echo("x")));
    assert_eq!(get(&router, "/a").status, 404);
}

#[test]
fn a_missing_slash_is_redirected_with_the_query_and_relatively() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .get("^(a|x/[^/]*)/$", Echo("x"))
            .get("^b$", Echo("b")),
    );
    for (path, location) in [
        ("/a", "./a/"),
        ("/a?q=1&r=%2F", "./a/?q=1&r=%2F"),
        ("/x/a:b", "./a:b/"),
        ("/x/%C3%BC", "./%C3%BC/"),
        ("/x/ü", "./%C3%BC/"),
    ] {
        let answer = get(&router, path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location),
            "{path}"
        );
    }
    assert_eq!(ask(&router, Method::POST, "/a").status, 404);
    assert_eq!(get(&router, "/b").status, 200);
    assert_eq!(get(&router, "/b/").status, 404);
    assert_eq!(get(&router, "/").status, 404);
}

#[test]
fn a_slash_too_many_is_redirected() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToNoSlash)
            .get("^(a|x/b|/evil.example)$", Echo("x")),
    );
    for (path, location) in [
        ("/a/", "../a"),
        ("/x/b/?q", "../b?q"),
        ("//evil.example/", "../evil.example"),
    ] {
        let answer = get(&router, path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location),
            "{path}"
        );
    }
}

#[test]
fn double_slashes_are_merged_by_a_redirect_on_request() {
    let router = build(
        echo()
            .merge_slashes()
            .get("^a/b$", Echo("x"))
            .get("^evil.example$", Echo("y")),
    );
    for (path, location) in [
        ("/a//b", "../b"),
        ("//a/b?q", "../../a/b?q"),
        ("//evil.example", "../evil.example"),
    ] {
        let answer = get(&router, path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location),
            "{path}"
        );
    }
    assert_eq!(get(&router, "/c//d").status, 404);
    assert_eq!(
        get(&build(echo().get("^a/b$", Echo("x"))), "/a//b").status,
        404
    );
}

#[test]
fn double_slashes_and_the_slash_at_the_end_are_mended_by_one_redirect() {
    let router = |trailing, pattern| {
        build(
            echo()
                .merge_slashes()
                .trailing_slash(trailing)
                .get(pattern, Echo("x")),
        )
    };
    for (trailing, pattern, path, location) in [
        (
            TrailingSlash::RedirectToSlash,
            "^a/b/$",
            "//a//b?q",
            "../../../a/b/?q",
        ),
        (
            TrailingSlash::RedirectToNoSlash,
            "^a/b$",
            "/a//b//",
            "../../../b",
        ),
        (TrailingSlash::RedirectToNoSlash, "^a$", "//a/", "../../a"),
    ] {
        let answer = get(&router(trailing, pattern), path);
        assert_eq!(answer.status, 308, "{path}");
        assert_eq!(answer.header("location"), location, "{path}");
    }
}

#[test]
fn groups_are_the_same_in_short_and_long_paths_decoded_or_not() {
    let router = build(echo().get("^([^/]*)/(.*)$", Echo("x")));
    for length in [0, 1, 20, 43, 44, 45, 46, 47, 48, 200] {
        for (sent, read) in [("a", "a"), ("%20", " "), ("é", "é")] {
            let path = format!("/{}/{sent}", "x".repeat(length));
            let expected = format!("x GET {path} {} {read}", "x".repeat(length));
            assert_eq!(get(&router, &path).text, expected);
        }
    }
}

#[test]
fn hostile_paths_are_answered() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .merge_slashes()
            .get("^([^/]+/)+$", Echo("x"))
            .get(r"^(\w+)/(\w+)$", Echo("y")),
    );
    let long = 65_000;
    for path in [
        "/".repeat(long),
        format!("/{}", "a".repeat(long)),
        format!("/{}", "a/".repeat(long / 2)),
        format!("/{}", "%00".repeat(long / 3)),
        format!("/{}", "%".repeat(long)),
        format!("/{}", "%2F".repeat(long / 3)),
        format!("/{}", "%C3".repeat(long / 3)),
    ] {
        let status = get(&router, &path).status;
        assert!([200, 308, 404, 400].contains(&status), "{status}");
    }
}
