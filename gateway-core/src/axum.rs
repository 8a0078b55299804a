//! What axum knows of a request, told to our crates by one layer that the program adds.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, MatchedPath, NestedPath, OriginalUri};
use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::inner::inner_accessors;
use crate::request::arrival::{Nest, record_told};
use crate::request::{Addr, ConnInfo};

/// Tells our crates what axum knows: who is asking, and what its `nest` took off the path.
///
/// Put it outermost in an axum program. Without it, our crates read nothing of axum's:
///
/// ```
/// use axum::Router;
/// use gateway_core::axum::FromAxumLayer;
/// use gateway_core::{Application, Environ, Reply};
/// use std::net::SocketAddr;
///
/// fn whoami(environ: &mut Environ) -> Reply {
///     let peer = environ.conn().map(|conn| conn.peer().to_string());
///     Reply::text(format!("{peer:?} at {}", environ.raw_script_name()))
/// }
///
/// let app = Router::new()
///     .nest_service("/whoami", whoami.into_service().answer_errors())
///     .layer(FromAxumLayer::new())
///     .into_make_service_with_connect_info::<SocketAddr>();
/// # let _ = app;
/// ```
///
/// | axum has | and so our crates know |
/// |---|---|
/// | `ConnectInfo<SocketAddr>` | the [connection](crate::RequestExt::conn): for the pages in development, and `REMOTE_ADDR` |
/// | `OriginalUri` | SCRIPT_NAME: the layer may also be inside of a nest |
/// | `NestedPath` | the patterns of nests, for the label that the router gives a request in metrics |
/// | `MatchedPath` | that a request is for the fallback of a nest, where `./assets/` leads to nothing |
///
/// What a server of ours or a proxy layer said already stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromAxumLayer;

impl FromAxumLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for FromAxumLayer {
    type Service = FromAxum<S>;

    fn layer(&self, inner: S) -> FromAxum<S> {
        FromAxum { inner }
    }
}

/// The service of [`FromAxumLayer`].
#[derive(Clone, Debug)]
pub struct FromAxum<S> {
    inner: S,
}

impl FromAxum<()> {
    /// The layer: the same as [`FromAxumLayer::new`].
    #[must_use]
    pub const fn layer() -> FromAxumLayer {
        FromAxumLayer::new()
    }
}

impl<S> FromAxum<S> {
    inner_accessors!(inner);
}

impl<S, B> Service<Request<B>> for FromAxum<S>
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
        let uri = request.uri().clone();
        let extensions = request.extensions_mut();
        let conn = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| ConnInfo::new(*peer, Addr::Unknown));
        let original = extensions.get().map(|OriginalUri(uri)| uri.clone());
        record_told(extensions, &uri, original.as_ref(), conn, nest);
        self.inner.call(request)
    }
}

/// Read when a service of ours asks: axum inserts these after the outermost layer was called.
fn nest(extensions: &Extensions) -> Option<Nest<'_>> {
    let pattern = extensions.get::<NestedPath>()?.as_str();
    let is_fallback = extensions.get::<MatchedPath>().is_none();
    Some(Nest {
        pattern,
        is_fallback,
    })
}
