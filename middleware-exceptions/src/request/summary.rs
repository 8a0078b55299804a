//! What a report tells of the request.

use http::{HeaderMap, Method, Version};

use crate::text::{
    clean,
    secrets::{REDACTED, is_secret_name, redacted},
};

/// The request of a [`Report`](crate::Report), its secrets redacted.
#[derive(Debug, Clone)]
pub struct RequestSummary {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) version: Option<Version>,
    pub(crate) headers: Vec<(String, String)>,
}

impl RequestSummary {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query as they reached the layer, secret fields of the query redacted.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The version of HTTP; `None` in production.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The headers, secret ones redacted; empty in production, where cloning them would cost every
    /// request six allocations.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

pub(crate) fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers.iter().take(64).map(|(name, value)| {
        let value = if is_secret_name(name.as_str()) || value.is_sensitive() {
            REDACTED.into()
        } else {
            let value = String::from_utf8_lossy(value.as_bytes());
            clean::cut_text(&redacted(&value), 1024).0
        };
        (name.as_str().to_owned(), value)
    });
    shown.collect()
}
