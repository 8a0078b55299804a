//! What is remembered of a request while it is handled: little in production, where it must cost nothing.

use http::{HeaderMap, Method, Request, Version, uri::PathAndQuery};

use crate::{
    accept::Format,
    clean,
    gate::Verdict,
    layer::Config,
    secrets::{REDACTED, is_secret_header, redacted_path, redacted_value},
};

/// On the happy path of every request: no allocation, few instructions, few bytes to move about.
pub(crate) enum Seen {
    /// A short path is copied: cheaper than two reference counts, and the first clone of a `Uri`
    /// that was parsed from a string would allocate.
    Short {
        method: Known,
        len: u8,
        bytes: [u8; SHORT],
    },
    Long {
        method: Known,
        path: PathAndQuery,
    },
    /// With development on; and for methods that nobody knows.
    Details(Box<Details>),
}

/// With the two bytes before it as large as `Long` is.
const SHORT: usize = 45;

/// The methods that have a constant (RFC 9110 section 9.3, RFC 5789), in one byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

pub(crate) struct Details {
    method: Method,
    path: String,
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
    #[inline(always)]
    pub(crate) fn of<B>(request: &Request<B>, config: &Config) -> Self {
        match (Known::of(request.method()), request.uri().path_and_query()) {
            (Some(method), Some(path)) if config.details.is_off() => {
                let text = path.as_str().as_bytes();
                let mut bytes = [0; SHORT];
                match bytes.get_mut(..text.len()) {
                    Some(room) => {
                        room.copy_from_slice(text);
                        #[expect(clippy::cast_possible_truncation, reason = "at most SHORT")]
                        Self::Short {
                            method,
                            len: text.len() as u8,
                            bytes,
                        }
                    }
                    None => Self::Long {
                        method,
                        path: path.clone(),
                    },
                }
            }
            _ => Self::with_details(request, config),
        }
    }

    /// No request at all.
    pub(crate) fn nothing() -> Self {
        Self::Short {
            method: Known::Get,
            len: 0,
            bytes: [0; SHORT],
        }
    }

    #[cold]
    #[inline(never)]
    fn with_details<B>(request: &Request<B>, config: &Config) -> Self {
        let path = request
            .uri()
            .path_and_query()
            .map_or("", PathAndQuery::as_str)
            .to_owned();
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
        Self::Details(Box::new(Details {
            method: request.method().clone(),
            path,
            development,
        }))
    }

    #[inline(always)]
    pub(crate) fn is_head(&self) -> bool {
        match self {
            Self::Short { method, .. } | Self::Long { method, .. } => *method == Known::Head,
            Self::Details(details) => details.method == Method::HEAD,
        }
    }

    fn development(&self) -> Option<&Development> {
        match self {
            Self::Details(details) => details.development.as_ref(),
            Self::Short { .. } | Self::Long { .. } => None,
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.development()
            .map_or(Verdict::Production, |development| development.verdict)
    }

    pub(crate) fn format(&self) -> Format {
        self.development()
            .map_or(Format::Text, |development| development.format)
    }

    fn method(&self) -> Method {
        match self {
            Self::Short { method, .. } | Self::Long { method, .. } => method.method(),
            Self::Details(details) => details.method.clone(),
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Short { len, bytes, .. } => {
                let bytes = bytes.get(..usize::from(*len)).unwrap_or_default();
                str::from_utf8(bytes).unwrap_or_default()
            }
            Self::Long { path, .. } => path.as_str(),
            Self::Details(details) => &details.path,
        }
    }

    pub(crate) fn summary(&self) -> RequestSummary {
        let development = self.development();
        RequestSummary {
            method: self.method(),
            path: clean::cut_text(&redacted_path(self.path()), 2048).0,
            version: development.map(|development| development.version),
            headers: development
                .map(|development| shown(&development.headers))
                .unwrap_or_default(),
        }
    }
}

impl Known {
    #[inline(always)]
    fn of(method: &Method) -> Option<Self> {
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
        let value = if is_secret_header(name.as_str()) || value.is_sensitive() {
            REDACTED.into()
        } else {
            let value = String::from_utf8_lossy(value.as_bytes());
            clean::cut_text(&redacted_value(&value), 1024).0
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
        for len in [0, 1, 2, SHORT - 1, SHORT, SHORT + 1, 300] {
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
                let summary = Seen::of(&request, layer.config()).summary();
                assert_eq!(
                    (summary.method().as_str(), summary.path()),
                    (method, path.as_str())
                );
            }
        }
        assert_eq!(size_of::<Seen>(), 48);
    }
}
