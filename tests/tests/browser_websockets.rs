//! A WebSocket over HTTP/2 (RFC 8441) in a real browser, which speaks HTTP/2 over TLS alone: Debian's chromium by its chromedriver.
//!
//! `cargo test -p conformance --test browser_websockets -- --ignored`

mod browser;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Html;
use axum::routing::{any, get};
use browser::Browser;
use gateway_server::http::Server;
use gateway_server::tls::Tls;
use http::{Method, Version};
use std::sync::{Arc, Mutex};

type Seen = Arc<Mutex<Vec<(Method, Version)>>>;

const PAGE: &str = "<!doctype html><title>socket</title><p id=said>nothing</p><script>
const socket = new WebSocket('wss://' + location.host + '/socket');
socket.onopen = () => socket.send('hello');
socket.onmessage = (message) => said.textContent = message.data;
socket.onerror = () => said.textContent = 'failed';
</script>";

async fn socket(
    State(seen): State<Seen>,
    method: Method,
    version: Version,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    seen.lock().unwrap().push((method, version));
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                let answer = Message::Text(format!("{text} back").into());
                if socket.send(answer).await.is_err() {
                    break;
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_websocket_is_a_stream_of_http_2_where_that_is_set_and_a_connection_elsewhere() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    for (offered, expected) in [
        (true, (Method::CONNECT, Version::HTTP_2)),
        (false, (Method::GET, Version::HTTP_11)),
    ] {
        let seen = Seen::default();
        let router = Router::new()
            .route("/", get(Html(PAGE)))
            // CONNECT over HTTP/2, GET over HTTP/1.1.
            .route("/socket", any(socket))
            .with_state(Arc::clone(&seen));
        let server = Server::bind("127.0.0.1:0").unwrap();
        let server = if offered {
            server.http2_websockets()
        } else {
            server
        };
        let server = server.tls(Tls::pem(&chain, &key).unwrap());
        let port = server.local_addr().unwrap().port();
        let serving = tokio::spawn(server.serve(router));
        let browser = Browser::start_with(&["--ignore-certificate-errors"]).await;
        let url = format!("https://localhost:{port}/");
        browser.client.goto(&url).await.unwrap();
        browser.shows("#said", "hello back").await;
        assert_eq!(*seen.lock().unwrap(), [expected]);
        browser.end().await;
        serving.abort();
    }
}
