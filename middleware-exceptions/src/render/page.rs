//! What a renderer is given, and what it gives back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::{
    failure::id::ErrorId,
    report::Report,
    request::{accept::Format, gate::Verdict},
};

/// How failures are written.
#[derive(Clone, Default)]
pub(crate) struct Renderer {
    /// The program's own way.
    pub(crate) own: Option<Arc<RenderFn>>,
    /// The pattern of URLs that open an editor: by default the one at hand, and none if it is empty.
    pub(crate) editor: Option<Arc<str>>,
}

pub(crate) type RenderFn = dyn Fn(&Page<'_>) -> Option<Rendered> + Send + Sync;

/// What [`render_with`](crate::ExceptionsLayer::render_with) is asked to write.
#[derive(Debug)]
pub struct Page<'a> {
    pub(crate) report: &'a Report,
    pub(crate) verdict: &'a Verdict,
    pub(crate) format: Format,
}

impl Page<'_> {
    /// The id in the log.
    #[must_use]
    pub fn id(&self) -> ErrorId {
        self.report.id()
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.report.status()
    }

    /// What the client would rather have. Always text in production, where `Accept` is not looked at.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Everything; `None` for a client that may not see it.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        (*self.verdict == Verdict::Shown).then_some(self.report)
    }
}

/// A body written by [`render_with`](crate::ExceptionsLayer::render_with).
#[derive(Debug, Clone)]
pub struct Rendered {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
    pub(crate) policy: Option<HeaderValue>,
}

impl Rendered {
    /// A body of this type, such as `text/html; charset=utf-8`.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        // Not a valid header value: octets, which no browser runs.
        let content_type = HeaderValue::try_from(content_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        Self {
            content_type,
            body: body.into(),
            policy: None,
        }
    }
}
