use tower_layer::Layer;

use super::CanonicalPath;
use super::policy::Policy;

/// Lets only canonical paths through, for services that are not strict themselves.
///
/// axum's routes compare a path as it was sent, and tower-http's `ServeDir` decodes it and skips
/// empty segments and `.`. So a route for `/files/private/{*path}` beside a `ServeDir` is passed by
/// `/files//private/x`, `/files/./private/x`, `/files/%2e/private/x` and `/files/%70rivate/x`. Below
/// this layer the route and the `ServeDir` see one spelling. Our own middleware-static and router
/// are strict by themselves.
///
/// ```
/// use axum::{Router, routing::any};
/// use gateway_core::paths::CanonicalPathLayer;
/// use http::{Request, StatusCode};
/// use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let serve_dir = tower::service_fn(async |_: Request<axum::body::Body>| Ok::<_, std::convert::Infallible>(http::Response::new(axum::body::Body::from("a file"))));
/// let router = Router::new()
///     .route("/files/private/{*path}", any(StatusCode::FORBIDDEN))
///     .nest_service("/files", serve_dir);
/// // Around the whole router: what `Router::layer` adds runs after the routing.
/// let site = CanonicalPathLayer::new().layer(router);
///
/// let get = |path| site.clone().oneshot(Request::get(path).body(axum::body::Body::empty()).unwrap());
/// assert_eq!(get("/files/private/x").await.unwrap().status(), 403);
/// assert_eq!(get("/files//private/x").await.unwrap().status(), 404);
/// let redirect = get("/files/%70rivate/x?a=b").await.unwrap();
/// assert_eq!(redirect.status(), 308);
/// assert_eq!(redirect.headers()["location"], "../private/x?a=b");
/// # }
/// ```
///
/// | the path, below the mounts around the layer, has | answer |
/// |---|---|
/// | an escape that is [written otherwise](crate::paths::Spelling#what-is-canonical) (`%70`, `%c3`), a byte outside ASCII, a `%` alone | 308 to the canonical spelling: relative, with the query |
/// | a dot segment, in any spelling | 404 |
/// | an empty segment (`//`) | 404, unless [allowed](Self::allow_empty_segments) |
/// | an encoded slash (`%2F`) | 404, unless [allowed](Self::allow_encoded_slashes) |
/// | a backslash, encoded or not | 404, unless [allowed](Self::allow_backslashes) |
/// | an encoded zero byte (`%00`) | 404 |
/// | none of these; or there is no path (`*`, CONNECT) | that of the service |
///
/// Escapes of reserved characters (`%40` and `@`, `%3B` and `;`) are different URIs, and both go
/// through. A guard that compares raw paths needs a route for each, if its name has such a
/// character; [`MountLayer`](crate::paths::MountLayer) compares decoded segments and needs one.
#[derive(Clone, Copy, Debug, Default)]
pub struct CanonicalPathLayer {
    policy: Policy,
}

impl CanonicalPathLayer {
    /// The layer, as strict as it can be.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets empty segments through: for services that take them for text (URLs inside URLs, keys
    /// of an object store) and never skip them. Default: 404.
    #[must_use]
    pub fn allow_empty_segments(mut self) -> Self {
        self.policy.empty_segments = true;
        self
    }

    /// Lets `%2F` through: for services that split a path before they decode it. Default: 404.
    #[must_use]
    pub fn allow_encoded_slashes(mut self) -> Self {
        self.policy.encoded_slashes = true;
        self
    }

    /// Lets backslashes through: for services that never take them for slashes, which file servers
    /// do on Windows. One that is not encoded is redirected to `%5C`. Default: 404.
    #[must_use]
    pub fn allow_backslashes(mut self) -> Self {
        self.policy.backslashes = true;
        self
    }

    /// Hands a request with another spelling on with the canonical one, instead of redirecting
    /// it: behind a proxy that spells paths in its own way, where a redirect would come round for
    /// ever. Default: 308.
    #[must_use]
    pub fn rewrite(mut self) -> Self {
        self.policy.rewrite = true;
        self
    }
}

impl<S> Layer<S> for CanonicalPathLayer {
    type Service = CanonicalPath<S>;

    fn layer(&self, inner: S) -> CanonicalPath<S> {
        CanonicalPath::new(self.policy, inner)
    }
}

impl CanonicalPath<()> {
    /// The layer: the same as [`CanonicalPathLayer::new`].
    #[must_use]
    pub fn layer() -> CanonicalPathLayer {
        CanonicalPathLayer::new()
    }
}
