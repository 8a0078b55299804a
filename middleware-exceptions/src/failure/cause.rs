//! From a caught panic or a returned error to what can be said of it.

use std::{
    any::{Any, type_name},
    borrow::Cow,
    error::Error,
    fmt::Display,
    sync::Arc,
};

use gateway_core::error::{Failure, Foreign, status_of};
use gateway_core::{BoxError, FailedBy};
use http::StatusCode;
use panic_capture::{Caught, Missing, discard, guard};

use crate::{
    failure::{
        facts::{ChainLink, Kind, Place, SpanSummary},
        spans,
        trace::{AnyError, Contained, DEPTH, Trace, debug, links},
    },
    text::shown::{self, Bounded, MESSAGE, truncated},
};

/// All of a [`Report`](crate::Report) that does not need the request.
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    pub(crate) type_name: Option<String>,
    pub(crate) message: String,
    pub(crate) chain: Vec<ChainLink>,
    pub(crate) chain_cut: bool,
    pub(crate) location: Option<Place>,
    pub(crate) candidates: Vec<Place>,
    pub(crate) thread: Option<String>,
    pub(crate) spans: Vec<SpanSummary>,
    pub(crate) status: StatusCode,
    pub(crate) trace: Trace,
}

/// What comes of an error.
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
        let (type_name, message) = payload_text(&*payload);
        discard(payload);
        let mut cause = Self {
            kind: Kind::Panic,
            type_name,
            message,
            chain: Vec::new(),
            chain_cut: false,
            location: None,
            candidates: Vec::new(),
            thread: None,
            spans: Vec::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            trace: Trace::Missing(Missing::Unseen),
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
                cause.trace = Trace::Addresses {
                    frames: capture.frames().into(),
                    truncated: capture.is_truncated(),
                    doubt: capture.doubt(),
                };
                discard(capture);
            }
            Err(missing) => cause.trace = Trace::Missing(missing),
        }
        cause
    }

    fn of_held(held: Contained<AnyError>, type_name: Option<String>, status: StatusCode) -> Self {
        let mut cause = Self {
            kind: Kind::Error,
            type_name,
            message: String::new(),
            chain: Vec::new(),
            chain_cut: false,
            location: None,
            candidates: Vec::new(),
            thread: None,
            spans: Vec::new(),
            status,
            trace: Trace::Missing(Missing::Unseen),
        };
        // Everything below runs the program's code: `Display`, `Debug`, `source`, subscribers.
        if let Err(caught) = guard(|| cause.describe(held.get())) {
            discard(caught.payload);
            cause
                .message
                .push_str(" [the error panicked when it was asked for more]");
        }
        cause.trace = Trace::Error(held);
        cause
    }

    fn describe(&mut self, error: Option<&AnyError>) {
        let Some(held) = error else { return };
        let error = held.as_dyn();
        if let Some(failure) = error.downcast_ref::<Failure>() {
            self.type_name = failure.type_name().map(|name| shown::line(name, 256));
            self.location = failure.location().map(Place::of);
        }
        if let Some(foreign) = as_foreign(error) {
            self.type_name = Some(shown::line(foreign.type_name(), 256));
            // It is known where it was raised; where it came to Rust says nothing.
            self.location = None;
        }
        if matches!(held, AnyError::Boxed(_) | AnyError::Shared(_))
            && self.type_name.is_none()
            && let Ok(name) = guard(|| leading_name(error))
        {
            self.type_name = name;
        }
        self.message = match as_foreign(error) {
            Some(foreign) => shown::text(foreign.message(), MESSAGE),
            None => display(&error, MESSAGE),
        };
        self.spans = guard(|| spans::of_error(error)).unwrap_or_else(|caught| {
            discard(caught.payload);
            Vec::new()
        });
        let mut source = error.source();
        while let Some(cause) = source {
            if self.chain.len() == DEPTH {
                self.chain_cut = true;
                break;
            }
            self.chain.push(match as_foreign(cause) {
                Some(foreign) => ChainLink {
                    type_name: Some(shown::line(foreign.type_name(), 256)),
                    message: shown::text(foreign.message(), MESSAGE / 4),
                },
                None => ChainLink {
                    type_name: guard(|| leading_name(cause)).unwrap_or_default(),
                    message: display(&cause, MESSAGE / 4),
                },
            });
            source = cause.source();
        }
    }
}

