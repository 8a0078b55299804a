//! What no request reaches, and patterns that are probably not meant as they are written.

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use http::{Method, Request, Response};
use proptest::prelude::*;
use router::Router;
use router::service::{EncodedSlashes, LeadingSlash, RouterBuilder, Rule};
use tower::Service;

use crate::{Echo, build, echo};

fn told(router: &Router<Echo>) -> Vec<String> {
    router.shadowed().iter().map(ToString::to_string).collect()
}

#[test]
fn all_that_is_shadowed_is_told_at_once_with_examples() {
    let router = build(
        echo()
            .mount("/static", Echo("m"))
            .mount("/static/js", Echo("m"))
            .get("^[a-z]+$", Echo("a"))
            .post("^b$", Echo("b"))
            .methods([Method::GET, Method::POST], "^b$", Echo("c"))
            .route("^b$", Echo("d"))
            .get("^static/x$", Echo("e"))
            .host("^admin\\.", |routes| {
                routes
                    .route("^users$", Echo("f"))
                    .get("^users$", Echo("g"))
                    .get("^static$", Echo("h"))
            })
            .host("^admin\\.example$", |routes| routes.get("^$", Echo("i"))),
    );
    assert_eq!(
        told(&router),
        [
            "the host `^admin\\.example$` never wins: `GET admin.example/` goes to the host `^admin\\.`",
            "the mount `/static/js/` never wins: `GET x/static/js/` goes to the mount `/static/`",
            "`GET,POST ^b$` never wins: `GET x/b` goes to `GET ^[a-z]+$`, `POST x/b` goes to `POST ^b$`",
            "`GET ^static/x$` never wins: `GET x/static/x` goes to the mount `/static/`",
            "`GET ^users$` never wins: `GET admin.x/users` goes to `* ^users$`",
            "`GET ^static$` never wins: `GET admin.x/static` goes to the mount `/static/`",
        ]
    );
}

#[test]
fn a_route_for_all_hosts_is_shadowed_if_each_host_has_another() {
    let hosts = |last: &str| {
        build(
            echo()
                .host("^a$", |routes| routes.get("^x$", Echo("a")))
                .host(last, |routes| routes.route("^x", Echo("b")))
                .get("^x$", Echo("c")),
        )
    };
    assert_eq!(
        told(&hosts("(?s)^.*$")),
        ["`GET ^x$` never wins: `GET a/x` goes to `GET ^x$`, `GET x/x` goes to `* ^x`"]
    );
    assert_eq!(told(&hosts("^b$")), [""; 0]);
}

#[test]
fn the_table_says_what_is_shadowed_and_what_is_open() {
    let router = build(
        echo()
            .get("^[a-z]+$", Echo("a"))
            .get("^about$", Echo("b"))
            .get("^x", Echo("c")),
    );
    assert_eq!(
        router.to_string(),
        "GET  ^[a-z]+$\n\
         GET  ^about$   never wins: `GET /about` goes to `GET ^[a-z]+$`\n\
         GET  ^x        has no `$` and matches every longer path, too: `GET /x-x`\n"
    );
}

#[test]
fn hosts_stand_in_the_table_where_there_are_any() {
    let router = build(
        echo()
            .get("^$", Echo("a"))
            .host("example\\.com$", |routes| routes.get("^users$", Echo("b"))),
    );
    assert_eq!(
        router.to_string(),
        "GET                 ^$\n\
         GET  example\\.com$  ^users$  has no `^` or no `$` and matches other hosts, too: `GET notexample.com/`\n"
    );
}

#[test]
fn warnings_are_told_of_routes_and_hosts_with_examples() {
    let warnings = |routes: RouterBuilder<Echo>| {
        let router = build(routes);
        let told = router.warnings().iter().map(ToString::to_string);
        told.collect::<Vec<_>>()
    };
    for (routes, expected) in [
        (
            echo().get(r"^about\b", Echo("a")),
            r"`GET ^about\b` has no `$` and matches every longer path, too: `GET /about-x`",
        ),
        (
            echo().host(r"^example\.com", |routes| routes.get("^$", Echo("a"))),
            r"the host `^example\.com` has no `^` or no `$` and matches other hosts, too: `GET example.com.example/`",
        ),
        (
            echo().host("^a$", |routes| routes.post("^b", Echo("a"))),
            "`POST ^b` has no `$` and matches every longer path, too: `POST a/b-x`",
        ),
    ] {
        assert_eq!(warnings(routes), [expected]);
    }
    for routes in [
        echo().get("^a$", Echo("a")).get("^b/.*", Echo("b")),
        echo().host(r"^admin\.", |routes| routes.get("^$", Echo("a"))),
        echo().host(r"^.+\.example\.com$", |routes| routes.get("^$", Echo("a"))),
    ] {
        assert_eq!(warnings(routes), [""; 0]);
    }
}

