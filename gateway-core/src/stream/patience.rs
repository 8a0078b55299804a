use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a thread waits for a client that does not move.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// How often a thread that waits asks whether it still may, at most.
const GLANCE: Duration = Duration::from_secs(1);

/// How long to wait for a client that does not move.
#[derive(Clone)]
pub(crate) struct Patience {
    full: Duration,
    /// The gateway sees better whether the client moves.
    watched: bool,
    /// Set while others wait for a place to wait in.
    contended: Option<Arc<AtomicBool>>,
}

impl Patience {
    pub(crate) const fn new(full: Duration) -> Self {
        Self {
            full,
            watched: false,
            contended: None,
        }
    }

    /// Less of it while `contended` is set.
    pub(crate) fn among(full: Duration, contended: &Arc<AtomicBool>) -> Self {
        Self {
            contended: Some(Arc::clone(contended)),
            ..Self::new(full)
        }
    }

    /// No end to it unless others wait for the place, if `watched`.
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

    fn is_contended(&self) -> bool {
        let contended = self.contended.as_ref();
        contended.is_some_and(|contended| contended.load(Ordering::Relaxed))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(STALL)
    }
}
