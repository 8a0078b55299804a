use std::time::{Duration, Instant};

/// How long a thread waits for a client that does not move.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// How often a thread that waits asks whether it still may, at most.
const GLANCE: Duration = Duration::from_secs(1);

/// How long to wait for a client that does not move.
#[derive(Clone)]
pub(crate) struct Patience {
    full: Duration,
    /// Somebody else sees better whether the client moves.
    watched: bool,
    #[cfg(feature = "tokio")]
    pool: Option<std::sync::Arc<crate::threads::queue::Pool>>,
}

impl Patience {
    pub(crate) const fn new(full: Duration) -> Self {
        Self {
            full,
            watched: false,
            #[cfg(feature = "tokio")]
            pool: None,
        }
    }

    /// Less of it while others wait for a place to wait in.
    #[cfg(feature = "tokio")]
    pub(crate) fn among(full: Duration, pool: std::sync::Arc<crate::threads::queue::Pool>) -> Self {
        Self {
            pool: Some(pool),
            ..Self::new(full)
        }
    }

    /// No end to it while nobody else waits for the place, if `watched`.
    #[cfg(feature = "tokio")]
    pub(crate) fn watched(self, watched: bool) -> Self {
        Self { watched, ..self }
    }

    /// How much longer to wait now, if not for ever; `None` when it has been long enough.
    pub(crate) fn left(&self, since: Instant) -> Option<Duration> {
        let glance = GLANCE.min(self.full / 8);
        let limit = match self.is_contended() {
            true => self.full / 3,
            false if self.watched => Duration::MAX,
            false => self.full,
        };
        let left = limit.checked_sub(since.elapsed())?;
        Some(left.min(glance)).filter(|left| !left.is_zero())
    }

    #[cfg(feature = "tokio")]
    fn is_contended(&self) -> bool {
        self.pool.as_ref().is_some_and(|pool| pool.is_contended())
    }

    #[cfg(not(feature = "tokio"))]
    fn is_contended(&self) -> bool {
        false
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(STALL)
    }
}
