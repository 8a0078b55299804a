//! Every kind of payload and error: what is said of it, and that nothing of it does harm.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    error::Error,
    fmt,
    hint::black_box,
    panic::{panic_any, resume_unwind},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{Request, Response};
use http_body_util::Full;
use middleware_exceptions::{ExceptionsLayer, Kind, Note, Report};
use support::{Boxed, Log, Never, ask, handler, layer};

type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// What was noted of the one failure: a copy, for a report is only lent.
#[derive(Debug, Default, Clone)]
struct Seen {
    kind: Option<Kind>,
    type_name: Option<String>,
    message: String,
    chain: Vec<(Option<String>, String)>,
    chain_cut: bool,
    location: Option<String>,
    note: Option<Note>,
    text: String,
    record: String,
}

fn noting() -> (ExceptionsLayer, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let slot = Arc::clone(&seen);
    let layer = layer().on_report(move |report: &Report| {
        let chain = report.chain().iter();
        *slot.lock().unwrap() = Seen {
            kind: Some(report.kind()),
            type_name: report.type_name().map(str::to_owned),
            message: report.message().to_owned(),
            chain: chain
                .map(|link| (link.type_name.clone(), link.message.clone()))
                .collect(),
            chain_cut: report.is_chain_cut(),
            location: report.location().map(ToString::to_string),
            note: report.frames().note(),
            text: report.to_text(),
            record: String::new(),
        };
    });
    (layer, seen)
}

async fn panicking(run: impl Fn() + Clone) -> Seen {
    let log = Log::new();
    let (layer, seen) = noting();
    let handler = handler(move |_: Request<Boxed>| {
        let run = run.clone();
        async move {
            run();
            Never::Ok(support::ok("it did not panic"))
        }
    });
    ask(&layer, handler).await.assert_clean_500();
    let mut seen = seen.lock().unwrap().clone();
    assert_eq!(seen.kind, Some(Kind::Panic));
    seen.record = log.only().await;
    seen
}

async fn failing<E>(error: impl Fn() -> E + Clone) -> Seen
where
    E: Into<BoxError> + 'static,
{
    let log = Log::new();
    let (layer, seen) = noting();
    let handler = handler(move |_: Request<Boxed>| {
        let error = error.clone();
        async move { Err::<Response<Full<Bytes>>, E>(error()) }
    });
    ask(&layer, handler).await.assert_clean_500();
    let mut seen = seen.lock().unwrap().clone();
    assert_eq!(seen.kind, Some(Kind::Error));
    seen.record = log.only().await;
    seen
}

#[tokio::test]
async fn formatted() {
    let line = line!() + 1;
    let seen = panicking(|| panic!("boom {}", black_box(1))).await;
    assert_eq!(seen.message, "boom 1");
    assert!(
        seen.location
            .unwrap()
            .contains(&format!("tests/how_it_fails.rs:{line}:"))
    );
}

#[tokio::test]
async fn the_log_event_has_opentelemetrys_names() {
    let seen = panicking(|| panic!("boom {}", black_box(1))).await;
    for field in [
        "exception.type=panic ",
        "exception.message=boom 1 ",
        "exception.stacktrace=\n    Traceback (most recent call last):",
    ] {
        assert!(seen.record.contains(field), "{field}: {}", seen.record);
    }
    let seen = failing(|| fmt::Error).await;
    assert!(seen.record.contains("exception.type=core::fmt::Error "));
    // A box does not tell.
    let seen = failing(|| BoxError::from("a text")).await;
    assert!(!seen.record.contains("exception.type"), "{}", seen.record);
}

#[tokio::test]
async fn literal() {
    let line = line!() + 1;
    let seen = panicking(|| panic!("a literal")).await;
    assert_eq!(seen.message, "a literal");
    assert!(
        seen.location
            .unwrap()
            .contains(&format!("tests/how_it_fails.rs:{line}:"))
    );
}

#[tokio::test]
async fn panic_any_of_a_number() {
    let seen = panicking(|| panic_any(42_i32)).await;
    assert_eq!(
        (seen.message.as_str(), seen.type_name.as_deref()),
        ("42", Some("i32"))
    );
}

#[tokio::test]
async fn a_custom_payload_whose_drop_panics() {
    struct Own;
    impl Drop for Own {
        fn drop(&mut self) {
            panic!("in the drop of the payload");
        }
    }
    let seen = panicking(|| panic_any(Own)).await;
    assert!(seen.message.contains("not text"), "{}", seen.message);
    assert!(seen.location.is_some());
}

