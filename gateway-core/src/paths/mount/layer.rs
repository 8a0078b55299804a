use tower_layer::Layer;

use super::Mount;
use crate::paths::{InvalidPrefix, Prefix};

/// Serves `mounted` below a prefix and hands every other request to the layered service.
///
/// ```
/// use gateway_core::paths::MountLayer;
/// use gateway_core::RequestExt;
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let wiki = service_fn(async |request: Request<String>| {
///     let path = String::from_utf8_lossy(&request.path_info()).into_owned();
///     Ok::<_, Infallible>(Response::new(format!("wiki page {path}")))
/// });
/// let site = service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new("site".to_string())));
///
/// let both = MountLayer::new("/wiki", wiki).unwrap().layer(site);
/// let response = both.oneshot(Request::get("/wiki/Front").body(String::new()).unwrap()).await.unwrap();
/// assert_eq!(response.into_body().into_mounted(), Some("wiki page /Front".to_string()));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MountLayer<M> {
    prefix: Prefix,
    mounted: M,
}

impl<M> MountLayer<M> {
    /// `mounted` below `prefix`, a literal path such as `/wiki`.
    ///
    /// # Errors
    ///
    /// `prefix` does not begin with `/` or has an empty segment; see [`Prefix::new`].
    pub fn new(prefix: &str, mounted: M) -> Result<Self, InvalidPrefix> {
        Ok(Self {
            prefix: Prefix::new(prefix)?,
            mounted,
        })
    }
}

impl<M: Clone, S> Layer<S> for MountLayer<M> {
    type Service = Mount<M, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Mount::between(self.prefix.clone(), self.mounted.clone(), inner)
    }
}
