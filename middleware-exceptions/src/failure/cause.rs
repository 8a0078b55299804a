//! Turns a caught panic or a returned error into the facts of a report.

use std::{
    any::type_name,
    error::Error,
    sync::{Arc, OnceLock},
};

use gateway_core::error::{Failure, status_of};
use gateway_core::{BoxError, FailedBy};
use http::StatusCode;
use panic_capture::{Capture, Caught, Missing, discard, guard, of_task};

use crate::{
    failure::{
        described::Described,
        facts::{Kind, Place, SpanSummary},
        id::ErrorId,
        payload::{payload_str, payload_text},
        spans::{self, Current},
        tasks,
        trace::{AnyError, Contained, Trace, as_foreign, links},
    },
    text::shown::{self, MESSAGE},
};

/// The parts of a [`Report`](crate::Report) that do not depend on the request.
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    /// Of the error, where it is known without asking it.
    type_name: Option<String>,
    pub(crate) location: Option<Place>,
    pub(crate) candidates: Vec<Place>,
    pub(crate) thread: Option<String>,
    /// Of a panic.
    spans: Vec<SpanSummary>,
    pub(crate) status: StatusCode,
    pub(crate) trace: Trace,
    /// The id under which an inner layer already reported this panic.
    pub(crate) first_id: Option<ErrorId>,
    /// The tasks whose panics caused it, nearest first.
    pub(crate) awaited: Vec<Awaited>,
    error: Option<Contained<AnyError>>,
    /// Where the error came out.
    current_span: Current,
    described: OnceLock<Described>,
}

/// A task whose panic is behind a failure.
pub(crate) struct Awaited {
    pub(crate) task: u64,
    pub(crate) panic: Cause,
    /// It was found by the text of a message. It counts if std wrote that: see [`Traceback::denies_unwrap`].
    ///
    /// [`Traceback::denies_unwrap`]: crate::Traceback::denies_unwrap
    pub(crate) is_by_text: bool,
}

/// How many tasks that await other tasks are followed.
const TASKS: usize = 8;

/// How an error is handled.
pub(crate) enum Classified {
    /// No failure of ours (a 404 by way of an error): answered, and asked for nothing that no report needs.
    NoFailure(StatusCode),
    Failure(Box<Cause>),
}

