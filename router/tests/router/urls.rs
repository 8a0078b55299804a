//! URLs of named routes, wherever the router is mounted.

use std::convert::Infallible;

use gateway_core::request::Arrival;
use gateway_core::testing::Client;
use gateway_core::{Body, Environ, Reply, RequestExt};
use http::{Request, Response};
use router::service::RequestUrls;
use router::{BoxRouter, IntoPattern, RequestUrlArgs, Router, UrlForError, UrlMap, template};
use tower::{Service, ServiceExt, service_fn};

use crate::{Echo, build, echo, futures_executor};

/// Tells where it is, and makes a URL.
fn tell(request: &Request<Body>) -> String {
    let args = request.url_args().unwrap();
    format!(
        "pattern={} name={} script={} url={}",
        args.pattern(),
        args.route_name().unwrap_or("-"),
        request.raw_script_name(),
        args.urls()
            .url_for("page", [("id", 7)])
            .unwrap_or_else(|error| error.to_string()),
    )
}

fn telling_own()
-> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(async |request: Request<Body>| {
        let args = request.url_args().unwrap();
        let urls = ["own", "top"].map(|word| args.url_for("own", [word]));
        let texts = urls.map(|url| url.unwrap_or_else(|error| error.to_string()));
        Ok::<_, Infallible>(Response::new(Body::from(texts.join("; "))))
    })
}

fn telling()
-> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from(tell(&request))))
    })
}

#[test]
fn nested_routers_report_the_whole_pattern_and_make_whole_urls() {
    let inner: BoxRouter = BoxRouter::builder()
        .get("^page/(?<id>[0-9]+)$".named("page"), telling())
        .get(template("t/{x}"), telling())
        .build()
        .unwrap();
    let middle: BoxRouter = BoxRouter::builder()
        .mount("/wiki", inner.clone())
        .get("^top$".named("top"), telling())
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/site", middle)
        .mount("/wiki", inner.clone())
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    client
        .get("/wiki/page/3")
        .send()
        .assert_text("pattern=/wiki/page/(?<id>[0-9]+)$ name=page script=/wiki url=/wiki/page/7");
    client
        .get("/site/w%69ki/page/3")
        .send()
        .assert_text("pattern=/site/wiki/page/(?<id>[0-9]+)$ name=page script=/site/w%69ki url=/site/wiki/page/7");
    client
        .get("/site/wiki/t/1")
        .send()
        .assert_text("pattern=/site/wiki/t/{x} name=- script=/site/wiki url=/site/wiki/page/7");
    client
        .get("/site/top")
        .send()
        .assert_text("pattern=/site/top$ name=top script=/site url=no route is named `page`");
    Client::of_service(inner)
        .get("/page/3")
        .send()
        .assert_text("pattern=^page/(?<id>[0-9]+)$ name=page script= url=/page/7");
}

#[test]
fn names_of_outer_routers_are_found_from_inner_ones() {
    let url = service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from(
            request.url_args().unwrap().url_for("home", ()).unwrap(),
        )))
    });
    let inner: BoxRouter = BoxRouter::builder().get("^x$", url).build().unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/in", inner)
        .get("^home$".named("home"), Echo("x"))
        .build()
        .unwrap();
    let all: BoxRouter = BoxRouter::builder().mount("/all", outer).build().unwrap();
    Client::of_service(all)
        .get("/all/in/x")
        .send()
        .assert_text("/all/home");
}

#[test]
fn urls_are_whole_below_a_recorded_prefix_and_behind_a_stripping_proxy() {
    let router: BoxRouter = BoxRouter::builder()
        .get("^page/(?<id>[0-9]+)$".named("page"), telling())
        .build()
        .unwrap();
    let mut request = Request::get("/page/1").body(Body::empty()).unwrap();
    let recorded = gateway_core::paths::ScriptName::below("/shop", request.uri()).unwrap();
    request
        .extensions_mut()
        .insert(Arrival::default().with_script_name(recorded));
    let response = futures_executor(router.oneshot(request)).unwrap();
    let text = response
        .into_body()
        .into_inner()
        .unwrap()
        .into_bytes()
        .unwrap();
    assert_eq!(
        text,
        "pattern=^page/(?<id>[0-9]+)$ name=page script=/shop url=/shop/page/7"
    );
    let router = build(
        echo()
            .external_prefix("/behind/")
            .get("^page/(?<id>[0-9]+)$".named("page"), Echo("x")),
    );
    assert_eq!(router.url_for("page", [1]).unwrap(), "/behind/page/1");
    assert!(echo().external_prefix("//evil").build().is_err());
}

#[test]
fn the_prefix_of_a_stripping_proxy_is_in_front_of_the_urls_of_nested_routers_too() {
    let url = service_fn(async |request: Request<Body>| {
        let args = request.url_args().unwrap();
        let urls = ["page", "home"].map(|name| args.url_for(name, ()).unwrap());
        Ok::<_, Infallible>(Response::new(Body::from(urls.join(" "))))
    });
    let inner: BoxRouter = BoxRouter::builder()
        .external_prefix("/never")
        .get("^page$".named("page"), url)
        .build()
        .unwrap();
    let middle: BoxRouter = BoxRouter::builder().mount("/b", inner).build().unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .external_prefix("/behind")
        .mount("/a", middle)
        .get("^$".named("home"), Echo("x"))
        .build()
        .unwrap();
    Client::of_service(outer)
        .get("/a/b/page")
        .send()
        .assert_text("/behind/a/b/page /behind/");
}

