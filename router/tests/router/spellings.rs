//! One path, several spellings: which are served, which are redirected, and what is refused, so that
//! a guard in front reads a path as the patterns do.

use gateway_core::paths::{MountLayer, Spelling};
use gateway_core::testing::Client;
use gateway_core::{Application, Environ, Reply};
use http::{Method, Request, StatusCode};
use proptest::prelude::*;
use router::service::{EncodedSlashes, OtherSpellings, TrailingSlash};
use router::{IntoPattern, RequestUrlArgs, Router};
use serde::Deserialize;
use tower::{Layer, ServiceExt};

use crate::{Answer, Echo, ask, build, echo, futures_executor, get};

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

/// A row of the table that all consumers of paths share.
#[derive(Deserialize)]
struct Case {
    rule: String,
    path: String,
    #[serde(default)]
    has: Vec<String>,
    location: Option<String>,
}

impl Case {
    fn has(&self, what: &str) -> bool {
        self.has.iter().any(|has| has == what)
    }
}

fn cases() -> Vec<Case> {
    let table = include_str!("../../../gateway-core/tests/cases/spellings.toml");
    let cases = toml::from_str::<Table>(table).unwrap().case;
    let is_path = |case: &Case| case.path.starts_with('/');
    cases.into_iter().filter(is_path).collect()
}

fn outcome(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.header("location"))
}

#[test]
fn decoded_paths_have_one_spelling() {
    let router = build(echo().get("(?s)^.*$", Echo("x")));
    let application = Router::builder()
        .get("(?s)^.*$", gateway_core::application(|_| "x"))
        .build()
        .unwrap();
    for case in cases() {
        let Case { rule, path, .. } = &case;
        let expected = if case.has("dot segment") || case.has("encoded slash") {
            (404, "")
        } else if case.has("other escapes") {
            let location = case.location.as_deref();
            (location.map_or(404, |_| 308), location.unwrap_or_default())
        } else {
            (200, "")
        };
        let Ok(request) = Request::get(path).body(()) else {
            continue;
        };
        let answer = ask(&router, Method::GET, path);
        // Paths that are not UTF-8 are none of this.
        if answer.status != 400 {
            assert_eq!(outcome(&answer), expected, "{rule}: {path}");
            let environ = &mut Environ::new(request.into_parts().0, gateway_core::Body::empty());
            let status = application.respond(environ).unwrap().status();
            assert_eq!(status, expected.0, "{rule}: {path}");
        }
    }
}

#[test]
fn raw_paths_are_as_they_were_sent() {
    let router = build(echo().raw_paths().get("(?s)^.*$", Echo("x")));
    for case in cases() {
        let Case { rule, path, .. } = &case;
        let expected = if case.has("dot segment") { 404 } else { 200 };
        assert_eq!(get(&router, path).status, expected, "{rule}: {path}");
    }
}

#[test]
fn another_spelling_is_redirected_for_every_method_with_its_query() {
    let router = build(
        echo()
            .get("^private/(.*)$", Echo("x"))
            .post("^private/(.*)$", Echo("y")),
    );
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"] {
        let method: Method = method.parse().unwrap();
        let answer = ask(&router, method.clone(), "/%70rivate/a%c3%bc?q=%70");
        assert_eq!(
            outcome(&answer),
            (308, "../private/a%C3%BC?q=%70"),
            "{method}"
        );
    }
    // What no route matches in any spelling is not found in any.
    assert_eq!(get(&router, "/%70ublic").status, 404);
    // What would be changed on the way is no redirect, and what would name a host is none.
    assert_eq!(get(&router, "/%70rivate/../x").status, 404);
    let router = build(echo().get("^(?:x|/evil.example)/(.*)$", Echo("x")));
    assert_eq!(
        outcome(&get(&router, "//evil.example/%78")),
        (308, "./x"),
        "empty segments are text"
    );
    assert_eq!(get(&router, "//evil.example/x").status, 200);
}

#[test]
fn another_spelling_may_be_served() {
    let router = build(
        echo()
            .other_spellings(OtherSpellings::Serve)
            .get("^private/(.*)$", Echo("x")),
    );
    assert_eq!(
        get(&router, "/%70rivate/%c3%bc").text,
        "x GET /%70rivate/%c3%bc ü"
    );
    assert_eq!(get(&router, "/%2e/private/x").status, 404);
    assert_eq!(get(&router, "/private%2Fx").status, 404);
}

#[test]
fn an_encoded_slash_may_be_a_slash() {
    let router = build(
        echo()
            .encoded_slashes(EncodedSlashes::Decode)
            .get("^a/(.*)$", Echo("x")),
    );
    assert_eq!(get(&router, "/a%2Fb%2Fc").text, "x GET /a%2Fb%2Fc b/c");
    assert_eq!(outcome(&get(&router, "/a%2fb")), (308, "./a%2Fb"));
    assert_eq!(get(&router, "/a%2F..").status, 404);
    assert_eq!(get(&router, "/a/%2E.%2Fb").status, 404);
}

