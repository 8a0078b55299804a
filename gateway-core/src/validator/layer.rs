use tower_layer::Layer;

use super::breach::{Breach, Breaches};
use super::service::Validator;

/// Puts a [`Validator`] around a service.
#[derive(Clone, Debug, Default)]
pub struct ValidatorLayer {
    breaches: Breaches,
}

impl ValidatorLayer {
    /// A layer that prints each breach on standard error and keeps it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A layer that hands each breach to `report` in place of printing it.
    #[must_use]
    pub fn reporting(report: impl Fn(&Breach) + Send + Sync + 'static) -> Self {
        Self {
            breaches: Breaches::reporting(report),
        }
    }

    /// What was found so far, and what will be: shared by all services of this layer.
    #[must_use]
    pub fn breaches(&self) -> Breaches {
        self.breaches.clone()
    }
}

impl<S> Layer<S> for ValidatorLayer {
    type Service = Validator<S>;

    fn layer(&self, inner: S) -> Validator<S> {
        Validator::new(inner, self.breaches.clone())
    }
}

impl Validator<()> {
    /// The layer: the same as [`ValidatorLayer::new`].
    #[must_use]
    pub fn layer() -> ValidatorLayer {
        ValidatorLayer::new()
    }
}