#[test]
fn url_for_is_ascii_even_if_the_client_spells_the_mount_otherwise() {
    let url = service_fn(async |request: Request<Body>| {
        let url = request.url_args().unwrap().url_for("x", ()).unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(url)))
    });
    let inner: BoxRouter = BoxRouter::builder()
        .get("^x$".named("x"), url)
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .external_prefix("/ä")
        .mount("/é", inner)
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    for path in ["/é/x", "/%C3%A9/x"] {
        client.get(path).send().assert_text("/%C3%A4/%C3%A9/x");
    }
    let router = build(
        echo()
            .external_prefix("/ä")
            .get("^x$".named("x"), Echo("x")),
    );
    assert_eq!(router.url_for("x", ()).unwrap(), "/%C3%A4/x");
}

#[test]
fn url_for_never_names_another_host() {
    let router = build(echo().get("^(.*)$".named("any"), Echo("x")));
    assert!(router.url_for("any", ["/evil.example"]).is_err());
    assert_eq!(router.url_for("any", ["a//b"]).unwrap(), "/a//b");
    assert_eq!(router.url_for("any", [""]).unwrap(), "/");
}

#[test]
fn url_for_goes_by_the_methods_of_the_route() {
    let router = build(
        echo()
            .get("^a/.*$", Echo("get"))
            .post("^a/b$".named("post"), Echo("post"))
            .get("^a/c$".named("lost"), Echo("x")),
    );
    assert_eq!(router.url_for("post", ()).unwrap(), "/a/b");
    assert!(
        router
            .url_for("lost", ())
            .unwrap_err()
            .to_string()
            .contains("would be taken by `^a/.*$`")
    );
}

fn error_of(url: Result<String, UrlForError>) -> String {
    url.unwrap_err().to_string()
}

#[test]
fn a_url_that_a_mount_would_take_is_not_made() {
    let router = build(
        echo()
            .mount("/static", Echo("mount"))
            .get("^(.+)/([^/]+)$".named("file"), Echo("route")),
    );
    assert_eq!(router.url_for("file", ["a", "b"]).unwrap(), "/a/b");
    assert_eq!(
        error_of(router.url_for("file", ["static", "b"])),
        "`/static/b` would be taken by the mount `/static`"
    );
    // Nor one that a mount of the router outside takes.
    let inner: BoxRouter = BoxRouter::builder()
        .get(
            "^(.+)$".named("page"),
            service_fn(async |request: Request<Body>| {
                let args = request.url_args().unwrap();
                let urls = [
                    args.url_for("page", ["x"]),
                    args.url_for("page", ["deeper/x"]),
                ];
                let texts = urls.map(|url| url.unwrap_or_else(|error| error.to_string()));
                Ok::<_, Infallible>(Response::new(Body::from(texts.join("; "))))
            }),
        )
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/wiki/deeper", Echo("deeper"))
        .mount("/wiki", inner)
        .build()
        .unwrap();
    Client::of_service(outer)
        .get("/wiki/here")
        .send()
        .assert_text("/wiki/x; `/wiki/deeper/x` would be taken by the mount `/wiki/deeper`");
}

#[test]
fn a_url_for_a_route_of_other_hosts_is_not_made() {
    let telling = || {
        service_fn(async |request: Request<Body>| {
            let args = request.url_args().unwrap();
            let urls = ["admin", "open", "both"].map(|name| {
                args.url_for(name, ())
                    .unwrap_or_else(|error| error.to_string())
            });
            Ok::<_, Infallible>(Response::new(Body::from(urls.join("; "))))
        })
    };
    let router: BoxRouter = BoxRouter::builder()
        .host(r"^admin\.", |routes| {
            routes
                .get("^secret$".named("admin"), telling())
                .get("^both$", telling())
        })
        .get("^open$".named("open"), telling())
        .get("^both$".named("both"), telling())
        .build()
        .unwrap();
    assert_eq!(
        error_of(router.url_for("admin", ())),
        r"`^secret$` is a route for the hosts of `^admin\.` alone"
    );
    assert_eq!(
        router
            .url_for_host("Admin.example:80", "admin", ())
            .unwrap(),
        "/secret"
    );
    assert_eq!(router.url_for("both", ()).unwrap(), "/both");
    assert!(router.url_for_host("admin.x", "both", ()).is_err());
    let client = Client::of_service(router);
    let at = |host: &str, path: &str| {
        let reply = client.get(path).header("host", host).send();
        reply.text()
    };
    assert_eq!(
        at("admin.x", "/secret"),
        "/secret; /open; `both`, made from `^both$`, would be taken by `^both$`"
    );
    assert_eq!(
        at("www.x", "/both"),
        r"`^secret$` is a route for the hosts of `^admin\.` alone; /open; /both"
    );
}