/// What the program maps an error to, if it knows its type.
pub(crate) type StatusFn = dyn Fn(&(dyn Error + 'static)) -> Option<StatusCode> + Send + Sync;

impl Cause {
    pub(crate) fn of_panic(caught: Caught) -> Self {
        let Caught { payload, capture } = caught;
        let mut cause = Self::of_capture(capture);
        match payload.downcast::<BoxError>() {
            // Its text is read later.
            Ok(error) => cause.error = Some(Contained(Some(AnyError::Boxed(*error)))),
            Err(payload) => {
                if let Some(message) = payload_str(&*payload) {
                    cause.awaited = awaited_by_message(message, true);
                }
                let (type_name, message) = payload_text(&*payload);
                discard(payload);
                cause.set_described(type_name, message);
            }
        }
        cause
    }

    /// Of a panic that goes on after it was told.
    pub(crate) fn of_resumed(caught: &mut Caught) -> Self {
        let capture = caught.capture.as_mut().map(Capture::copy);
        let mut cause = Self::of_capture(capture.map_err(|missing| *missing));
        if let Some(message) = payload_str(&*caught.payload) {
            cause.awaited = awaited_by_message(message, true);
        }
        let (type_name, message) = payload_text(&*caught.payload);
        cause.set_described(type_name, message);
        cause
    }

    /// Of a panic, all but what it says.
    fn of_capture(capture: Result<Capture, Missing>) -> Self {
        let mut cause = Self {
            kind: Kind::Panic,
            type_name: None,
            location: None,
            candidates: Vec::new(),
            thread: None,
            spans: Vec::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            trace: Trace::Missing(Missing::Unseen),
            first_id: None,
            awaited: Vec::new(),
            error: None,
            current_span: Current::default(),
            described: OnceLock::new(),
        };
        match capture {
            Ok(mut capture) => {
                let shown = |place: &panic_capture::Place| Place {
                    file: shown::line(&place.file, 512),
                    line: place.line,
                    column: place.column,
                };
                cause.location = capture.place().map(shown);
                cause.candidates = capture.candidates().iter().map(shown).collect();
                cause.thread = capture.thread().map(|name| shown::line(name, 256));
                cause.spans = spans::of_panic(capture.take_context());
                cause.first_id = capture.mark().map(ErrorId::of_mark);
                cause.trace = match capture.doubt() {
                    Some(missing) if capture.frames().is_empty() => Trace::Missing(missing),
                    doubt => Trace::Addresses {
                        frames: capture.frames().into(),
                        truncated: capture.is_truncated(),
                        doubt,
                    },
                };
                discard(capture);
            }
            Err(missing) => cause.trace = Trace::Missing(missing),
        }
        cause
    }

    fn set_described(&self, type_name: Option<String>, message: String) {
        _ = self.described.set(Described {
            type_name,
            message,
            ..Described::default()
        });
    }

    fn of_held(
        held: AnyError,
        type_name: Option<String>,
        location: Option<Place>,
        status: StatusCode,
    ) -> Self {
        let mut cause = Self {
            kind: Kind::Error,
            type_name,
            location,
            candidates: Vec::new(),
            thread: None,
            spans: Vec::new(),
            status,
            trace: Trace::Error,
            first_id: None,
            awaited: Vec::new(),
            error: None,
            current_span: Current::new(),
            described: OnceLock::new(),
        };
        let error = held.as_dyn();
        if let Some(failure) = error.downcast_ref::<Failure>() {
            cause.type_name = failure.type_name().map(|name| shown::line(name, 256));
            cause.location = cause.location.or_else(|| failure.location().map(Place::of));
        }
        if let Some(foreign) = as_foreign(error) {
            cause.type_name = Some(shown::line(foreign.type_name(), 256));
            // It is known where it was raised; where it came to Rust says nothing.
            cause.location = None;
        }
        // `source` is the program's code. Here and not later, because a task that ran below a guard is found on its thread.
        cause.awaited = guard(|| awaited_by_error(error)).unwrap_or_else(|caught| {
            discard(caught.payload);
            Vec::new()
        });
        cause.error = Some(Contained(Some(held)));
        cause
    }

    /// The error, if that is what failed, or what the program panicked with.
    pub(crate) fn error(&self) -> Option<&AnyError> {
        self.error.as_ref().and_then(Contained::get)
    }

    /// The error's description. The first call runs the program's code.
    pub(crate) fn described(&self) -> &Described {
        self.described.get_or_init(|| match self.error() {
            Some(error) => Described::of_error(error, self.type_name.clone(), &self.current_span),
            None => Described::default(),
        })
    }

    /// The spans that were open.
    pub(crate) fn spans(&self) -> &[SpanSummary] {
        match self.kind {
            Kind::Panic => &self.spans,
            Kind::Error => &self.described().spans,
        }
    }

    /// Whether [`described`](Self::described) costs nothing.
    pub(crate) fn is_described(&self) -> bool {
        self.described.get().is_some()
    }
}

impl Classified {
    pub(crate) fn of_error<E>(error: E, statuses: &[Arc<StatusFn>]) -> Self
    where
        E: Into<BoxError> + 'static,
    {
        let known = type_name::<E>();
        let held = AnyError::from(error);
        let status = guard(|| status(held.as_dyn(), statuses)).unwrap_or_else(|caught| {
            discard(caught.payload);
            StatusCode::INTERNAL_SERVER_ERROR
        });
        if !status.is_server_error() {
            discard(held);
            return Self::NoFailure(status);
        }
        let type_name = (!known.contains("dyn ")).then(|| shown::line(known, 256));
        Cause::of_held(held, type_name, None, status).into()
    }
}

impl Classified {
    /// Of a response that says which error is behind it. Its status is the program's own: what the error's type is mapped to
    /// decides only whether it is a failure.
    pub(crate) fn of_response(
        failed_by: &FailedBy,
        error: Arc<dyn Error + Send + Sync>,
        status: StatusCode,
        statuses: &[Arc<StatusFn>],
    ) -> Self {
        let mapped = guard(|| mapped(&*error, statuses)).unwrap_or_else(|caught| {
            discard(caught.payload);
            None
        });
        if !mapped.unwrap_or(status).is_server_error() {
            return Self::NoFailure(status);
        }
        let type_name = failed_by.type_name().map(|name| shown::line(name, 256));
        let location = failed_by.location().map(Place::of);
        Cause::of_held(AnyError::Shared(error), type_name, location, status).into()
    }
}

impl From<Cause> for Classified {
    fn from(cause: Cause) -> Self {
        Self::Failure(Box::new(cause))
    }
}

/// The panic of the task whose `JoinError` is among the causes, and those behind it.
fn awaited_by_error(error: &(dyn Error + 'static)) -> Vec<Awaited> {
    let Some(task) = tasks::behind(error) else {
        return Vec::new();
    };
    let capture = of_task(task);
    let behind = behind_capture(&capture);
    let mut awaited = vec![Awaited::new(task, capture, false)];
    awaited.extend(behind);
    awaited
}

/// The panic of the task that a message names in the words of `unwrap` or `expect`, and those behind it.
fn awaited_by_message(message: &str, is_whole: bool) -> Vec<Awaited> {
    let mut awaited = Vec::new();
    let mut next = named_task(message, is_whole);
    while let Some((task, capture)) = next
        && awaited.len() < TASKS
    {
        next = capture.as_ref().ok().and_then(named_by_capture);
        awaited.push(Awaited::new(task, capture, true));
    }
    awaited
}

fn behind_capture(capture: &Result<Capture, Missing>) -> Vec<Awaited> {
    let message = capture.as_ref().ok().and_then(Capture::message);
    message.map_or_else(Vec::new, |message| awaited_by_message(message, false))
}

fn named_by_capture(capture: &Capture) -> Option<(u64, Result<Capture, Missing>)> {
    named_task(capture.message()?, false)
}

fn named_task(message: &str, is_whole: bool) -> Option<(u64, Result<Capture, Missing>)> {
    tasks::named(message, is_whole).find_map(|named| {
        let capture = match of_task(named.task) {
            Ok(capture) => named
                .panicked_with(capture.message())
                .then_some(Ok(capture)),
            Err(missing) => (missing == Missing::TooMany).then_some(Err(missing)),
        };
        Some((named.task, capture?))
    })
}

impl Awaited {
    fn new(task: u64, capture: Result<Capture, Missing>, is_by_text: bool) -> Self {
        let message = capture.as_ref().ok().and_then(Capture::message);
        let message = message.map_or_else(
            || "what it said was not kept".to_owned(),
            |message| shown::text(message, MESSAGE),
        );
        let panic = Cause::of_capture(capture);
        panic.set_described(None, message);
        Self {
            task,
            panic,
            is_by_text,
        }
    }
}

/// The error's own, unless that is 500.
fn status(error: &(dyn Error + 'static), statuses: &[Arc<StatusFn>]) -> StatusCode {
    match status_of(error) {
        StatusCode::INTERNAL_SERVER_ERROR => mapped(error, statuses)
            .filter(|status| !status.is_informational())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        own => own,
    }
}

/// What the layers of the program map it to: the first mapping that finds its type in the chain.
fn mapped(error: &(dyn Error + 'static), statuses: &[Arc<StatusFn>]) -> Option<StatusCode> {
    statuses.iter().find_map(|status| {
        links(error).find_map(|error| match error.downcast_ref::<Failure>() {
            Some(failure) => status(failure.cause()).or_else(|| status(error)),
            None => status(error),
        })
    })
}
