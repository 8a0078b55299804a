//! The gates: who is shown details, who is told why not, and what production never says.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use gateway_core::request::{Addr, ConnInfo};
use http::{Method, Request, StatusCode, Version, request::Builder};
use middleware_exceptions::{ExceptionsLayer, Format, Rendered};
use support::{Log, Never, Taken, ask_for, handler, layer};

fn from(peer: impl Into<Addr>) -> Builder {
    Request::get("/orders/7?id=1&token=hunter2")
        .header("host", "localhost:8080")
        .extension(ConnInfo::new(peer, Addr::Unknown))
}

/// The end of a client in this very process, connected for as long as the process runs: to whom it belongs is one of
/// the facts.
fn client_at(ip: &str) -> SocketAddr {
    let ip: IpAddr = ip.parse().unwrap();
    let listener = TcpListener::bind((ip.to_canonical(), 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = client.local_addr().unwrap().port();
    std::mem::forget((listener, client));
    SocketAddr::new(ip, port)
}

fn loopback() -> SocketAddr {
    static CLIENT: std::sync::OnceLock<SocketAddr> = std::sync::OnceLock::new();
    *CLIENT.get_or_init(|| client_at("127.0.0.1"))
}

/// A name and a message that must not get out.
#[inline(never)]
fn tell_tale() {
    panic!("the password is hunter2")
}

async fn failing(layer: &ExceptionsLayer, request: Builder) -> Taken {
    let service = handler(async |_| -> Never {
        tell_tale();
        Ok(support::ok("ok"))
    });
    ask_for(layer, service, request).await
}

#[track_caller]
fn assert_shown(taken: &Taken) {
    taken.assert_clean_500();
    assert!(taken.text.contains("in tell_tale"), "{}", taken.text);
}

#[track_caller]
fn assert_withheld(taken: &Taken, why: &str) {
    taken.assert_clean_500();
    for secret in ["tell_tale", "hunter2", "who_sees_what.rs", "password"] {
        assert!(!taken.text.contains(secret), "{secret} in {}", taken.text);
    }
    assert!(taken.text.contains(why), "{why} is not in {}", taken.text);
}

fn development() -> ExceptionsLayer {
    // These tests run in release builds, too.
    layer().development_in_release()
}

#[tokio::test]
async fn details_are_for_loopback_peers() {
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let ips = ["127.0.0.1", "::ffff:127.0.0.1", "::1"];
    for ip in ips.into_iter().take(if has_ipv6 { 3 } else { 2 }) {
        assert_shown(&failing(&development(), from(client_at(ip))).await);
    }
    for peer in ["192.168.1.7:1", "8.8.8.8:1", "[2001:db8::1]:1", "0.0.0.0:1"] {
        let peer: SocketAddr = peer.parse().unwrap();
        let taken = failing(&development(), from(peer)).await;
        assert_withheld(&taken, &format!(".trust_peers(\"{}/", peer.ip()));
    }
}

#[tokio::test]
async fn details_are_withheld_where_nobody_knows_the_peer() {
    // Where not even this is said, the sockets of the process count: see `plain_axum.rs`.
    let taken = failing(&development(), from(Addr::Unknown)).await;
    assert_withheld(&taken, "into_make_service_with_connect_info");
    assert_withheld(
        &failing(&development(), from(Addr::Unix(None))).await,
        "Unix socket",
    );
    let proxied = ConnInfo::new(loopback(), Addr::Unknown).on_behalf_of(loopback());
    let request = Request::get("/")
        .header("host", "localhost")
        .extension(proxied);
    assert_withheld(
        &failing(&development(), request).await,
        "a proxy layer named the client",
    );
}

#[tokio::test]
async fn details_are_for_a_loopback_host() {
    for host in ["localhost", "127.0.0.1:80", "[::1]:8080", "app.localhost"] {
        let request = Request::get("/").header("host", host);
        let request = request.extension(ConnInfo::new(loopback(), Addr::Unknown));
        assert_shown(&failing(&development(), request).await);
    }
    // A name that was made to point here; ours, as a proxy passes it on.
    for host in ["evil.example", "localhost.evil.example", "192.168.1.5", ""] {
        let request = Request::get("/").header("host", host);
        let request = request.extension(ConnInfo::new(loopback(), Addr::Unknown));
        assert_withheld(&failing(&development(), request).await, "Host");
    }
    let without = Request::get("/").extension(ConnInfo::new(loopback(), Addr::Unknown));
    assert_withheld(&failing(&development(), without).await, "Host");
    // HTTP/2 has the authority in the URI.
    let two = Request::get("http://localhost:8080/").version(Version::HTTP_2);
    let two = two.extension(ConnInfo::new(loopback(), Addr::Unknown));
    assert_shown(&failing(&development(), two).await);
}

#[tokio::test]
async fn details_are_withheld_behind_a_proxy() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "via",
        "x-forwarded-anything",
    ] {
        let request = from(loopback()).header(name, "127.0.0.1");
        assert_withheld(&failing(&development(), request).await, "through a proxy");
    }
    // A bare `proxy_pass`: nothing gives it away but its version.
    let old = from(loopback()).version(Version::HTTP_10);
    assert_withheld(&failing(&development(), old).await, "HTTP/1.0");
}

