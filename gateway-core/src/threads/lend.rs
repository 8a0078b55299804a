use std::sync::{Arc, OnceLock};

use super::pool::Pool;
use super::runtime::Runtime;
use super::work::Limits;

/// Owns a thread pool: closes it when the last clone is dropped.
///
/// The pool's own threads hold the pool, so its last reference is no sign that the work is over.
#[derive(Clone)]
pub(crate) struct Lender {
    owner: Arc<Owner>,
}

struct Owner {
    pool: Arc<Pool>,
}

impl Lender {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            owner: Arc::new(Owner {
                pool: Pool::new(limits),
            }),
        }
    }

    /// For bodies that block and that no service has adapted: one for the process, with the
    /// defaults. `None` where no runtime runs that lends threads.
    pub(crate) fn shared() -> Option<Self> {
        static SHARED: OnceLock<Lender> = OnceLock::new();
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