#[test]
fn a_slash_policy_and_the_spelling_are_one_redirect() {
    let router = build(
        echo()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .merge_slashes()
            .get("^a/(b)/$", Echo("x")),
    );
    for (path, location) in [
        ("/%61/%62", "../a/b/"),
        ("/a//%62", "../b/"),
        ("/%61/b/", "../../a/b/"),
        ("/a//b/", "../../b/"),
    ] {
        assert_eq!(outcome(&get(&router, path)), (308, location), "{path}");
    }
    // Raw, the canonical spelling is another path.
    let raw = build(
        echo()
            .raw_paths()
            .trailing_slash(TrailingSlash::RedirectToSlash)
            .get("^(%61|ü|b|%c3%bc|a)/$", Echo("x")),
    );
    for path in ["/%61", "/ü", "/%c3%bc"] {
        assert_eq!(get(&raw, path).status, 404, "{path}");
    }
    assert_eq!(outcome(&get(&raw, "/b")), (308, "./b/"));
}

#[test]
fn a_guard_in_front_reads_what_the_patterns_read() {
    let inside = build(
        echo()
            .get("^admin/users$", Echo("secret"))
            .get("^(.*)$", Echo("open")),
    );
    let forbidden = tower::service_fn(async |_: Request<()>| {
        let mut response = http::Response::new(String::new());
        *response.status_mut() = StatusCode::FORBIDDEN;
        Ok::<_, std::convert::Infallible>(response)
    });
    let guarded = MountLayer::new("/admin", forbidden).unwrap().layer(inside);
    for (path, status) in [
        ("/admin/users", 403),
        ("/%61dmin/users", 403),
        ("/admin/%75sers", 403),
        ("/admin%2Fusers", 404),
        ("/admin%2fusers", 404),
        ("/./admin/users", 404),
        ("/%2e/admin/users", 404),
        ("/x/../admin/users", 404),
        ("/x/.%2E/admin/users", 404),
        ("//admin/users", 200),
        ("/admin", 403),
        ("/adm%69n", 403),
        ("/adm%69nistration", 308),
    ] {
        let request = Request::get(path).body(()).unwrap();
        let answer = futures_executor(guarded.clone().oneshot(request));
        assert_eq!(answer.unwrap().status(), status, "{path}");
    }
}

#[test]
fn a_mount_judges_only_its_own_prefix() {
    let router = build(echo().mount("/m", Echo("m")));
    for (path, below) in [
        ("/m/%2e%2E/a%2Fb", "/%2e%2E/a%2Fb"),
        ("/%6d/%70//x", "/%70//x"),
        ("/m/./x", "/./x"),
    ] {
        assert_eq!(get(&router, path).text, format!("m GET {below}"), "{path}");
    }
    assert_eq!(get(&router, "/./m/x").status, 404);
}

#[test]
fn what_is_refused_is_left_to_the_fallback() {
    let router = build(echo().get("(.*)", Echo("x")).fallback(Echo("fallback")));
    for path in ["/a%2Fb", "/a/../b", "/%2e"] {
        assert_eq!(get(&router, path).text, format!("fallback GET {path}"));
    }
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "Z", "0", "~", "-", ".", "..", "_", "/", "//", "é", "𝒳", "%", "%2F", "%2e", "%zz",
        " ", "?", "#", "\\", "\0", "\n", ":", "@", "+", "\"", "<", "[", "{", "|", "^", "`",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn a_url_is_canonical_and_served_at_once(
        pattern in prop::sample::select(vec![
            "(?s)^(.*)$", "(?s)^a b/(.+)$", r"^~é/([^/]*)$", "(?s)^x:(.+)/(.*)$", "(?s)(.*)y$",
        ]),
        raw in any::<bool>(),
        values in prop::collection::vec(value(), 1..3),
        mount in prop::sample::select(vec!["/m", "/%6d", "/m%C3%BC", "/m%c3%bc"]),
    ) {
        fn view(environ: &mut Environ) -> Reply {
            let args: Vec<String> = environ.url_args().unwrap().iter().flatten().map(str::to_owned).collect();
            let url = environ.url_args().unwrap().url_for("n", &args);
            Reply::text(format!("{}\n{}", url.unwrap(), args.join(",")))
        }
        let builder = Router::<fn(&mut Environ) -> Reply>::builder();
        let builder = if raw { builder.raw_paths() } else { builder };
        let router = builder.get(pattern.named("n"), view).build().unwrap();
        if let Ok(url) = router.url_for("n", &values) {
            let canonical = |url: &str| Spelling::of(url).canonical() == url;
            // Raw, the text of the pattern stands there as it is.
            prop_assert!(canonical(&url) || (raw && !pattern.is_ascii()), "{}", url);
            prop_assert!(!url.starts_with("//"), "{}", url);
            if url.is_ascii() {
                let reply = Client::new(router.clone()).get(&url).send();
                prop_assert_eq!(reply.status(), 200, "{}", url);
                prop_assert_eq!(reply.text(), format!("{url}\n{}", values.join(",")));
                // Behind a mount that the client spelled in its own way.
                let prefix = if mount.len() < 5 { "/m" } else { "/mü" };
                let mounted = Router::builder().mount(prefix, router).build().unwrap();
                let reply = Client::new(mounted).get(&format!("{mount}{url}")).send();
                prop_assert_eq!(reply.status(), 200, "{}", url);
                let made = reply.text().lines().next().unwrap_or_default().to_owned();
                prop_assert!(canonical(&made) || raw, "{}", made);
            }
        }
    }
}
