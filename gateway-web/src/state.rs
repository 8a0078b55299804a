//! What all views of a site share.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use gateway_core::{Environ, Error};
use http::HeaderMap;
use tower_layer::Layer;

use crate::around::{Around, Head, Surround};

/// Gives all views inside a value to share: a pool of connections, settings, templates. Views ask for it by its
/// type, with [`environ.state()`](crate::EnvironExt::state).
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, Reply};
/// use gateway_web::{EnvironExt, StateLayer};
/// use tower_layer::Layer;
///
/// struct Shop {
///     name: String,
/// }
///
/// fn index(environ: &mut Environ) -> Result<Reply, Error> {
///     let shop = environ.state::<Shop>()?;
///     Ok(Reply::text(shop.name.clone()))
/// }
///
/// let site = StateLayer::new(Shop { name: "Books".to_owned() }).layer(index);
/// Client::new(site).get("/").send().assert_text("Books");
/// ```
pub struct StateLayer<T> {
    state: Arc<T>,
}

impl<T: Send + Sync + 'static> StateLayer<T> {
    /// Shares `state`.
    pub fn new(state: T) -> Self {
        Self {
            state: Arc::new(state),
        }
    }
}

/// In the extensions of a request.
struct State<T>(Arc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[track_caller]
pub(crate) fn of<T: Send + Sync + 'static>(environ: &Environ) -> Result<Arc<T>, Error> {
    let state = environ.get::<State<T>>();
    state.map(|state| Arc::clone(&state.0)).ok_or_else(|| {
        let name = type_name::<T>();
        Error::msg(format!(
            "no `StateLayer` around this view shares a `{name}`"
        ))
    })
}

impl<T: Send + Sync + 'static> Surround for StateLayer<T> {
    type Kept = ();

    fn before(&self, request: &mut impl Head) {
        request.insert(State(Arc::clone(&self.state)));
    }

    fn after(&self, (): (), _: &mut HeaderMap) {}
}

impl<S, T: Send + Sync + 'static> Layer<S> for StateLayer<T> {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl<T> Clone for StateLayer<T> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
        }
    }
}

impl<T> fmt::Debug for StateLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StateLayer")
            .field(&type_name::<T>())
            .finish()
    }
}
