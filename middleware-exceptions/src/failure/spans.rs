//! The tracing spans around a failure.

use std::{any::Any, error::Error};

use panic_capture::{discard, guard};
use tracing::Span;

use crate::{
    failure::facts::SpanSummary,
    text::{
        clean,
        secrets::{REDACTED, is_secret_name, redacted},
    },
};

/// So many spans are listed.
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

/// Of an error: the spans that it carries, else those that are open where it came out.
pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Vec<SpanSummary> {
    #[cfg(feature = "tracing-error")]
    {
        use tracing_error::ExtractSpanTrace as _;
        if let Some(trace) =
            crate::failure::trace::links(error).find_map(|error| error.span_trace())
        {
            return contained(|| visited(trace));
        }
    }
    _ = error;
    contained(|| listed(&Span::current()))
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
        name: clean::cut_text(name, 128).0,
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
            name: clean::cut_text(metadata.name(), 128).0,
            fields: redacted_fields(&clean::cut_text(fields, 1024).0),
        });
        spans.len() < DEPTH
    });
    spans
}

/// Subscribers are somebody's code.
fn contained(list: impl FnOnce() -> Vec<SpanSummary>) -> Vec<SpanSummary> {
    guard(list).unwrap_or_else(|caught| {
        discard(caught.payload);
        Vec::new()
    })
}

/// `id=7 token=abc def` to `id=7 token=[redacted]`: a value ends where the next `name=` begins.
#[cfg_attr(
    not(feature = "tracing-error"),
    cfg_attr(not(test), expect(dead_code, reason = "fields come with it"))
)]
fn redacted_fields(fields: &str) -> String {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|char| char.is_alphanumeric() || "_.-#".contains(char))
    };
    let text = fields.replace('\n', "\\n");
    let mut fields: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match fields.last_mut() {
            Some(field) if !word.split_once('=').is_some_and(|(name, _)| is_name(name)) => {
                field.push(' ');
                field.push_str(word);
            }
            _ => fields.push(word.to_owned()),
        }
    }
    let shown = fields.iter().map(|field| match field.split_once('=') {
        Some((name, _)) if is_name(name) && is_secret_name(name) => format!("{name}={REDACTED}"),
        _ => redacted(field).into_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_secret_names_lose_their_values() {
        let cases = [
            ("id=7", "id=7"),
            ("id=7 token=abc", "id=7 token=[redacted]"),
            ("password=\"two words\" id=7", "password=[redacted] id=7"),
            ("the message id=7", "the message id=7"),
            (
                "uri=/a?x=1&token=abc id=7",
                "uri=/a?x=1&token=[redacted] id=7",
            ),
            (
                "uri=http://u:p@host/ id=7",
                "uri=http://[redacted]@host/ id=7",
            ),
            (
                r#"context={"password" : "two words"} id=7"#,
                r#"context={"password" :[redacted] id=7"#,
            ),
            ("", ""),
        ];
        for (fields, shown) in cases {
            assert_eq!(redacted_fields(fields), shown, "{fields}");
        }
    }
}
