//! What is written down about a request.

mod common;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use common::Running;
use gateway_core::error::Reported;
use gateway_core::{Body, BoxError};
use gateway_server::common_log::CommonLogLayer;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{Layer, service_fn};
use tracing::field::{Field, Visit};
use tracing::span;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The lines, with the date replaced.
    fn text(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| {
            let (before, rest) = line.split_once('[').unwrap();
            let (_, after) = rest.split_once(']').unwrap();
            format!("{before}[]{after}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

async fn answer(request: Request<Body>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new("hello".to_string());
    if request.uri().path() == "/missing" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.body_mut().clear();
    }
    Ok(response)
}

// tracing remembers for every thread whether one thread's subscriber wanted an event, as long as
// there is just one: a test without a subscriber must not meet the event first.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn the_common_log_has_a_line_a_request() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (lines, combined) = (Lines::default(), Lines::default());
    let service = CommonLogLayer::new(lines.clone()).layer(service_fn(answer));
    let server = Running::start(
        CommonLogLayer::new(combined.clone())
            .combined()
            .layer(service),
    );
    let mut client = server.client().await;
    client.get("/a%20b?c=d").await;
    client.get("/missing").await;
    client
        .send(
            "GET /\" HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"\tb\r\nReferer: r\r\n\
             Connection: close\r\n\r\n",
        )
        .await;
    client.rest().await;
    let expected = r#"127.0.0.1 - - [] "GET /a%20b?c=d HTTP/1.1" 200 5
127.0.0.1 - - [] "GET /missing HTTP/1.1" 404 -
127.0.0.1 - - [] "GET /\" HTTP/1.1" 200 5"#;
    assert_eq!(lines.text(), expected);
    assert!(
        combined
            .text()
            .ends_with(r#""GET /\" HTTP/1.1" 200 5 "r" "a\"\x09b""#),
        "{}",
        combined.text()
    );
}

#[tokio::test]
async fn no_secret_of_a_path_a_query_or_a_referer_is_logged() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let lines = Lines::default();
    let layer = CommonLogLayer::new(lines.clone()).combined();
    let server = Running::start(layer.layer(service_fn(answer)));
    let mut client = server.client().await;
    client
        .send(
            "GET /a;jsessionid=1/b?x=1&token=abc&y=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Referer: http://a/login?code=abc&state=1\r\nUser-Agent: a/1 (+http://b/bot)\r\n\r\n",
        )
        .await;
    client.rest().await;
    assert_eq!(
        lines.text(),
        r#"127.0.0.1 - - [] "GET /a;jsessionid=[redacted]&token=[redacted]&y=2 HTTP/1.1" 200 5 "http://a/login?code=[redacted]&state=1" "a/1 (+http://b/bot)""#
    );
}

type Event = BTreeMap<&'static str, String>;

/// Collects what the server tells.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Event>>>);

impl Collector {
    fn of(&self, target: &str) -> Vec<Event> {
        let mut events = self.0.lock().unwrap().clone();
        events.retain(|event| event["target"] == target);
        events
    }
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("gateway_server") && *metadata.level() <= tracing::Level::INFO
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(Event);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.insert(field.name(), value.to_string());
            }
        }
        let target = event.metadata().target().to_string();
        let mut fields = Fields(Event::from([("target", target)]));
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

// One thread, so that the server's task has this thread's subscriber.
#[tokio::test(flavor = "current_thread")]
async fn tracing_has_one_event_a_request_refused_ones_included() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let collector = Collector::default();
    let _guard = tracing::subscriber::set_default(collector.clone());
    let server = Running::start(service_fn(answer));
    let mut client = server.client().await;
    client.get("/a;sid=1?secret").await;
    client.send("HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    let peer = client.stream.local_addr().unwrap().to_string();
    client.send("GET /c HTTP/1.1\r\n\r\n").await;
    client.rest().await;
    let events = collector.of("gateway_server::access");
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let of = |name| event[name].as_str();
            (
                of("method"),
                of("path"),
                of("status"),
                of("bytes"),
                of("complete"),
                of("peer"),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("GET", "/a;sid=[redacted]", "200", "5", "true", &*peer),
            ("HEAD", "/b", "200", "0", "true", &*peer),
            ("GET", "/c", "400", "0", "true", &*peer),
        ]
    );
    assert!(events.iter().all(|event| event.contains_key("duration")));
}

#[tokio::test(flavor = "current_thread")]
async fn a_body_that_is_shorter_than_its_length_is_told_to_the_operator() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let collector = Collector::default();
    let _guard = tracing::subscriber::set_default(collector.clone());
    let server = Running::start(service_fn(|_: Request<Body>| async {
        let pieces = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data("short".into()))]);
        let mut response = Response::new(Body::new(StreamBody::new(pieces)));
        response.headers_mut().insert("content-length", 100.into());
        Ok::<_, Infallible>(response)
    }));
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.rest().await;
    let events = collector.of("gateway_server::http::response_body");
    assert_eq!(events.len(), 1, "{events:?}");
    let told = "the response body is shorter than its Content-Length";
    assert_eq!(events[0]["message"], told);
}

#[tokio::test(flavor = "current_thread")]
async fn a_body_that_fails_is_told_to_the_operator_unless_it_was_reported() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let collector = Collector::default();
    let _guard = tracing::subscriber::set_default(collector.clone());
    let server = Running::start(service_fn(|request: Request<Body>| async move {
        let error: BoxError = match request.uri().path() {
            "/reported" => Reported.into(),
            _ => "half way".into(),
        };
        let pieces = futures_util::stream::iter([Ok(Frame::data("half".into())), Err(error)]);
        Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(pieces))))
    }));
    for (path, events) in [("/reported", 0), ("/", 1)] {
        let mut client = server.client().await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(&request).await;
        client.rest().await;
        let told = collector.of("gateway_server::http::response_body");
        assert_eq!(told.len(), events, "{path}: {told:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_panic_is_logged_with_its_place_and_thread_though_the_hook_is_silent() {
    let _alone = ONE_AT_A_TIME.lock().await;
    panic_capture::install();
    panic_capture::silence_guarded(true);
    let collector = Collector::default();
    let _guard = tracing::subscriber::set_default(collector.clone());
    let server = Running::start(service_fn(|_: Request<Body>| async {
        if true {
            panic!("no {}", "more");
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let mut client = server.client().await;
    client.get("/").await;
    panic_capture::silence_guarded(false);
    let events = collector.of("gateway_server::failure");
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(event["panic"], "no more");
    assert!(event["place"].contains("log.rs:"), "{event:?}");
    assert!(event["thread"].contains("a_panic_is_logged"), "{event:?}");
}