/// Says which rule it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Route(usize),
    Mount(usize),
}

impl Service<Request<()>> for Mark {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let mut response = Response::new(String::new());
        response.extensions_mut().insert(*self);
        std::future::ready(Ok(response))
    }
}

fn winner(router: &Router<Mark>, request: Request<()>) -> Option<Mark> {
    let call = std::pin::pin!(router.clone().call(request));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.extensions().get().copied(),
        Poll::Pending => None,
    }
}

/// A rule as it is written: its host, its method, its pattern or prefix.
type Line = (usize, usize, usize);

const HOSTS: [&str; 4] = ["^a$", "^[ab]$", "b", "(?s)^.*$"];
const PATTERNS: [&str; 13] = [
    "^$",
    "^a$",
    "^b$",
    "^[ab]$",
    "^a/",
    "^a/b$",
    "(?s)^a/.*$",
    "^(?:a|b)/?$",
    "(?s)^.+$",
    "b$",
    r"^[ab./]*$",
    r"^\.a$",
    "^b/(?:a|b)$",
];
const PREFIXES: [&str; 4] = ["/a", "/a/b", "/b", "/"];

fn methods(method: usize) -> Vec<Method> {
    match method {
        0 => vec![],
        1 => vec![Method::GET],
        2 => vec![Method::HEAD],
        3 => vec![Method::POST],
        _ => vec![Method::GET, Method::POST],
    }
}

#[derive(Clone, Debug)]
struct Site {
    routes: Vec<Line>,
    mounts: Vec<(usize, usize)>,
    leading: LeadingSlash,
    decode: bool,
    raw: bool,
}

impl Site {
    fn settings(&self) -> RouterBuilder<Mark> {
        let builder = Router::builder().leading_slash(self.leading);
        let builder = if self.decode {
            builder.encoded_slashes(EncodedSlashes::Decode)
        } else {
            builder
        };
        if self.raw {
            builder.raw_paths()
        } else {
            builder
        }
    }

    fn pattern(&self, pattern: usize) -> String {
        let pattern = PATTERNS[pattern];
        match self.leading {
            LeadingSlash::Keep => pattern.replacen('^', "^/", 1),
            _ => pattern.to_owned(),
        }
    }

    fn route(&self, builder: RouterBuilder<Mark>, index: usize) -> RouterBuilder<Mark> {
        let (host, method, pattern) = self.routes[index];
        let add = |builder: RouterBuilder<Mark>| {
            builder.methods(methods(method), self.pattern(pattern), Mark::Route(index))
        };
        match host.checked_sub(1) {
            Some(host) => builder.host(HOSTS[host], add),
            None => add(builder),
        }
    }

    fn mount(&self, builder: RouterBuilder<Mark>, index: usize) -> RouterBuilder<Mark> {
        let (host, prefix) = self.mounts[index];
        let add =
            |builder: RouterBuilder<Mark>| builder.mount(PREFIXES[prefix], Mark::Mount(index));
        match host.checked_sub(1) {
            Some(host) => builder.host(HOSTS[host], add),
            None => add(builder),
        }
    }

    fn build(&self) -> Router<Mark> {
        let routes = 0..self.routes.len();
        let builder = routes.fold(self.settings(), |builder, index| self.route(builder, index));
        let mounts = 0..self.mounts.len();
        let builder = mounts.fold(builder, |builder, index| self.mount(builder, index));
        builder.build().unwrap()
    }
}

