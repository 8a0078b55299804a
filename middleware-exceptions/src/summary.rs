//! What is remembered of a request while it is handled: little in production, where it must cost nothing.

use http::{HeaderMap, Method, Request, Uri, Version, request::Parts, uri::PathAndQuery};

use crate::{
    accept::Format,
    clean,
    gate::Verdict,
    layer::Config,
    secrets::{REDACTED, is_secret_header, redacted_path, redacted_value},
};

/// On the happy path of every request: no allocation, few instructions.
pub(crate) struct Seen {
    method: Method,
    path: Path,
    /// With development on: headers, and who may see what.
    details: Option<Box<Details>>,
}

/// A short path is copied: the first clone of a `Uri` that a handler's test or a client
/// built from a string allocates, and the copy of a few bytes is cheaper than two reference counts.
enum Path {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(PathAndQuery),
}

const SHORT: usize = 38;

struct Details {
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
    #[inline]
    pub(crate) fn of<B>(request: Request<B>, config: &Config) -> (Request<B>, Self) {
        let seen = Self {
            method: request.method().clone(),
            path: Path::of(request.uri()),
            details: None,
        };
        if config.details.is_off() {
            (request, seen)
        } else {
            seen.with_details(request, config)
        }
    }

    /// No request at all.
    pub(crate) fn nothing() -> Self {
        let path = Path::Short {
            len: 0,
            bytes: [0; SHORT],
        };
        Self {
            method: Method::GET,
            path,
            details: None,
        }
    }

    #[cold]
    #[inline(never)]
    fn with_details<B>(self, request: Request<B>, config: &Config) -> (Request<B>, Self) {
        let (parts, body) = request.into_parts();
        let details = Some(Box::new(Details::of(&parts, config)));
        (Request::from_parts(parts, body), Self { details, ..self })
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.details
            .as_ref()
            .map_or(Verdict::Production, |details| details.verdict)
    }

    pub(crate) fn format(&self) -> Format {
        self.details
            .as_ref()
            .map_or(Format::Text, |details| details.format)
    }

    pub(crate) fn summary(&self) -> RequestSummary {
        let details = self.details.as_deref();
        RequestSummary {
            method: self.method.clone(),
            path: clean::cut_text(&redacted_path(self.path.as_str()), 2048).0,
            version: details.map(|details| details.version),
            headers: details
                .map(|details| shown(&details.headers))
                .unwrap_or_default(),
        }
    }
}

impl Details {
    fn of(parts: &Parts, config: &Config) -> Self {
        Self {
            version: parts.version,
            headers: parts.headers.clone(),
            verdict: config.details.judge(parts, config),
            format: Format::accepted(&parts.headers),
        }
    }
}

impl Path {
    #[inline]
    fn of(uri: &Uri) -> Self {
        let Some(path) = uri.path_and_query() else {
            return Self::Short {
                len: 0,
                bytes: [0; SHORT],
            };
        };
        let text = path.as_str().as_bytes();
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                #[expect(clippy::cast_possible_truncation, reason = "at most SHORT")]
                Self::Short {
                    len: text.len() as u8,
                    bytes,
                }
            }
            None => Self::Long(path.clone()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Short { len, bytes } => {
                let bytes = bytes.get(..usize::from(*len)).unwrap_or_default();
                str::from_utf8(bytes).unwrap_or_default()
            }
            Self::Long(path) => path.as_str(),
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
    fn short_and_long_paths_are_remembered_in_full() {
        for len in [1, 2, SHORT - 1, SHORT, SHORT + 1, 300] {
            let path: String = std::iter::once('/')
                .chain(std::iter::repeat_n('a', len - 1))
                .collect();
            let uri: Uri = path.parse().unwrap();
            assert_eq!(Path::of(&uri).as_str(), path);
        }
        assert_eq!(Path::of(&Uri::from_static("host:80")).as_str(), "");
    }
}
