//! The tracing spans around a failure.

use std::{any::Any, error::Error};

use panic_capture::{discard, guard};
use tracing::Span;

use crate::{
    failure::{facts::SpanSummary, trace::Contained},
    text::shown,
};

/// How many spans are listed.
#[cfg(feature = "tracing-error")]
const DEPTH: usize = 32;

/// Unwinding leaves the spans: the hook keeps a handle on the innermost one.
pub(crate) fn install() {
    panic_capture::set_context(|| {
        let span = Span::current();
        if span.is_none() {
            None
        } else {
            Some(Box::new(span) as Box<dyn Any + Send>)
        }
    });
}

pub(crate) fn of_panic(context: Option<Box<dyn Any + Send>>) -> Vec<SpanSummary> {
    let Some(Ok(span)) = context.map(<Box<dyn Any + Send>>::downcast::<Span>) else {
        return Vec::new();
    };
    contained(|| {
        let spans = listed(&span);
        discard(span);
        spans
    })
}

/// The innermost span that is open.
#[derive(Default)]
pub(crate) struct Current(Option<Contained<Span>>);

impl Current {
    /// Captured now, because other spans are open by the time the report is made.
    pub(crate) fn new() -> Self {
        let span = guard(Span::current).map_err(|caught| discard(caught.payload));
        Self(span.ok().map(|span| Contained(Some(span))))
    }
}

/// Of an error: the spans that it carries, else those that were open where it came out.
pub(crate) fn of_error(error: &(dyn Error + 'static), current: &Current) -> Vec<SpanSummary> {
    #[cfg(feature = "tracing-error")]
    {
        use tracing_error::ExtractSpanTrace as _;

        use crate::failure::trace::links;
        if let Some(trace) = links(error).find_map(|error| error.span_trace()) {
            return contained(|| visited(trace));
        }
    }
    _ = error;
    let span = current.0.as_ref().and_then(Contained::get);
    contained(|| span.map(listed).unwrap_or_default())
}

fn listed(span: &Span) -> Vec<SpanSummary> {
    #[cfg(feature = "tracing-error")]
    {
        let spans = visited(&tracing_error::SpanTrace::new(span.clone()));
        if !spans.is_empty() {
            return spans;
        }
    }
    let name = span.metadata().map(|metadata| metadata.name());
    name.map(|name| SpanSummary {
        name: shown::line(name, 128),
        fields: String::new(),
    })
    .into_iter()
    .collect()
}

#[cfg(feature = "tracing-error")]
fn visited(trace: &tracing_error::SpanTrace) -> Vec<SpanSummary> {
    let mut spans = Vec::new();
    trace.with_spans(|metadata, fields| {
        spans.push(SpanSummary {
            name: shown::line(metadata.name(), 128),
            fields: shown::fields(fields, 1024),
        });
        spans.len() < DEPTH
    });
    spans
}

/// Subscribers are the program's code, and may panic.
fn contained(list: impl FnOnce() -> Vec<SpanSummary>) -> Vec<SpanSummary> {
    guard(list).unwrap_or_else(|caught| {
        discard(caught.payload);
        Vec::new()
    })
}
