//! The program that `docs/telemetry.md` shows.

use axum::{Router, body::Body, http::Request, routing::get};
use middleware_exceptions::{ExceptionsLayer, Report, Traceback};
use sentry_core::{
    Hub,
    protocol::{Event, Exception, Frame, Level, Stacktrace},
};
use std::sync::Arc;
use tower::ServiceExt;

fn event(report: &Report) -> Event<'static> {
    // Sentry wants what was first, first: the panics of tasks, the causes, the failure.
    let mut exceptions = Vec::new();
    for panic in report.tasks().iter().rev() {
        exceptions.push(exception("panic", panic.message(), Some(panic.frames())));
    }
    for cause in report.chain().iter().rev() {
        let name = cause.type_name.as_deref().unwrap_or("error");
        exceptions.push(exception(name, &cause.message, None));
    }
    let name = report.exception_type().unwrap_or("error");
    exceptions.push(exception(name, report.message(), Some(report.frames())));
    let request = report.request();
    let path = request.path().split('?').next().unwrap_or_default();
    Event {
        level: Level::Error,
        transaction: Some(format!("{} {path}", request.method())),
        tags: [("error_id".to_owned(), report.id().to_string())].into(),
        exception: exceptions.into(),
        ..Event::default()
    }
}

fn exception(name: &str, message: &str, traceback: Option<&Traceback>) -> Exception {
    let frames = traceback.map_or(&[][..], Traceback::frames).iter();
    let frames: Vec<_> = frames
        .map(|frame| Frame {
            function: Some(frame.title()),
            symbol: Some(frame.raw_name().to_owned()),
            filename: frame.file().map(str::to_owned),
            lineno: frame.line().map(u64::from),
            colno: frame.column().map(u64::from),
            context_line: frame.source().map(|source| source.line().to_owned()),
            in_app: Some(frame.is_yours()),
            ..Frame::default()
        })
        .collect();
    Exception {
        ty: name.to_owned(),
        value: Some(message.to_owned()),
        stacktrace: (!frames.is_empty()).then(|| Stacktrace {
            frames,
            ..Stacktrace::default()
        }),
        ..Exception::default()
    }
}

async fn order() -> String {
    let id: u32 = std::hint::black_box("x7").parse().unwrap();
    format!("order {id}")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let exceptions = ExceptionsLayer::new().on_report(|report| {
        sentry_core::capture_event(event(report));
    });
    let app = Router::new()
        .route("/orders/x7", get(order))
        .layer(exceptions);

    // In place of `sentry::init`: a client that shows what it would send.
    let sent = sentry_core::test::TestTransport::new();
    let mut options = sentry_core::ClientOptions::default();
    options.dsn = Some("https://key@example.org/1".parse().unwrap());
    options.transport = Some(Arc::new(Arc::clone(&sent)));
    Hub::current().bind_client(Some(Arc::new(options.into())));

    let request = Request::get("/orders/x7?token=x")
        .body(Body::empty())
        .unwrap();
    app.oneshot(request).await.unwrap();

    let [event] = &sent.fetch_and_clear_events()[..] else {
        panic!("one event")
    };
    assert_eq!(event.transaction.as_deref(), Some("GET /orders/x7"));
    let [exception] = &event.exception.values[..] else {
        panic!("one exception")
    };
    assert_eq!(exception.ty, "panic");
    let frames = &exception.stacktrace.as_ref().unwrap().frames;
    let own = frames
        .iter()
        .rfind(|frame| frame.in_app == Some(true))
        .unwrap();
    assert_eq!(own.function.as_deref(), Some("async order"));
    assert!(
        own.context_line
            .as_ref()
            .unwrap()
            .contains(".parse().unwrap()")
    );
}
