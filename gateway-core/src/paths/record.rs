use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::inner::inner_accessors;
use crate::request::arrival::record_path;

/// Records the client's path before another framework's `nest` strips a prefix from it.
///
/// Our servers and mounts do that themselves. Put this outermost in an axum program that is
/// served by `axum::serve` and nests our services; without it (or `axum::FromAxumLayer`)
/// they take the path below the nest for the whole.
///
/// A path that is recorded already stays, unless it is stale.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordPathLayer;

impl RecordPathLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// Records the path of `request` as the layer does.
    pub(crate) fn record<B>(request: &mut Request<B>) {
        let uri = request.uri().clone();
        record_path(request.extensions_mut(), &uri);
    }
}

impl<S> Layer<S> for RecordPathLayer {
    type Service = RecordPath<S>;

    fn layer(&self, inner: S) -> RecordPath<S> {
        RecordPath { inner }
    }
}

/// The service of [`RecordPathLayer`].
#[derive(Clone, Debug)]
pub struct RecordPath<S> {
    inner: S,
}

impl RecordPath<()> {
    /// The layer: the same as [`RecordPathLayer::new`].
    #[must_use]
    pub const fn layer() -> RecordPathLayer {
        RecordPathLayer::new()
    }
}

impl<S> RecordPath<S> {
    inner_accessors!(inner);
}

impl<S, B> Service<Request<B>> for RecordPath<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        RecordPathLayer::record(&mut request);
        self.inner.call(request)
    }
}
