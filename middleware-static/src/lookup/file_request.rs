//! What a request asks for, as far as files are concerned.

use gateway_core::RequestExt;
use gateway_core::request::Nest;
use http::{HeaderMap, Method, Request, Uri, header};

use crate::facts::{Findings, NO_FINDINGS};
use crate::protocol::navigation;

/// The head of a request, looked at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileRequest<'a> {
    pub(crate) method: &'a Method,
    /// Below the mount, beginning with a slash.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The last segment of the client's path, where that is the mount itself without a slash at its end.
    pub(crate) bare_mount: Option<&'a str>,
    /// There are preconditions.
    pub(crate) conditional: bool,
    /// There is a `Range`.
    pub(crate) ranged: bool,
    /// A service behind answers where there is no file.
    pub(crate) falls_through: bool,
    /// What has been found out for this request already.
    pub(crate) findings: &'a Findings,
}

impl<'a> FileRequest<'a> {
    pub(crate) fn new(
        method: &'a Method,
        uri: &'a Uri,
        path: &'a str,
        headers: &'a HeaderMap,
        bare_mount: Option<&'a str>,
    ) -> Self {
        let (mut conditional, mut ranged) = (false, false);
        // One walk over the few fields of a request is cheaper than a search for each of the five.
        for name in headers.keys() {
            conditional |= *name == header::IF_NONE_MATCH
                || *name == header::IF_MODIFIED_SINCE
                || *name == header::IF_MATCH
                || *name == header::IF_UNMODIFIED_SINCE;
            ranged |= *name == header::RANGE;
        }
        Self {
            method,
            path,
            query: uri.query(),
            headers,
            bare_mount,
            conditional,
            ranged,
            falls_through: false,
            findings: &NO_FINDINGS,
        }
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    pub(crate) fn reads(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }

    pub(crate) fn is_navigation(&self) -> bool {
        navigation::is_navigation(self.headers, self.path)
    }
}

/// The same, owned: for a thread that may block. Cloned only when the kernel would make us wait.
#[derive(Debug)]
pub(crate) struct OwnedFileRequest {
    method: Method,
    uri: Uri,
    /// Kept apart from the URI: the path of a `StaticFile` is not that of the URI.
    path: String,
    headers: HeaderMap,
    bare_mount: Option<String>,
    falls_through: bool,
    pub(crate) findings: Findings,
}

impl OwnedFileRequest {
    pub(crate) fn new(request: &FileRequest<'_>, uri: &Uri) -> Self {
        Self {
            method: request.method.clone(),
            uri: uri.clone(),
            path: request.path.to_owned(),
            headers: request.headers.clone(),
            bare_mount: request.bare_mount.map(str::to_owned),
            falls_through: request.falls_through,
            findings: request.findings.clone(),
        }
    }

    pub(crate) fn borrowed(&self) -> FileRequest<'_> {
        FileRequest {
            falls_through: self.falls_through,
            findings: &self.findings,
            ..FileRequest::new(
                &self.method,
                &self.uri,
                &self.path,
                &self.headers,
                self.bare_mount.as_deref(),
            )
        }
    }
}

/// The last segment of the client's path, if the present path is the root only because a mount took everything:
/// `http` cannot hold the empty path that is left.
pub(crate) fn bare_mount<B>(request: &Request<B>) -> Option<&str> {
    if request.uri().path() != "/" {
        return None;
    }
    let mount = request.raw_script_name();
    let bare = request.raw_path_info().is_empty() && !mount.is_empty();
    if !bare || is_fallback_of_nest(request.extensions(), mount) {
        return None;
    }
    last_segment(mount)
}

/// Whether this service is the fallback of an axum router that is nested without a slash, and axum took the whole path. axum
/// passes `/assets` to it and never `/assets/`, so a redirect to the latter would end in a 404.
fn is_fallback_of_nest(extensions: &http::Extensions, mount: &str) -> bool {
    let segments = |path: &str| {
        path.split('/')
            .filter(|segment| !segment.is_empty())
            .count()
    };
    Nest::of(extensions).is_some_and(|nest| {
        // If the two differ, a mount of ours below the nest has taken more.
        nest.is_fallback && segments(nest.pattern) == segments(mount)
    })
}

pub(crate) fn last_segment(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|last| !last.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    // A `StaticFile` that had to wait was once looked up by the request's path, and was 404.
    #[test]
    fn what_waits_asks_for_the_same_path_though_the_uri_has_another() {
        let (method, headers) = (Method::GET, HeaderMap::new());
        for (uri, path) in [("/", "/app.js"), ("/mount/a", "/a"), ("/mount", "/")] {
            let uri: Uri = uri.parse().unwrap();
            let request = FileRequest::new(&method, &uri, path, &headers, None);
            assert_eq!(OwnedFileRequest::new(&request, &uri).borrowed().path, path);
        }
    }
}