#[tokio::test]
async fn resume_unwind_says_honestly_that_there_is_no_backtrace() {
    let seen = panicking(|| resume_unwind(Box::new("never raised"))).await;
    assert_eq!(
        (seen.message.as_str(), seen.location),
        ("never raised", None)
    );
    assert_eq!(seen.note, Some(Note::Unseen));
    assert!(seen.text.contains("no backtrace"), "{}", seen.text);
}

#[tokio::test]
async fn a_join_error_that_is_resumed_shows_where_the_task_panicked() {
    let log = Log::new();
    let (layer, seen) = noting();
    let line = line!() + 3;
    let handler = handler(async |_: Request<Boxed>| -> Never {
        let task = tokio::task::spawn_blocking(|| {
            panic!("boom {}", black_box("on the pool"));
        });
        resume_unwind(task.await.unwrap_err().into_panic())
    });
    ask(&layer, handler).await.assert_clean_500();
    log.only().await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.message, "boom on the pool");
    assert!(
        seen.location
            .unwrap()
            .contains(&format!("how_it_fails.rs:{line}:"))
    );
}

#[tokio::test]
async fn a_join_error_that_is_returned() {
    let log = Log::new();
    let handler = handler(async |_: Request<Boxed>| -> Answer {
        tokio::task::spawn_blocking(|| panic!("boom")).await?;
        Ok(support::ok("ok"))
    });
    ask(&layer(), handler).await.assert_clean_500();
    assert!(log.only().await.contains("boom"));
}

#[tokio::test]
async fn unwrap_on_err() {
    let line = line!() + 1;
    let seen = panicking(|| assert_eq!(black_box("x").parse::<u8>().unwrap(), 0)).await;
    assert!(
        seen.message
            .contains("ParseIntError { kind: InvalidDigit }"),
        "{}",
        seen.message
    );
    assert!(
        seen.location
            .unwrap()
            .contains(&format!("how_it_fails.rs:{line}:"))
    );
}

#[tokio::test]
async fn index() {
    let seen = panicking(|| assert_eq!([1, 2, 3][black_box(3)], 0)).await;
    assert_eq!(
        seen.message,
        "index out of bounds: the len is 3 but the index is 3"
    );
}

/// An error with a message and a source.
#[derive(Debug)]
struct Link(&'static str, Option<Box<dyn Error + Send + Sync>>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1
            .as_ref()
            .map(|source| &**source as &(dyn Error + 'static))
    }
}

fn three_deep() -> Link {
    let root = Link("connection refused", None);
    Link(
        "cannot load the order",
        Some(Box::new(Link("query failed", Some(Box::new(root))))),
    )
}

#[tokio::test]
async fn the_type_of_an_error_is_told_with_its_variant_beside() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "for its Debug")]
    enum ShopError {
        OutOfStock { item: u32 },
    }
    impl fmt::Display for ShopError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the shelf is empty")
        }
    }
    impl Error for ShopError {}
    let empty = || ShopError::OutOfStock { item: 7 };
    let known = failing(empty).await;
    let type_name = known.type_name.unwrap();
    assert!(type_name.ends_with("::ShopError"), "{type_name}");
    let heading = format!("{type_name} (OutOfStock): the shelf is empty\n");
    assert!(known.text.contains(&heading), "{}", known.text);
    // `?` remembers the type as well.
    let remembered = failing(|| gateway_core::Error::from(empty())).await;
    assert!(remembered.text.contains(&heading), "{}", remembered.text);
    let boxed = failing(|| BoxError::from(empty())).await;
    assert_eq!(boxed.type_name, None);
    let heading = "error (OutOfStock): the shelf is empty\n";
    assert!(boxed.text.contains(heading), "{}", boxed.text);
}

#[tokio::test]
async fn an_error_with_a_three_deep_chain() {
    let concrete = failing(three_deep).await;
    assert_eq!(concrete.type_name.as_deref(), Some("how_it_fails::Link"));
    let boxed = failing(|| BoxError::from(three_deep())).await;
    // Its `Debug` begins with a name, which may be that of a variant.
    assert_eq!(boxed.type_name, None);
    assert!(boxed.text.contains("\nerror (Link): "), "{}", boxed.text);
    for seen in [concrete, boxed] {
        assert_eq!(seen.message, "cannot load the order");
        let chain: Vec<_> = seen
            .chain
            .iter()
            .map(|(_, message)| message.as_str())
            .collect();
        assert_eq!(chain, ["query failed", "connection refused"]);
        // Root first, as Python has it.
        let text = &seen.text;
        let at = |what: &str| {
            text.find(what)
                .unwrap_or_else(|| panic!("{what} is not in {text}"))
        };
        assert!(at("connection refused") < at("query failed"));
        assert!(at("query failed") < at("cannot load the order"));
        let between = "The above error was the direct cause of the following error:";
        assert_eq!(text.matches(between).count(), 2);
        assert!(seen.record.contains("connection refused"));
    }
}

