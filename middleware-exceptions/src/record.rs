//! What the layer remembers of a request while it is handled: little in production, to keep requests cheap.

use std::sync::Arc;

use gateway_core::developer::head_of;
use http::{HeaderMap, Method, Request, Version, uri::PathAndQuery};

use crate::{
    config::Config,
    request::{
        accept::Format,
        gate::{Judged, Verdict},
        summary::{RequestSummary, headers},
    },
    text::shown,
};

/// What a report needs to know of one request.
#[derive(Clone)]
pub(crate) struct RequestRecord {
    pub(crate) line: RequestLine,
    pub(crate) shared: Arc<SharedRecord>,
}

/// On the happy path of every request: no allocation, few instructions, nothing to drop.
#[derive(Clone, Copy)]
pub(crate) struct RequestLine {
    method: KnownMethod,
    /// Of the path, in bytes.
    len: u8,
    /// Copied and not cloned: the first clone of a `Uri` may allocate.
    path: [u8; SHORT],
}

/// Longer paths are remembered in detail, which allocates. With it, a `RequestLine` takes 64 bytes.
const SHORT: usize = 62;

/// What all requests of a service have in common; and, of those that need more than a [`RequestLine`], what they have not.
/// Together, because each thing with a drop that a future holds costs some 35 instructions.
pub(crate) struct SharedRecord {
    pub(crate) config: Arc<Config>,
    details: Option<RequestDetails>,
}

/// The methods that have a constant (RFC 9110 section 9.3, RFC 5789), in one byte. In the order of `http`, which
/// makes the conversion a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownMethod {
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

struct RequestDetails {
    method: Method,
    path: Option<PathAndQuery>,
    development: Option<Development>,
}

struct Development {
    version: Version,
    headers: HeaderMap,
    judged: Judged,
    format: Format,
}

impl SharedRecord {
    pub(crate) fn of_service(config: Arc<Config>) -> Self {
        Self {
            config,
            details: None,
        }
    }

    /// Of a request of which more is remembered than the happy path can afford.
    pub(crate) fn in_detail<B>(request: &Request<B>, config: &Arc<Config>) -> Self {
        Self {
            config: Arc::clone(config),
            details: Some(RequestDetails::of(request, config)),
        }
    }
}

impl RequestLine {
    pub(crate) const fn empty() -> Self {
        Self {
            method: KnownMethod::Get,
            len: 0,
            path: [0; SHORT],
        }
    }

    #[inline(always)]
    pub(crate) fn has_room_for(path: &str) -> bool {
        path.len() <= SHORT
    }

    /// Omits a path that does not fit.
    #[inline(always)]
    pub(crate) fn new(method: KnownMethod, path: &str) -> Self {
        let mut line = Self {
            method,
            len: 0,
            path: [0; SHORT],
        };
        if let Some(room) = line.path.get_mut(..path.len()) {
            room.copy_from_slice(path.as_bytes());
            line.len = path.len() as u8;
        }
        line
    }

    fn path(&self) -> &str {
        let path = self.path.get(..usize::from(self.len));
        path.and_then(|path| str::from_utf8(path).ok())
            .unwrap_or_default()
    }
}

impl RequestRecord {
    /// Of no request.
    pub(crate) fn without_request(shared: &Arc<SharedRecord>) -> Self {
        Self {
            line: RequestLine::empty(),
            shared: Arc::clone(shared),
        }
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.shared.config
    }

    pub(crate) fn is_head(&self) -> bool {
        match &self.shared.details {
            Some(details) => details.method == Method::HEAD,
            None => self.line.method == KnownMethod::Head,
        }
    }

    fn development(&self) -> Option<&Development> {
        self.shared.details.as_ref()?.development.as_ref()
    }

    pub(crate) fn judged(&self) -> Judged {
        match self.development() {
            Some(development) => development.judged.clone(),
            None => Judged::Finally(Verdict::Production),
        }
    }

    pub(crate) fn may_be_shown(&self) -> bool {
        self.development()
            .is_some_and(|development| development.judged.may_be_shown())
    }

    pub(crate) fn format(&self) -> Format {
        self.development()
            .map_or(Format::Text, |development| development.format)
    }

    pub(crate) fn summary(&self) -> RequestSummary {
        let development = self.development();
        let (method, path) = match &self.shared.details {
            Some(RequestDetails { method, path, .. }) => (
                method.clone(),
                path.as_ref().map_or("", PathAndQuery::as_str),
            ),
            None => (self.line.method.method(), self.line.path()),
        };
        RequestSummary {
            method,
            path: shown::line(path, 2048),
            version: development.map(|development| development.version),
            headers: development
                .map(|development| headers(&development.headers))
                .unwrap_or_default(),
        }
    }
}

/// With the query.
#[inline(always)]
pub(crate) fn path_of<B>(request: &Request<B>) -> &str {
    request
        .uri()
        .path_and_query()
        .map_or("", PathAndQuery::as_str)
}

impl RequestDetails {
    fn of<B>(request: &Request<B>, config: &Config) -> Self {
        let development = (!config.gate.is_off()).then(|| {
            let parts = head_of(request);
            Development {
                version: parts.version,
                judged: config.gate.judge(&parts),
                format: Format::accepted(&parts.headers),
                headers: parts.headers,
            }
        });
        Self {
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned(),
            development,
        }
    }
}

impl KnownMethod {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_paths_of_any_length_are_remembered_in_full() {
        let layer = crate::ExceptionsLayer::new();
        for len in [0, 1, 2, 40, 62, 63, 300] {
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
                let (line, shared) = match KnownMethod::of(request.method()) {
                    Some(method) if RequestLine::has_room_for(path_of(&request)) => (
                        RequestLine::new(method, path_of(&request)),
                        SharedRecord::of_service(Arc::clone(layer.config())),
                    ),
                    _ => (
                        RequestLine::empty(),
                        SharedRecord::in_detail(&request, layer.config()),
                    ),
                };
                let record = RequestRecord {
                    line,
                    shared: Arc::new(shared),
                };
                let summary = record.summary();
                assert_eq!(
                    (summary.method().as_str(), summary.path()),
                    (method, path.as_str())
                );
                assert_eq!(record.is_head(), method == "HEAD");
            }
        }
    }
}