/// To which user it belongs is a matter of `gateway_core::developer`, and of tests with real proxies.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn details_are_withheld_where_no_socket_is_the_clients_end() {
    let peer = loopback();
    // Our own end, where it is known, has to agree.
    let elsewhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let request = Request::get("/").header("host", "localhost");
    let request = request.extension(ConnInfo::new(peer, elsewhere));
    assert_withheld(
        &failing(&development(), request).await,
        "no socket of this machine",
    );
    // A peer that is trusted may be anywhere, and so may its sockets.
    let layer = development().trust_peers("127.0.0.0/8".parse().unwrap());
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    assert_withheld(
        &failing(&development(), from(nowhere)).await,
        "no socket of this machine",
    );
    assert_shown(&failing(&layer, from(nowhere)).await);
}

#[tokio::test]
async fn details_are_withheld_from_pages_of_other_sites() {
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = from(loopback()).header(name, value);
        assert_withheld(&failing(&development(), request).await, "another site");
    }
    let own = from(loopback()).header("origin", "http://localhost:8080");
    assert_shown(&failing(&development(), own).await);
}

#[tokio::test]
async fn x_forwarded_for_is_not_a_peer() {
    let far: SocketAddr = "8.8.8.8:1".parse().unwrap();
    let request = from(far).header("x-forwarded-for", "127.0.0.1");
    assert_withheld(&failing(&development(), request).await, "8.8.8.8");
}

#[tokio::test]
async fn trusted_peers_are_named() {
    let layer = development().trust_peers("192.168.1.0/24".parse().unwrap());
    let near: SocketAddr = "192.168.1.7:1".parse().unwrap();
    for host in ["192.168.1.5:8080", "localhost"] {
        let request = Request::get("/").header("host", host);
        let request = request.extension(ConnInfo::new(near, Addr::Unknown));
        assert_shown(&failing(&layer, request).await);
    }
    let rebound = Request::get("/").header("host", "evil.example");
    let rebound = rebound.extension(ConnInfo::new(near, Addr::Unknown));
    assert_withheld(&failing(&layer, rebound).await, "Host");
    let proxied = from(near).header("x-forwarded-for", "192.168.1.7");
    assert_withheld(&failing(&layer, proxied).await, "through a proxy");
    let far: SocketAddr = "192.168.2.7:1".parse().unwrap();
    assert_withheld(&failing(&layer, from(far)).await, "192.168.2.7");
}

