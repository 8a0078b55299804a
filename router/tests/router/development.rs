//! The page for what is not found, while a program is being written.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::task::Poll;

use gateway_core::request::{Addr, ConnInfo};
use gateway_core::{Application, Environ, Reply};
use http::Request;
use http::request::Builder;
use router::{IntoPattern, Router};
use tower::Service;

use crate::{Answer, Echo, ask_request, build, echo};

/// The end of a client in this very process, connected for as long as the process runs: to whom it belongs is one
/// of the facts.
fn client() -> SocketAddr {
    static CLIENT: OnceLock<SocketAddr> = OnceLock::new();
    *CLIENT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = client.local_addr().unwrap();
        std::mem::forget((listener, client));
        peer
    })
}

fn from(peer: SocketAddr) -> Builder {
    Request::get("/artcles/2007/?%3Cscript%3E").extension(ConnInfo::new(peer, Addr::Unknown))
}

fn articles() -> Router<Echo> {
    build(
        echo()
            .development_in_release()
            .get(r"^articles/(?<year>[0-9]{4})/$".named("article"), Echo("x"))
            .post("^orders/<$", Echo("x"))
            .mount("/static", Echo("x")),
    )
}

/// Questions of all routers wait in one queue: the test that fills it does so alone.
static QUEUE: RwLock<()> = RwLock::new(());

fn ask(router: &Router<Echo>, request: Builder) -> Answer {
    let _not_full = QUEUE.read().unwrap_or_else(PoisonError::into_inner);
    ask_request(router, request.body(()).unwrap())
}

#[test]
fn in_development_a_miss_lists_the_routes_and_the_nearest() {
    let request = from(client()).header("host", "localhost:8000");
    let answer = ask(&articles(), request);
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.text,
        "404 Not Found: GET /artcles/2007/\n\
         Routes are asked with: artcles/2007/\n\
         The nearest is: GET      ^articles/(?<year>[0-9]{4})/$  (article)\n\
         Tried in this order:\n\
         mount    /static/\n\
         GET      ^articles/(?<year>[0-9]{4})/$  (article)\n\
         POST     ^orders/<$\n\
         This page is shown to requests from this machine because of `.development()`.\n"
    );
    let request = from(client()).header("host", "[::1]:8000");
    let html = ask(&articles(), request.header("accept", "text/html,*/*")).text;
    assert!(html.starts_with("<!doctype html>"), "{html}");
    assert!(html.contains("^orders/&lt;$") && !html.contains("orders/<$"));
}

/// The rule is `gateway_core::developer`'s, with a table of cases of its own; these were shown once.
#[test]
fn the_routes_are_shown_to_no_one_but_this_machine() {
    let far = "192.0.2.1:5000".parse().unwrap();
    let near = || from(client()).header("host", "localhost");
    let hidden = [
        from(far).header("host", "localhost"),
        from(client()),
        from(client()).header("host", "public.example"),
        from(client()).header("host", "localhost.evil.example"),
        from(client()).header("host", "[::1]evil.example"),
        from(client()).header("host", "localhost:x@evil.example"),
        near().header("host", "evil.example"),
        near().uri("http://evil.example/artcles/"),
        near().version(http::Version::HTTP_10),
        near().header("x-forwarded-for", "192.0.2.1"),
        near().header("forwarded", "for=192.0.2.1"),
        near().header("x-real-ip", "192.0.2.1"),
        near().header("via", "1.1 x"),
        near().header("cf-ray", "1"),
        near().header("origin", "https://evil.example"),
        near().header("sec-fetch-site", "cross-site"),
    ];
    for request in hidden {
        let shown = format!("{request:?}");
        let answer = ask(&articles(), request);
        let found = (answer.status, &*answer.text);
        assert_eq!(found, (404, "Not Found\n"), "{shown}");
    }
}

