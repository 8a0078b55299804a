//! Services below a path prefix.

mod body;
mod future;
mod layer;
mod service;

use http::Uri;
use http::uri::PathAndQuery;

pub use body::MountBody;
pub use future::ResponseFuture;
pub use layer::MountLayer;
pub(crate) use service::not_found;
pub use service::{Mount, NotFound, mount};

/// `uri` with `path` in place of its path; the query and an absolute form stay.
///
/// An empty path becomes `/`: `http` cannot hold another. What the client really asked for stays
/// with the recorded [`ScriptName`](crate::ScriptName).
pub(crate) fn below(uri: &Uri, path: &str) -> Uri {
    let path = if path.is_empty() { "/" } else { path };
    // `http` lets nobody share a slice of a path: this copy is the one allocation of a mount.
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    // A part of a valid path that begins with a slash is a valid path.
    parts.path_and_query = Some(target.unwrap_or_else(|_| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}
