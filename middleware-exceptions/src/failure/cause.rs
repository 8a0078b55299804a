//! From a caught panic or a returned error to what can be said of it.

use std::{
    any::{Any, type_name},
    borrow::Cow,
    error::Error,
    fmt::{Debug, Display, Write as _},
};

use gateway_core::{BoxError, Failure};
use http::StatusCode;
use panic_capture::{Caught, Missing, discard, guard};

use crate::{
    body::BodyError,
    failure::spans,
    layer::Config,
    report::{ChainLink, Kind, Place, SpanSummary},
    text::clean::{self, MESSAGE},
};

/// So many causes are followed: enough for any honest chain, few enough for one without end.
const DEPTH: usize = 32;

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

/// From what the frames can be had, later.
pub(crate) enum Trace {
    /// A panic whose stack the hook walked.
    Addresses {
        frames: Box<[usize]>,
        truncated: bool,
    },
    /// A panic without.
    Missing(Missing),
    /// An error, which may carry a backtrace.
    Error(Contained<AnyError>),
}

/// An error as it came: boxed, `anyhow` and `eyre` lose their backtrace.
pub(crate) enum AnyError {
    Boxed(BoxError),
    #[cfg(feature = "anyhow")]
    Anyhow(anyhow::Error),
    #[cfg(feature = "eyre")]
    Eyre(eyre::Report),
}

/// Somebody's value, whose drop may panic.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

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
    pub(crate) fn of_error<E>(error: E, config: &Config) -> Self
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
        if let Err(caught) = guard(|| cause.describe(held.get(), config)) {
            discard(caught.payload);
            cause
                .message
                .push_str(" [the error panicked when it was asked for more]");
        }
        cause.trace = Trace::Error(held);
        cause
    }

    fn describe(&mut self, error: Option<&AnyError>, config: &Config) {
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
            && let Some(status) = mapped(error, config)
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
fn mapped(error: &(dyn Error + 'static), config: &Config) -> Option<StatusCode> {
    config.statuses.iter().find_map(|status| {
        links(error).find_map(|error| match error.downcast_ref::<Failure>() {
            Some(failure) => status(failure.cause()).or_else(|| status(error)),
            None => status(error),
        })
    })
}

impl AnyError {
    fn from<E: Into<BoxError> + 'static>(error: E) -> Self {
        #[cfg_attr(
            not(any(feature = "anyhow", feature = "eyre")),
            expect(unused_mut, reason = "taken from where a feature knows its type")
        )]
        let mut slot = Some(error);
        #[cfg(feature = "anyhow")]
        if let Some(error) = as_type::<anyhow::Error>(&mut slot) {
            return Self::Anyhow(error);
        }
        #[cfg(feature = "eyre")]
        if let Some(error) = as_type::<eyre::Report>(&mut slot) {
            return Self::Eyre(error);
        }
        match guard(|| slot.map(Into::into)) {
            Ok(Some(error)) => Self::Boxed(error),
            Ok(None) => Self::Boxed("the error is gone".into()),
            Err(caught) => {
                discard(caught.payload);
                Self::Boxed("an error whose conversion into a boxed error panicked".into())
            }
        }
    }

    pub(crate) fn as_dyn(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Boxed(error) => &**error,
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => {
                let error: &(dyn Error + Send + Sync + 'static) = error.as_ref();
                error
            }
            #[cfg(feature = "eyre")]
            Self::Eyre(error) => {
                let error: &(dyn Error + Send + Sync + 'static) = error.as_ref();
                error
            }
        }
    }

    /// The backtrace as std prints it, if the error has one. Slow: it may symbolicate.
    pub(crate) fn printed_backtrace(&self) -> Option<String> {
        match self {
            // A boxed anyhow::Error prints its backtrace in `{:?}` and has no other way to it.
            // It begins with the message: of others, a derived `Debug` of a deep chain would
            // overflow the stack.
            Self::Boxed(error) => {
                let message = error.to_string();
                if !debug(&error, 128).starts_with(clean::truncated(&message, 64)) {
                    return None;
                }
                let debug = debug(&error, 1024 * 1024);
                let (_, backtrace) = debug.rsplit_once("Stack backtrace:\n")?;
                Some(backtrace.to_owned())
            }
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => {
                let backtrace = error.backtrace();
                (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
                    .then(|| backtrace.to_string())
            }
            // Of eyre only the handler knows, and its `{:?}`.
            #[cfg(feature = "eyre")]
            Self::Eyre(error) => {
                let debug = debug(&error, 1024 * 1024);
                let (_, backtrace) = debug.rsplit_once("Stack backtrace:\n")?;
                Some(backtrace.to_owned())
            }
        }
    }
}

#[cfg(any(feature = "anyhow", feature = "eyre"))]
fn as_type<T: 'static>(slot: &mut dyn Any) -> Option<T> {
    slot.downcast_mut::<Option<T>>().and_then(Option::take)
}

/// The error and its sources, as deep as they are followed.
pub(crate) fn links<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    let links = std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    });
    links.take(DEPTH)
}

/// Whether an error of the body below was reported by a layer further in.
pub(crate) fn is_reported(error: &(dyn Error + 'static)) -> bool {
    links(error).any(<dyn Error + 'static>::is::<BodyError>)
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

/// `Debug`, as much as fits. Raw.
fn debug(error: &dyn Debug, limit: usize) -> String {
    struct Bounded(String, usize);
    impl std::fmt::Write for Bounded {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let fits = clean::truncated(text, self.1.saturating_sub(self.0.len()));
            self.0.push_str(fits);
            if fits.len() < text.len() {
                Err(std::fmt::Error)
            } else {
                Ok(())
            }
        }
    }
    let mut text = Bounded(String::new(), limit);
    _ = write!(text, "{error:?}");
    text.0
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