/// To whom a socket belongs that there is, tests with real proxies ask.
#[cfg(target_os = "linux")]
#[test]
fn in_development_a_miss_says_whose_socket_it_should_have_been() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let answer = ask(&articles(), from(nowhere).header("host", "localhost"));
    assert_eq!(answer.status, 404);
    assert!(
        answer
            .text
            .contains("The routes are not listed: no socket of this machine")
    );
    assert!(!answer.text.contains("articles"), "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[test]
fn a_closure_may_decide_in_place_of_all_else() {
    let router = build(
        echo()
            .get("^secret$", Echo("x"))
            .show_details_if(|parts| parts.headers.contains_key("x-staff")),
    );
    let far: SocketAddr = "192.0.2.1:5000".parse().unwrap();
    let shown = ask(&router, from(far).header("x-staff", "1"));
    assert!(shown.text.contains("secret"), "{}", shown.text);
    let near = ask(&router, from(client()).header("host", "localhost"));
    assert_eq!(near.text, "Not Found\n");
}

#[test]
fn in_development_a_miss_says_so_if_the_peer_is_unknown() {
    let router = build(echo().development_in_release().get("^secret$", Echo("x")));
    let unknown = || ConnInfo::new(Addr::Unknown, Addr::Unknown);
    let request = |host: &str| Request::get("/").header("host", host).extension(unknown());
    let answer = ask(&router, request("localhost"));
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("into_make_service_with_connect_info"));
    assert!(!answer.text.contains("secret"));
    let answer = ask(&router, request("example.com"));
    assert_eq!(answer.text, "Not Found\n");
}

#[cfg(feature = "axum")]
#[test]
fn in_development_the_peer_may_be_told_by_axum() {
    use tower::Layer;

    let _not_full = QUEUE.read().unwrap_or_else(PoisonError::into_inner);
    let router = build(echo().development_in_release().get("^secret$", Echo("x")));
    let told = router::FromAxumLayer::new().layer(router);
    let far = "192.0.2.1:5000".parse().unwrap();
    for (peer, shown) in [(client(), true), (far, false)] {
        let request = Request::get("/")
            .header("host", "localhost")
            .extension(axum::extract::ConnectInfo(peer));
        let request = request.body(()).unwrap();
        let answer = ask_request(&told, request);
        assert_eq!(answer.text.contains("secret"), shown, "{peer}");
    }
}

#[test]
fn an_application_answers_where_it_is_called() {
    type View = fn(&mut Environ) -> Reply;
    let view: View = |_| Reply::text("x");
    let router = Router::builder()
        .development_in_release()
        .get("^secret$", view);
    let router = router.build().unwrap();
    let far = "192.0.2.1:5000".parse().unwrap();
    for (peer, shown) in [(client(), true), (far, false)] {
        let conn = ConnInfo::new(peer, Addr::Unknown);
        let environ = Environ::builder().header("host", "localhost").conn(conn);
        let mut environ = environ.build();
        let response = router.respond(&mut environ).unwrap();
        assert_eq!(response.status(), 404);
        let bytes = response.into_body().into_bytes().unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(text.contains("secret"), shown, "{peer}: {text}");
    }
}

/// More misses at once than wait for an answer, half of them given up: each of the others is answered.
#[test]
fn many_misses_at_once_are_all_answered() {
    let _full = QUEUE.write().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let mut router = articles();
        let mut ask = || {
            let request = from(client()).header("host", "localhost");
            router.call(request.body(()).unwrap())
        };
        let mut asked = Vec::new();
        let mut answered = 0;
        for _ in 0..200 {
            let mut future = Box::pin(ask());
            let polled = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
            match polled.await {
                Poll::Ready(response) => answered += usize::from(response.unwrap().status() == 404),
                Poll::Pending => asked.push(future),
            }
        }
        let given_up = asked.split_off(asked.len() / 2);
        let left = given_up.len();
        drop(given_up);
        for future in asked {
            answered += usize::from(future.await.unwrap().status() == 404);
        }
        assert_eq!(answered + left, 200);
    });
}

#[test]
fn in_development_a_miss_marks_what_never_wins_and_what_is_open() {
    let router = build(
        echo()
            .show_details_if(|_| true)
            .mount("/static", Echo("m"))
            .get("^(?<page>[a-z<]+)$", Echo("a"))
            .get("^about$", Echo("b"))
            .post("^x", Echo("c"))
            .host("^admin\\.", |routes| routes.get("^users$", Echo("d"))),
    );
    let text = ask(&router, Request::get("/nothing/here")).text;
    for line in [
        "mount    /static/\n",
        "GET      ^about$\n           never wins: `GET x/about` goes to `GET ^(?<page>[a-z<]+)$`\n",
        "POST     ^x\n           has no `$` and matches every longer path, too: `POST x/x-x`\n",
        "GET      ^admin\\. ^users$\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let html = ask(
        &router,
        Request::get("/nothing/here").header("accept", "text/html"),
    )
    .text;
    let note = "<code>^about$</code><p class=note>never wins: <code>GET x/about</code> goes to \
                <code>^(?&lt;page&gt;[a-z&lt;]+)$</code>";
    assert!(html.contains(note), "{html}");
}
