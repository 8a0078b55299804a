//! What a report tells of the request.

use gateway_core::secrets::{REDACTED, is_secret};
use http::{HeaderMap, Method, Version, header::SEC_WEBSOCKET_PROTOCOL};

use crate::text::shown;

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

pub(crate) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let protocols_bear_token = bear_token(headers);
    let shown = headers.iter().take(64).map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let value = if is_secret(name.as_str())
            || value.is_sensitive()
            || (name == SEC_WEBSOCKET_PROTOCOL && protocols_bear_token)
        {
            REDACTED.into()
        } else {
            shown::line(&text, 1024)
        };
        (shown::line(name.as_str(), 128), value)
    });
    shown.collect()
}

/// A browser's WebSocket cannot send `Authorization`: programs put the token among the protocols, whose lines are one
/// list.
fn bear_token(headers: &HeaderMap) -> bool {
    // The longest names that are registered have some 35 letters.
    let is_token = |name: &str| name.len() > 40 || name.starts_with("eyJ");
    headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(|line| {
        let protocols = String::from_utf8_lossy(line.as_bytes());
        is_secret(&protocols) || protocols.split(',').map(str::trim).any(is_token)
    })
}