#[tokio::test]
async fn gateway_core_error_shows_where_the_question_mark_met_it() {
    let line = line!() + 2;
    fn load() -> Result<u8, gateway_core::Error> {
        Ok(black_box("seven").parse::<u8>()?)
    }
    let seen = failing(|| load().unwrap_err()).await;
    assert_eq!(seen.message, "invalid digit found in string");
    assert_eq!(
        seen.type_name.as_deref(),
        Some("core::num::error::ParseIntError")
    );
    assert!(
        seen.location
            .unwrap()
            .contains(&format!("how_it_fails.rs:{line}:"))
    );
    assert!(
        seen.text.contains("parse::<u8>()?"),
        "its line of source: {}",
        seen.text
    );
}

#[tokio::test]
async fn anyhow_without_a_backtrace() {
    use anyhow::Context as _;
    let seen = failing(|| {
        let error = Err::<(), _>(three_deep())
            .context("while showing it")
            .unwrap_err();
        BoxError::from(error)
    })
    .await;
    assert_eq!(seen.message, "while showing it");
    assert_eq!(seen.chain.len(), 3);
    assert_eq!(seen.chain.last().unwrap().1, "connection refused");
}

#[tokio::test]
async fn an_error_whose_display_panics() {
    #[derive(Debug)]
    struct Rude;
    impl fmt::Display for Rude {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("rude")
        }
    }
    impl Error for Rude {}
    let seen = failing(|| Rude).await;
    assert_eq!(seen.message, "[no message: its Display panicked: rude]");
    let seen = failing(|| Link("polite", Some(Box::new(Rude)))).await;
    assert_eq!(seen.chain[0].1, "[no message: its Display panicked: rude]");
}

#[tokio::test]
async fn an_error_whose_source_debug_and_drop_panic() {
    struct Rude;
    impl fmt::Display for Rude {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("rude")
        }
    }
    impl fmt::Debug for Rude {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("debug")
        }
    }
    impl Error for Rude {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            panic!("source")
        }
    }
    impl Drop for Rude {
        fn drop(&mut self) {
            panic!("drop");
        }
    }
    let seen = failing(|| Rude).await;
    assert!(seen.message.starts_with("rude"), "{}", seen.message);
    failing(|| BoxError::from(Rude)).await;
}

#[tokio::test]
async fn a_cyclic_chain_is_cut_and_says_so() {
    #[derive(Debug)]
    struct Cycle;
    impl fmt::Display for Cycle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }
    impl Error for Cycle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    let seen = failing(|| Cycle).await;
    assert!(seen.chain_cut);
    assert!(seen.text.contains("more causes"), "{}", seen.text);
}

#[tokio::test]
async fn a_chain_of_ten_thousand_is_cut_and_says_so() {
    let deep = || {
        let root = Link("root", None);
        (0..10_000).fold(root, |source, _| Link("link", Some(Box::new(source))))
    };
    let seen = failing(deep).await;
    assert!(seen.chain_cut);
    assert_eq!(seen.chain.len(), 32);
    assert!(seen.text.contains("more causes"));
}

#[tokio::test]
async fn a_message_of_a_mebibyte_is_cut_and_says_so() {
    let seen = panicking(|| panic!("{}", "x".repeat(1024 * 1024))).await;
    assert!(seen.message.len() < 9000);
    assert!(seen.message.ends_with("[cut here, 1048576 bytes in all]"));
    let seen = failing(|| BoxError::from("x".repeat(1024 * 1024))).await;
    assert!(seen.message.len() < 9000);
    assert!(seen.message.ends_with("[cut here]"));
}

#[tokio::test]
async fn control_characters_are_escaped_and_split_no_log_record() {
    let evil = "nul \0 bell \x07 \x1b[31mred\r\n2026-01-01T00:00:00Z ERROR forged: record\u{202e}";
    for seen in [
        panicking(move || panic!("{}", black_box(evil))).await,
        failing(move || BoxError::from(evil)).await,
    ] {
        for text in [&seen.message, &seen.text, &seen.record] {
            assert!(
                !text.contains(['\0', '\x07', '\x1b', '\r', '\u{202e}']),
                "{text:?}"
            );
            let forged = text.lines().any(|line| line.starts_with("2026"));
            assert!(!forged || text == &seen.message, "{text}");
        }
        assert!(seen.message.contains("\\u{1b}[31mred\\r"));
        let first = seen.record.lines().next().unwrap();
        assert!(
            first.contains("forged: record"),
            "the message is on the first line: {first}"
        );
    }
}
