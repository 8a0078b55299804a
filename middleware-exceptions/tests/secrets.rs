//! The table of gateway-core, in `tests/cases/secrets.toml`, wherever text from outside is shown or logged.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use gateway_core::request::{Addr, ConnInfo};
use http::{HeaderValue, Request, Uri};
use middleware_exceptions::{ExceptionsLayer, redacted};
use serde::Deserialize;
use support::{Log, Never, ask_for, handler, layer, ok};

#[derive(Deserialize)]
struct Table {
    text: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    rule: String,
    cases: Vec<(String, String)>,
}

fn cases() -> impl Iterator<Item = (String, String, String)> {
    let table: Table =
        toml::from_str(include_str!("../../gateway-core/tests/cases/secrets.toml")).unwrap();
    table.text.into_iter().flat_map(|Rule { rule, cases }| {
        cases
            .into_iter()
            .map(move |(text, shown)| (rule.clone(), text, shown))
    })
}

/// Says its text, and so does its cause.
#[derive(Debug)]
struct Told(String, Option<Box<Self>>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Told {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|source| source as &_)
    }
}

fn told(text: &str) -> Told {
    let source = Told(text.to_owned(), None);
    Told(text.to_owned(), Some(Box::new(source)))
}

fn loopback() -> ConnInfo {
    let peer: SocketAddr = "127.0.0.1:4242".parse().unwrap();
    ConnInfo::new(peer, Addr::Unknown)
}

/// The message, the causes, the path and a header of one report.
type Seen = Arc<Mutex<Vec<String>>>;

fn noting() -> (ExceptionsLayer, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let layer = layer().development_in_release().on_report(move |report| {
        let mut notes = notes.lock().unwrap();
        *notes = vec![report.message().to_owned()];
        notes.extend(report.chain().iter().map(|link| link.message.clone()));
        notes.push(report.request().path().to_owned());
        let header = report
            .request()
            .headers()
            .iter()
            .find(|(name, _)| name == "x-context");
        notes.extend(header.map(|(_, value)| value.clone()));
    });
    (layer, seen)
}

#[tokio::test]
async fn what_an_error_its_cause_and_a_panic_say_is_shown_without_secrets() {
    let (layer, seen) = noting();
    for (rule, text, shown) in cases() {
        assert_eq!(redacted(&text), shown, "{rule}");
        let error = told(&text);
        let service = handler(async |_| {
            if false {
                return Ok(ok("ok"));
            }
            Err(told(&error.0))
        });
        ask_for(&layer, service, Request::get("/")).await;
        let expected = [shown.as_str(), &shown, "/"];
        assert_eq!(*seen.lock().unwrap(), expected, "{rule}: {text}");
        let message = text.clone();
        let service = handler(async |_| -> Never { panic!("{message}") });
        ask_for(&layer, service, Request::get("/")).await;
        assert_eq!(seen.lock().unwrap()[0], shown, "{rule}: {text}");
    }
}

#[tokio::test]
async fn what_a_request_says_is_shown_without_secrets() {
    let (layer, seen) = noting();
    for (rule, text, shown) in cases() {
        // Two slashes are an authority to `http::Uri`, and a header has one line.
        let is_path =
            !text.starts_with("//") && text.starts_with('/') && text.parse::<Uri>().is_ok();
        let (path, shown_path) = if is_path {
            (text.as_str(), shown.as_str())
        } else {
            ("/", "/")
        };
        if HeaderValue::from_str(&text).is_err() {
            continue;
        }
        let service = handler(async |_| -> Never { panic!("boom") });
        let request = Request::get(path)
            .header("host", "localhost")
            .header("x-context", &text)
            .extension(loopback());
        ask_for(&layer, service, request).await;
        let expected = ["boom", shown_path, &shown];
        assert_eq!(*seen.lock().unwrap(), expected, "{rule}: {text}");
    }
}

#[tokio::test]
async fn secrets_in_a_query_a_message_or_a_websockets_protocols_are_in_no_page_and_in_no_log() {
    const SECRET: &str = "hunter2";
    let message = format!(
        "postgres://app:{SECRET}@db/x?sslpassword={SECRET}: token = {SECRET}, {{\"pw\":\"{SECRET}\"}}"
    );
    let query: String =
        percent_encoding::utf8_percent_encode(&message, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
    let log = Log::new();
    let development = layer()
        .development_in_release()
        .show_details_if(|_| true)
        .append_to_text_bodies();
    for layer in [development, layer()] {
        for accept in ["text/plain", "text/html", "application/json"] {
            let request = Request::get(format!("/message?m={query}"))
                .header("accept", accept)
                .header("sec-websocket-protocol", format!("chat, bearer.{SECRET}"));
            let error = told(&message);
            let service = handler(async |_| {
                if false {
                    return Ok(ok("ok"));
                }
                Err(told(&error.0))
            });
            let taken = ask_for(&layer, service, request).await;
            let logged = log.only().await;
            assert!(!taken.text.contains(SECRET), "{}", taken.text);
            assert!(!logged.contains(SECRET), "{logged}");
            assert!(logged.contains("postgres://[redacted]@db/x"), "{logged}");
        }
    }
}

/// As a front end may pass a list on.
#[tokio::test]
async fn a_websockets_protocols_on_several_lines_are_one_list() {
    let log = Log::new();
    let layer = layer().development_in_release().show_details_if(|_| true);
    let mut request = Request::get("/");
    for line in ["chat", "bearer", "hunter2"] {
        request = request.header("sec-websocket-protocol", line);
    }
    let service = handler(async |_| {
        if false {
            return Ok(ok("ok"));
        }
        Err(told("boom"))
    });
    let taken = ask_for(&layer, service, request).await;
    assert!(
        taken.text.contains("sec-websocket-protocol: "),
        "{}",
        taken.text
    );
    assert!(!taken.text.contains("hunter2"), "{}", taken.text);
    assert!(!log.only().await.contains("hunter2"));
}

/// What 8 KiB of query may do to an async worker: nothing that is not reported, and little where it is.
#[tokio::test]
async fn an_error_that_is_an_answer_is_asked_for_nothing() {
    struct Silent;
    impl fmt::Debug for Silent {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("asked for its Debug")
        }
    }
    impl fmt::Display for Silent {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("asked for its Display")
        }
    }
    impl Error for Silent {}
    let log = Log::new();
    let layer = layer()
        .silence_default_hook()
        .map_status::<Silent>(|_| http::StatusCode::NOT_FOUND);
    let panics = Arc::new(Mutex::new(0));
    let service = handler(async |_| {
        if false {
            return Ok(ok("ok"));
        }
        Err(Silent)
    });
    let count = Arc::clone(&panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info
            .payload_as_str()
            .is_some_and(|text| text.starts_with("asked for"))
        {
            *count.lock().unwrap() += 1;
        } else {
            before(info);
        }
    }));
    let taken = ask_for(&layer, service, Request::get("/a?token=1")).await;
    assert_eq!(taken.text, "404 Not Found\n");
    assert_eq!(*panics.lock().unwrap(), 0);
    assert_eq!(log.take(), [""; 0]);
}