#[tokio::test]
async fn the_peer_comes_from_a_closure_too() {
    let layer = development().peer_from(|parts| {
        let header = parts.headers.get("x-test-peer")?;
        header.to_str().ok()?.parse().ok()
    });
    let request = |peer: &str| {
        Request::get("/")
            .header("host", "localhost")
            .header("x-test-peer", peer)
    };
    // The connection's own address has a port, and so a socket.
    let known = request("127.0.0.1").extension(ConnInfo::new(loopback(), Addr::Unknown));
    assert_shown(&failing(&layer, known).await);
    if cfg!(target_os = "linux") {
        let unknown = failing(&layer, request("127.0.0.1")).await;
        assert_withheld(&unknown, "no socket of this machine");
    }
    let trusting = layer.clone().trust_peers("127.0.0.1/32".parse().unwrap());
    assert_shown(&failing(&trusting, request("127.0.0.1")).await);
    assert_withheld(&failing(&layer, request("8.8.8.8")).await, "8.8.8.8");
    let panicking = development().peer_from(|_| panic!("no peer"));
    assert_withheld(
        &failing(&panicking, request("127.0.0.1")).await,
        "not known who is asking",
    );
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_peer_comes_from_axum_where_the_program_says_so() {
    use http_body_util::{BodyExt, Empty};
    use tower::{Layer, ServiceExt};

    let request = || {
        let info = axum::extract::ConnectInfo(loopback());
        Request::get("/")
            .header("host", "localhost")
            .extension(info)
    };
    let service = handler(async |_| -> Never {
        tell_tale();
        Ok(support::ok("ok"))
    });
    let told = middleware_exceptions::FromAxumLayer::new().layer(development().layer(service));
    let empty = Empty::new().map_err(Into::into).boxed_unsync();
    let Ok(response) = told.oneshot(request().body(empty).unwrap()).await;
    assert_shown(&support::take(response).await);
}

#[tokio::test]
async fn a_closure_may_replace_all_gates() {
    let layer = layer().show_details_if(|parts| parts.headers.contains_key("x-staff"));
    let far = || Request::get("/").header("x-forwarded-for", "8.8.8.8");
    assert_shown(&failing(&layer, far().header("x-staff", "1")).await);
    assert_withheld(&failing(&layer, far()).await, "show_details_if");
    let panicking = support::layer().show_details_if(|_| panic!("who knows"));
    assert_withheld(&failing(&panicking, far()).await, "show_details_if");
}

#[tokio::test]
async fn development_is_for_debug_builds() {
    let taken = failing(&layer().development(), from(loopback())).await;
    if cfg!(debug_assertions) {
        assert_shown(&taken);
    } else {
        assert_withheld(&taken, ".development_in_release()");
    }
}

#[tokio::test]
async fn all_production_bodies_are_of_one_length_with_the_same_header_names() {
    let log = Log::new();
    let layer = layer();
    let mut seen = std::collections::BTreeSet::new();
    let mut ids = Vec::new();
    for accept in ["text/html", "application/json", "*/*"] {
        let request = || Request::get("/").header("accept", accept);
        let short = handler(async |_| -> Never { panic!("x") });
        let long = handler(async |_| -> Never { panic!("{}", "x".repeat(100_000)) });
        let error = handler(async |_| {
            Err::<http::Response<support::Boxed>, gateway_core::BoxError>("no database".into())
        });
        for taken in [
            ask_for(&layer, short, request()).await,
            ask_for(&layer, long, request()).await,
            ask_for(&layer, error, request()).await,
            failing(&layer, from(loopback())).await,
        ] {
            assert_withheld(&taken, "Error ID");
            let names: Vec<_> = taken.headers.keys().map(ToString::to_string).collect();
            seen.insert((taken.text.len(), names));
            ids.push(taken.id());
        }
        let records = log.take();
        assert_eq!(records.len(), ids.len());
        assert!(
            records
                .iter()
                .zip(ids.drain(..))
                .all(|(record, id)| record.contains(&id))
        );
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn secrets_are_in_no_page_and_in_no_log() {
    const SECRET: &str = "hunter2";
    let log = Log::new();
    let mut texts = Vec::new();
    for accept in ["text/plain", "text/html", "application/json"] {
        let mut request = Request::post(format!("/a?token={SECRET}&api%5Fkey={SECRET}&q=1"))
            .header("host", "localhost")
            .header("accept", accept)
            .header(
                "referer",
                format!("http://user:{SECRET}@localhost/?session={SECRET}"),
            )
            .header(
                "x-context",
                format!(r#"{{"user": "bob", "password": "{SECRET}"}}"#),
            )
            .extension(ConnInfo::new(loopback(), Addr::Unknown));
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x-csrf-token",
            "x-session-id",
            "x-secret",
            "x-auth-request",
            "x-password",
            "x-pwd",
        ] {
            request = request.header(name, SECRET);
        }
        let service = handler(async |_| -> Never { panic!("boom") });
        let taken = ask_for(&development(), service, request).await;
        assert!(
            taken.text.contains("boom") && taken.text.contains("q=1"),
            "{}",
            taken.text
        );
        assert!(taken.text.contains("[redacted]"));
        texts.push(taken.text);
        texts.push(log.only().await);
    }
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
        for (name, value) in std::env::vars().filter(|(_, value)| value.len() > 24) {
            assert!(
                !text.contains(&value),
                "the environment's {name} is in {text}"
            );
        }
    }
}

#[tokio::test]
async fn accept_chooses_the_page() {
    let cases = [
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/html; charset=utf-8",
        ),
        ("application/problem+json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ];
    for (accept, content_type) in cases {
        let taken = failing(&development(), from(loopback()).header("accept", accept)).await;
        assert_eq!(taken.headers["content-type"], content_type, "{accept}");
        assert!(taken.text.contains("tell_tale"));
        if content_type.starts_with("text/html") {
            let policy = taken.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
            let (nonce, _) = nonce.split_once('\'').unwrap();
            assert_eq!(taken.text.matches("<script").count(), 1);
            assert!(taken.text.contains(&format!("<script nonce=\"{nonce}\">")));
            // What scrolls is reached by keyboard.
            for scroller in [
                "<pre class=\"source\" tabindex=\"0\"",
                "<pre id=\"as-text\" tabindex=\"0\"",
            ] {
                assert!(taken.text.contains(scroller), "{scroller}");
            }
            assert!(
                taken.text.contains("<h1>"),
                "a short message does not scroll"
            );
            for outside in [
                "src=", "@import", "url(", "<link", "<img", " onclick", "style=\"",
            ] {
                assert!(!taken.text.contains(outside), "{outside}");
            }
        }
        if content_type.ends_with("json") {
            let json: serde_json::Value = serde_json::from_str(&taken.text).unwrap();
            assert_eq!(json["status"], 500);
            assert_eq!(json["title"], "Internal Server Error");
            assert_eq!(json["detail"], "the password is hunter2");
            let last = json["traceback"].as_array().unwrap().last().unwrap();
            assert_eq!(last["function"], "tell_tale");
            assert_eq!(json["id"].as_str().unwrap().len(), 16);
        }
    }
}

#[tokio::test]
async fn everything_in_the_page_is_escaped() {
    const EVIL: &str = "<script>alert(1)</script>\"'&\u{1b}";
    let service = handler(async |_| -> Never { panic!("{}", std::hint::black_box(EVIL)) });
    for accept in ["text/html", "application/json"] {
        let request = from(loopback())
            .header("accept", accept)
            .header("x-evil", "<b>\"'&");
        let taken = ask_for(&development(), service.clone(), request).await;
        if accept == "text/html" {
            assert!(!taken.text.contains("<script>alert") && !taken.text.contains("<b>\""));
            assert!(
                taken
                    .text
                    .contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;")
            );
        } else {
            let json: serde_json::Value = serde_json::from_str(&taken.text).unwrap();
            assert_eq!(json["detail"], "<script>alert(1)</script>\"'&\\u{1b}");
        }
    }
}

#[tokio::test]
async fn editor_links_are_there_when_they_are_set() {
    let request = || from(loopback()).header("accept", "text/html");
    let layer = development().editor("vscode://file/{path}:{line}:{column}");
    let taken = failing(&layer, request()).await;
    assert!(
        taken.text.contains("href=\"vscode://file/"),
        "{}",
        taken.text
    );
    assert!(taken.text.contains("who_sees_what.rs:"));
    let taken = failing(&development().editor(""), request()).await;
    assert!(!taken.text.contains("href="));
}

#[tokio::test]
async fn your_own_renderer_sees_a_report_only_where_details_are_shown() {
    let layer = development().render_with(|page| {
        let text = match page.report() {
            Some(report) => format!("mine: {} Error ID: {}", report.message(), page.id()),
            None => format!("mine: sorry. Error ID: {}", page.id()),
        };
        assert_eq!(page.format(), Format::Text);
        Some(Rendered::new("text/x-mine", text))
    });
    let taken = failing(&layer, from(loopback())).await;
    taken.assert_clean_500();
    assert_eq!(taken.headers["content-type"], "text/x-mine");
    assert!(taken.text.starts_with("mine: the password"));
    let far: SocketAddr = "8.8.8.8:1".parse().unwrap();
    assert_withheld(&failing(&layer, from(far)).await, "mine: sorry");
}

#[tokio::test]
async fn only_5xx_are_failures() {
    #[derive(Debug)]
    struct Busy;
    impl std::fmt::Display for Busy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("busy")
        }
    }
    impl std::error::Error for Busy {}

    let log = Log::new();
    let layer = layer().map_status::<Busy>(|_| StatusCode::SERVICE_UNAVAILABLE);
    let ask = async |error: fn() -> gateway_core::BoxError| {
        let service = handler(move |_| async move {
            Err::<http::Response<support::Boxed>, gateway_core::BoxError>(error())
        });
        ask_for(&layer, service, from(loopback())).await
    };
    let taken = ask(|| Busy.into()).await;
    assert_eq!(taken.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(log.only().await.contains(&taken.id()));

    let taken = ask(|| gateway_core::Error::new(StatusCode::NOT_FOUND, "no order 7").into()).await;
    assert_eq!(
        (taken.status, taken.text.as_str()),
        (StatusCode::NOT_FOUND, "404 Not Found\n")
    );
    let taken = ask(|| gateway_core::Error::new(StatusCode::BAD_GATEWAY, "gone").into()).await;
    assert_eq!(taken.status, StatusCode::BAD_GATEWAY);
    assert!(
        log.only().await.contains("gone"),
        "and the 404 was not logged"
    );
    let taken = ask(|| gateway_core::Error::from(Busy).into()).await;
    assert_eq!(
        taken.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "found among the causes"
    );
    log.only().await;
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    for layer in [layer(), development()] {
        let get = failing(&layer, from(loopback())).await;
        let head = failing(&layer, from(loopback()).method(Method::HEAD)).await;
        assert_eq!(head.status, 500);
        assert_eq!(head.text, "");
        let length: usize = head.headers["content-length"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(
            length.abs_diff(get.text.len()) <= 4,
            "{length} {}",
            get.text.len()
        );
    }
}

#[tokio::test]
async fn a_traceback_is_appended_only_to_text_that_allows_it_and_only_when_asked() {
    use support::{Script, Step};
    let cases = [
        (true, "text/plain", None, true),
        (false, "text/plain", None, false),
        (true, "application/json", None, false),
        (true, "Text/Plain; charset=utf-8", None, true),
        // Its message would be markup, a rule, a script or a row there.
        (true, "text/html", None, false),
        (true, "text/css", None, false),
        (true, "text/javascript", None, false),
        (true, "text/csv", None, false),
        (true, "text/event-stream", None, false),
        (true, "text/plainer", None, false),
        (
            true,
            "text/plain",
            Some(("content-encoding", "gzip")),
            false,
        ),
        (true, "text/plain", Some(("content-length", "100")), false),
    ];
    for (append, content_type, header, appended) in cases {
        let layer = if append {
            development().append_to_text_bodies()
        } else {
            development()
        };
        let service = handler(move |_| async move {
            let body = Script::new([Step::Chunk("half"), Step::Pending, Step::Panic]);
            let mut response = http::Response::builder().header("content-type", content_type);
            if let Some((name, value)) = header {
                response = response.header(name, value);
            }
            Ok::<_, std::convert::Infallible>(response.body(body).unwrap())
        });
        let taken = ask_for(&layer, service, from(loopback())).await;
        assert!(taken.text.starts_with("half"));
        assert_eq!(
            taken.text.contains("boom in the body"),
            appended,
            "{content_type} {header:?}"
        );
        assert!(
            taken.error.is_some(),
            "and the client sees that it was cut all the same"
        );
        // Production never appends.
        let service = handler(async |_| {
            support::streaming(Script::new([
                Step::Chunk("half"),
                Step::Pending,
                Step::Panic,
            ]))
        });
        let production = support::layer().append_to_text_bodies();
        assert_eq!(
            ask_for(&production, service, from(loopback())).await.text,
            "half"
        );
    }
}

#[tokio::test]
async fn the_test_client_finds_the_report_of_a_500() {
    use tower::{Layer as _, ServiceExt as _};
    let service = layer().layer(handler(async |_| -> Never {
        tell_tale();
        Ok(support::ok("ok"))
    }));
    let body = http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(
        http_body_util::Empty::new(),
        |never: std::convert::Infallible| match never {},
    ));
    let Ok(response) = service.oneshot(Request::new(body)).await;
    let text = response
        .extensions()
        .get::<gateway_core::error::FailureText>()
        .unwrap()
        .to_string();
    assert!(
        text.contains("in tell_tale") && text.contains("Traceback"),
        "{text}"
    );
}

#[tokio::test]
async fn the_id_is_in_a_header_where_that_is_set_for_head_as_well() {
    let name = http::HeaderName::from_static("x-error-id");
    for layer in [layer(), development()] {
        let service = || handler(async |_| -> Never { panic!("boom") });
        let plain = ask_for(&layer, service(), from(loopback())).await;
        assert!(!plain.headers.contains_key(&name));
        let layer = layer.id_header(name.clone());
        let taken = ask_for(&layer, service(), from(loopback())).await;
        assert_eq!(taken.headers[&name], taken.id().as_str());
        let head = from(loopback()).method(Method::HEAD);
        let log = Log::new();
        let taken = ask_for(&layer, service(), head).await;
        assert_eq!(taken.text, "");
        let id = taken.headers[&name].to_str().unwrap();
        assert!(log.only().await.contains(&format!("id={id} ")));
    }
    // What is no failure has no id.
    let service = handler(async |_| {
        if false {
            return Ok(support::ok("ok"));
        }
        Err(gateway_core::BoxError::from(gateway_core::Error::new(
            StatusCode::NOT_FOUND,
            "no such order",
        )))
    });
    let layer = layer().id_header(name.clone());
    let taken = ask_for(&layer, service, from(loopback())).await;
    assert_eq!(taken.status, StatusCode::NOT_FOUND);
    assert!(!taken.headers.contains_key(&name));
}