#[test]
fn a_colon_is_written_as_it_is_behind_a_slash() {
    for raw in [false, true] {
        let builder = if raw { echo().raw_paths() } else { echo() };
        let router = build(builder.get("^(.+)$".named("page"), Echo("x")));
        assert_eq!(
            router.url_for("page", ["Talk:Main"]).unwrap(),
            "/Talk:Main",
            "{raw}"
        );
    }
    // By itself it would end a scheme.
    let map = UrlMap::builder()
        .route("^(.+)$".named("page"), ())
        .build()
        .unwrap();
    assert_eq!(map.url_for("page", ["Talk:Main"]).unwrap(), "Talk%3AMain");
}

#[test]
fn a_fallback_knows_where_it_is_and_makes_urls() {
    let site = || {
        BoxRouter::builder()
            .get("^page/(?<id>[0-9]+)$".named("page"), telling())
            .fallback(telling())
            .build()
            .unwrap()
    };
    let alone: BoxRouter = site();
    Client::of_service(alone)
        .get("/none")
        .send()
        .assert_text("pattern= name=- script= url=/page/7");
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/in", site())
        .get("^outer/(?<id>[0-9]+)$".named("page"), telling())
        .build()
        .unwrap();
    Client::of_service(outer)
        .get("/in/none")
        .send()
        .assert_text("pattern=/in name=- script=/in url=/in/page/7");
    let application = Router::<fn(&mut Environ) -> Reply>::builder()
        .get("^home$".named("home"), |_| Reply::text(""))
        .fallback(|environ| {
            let args = environ.url_args().unwrap();
            Reply::text(format!(
                "{} {}",
                args.len(),
                args.url_for("home", ()).unwrap()
            ))
        })
        .build()
        .unwrap();
    Client::new(application)
        .get("/none")
        .send()
        .assert_text("0 /home");
}

#[test]
fn a_router_behind_the_routes_of_another_knows_the_names_of_that() {
    let inner: BoxRouter = BoxRouter::builder()
        .get("^inner$", telling())
        .get("^(top|own)$".named("own"), telling_own())
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .mount("/m", Echo("mount"))
        .get("^page/(?<id>[0-9]+)$".named("page"), telling())
        .get("^top$", telling())
        .fallback(inner)
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    client
        .get("/inner")
        .send()
        .assert_text("pattern=^inner$ name=- script= url=/page/7");
    client.get("/own").send().assert_text(
        "/own; `/top`, made from `own`, would be taken by `a route of the router outside`",
    );
}

#[test]
fn a_relative_url_leads_to_the_same_place_behind_a_proxy_that_strips_a_prefix() {
    let tell = service_fn(async |request: Request<Body>| {
        let url = |name: &str| request.relative_url_for(name, ()).unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(
            [url("here"), url("top")].join(" "),
        )))
    });
    let inner: BoxRouter = BoxRouter::builder()
        .get("^$", tell)
        .get("^a/(.*)$", tell)
        .get("^here/$".named("here"), tell)
        .build()
        .unwrap();
    // What the proxy strips is in front of every URL, but of no relative one.
    let outer: BoxRouter = BoxRouter::builder()
        .external_prefix("/stripped")
        .get("^$".named("top"), Echo("x"))
        .mount("/wiki", inner)
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    for page in ["/wiki", "/wiki/", "/wiki/here/", "/wiki/a/b/c?q=/"] {
        let told = client.get(page).send().text();
        let full = format!("http://proxy.example/stripped{page}");
        for (reference, target) in told.split(' ').zip(["/stripped/wiki/here/", "/stripped/"]) {
            assert_eq!(resolve(&full, reference), target, "{page}: {told}");
        }
    }
}

/// RFC 3986, section 5.2, for a reference that is a relative path.
fn resolve(base: &str, reference: &str) -> String {
    let base: http::Uri = base.parse().unwrap();
    let (directory, _) = base.path().rsplit_once('/').unwrap();
    let mut segments: Vec<&str> = directory.split('/').skip(1).collect();
    let mut parts = reference.split('/').peekable();
    let mut last = "";
    while let Some(part) = parts.next() {
        let ends = parts.peek().is_none();
        match part {
            "." | "" => {}
            ".." => {
                segments.pop();
            }
            part if ends => last = part,
            part => segments.push(part),
        }
    }
    segments.push(last);
    format!("/{}", segments.join("/"))
}

#[test]
fn an_absolute_url_has_the_scheme_and_the_host_of_the_request() {
    let tell = service_fn(async |request: Request<Body>| {
        let url = request.absolute_url_for("here", ()).unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(url)))
    });
    let inner: BoxRouter = BoxRouter::builder()
        .get("^here/$".named("here"), tell)
        .build()
        .unwrap();
    let outer: BoxRouter = BoxRouter::builder()
        .external_prefix("/stripped")
        .mount("/wiki", inner)
        .build()
        .unwrap();
    let client = Client::of_service(outer);
    let answer = client
        .get("/wiki/here/")
        .header("host", "shop.example:8080");
    answer
        .send()
        .assert_text("http://shop.example:8080/stripped/wiki/here/");
}
