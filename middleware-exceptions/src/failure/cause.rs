//! From a caught panic or a returned error to what can be said of it.

use std::{
    any::{Any, type_name},
    borrow::Cow,
    error::Error,
    fmt::Display,
    sync::Arc,
};

use gateway_core::{BoxError, Failure};
use http::StatusCode;
use panic_capture::{Caught, Missing, discard, guard};

use crate::{
    failure::{
        facts::{ChainLink, Kind, Place, SpanSummary},
        spans,
        trace::{AnyError, Contained, DEPTH, Trace, debug, links},
    },
    text::clean::{self, MESSAGE},
};

/// All of a [`Report`](crate::Report) that does not need the request.
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    pub(crate) type_name: Option<String>,
    pub(crate) message: String,
    pub(crate) chain: Vec<ChainLink>,
    pub(crate) chain_cut: bool,
    pub(crate) location: Option<Place>,
    pub(crate) thread: Option<String>,
    pub(crate) spans: Vec<SpanSummary>,
    pub(crate) status: StatusCode,
    pub(crate) trace: Trace,
}

/// What the program maps an error to, if it knows its type.
pub(crate) type StatusFn = dyn Fn(&(dyn Error + 'static)) -> Option<StatusCode> + Send + Sync;

impl Cause {
    #[cold]
    #[inline(never)]
    pub(crate) fn of_panic(caught: Caught) -> Self {
        let Caught { payload, capture } = caught;
        let (type_name, message) = say(&*payload);
        discard(payload);
        let mut cause = Self {
            kind: Kind::Panic,
            type_name,
            message,
            chain: Vec::new(),
            chain_cut: false,
            location: None,
            thread: None,
            spans: Vec::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            trace: Trace::Missing(Missing::Unseen),
        };
        match capture {
            Ok(mut capture) => {
                cause.location = capture.place().map(|place| Place {
                    file: clean::escaped(&place.file),
                    line: place.line,
                    column: place.column,
                });
                cause.thread = capture.thread().map(|name| clean::cut_text(name, 256).0);
                cause.spans = spans::of_panic(capture.take_context());
                cause.trace = Trace::Addresses {
                    frames: capture.frames().into(),
                    truncated: capture.is_truncated(),
                };
                discard(capture);
            }
            Err(missing) => cause.trace = Trace::Missing(missing),
        }
        cause
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn of_error<E>(error: E, statuses: &[Arc<StatusFn>]) -> Self
    where
        E: Into<BoxError> + 'static,
    {
        let known = type_name::<E>();
        let held = Contained(Some(AnyError::from(error)));
        let mut cause = Self {
            kind: Kind::Error,
            type_name: (!known.contains("dyn ")).then(|| known.to_owned()),
            message: String::new(),
            chain: Vec::new(),
            chain_cut: false,
            location: None,
            thread: None,
            spans: Vec::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            trace: Trace::Missing(Missing::Unseen),
        };
        // Everything below runs somebody's code: `Display`, `Debug`, `source`, subscribers.
        if let Err(caught) = guard(|| cause.describe(held.get(), statuses)) {
            discard(caught.payload);
            cause
                .message
                .push_str(" [the error panicked when it was asked for more]");
        }
        cause.trace = Trace::Error(held);
        cause
    }

    fn describe(&mut self, error: Option<&AnyError>, statuses: &[Arc<StatusFn>]) {
        let Some(held) = error else { return };
        let error = held.as_dyn();
        if let Some(failure) = error.downcast_ref::<Failure>() {
            self.status = failure.status();
            self.type_name = failure.type_name().map(str::to_owned);
            self.location = failure.location().map(|place| Place {
                file: clean::escaped(place.file()),
                line: place.line(),
                column: place.column(),
            });
        }
        if matches!(held, AnyError::Boxed(_))
            && self.type_name.is_none()
            && let Ok(name) = guard(|| leading_name(error))
        {
            self.type_name = name;
        }
        self.message = display(&error, MESSAGE);
        let mut source = error.source();
        while let Some(cause) = source {
            if self.chain.len() == DEPTH {
                self.chain_cut = true;
                break;
            }
            let type_name = guard(|| leading_name(cause)).unwrap_or_default();
            self.chain.push(ChainLink {
                type_name,
                message: display(&cause, MESSAGE / 4),
            });
            source = cause.source();
        }
        if self.status == StatusCode::INTERNAL_SERVER_ERROR
            && let Some(status) = mapped(error, statuses)
        {
            self.status = status;
        }
        self.spans = spans::of_error(error);
    }

    /// Whether it is a failure of ours (5xx) and not an answer.
    pub(crate) fn is_failure(&self) -> bool {
        self.status.is_server_error()
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
    match guard(|| clean::cut(error, limit).0) {
        Ok(text) => text,
        Err(caught) => {
            let (_, why) = say(&*caught.payload);
            discard(caught.payload);
            format!(
                "[no message: its Display panicked: {}]",
                clean::truncated(&why, 512)
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
    let is_message = || clean::cut(&error, 128).0 == start;
    // `Error` is what contexts of anyhow call themselves.
    (is_type && name != "Error" && !is_message()).then(|| name.to_owned())
}

/// The message of a payload, and the name of its type where that is not a string.
fn say(payload: &(dyn Any + Send)) -> (Option<String>, String) {
    fn number<T: Any + Display>(payload: &(dyn Any + Send)) -> Option<(Option<String>, String)> {
        let value = payload.downcast_ref::<T>()?;
        Some((Some(type_name::<T>().to_owned()), value.to_string()))
    }
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (None, clean::cut_text(text, MESSAGE).0);
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return (None, clean::cut_text(text, MESSAGE).0);
    }
    if let Some(text) = payload.downcast_ref::<Box<str>>() {
        return (None, clean::cut_text(text, MESSAGE).0);
    }
    if let Some(text) = payload.downcast_ref::<Cow<'static, str>>() {
        return (None, clean::cut_text(text, MESSAGE).0);
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