/// Short requests of all kinds.
fn requests() -> impl Iterator<Item = Request<()>> {
    let mut paths = vec![String::from("/")];
    let mut from = 0;
    while paths.len() < 400 {
        for c in ["a", "b", "/", ".", "x"] {
            paths.push(format!("{}{c}", paths[from]));
        }
        from += 1;
    }
    let more = [
        "/%2Fa",
        "/a%2Fb",
        "/a%2F",
        "/b%2Fa",
        "/%2Eb",
        "/a%2F%2Fb",
        "//a/b",
    ];
    paths.extend(more.map(String::from));
    let hosts = ["", "a", "b", "ab", "x"];
    let methods = ["GET", "HEAD", "POST", "OTHER"];
    paths.into_iter().flat_map(move |path| {
        let path: http::Uri = path.parse().unwrap();
        hosts.into_iter().flat_map(move |host| {
            let path = path.clone();
            methods.into_iter().map(move |method| {
                let request = Request::builder().method(method).uri(path.clone());
                let request = match host {
                    "" => request,
                    host => request.header("host", host),
                };
                request.body(()).unwrap()
            })
        })
    })
}

fn site() -> impl Strategy<Value = Site> {
    let route = (0..=HOSTS.len(), 0..5_usize, 0..PATTERNS.len());
    let mount = (0..=HOSTS.len(), 0..PREFIXES.len());
    let leading = prop_oneof![
        3 => Just(LeadingSlash::StripOne),
        1 => Just(LeadingSlash::StripAll),
        1 => Just(LeadingSlash::Keep),
    ];
    let routes = proptest::collection::vec(route, 1..7);
    let mounts = proptest::collection::vec(mount, 0..3);
    let flag = || proptest::bool::weighted(0.2);
    (routes, mounts, leading, flag(), flag()).prop_map(|(routes, mounts, leading, decode, raw)| {
        Site {
            routes,
            mounts,
            leading,
            decode,
            raw,
        }
    })
}

/// Fewer while one works on the code.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn an_example_goes_where_it_is_said_to_go_and_both_rules_match_it(site in site()) {
        let router = site.build();
        for told in router.shadowed() {
            prop_assert!(!told.by.is_empty());
            for taker in &told.by {
                let request = taker.example.to_request();
                let won = winner(&router, request.clone());
                let meant = match taker.rule {
                    Rule::Route { index, .. } => Some(Mark::Route(index)),
                    Rule::Mount { index, .. } => Some(Mark::Mount(index)),
                    _ => None,
                };
                prop_assert!(meant.is_none() || meant == won, "{told}: {won:?}");
                let (alone, own) = match told.rule {
                    Rule::Route { index, .. } => {
                        (site.route(site.settings(), index), Mark::Route(index))
                    }
                    Rule::Mount { index, .. } => {
                        (site.mount(site.settings(), index), Mark::Mount(index))
                    }
                    _ => continue,
                };
                prop_assert_eq!(winner(&alone.build().unwrap(), request), Some(own), "{}", told);
            }
        }
    }

    #[test]
    fn what_is_told_is_what_wins_for_no_request(site in site()) {
        let router = site.build();
        let won: Vec<Mark> = requests().filter_map(|request| winner(&router, request)).collect();
        let hosts: Vec<&str> = router.hosts().collect();
        let host_told: Vec<&str> = router.shadowed().iter().filter_map(|told| match &told.rule {
            Rule::Host { pattern, .. } => Some(pattern.as_str()),
            _ => None,
        }).collect();
        prop_assert!(host_told.iter().all(|host| hosts.contains(host)));
        let is_told = |mark: Mark, host: usize| {
            let of_host = host.checked_sub(1).is_some_and(|host| host_told.contains(&HOSTS[host]));
            of_host || router.shadowed().iter().any(|told| match told.rule {
                Rule::Route { index, .. } => mark == Mark::Route(index),
                Rule::Mount { index, .. } => mark == Mark::Mount(index),
                _ => false,
            })
        };
        for (index, (host, ..)) in site.routes.iter().enumerate() {
            let (mark, wins) = (Mark::Route(index), won.contains(&Mark::Route(index)));
            prop_assert!(!(wins && is_told(mark, *host)), "{mark:?} wins\n{router}");
            // What a mount takes depends on the spelling here, so not all is told.
            if !site.decode && !site.raw && site.leading == LeadingSlash::StripOne {
                prop_assert!(wins || is_told(mark, *host), "{mark:?} is missing\n{router}");
            }
        }
        for (index, (host, _)) in site.mounts.iter().enumerate() {
            let (mark, wins) = (Mark::Mount(index), won.contains(&Mark::Mount(index)));
            prop_assert!(!(wins && is_told(mark, *host)), "{mark:?} wins\n{router}");
            prop_assert!(wins || is_told(mark, *host), "{mark:?} is missing\n{router}");
        }
    }
}
