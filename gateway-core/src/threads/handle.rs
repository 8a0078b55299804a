use std::sync::{Arc, OnceLock};

use super::pool::Pool;
use super::runtime::Runtime;
use super::work::Limits;

/// Owns a thread pool: closes it when the last clone is dropped.
///
/// The pool's threads hold references to the pool, so the pool's own count does not say when to close it.
#[derive(Clone)]
pub(crate) struct PoolHandle {
    owner: Arc<Owner>,
}

struct Owner {
    pool: Arc<Pool>,
}

impl PoolHandle {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            owner: Arc::new(Owner {
                pool: Pool::new(limits),
            }),
        }
    }

    /// The process's pool with default limits, for blocking bodies that are polled without an adapter. `None` where
    /// no runtime runs that lends threads.
    pub(crate) fn shared() -> Option<Self> {
        static SHARED: OnceLock<PoolHandle> = OnceLock::new();
        Runtime::current()?;
        Some(SHARED.get_or_init(|| Self::new(Limits::default())).clone())
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.owner.pool
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pool.close();
    }
}
