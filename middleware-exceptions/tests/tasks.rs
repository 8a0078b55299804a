//! Panics of tasks that a request has awaited: what the layer tells of them.

#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    collections::HashSet,
    hint::black_box,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use gateway_core::Error;
use http::{Request, StatusCode, header};
use middleware_exceptions::{ErrorId, ExceptionsLayer, Note, Report};
use support::{Log, Taken, layer, take};
use tower::ServiceExt as _;

async fn ask<H, T>(layer: ExceptionsLayer, handler: H, accept: &str) -> Taken
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    let app = Router::new().fallback(handler).layer(layer);
    let request = Request::get("/orders/7").header(header::ACCEPT, accept);
    take(
        app.oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap(),
    )
    .await
}

fn boom(n: usize) {
    if black_box(n) < usize::MAX {
        panic!("boom {n}");
    }
}

async fn awaits_a_task() -> Result<String, Error> {
    tokio::spawn(async { boom(7) }).await?;
    Ok("done".into())
}

#[tokio::test]
async fn in_every_format_the_task_has_a_traceback_of_its_own() {
    let log = Log::new();
    for accept in ["*/*", "text/html", "application/json"] {
        let shown = layer().show_details_if(|_| true);
        let page = ask(shown, awaits_a_task, accept).await.text;
        let record = log.only().await;
        for text in [&page, &record] {
            assert!(text.contains("boom 7"), "{accept}: {text}");
            assert!(text.contains("tests/tasks.rs"), "{accept}: {text}");
            assert!(
                text.contains("in boom")
                    || text.contains("boom</span>")
                    || text.contains(r#""function":"boom""#),
                "{accept}: {text}"
            );
        }
        let before = record.find("Caused by the panic of task ");
        assert!(
            before < record.find("The above panic was the direct cause"),
            "{record}"
        );
        if accept == "application/json" {
            let page: serde_json::Value = serde_json::from_str(&page).unwrap();
            assert_eq!(page["tasks"][0]["message"], "boom 7");
            let frames = page["tasks"][0]["traceback"].as_array().unwrap();
            assert!(
                frames.iter().any(|frame| frame["function"] == "boom"),
                "{page}"
            );
        }
    }
}

/// A client may know what a task of another request has panicked with.
#[tokio::test]
async fn a_text_that_only_looks_like_unwraps_leads_nowhere() {
    let log = Log::new();
    // The hook is there before the task panics, as in a program.
    let exceptions = layer();
    let failed = tokio::spawn(async { boom(8) }).await.unwrap_err();
    let quoted = format!("{failed:?}");
    assert!(quoted.starts_with("JoinError::Panic(Id("));
    for before in [
        "called `Result::unwrap()` on an `Err` value: ",
        "no such order: ",
    ] {
        let text = format!("{before}{quoted}");
        ask(exceptions.clone(), async move || panic_with(&text), "*/*").await;
        let record = log.only().await;
        assert!(record.contains("boom 8"), "{record}");
        assert!(!record.contains("Caused by"), "{record}");
    }
    // The same, and it is `expect` that says it.
    let failed = Arc::new(Mutex::new(Some(failed)));
    let handler = async move || {
        let failed = failed.lock().unwrap().take().unwrap();
        black_box(Err::<(), _>(failed)).expect("no such order");
    };
    ask(exceptions.clone(), handler, "*/*").await;
    let record = log.only().await;
    assert!(record.contains("Caused by the panic of task "), "{record}");
}

fn panic_with(text: &str) {
    panic!("{text}");
}

#[tokio::test]
async fn a_task_that_was_cancelled_has_no_panic() {
    let log = Log::new();
    let handler = async || -> Result<String, Error> {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        task.await?;
        Ok("done".into())
    };
    ask(layer(), handler, "*/*").await;
    let record = log.only().await;
    assert!(record.contains("was cancelled"), "{record}");
    assert!(!record.contains("Caused by"), "{record}");
}

/// All tasks panic before the first request looks at one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_tasks_at_once_each_report_has_the_frames_or_says_why_not() {
    const COUNT: usize = 1000;
    // An observer's own panics are contained: what it sees is looked at later.
    let seen: Arc<Mutex<Vec<(ErrorId, Seen)>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let layer = layer().on_report(move |report: &Report| {
        let panics = report.tasks().iter().map(|panic| Seen {
            message: panic.message().to_owned(),
            is_placed: panic.location().is_some(),
            frames: panic.frames().frames().len(),
            note: panic.frames().note(),
        });
        let seen = panics.map(|seen| (report.id(), seen));
        sink.lock().unwrap().extend(seen);
    });
    let tasks = (0..COUNT).map(|n| tokio::spawn(async move { boom(n) }));
    let tasks: Vec<_> = tasks.collect();
    let mut requests = Vec::new();
    for task in tasks {
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        let task = Arc::new(Mutex::new(Some(task)));
        let handler = async move || -> Result<(), Error> {
            let task = task.lock().unwrap().take().unwrap();
            Ok(task.await?)
        };
        requests.push(tokio::spawn(ask(layer.clone(), handler, "*/*")));
    }
    for request in requests {
        assert_eq!(
            request.await.unwrap().status,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), COUNT, "each has awaited one");
    for (_, panic) in seen.iter() {
        assert!(panic.is_placed, "{panic:?}");
        let is_whole = panic.frames > 1;
        let why_not = (!is_whole).then_some(Note::TooMany);
        assert_eq!(panic.note, why_not, "{panic:?}");
    }
    let ids: HashSet<_> = seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), COUNT);
    let messages: HashSet<_> = seen.iter().map(|(_, panic)| &panic.message).collect();
    assert_eq!(messages.len(), COUNT, "no two are of one task");
    let whole = seen
        .iter()
        .filter(|(_, panic)| panic.note.is_none())
        .count();
    assert!(whole > COUNT / 2, "{whole} of {COUNT}");
}

#[derive(Debug)]
struct Seen {
    message: String,
    is_placed: bool,
    frames: usize,
    note: Option<Note>,
}