impl Classified {
    pub(crate) fn of_error<E>(error: E, statuses: &[Arc<StatusFn>]) -> Self
    where
        E: Into<BoxError> + 'static,
    {
        let known = type_name::<E>();
        let held = Contained(Some(AnyError::from(error)));
        let status = guard(|| held.get().map(|error| status(error.as_dyn(), statuses)));
        let status = status.unwrap_or_else(|caught| {
            discard(caught.payload);
            None
        });
        match status {
            Some(status) if !status.is_server_error() => Self::NoFailure(status),
            status => {
                let type_name = (!known.contains("dyn ")).then(|| shown::line(known, 256));
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Cause::of_held(held, type_name, status).into()
            }
        }
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
        let is_foreign = as_foreign(&*error).is_some();
        let type_name = failed_by.type_name().map(|name| shown::line(name, 256));
        let held = Contained(Some(AnyError::Shared(error)));
        let mut cause = Cause::of_held(held, type_name, status);
        if !is_foreign {
            cause.location = failed_by.location().map(Place::of);
        }
        cause.into()
    }
}

impl From<Cause> for Classified {
    fn from(cause: Cause) -> Self {
        Self::Failure(Box::new(cause))
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

/// The exception of another language that the error is.
fn as_foreign<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Foreign> {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.cause().downcast_ref(),
        None => error.downcast_ref(),
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

/// `Display`, contained and bounded.
fn display(error: &dyn Display, limit: usize) -> String {
    match guard(|| shown::displayed(error, limit)) {
        Ok(text) => text,
        Err(caught) => {
            let (_, why) = payload_text(&*caught.payload);
            discard(caught.payload);
            format!(
                "[no message: its Display panicked: {}]",
                truncated(&why, 512)
            )
        }
    }
}

/// The type of a boxed error cannot be asked for, but a derived `Debug` begins with its name.
fn leading_name(error: &(dyn Error + 'static)) -> Option<String> {
    let start = debug(&error, 128);
    let end = start
        .find(|char: char| !char.is_ascii_alphanumeric())
        .unwrap_or(start.len());
    let (name, rest) = start.split_at_checked(end)?;
    let is_type = name.starts_with(|char: char| char.is_ascii_uppercase())
        && (rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {"));
    // A `Debug` that is the message tells of no type.
    let is_message = || Bounded::of(format_args!("{error}"), 128).text == start;
    // `Error` is what contexts of anyhow call themselves.
    (is_type && name != "Error" && !is_message()).then(|| name.to_owned())
}

/// The message of a payload, and the name of its type where that is not a string.
fn payload_text(payload: &(dyn Any + Send)) -> (Option<String>, String) {
    fn number<T: Any + Display>(payload: &(dyn Any + Send)) -> Option<(Option<String>, String)> {
        let value = payload.downcast_ref::<T>()?;
        Some((Some(type_name::<T>().to_owned()), value.to_string()))
    }
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (None, shown::text(text, MESSAGE));
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return (None, shown::text(text, MESSAGE));
    }
    if let Some(text) = payload.downcast_ref::<Box<str>>() {
        return (None, shown::text(text, MESSAGE));
    }
    if let Some(text) = payload.downcast_ref::<Cow<'static, str>>() {
        return (None, shown::text(text, MESSAGE));
    }
    if let Some(error) = payload.downcast_ref::<BoxError>() {
        return (
            guard(|| leading_name(&**error)).unwrap_or_default(),
            display(error, MESSAGE),
        );
    }
    let numbers = [
        number::<i32>,
        number::<u32>,
        number::<i64>,
        number::<u64>,
        number::<i128>,
        number::<u128>,
        number::<isize>,
        number::<usize>,
        number::<i16>,
        number::<u16>,
        number::<i8>,
        number::<u8>,
        number::<bool>,
        number::<char>,
        number::<f64>,
        number::<f32>,
    ];
    let known = numbers.iter().find_map(|number| number(payload));
    known.unwrap_or_else(|| (None, "a payload that is not text (`panic_any`)".to_owned()))
}
