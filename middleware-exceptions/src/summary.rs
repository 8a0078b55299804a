//! What is remembered of a request while it is handled: little in production, where it must cost nothing.

use http::{HeaderMap, Method, Request, Version, uri::PathAndQuery};

use crate::{
    accept::Format,
    clean,
    gate::Verdict,
    layer::Config,
    secrets::{REDACTED, is_secret_name, redacted},
};

/// On the happy path of every request: no allocation, few instructions.
pub(crate) struct Seen {
    method: Known,
    /// Of the path, in bytes. What does not fit `path` is in `long`.
    len: usize,
    /// Copied into memory that is used again: cheaper than the reference counts of a `Uri`, whose
    /// first clone may allocate besides.
    path: [u8; SHORT],
    long: String,
    /// With development on; and for methods that nobody knows.
    details: Option<Box<Details>>,
    /// Something of this request must go before the next one: to ask for one flag is cheaper than to look.
    pub(crate) is_untidy: bool,
}

/// Paths are rarely longer.
const SHORT: usize = 256;

/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 1024;

/// The methods that have a constant (RFC 9110 section 9.3, RFC 5789), in one byte. In the order of `http`, which
/// makes the conversion a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Options,
    Get,
    Post,
    Put,
    Delete,
    Head,
    Trace,
    Connect,
    Patch,
}

struct Details {
    method: Method,
    development: Option<Development>,
}

struct Development {
    version: Version,
    headers: HeaderMap,
    verdict: Verdict,
    format: Format,
}

/// The request of a [`Report`](crate::Report), its secrets redacted.
#[derive(Debug, Clone)]
pub struct RequestSummary {
    method: Method,
    path: String,
    version: Option<Version>,
    headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) const fn nothing() -> Self {
        Self {
            method: Known::Get,
            len: 0,
            path: [0; SHORT],
            long: String::new(),
            details: None,
            is_untidy: false,
        }
    }

    /// Whether [`see`](Self::see) is not enough.
    #[inline(always)]
    pub(crate) fn see<B>(&mut self, request: &Request<B>, method: Known) {
        let path = request
            .uri()
            .path_and_query()
            .map_or("", PathAndQuery::as_str);
        self.len = path.len();
        match self.path.get_mut(..path.len()) {
            Some(place) => place.copy_from_slice(path.as_bytes()),
            None => self.see_long(path),
        }
        self.method = method;
    }

    #[cold]
    #[inline(never)]
    fn see_long(&mut self, path: &str) {
        self.long.clear();
        self.long.push_str(path);
        self.is_untidy |= self.long.capacity() > KEPT;
    }

    fn path(&self) -> &str {
        match self.path.get(..self.len) {
            Some(path) => str::from_utf8(path).unwrap_or_default(),
            None => &self.long,
        }
    }

    /// Whether it may be filled anew.
    pub(crate) fn is_reusable(&self) -> bool {
        self.details.is_none() && self.long.capacity() <= KEPT
    }

    pub(crate) fn see_details<B>(&mut self, request: &Request<B>, config: &Config) {
        let development = (!config.details.is_off()).then(|| {
            // What the program judges by is what it judges by everywhere: `Parts`.
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.method.clone_from(request.method());
            parts.uri.clone_from(request.uri());
            parts.version = request.version();
            parts.headers.clone_from(request.headers());
            parts.extensions.clone_from(request.extensions());
            Development {
                version: parts.version,
                verdict: config.details.judge(&parts, config),
                format: Format::accepted(&parts.headers),
                headers: parts.headers,
            }
        });
        self.is_untidy = true;
        self.details = Some(Box::new(Details {
            method: request.method().clone(),
            development,
        }));
    }

    #[inline(always)]
    pub(crate) fn is_head(&self) -> bool {
        self.method == Known::Head
    }

    fn development(&self) -> Option<&Development> {
        self.details
            .as_ref()
            .and_then(|details| details.development.as_ref())
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.development()
            .map_or(Verdict::Production, |development| development.verdict)
    }

    pub(crate) fn format(&self) -> Format {
        self.development()
            .map_or(Format::Text, |development| development.format)
    }

    pub(crate) fn summary(&self) -> RequestSummary {
        let development = self.development();
        RequestSummary {
            method: match &self.details {
                Some(details) => details.method.clone(),
                None => self.method.method(),
            },
            path: clean::cut_text(&redacted(self.path()), 2048).0,
            version: development.map(|development| development.version),
            headers: development
                .map(|development| shown(&development.headers))
                .unwrap_or_default(),
        }
    }
}

impl Known {
    #[inline(always)]
    pub(crate) fn of(method: &Method) -> Option<Self> {
        Some(match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::CONNECT => Self::Connect,
            Method::OPTIONS => Self::Options,
            Method::TRACE => Self::Trace,
            Method::PATCH => Self::Patch,
            _ => return None,
        })
    }

    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Connect => Method::CONNECT,
            Self::Options => Method::OPTIONS,
            Self::Trace => Method::TRACE,
            Self::Patch => Method::PATCH,
        }
    }
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_paths_of_any_length_are_remembered_in_full() {
        let layer = crate::ExceptionsLayer::new();
        let mut seen = Seen::nothing();
        for len in [0, 1, 2, 40, 300] {
            for method in [
                "GET",
                "HEAD",
                "PATCH",
                "PROPFIND",
                "EXTENSION-METHOD-OF-SOME-LENGTH",
            ] {
                let path: String = "/a".chars().cycle().take(len).collect();
                let uri = if len == 0 {
                    "host:80".into()
                } else {
                    path.clone()
                };
                let request = Request::builder().method(method).uri(uri).body(()).unwrap();
                if !seen.is_reusable() {
                    seen = Seen::nothing();
                }
                match Known::of(request.method()) {
                    Some(method) => seen.see(&request, method),
                    None => {
                        seen.see(&request, Known::Get);
                        seen.see_details(&request, layer.config());
                    }
                }
                let summary = seen.summary();
                assert_eq!(
                    (summary.method().as_str(), summary.path()),
                    (method, path.as_str())
                );
            }
        }
    }
}
