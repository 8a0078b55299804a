//! Hands a report to the observers, then to the log.

use std::{
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use http::StatusCode;
use panic_capture::{discard, guard};
use tracing::{Level, subscriber::NoSubscriber};

use crate::{
    config::Config, failure::cause::Cause, pending::budget::Budget, record::RequestRecord,
    render::text::Log, report::Report, text::clean::OneLine,
};

/// Where the log record goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Tracing,
    /// There is no subscriber, or the filter is closed and there is no observer: an id that a client quotes
    /// must be found somewhere.
    Stderr,
    /// The program's filter drops the record, but its observers get the report.
    Nowhere,
}

/// Whether any observer or log receives the report.
pub(crate) fn goes_anywhere(config: &Config) -> bool {
    !config.observers.is_empty()
        || config.recent.is_some()
        || destination(config) != Destination::Nowhere
}

/// Observers first, so that the log can tell of one that failed. All of them are the program's code.
pub(crate) fn emit(report: &Report, config: &Config) {
    for observe in &config.observers {
        if let Err(caught) = guard(|| observe(report)) {
            let second = Cause::of_panic(caught);
            _ = contained(|| {
                tracing::warn!(
                    target: "middleware_exceptions",
                    id = %report.id(),
                    message = %format_args!("an observer panicked: {}", OneLine(&second.described().message)),
                );
            });
        }
    }
    if let Some(recent) = &config.recent {
        recent.keep(report);
    }
    let emitted = match destination(config) {
        Destination::Tracing => contained(|| to_tracing(report)),
        Destination::Stderr => None,
        Destination::Nowhere => Some(()),
    };
    if emitted.is_none() {
        _ = contained(|| to_stderr(report));
    }
}

fn destination(config: &Config) -> Destination {
    let is_enabled = contained(|| {
        let is_enabled = tracing::enabled!(target: "middleware_exceptions", Level::ERROR);
        let is_missing =
            tracing::dispatcher::get_default(|subscriber| subscriber.is::<NoSubscriber>());
        (is_enabled, is_missing)
    });
    match is_enabled {
        Some((true, _)) => Destination::Tracing,
        Some((false, false)) if !config.observers.is_empty() => Destination::Nowhere,
        _ => Destination::Stderr,
    }
}

/// Logs a response that says that a server failed but not why. One budget limits all such records.
pub(crate) fn emit_unexplained(record: &RequestRecord, status: StatusCode) {
    /// At once, and per second.
    static BUDGET: Mutex<Budget> = Mutex::new(Budget::new(20.0, 1.0));
    let mut budget = BUDGET.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(left_out) = budget.take(Instant::now()) else {
        return;
    };
    drop(budget);
    let (status, request) = (status.as_u16(), record.summary());
    let request = format!("{} {}", request.method(), request.path());
    let advice = "and nothing says why: attach `gateway_core::FailedBy` to the response";
    let emitted = match destination(record.config()) {
        Destination::Tracing => contained(|| {
            tracing::error!(
                target: "middleware_exceptions",
                request,
                status,
                left_out,
                "answered {status}, {advice}",
            );
        }),
        Destination::Stderr => None,
        Destination::Nowhere => Some(()),
    };
    if emitted.is_none() {
        let line = format!(
            "ERROR middleware_exceptions: answered {status}, {advice} request={request} left_out={left_out}\n"
        );
        _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// Returns `None` if the closure panics.
fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    guard(run).map_err(|caught| discard(caught.payload)).ok()
}

/// One event per failure, with OpenTelemetry's names for what has one there. What is looked for by line is on the first one; the traceback follows,
/// indented, so that no line of it can pass for another record.
fn to_tracing(report: &Report) {
    let request = report.request();
    tracing::error!(
        target: "middleware_exceptions",
        id = %report.id(),
        kind = %report.kind(),
        stage = %report.stage(),
        location = report.location().map(tracing::field::display),
        thread = report.thread(),
        request = %format_args!("{} {}", request.method(), request.path()),
        status = report.status().as_u16(),
        "exception.type" = report.exception_type(),
        "exception.message" = %OneLine(report.message()),
        "exception.stacktrace" = %Log(report),
        "{}: {}", report.kind(), OneLine(report.message()),
    );
}

/// Writes the same record to standard error in one write, and ignores write errors.
fn to_stderr(report: &Report) {
    let record = format!(
        "ERROR middleware_exceptions: {}: {} id={} request={} {}{}\n",
        report.kind(),
        OneLine(report.message()),
        report.id(),
        report.request().method(),
        report.request().path(),
        Log(report),
    );
    _ = std::io::stderr().lock().write_all(record.as_bytes());
}
