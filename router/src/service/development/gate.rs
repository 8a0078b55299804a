//! Which clients routes are listed for, as the program has set it.

use std::fmt;
use std::sync::Arc;

use gateway_core::developer::Facts;
use http::request::Parts;

/// To no one, unless something is set.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) developer: bool,
    pub(crate) users: Arc<[u32]>,
    /// In place of all else.
    pub(crate) allowed: Option<Arc<AllowedFn>>,
}

type AllowedFn = dyn Fn(&Parts) -> bool + Send + Sync;

pub(super) enum Access {
    Shown,
    Withheld,
    /// By what is known of the client.
    By(Facts),
}

impl Gate {
    pub(crate) fn is_off(&self) -> bool {
        !self.developer && self.allowed.is_none()
    }

    pub(super) fn access(&self, parts: &Parts) -> Access {
        match &self.allowed {
            Some(allowed) if allowed(parts) => Access::Shown,
            None if self.developer => {
                Access::By(Facts::of(parts).with_trusted_users(Arc::clone(&self.users)))
            }
            _ => Access::Withheld,
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("developer", &self.developer)
            .field("users", &self.users)
            .field("allowed", &self.allowed.is_some())
            .finish()
    }
}
