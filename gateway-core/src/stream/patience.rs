//! How long a thread waits for a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a thread waits for a client that does not move.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// How many bytes a client has to move for each second that a thread waits for it, in the long run: as Apache's
/// `MinRate=500`.
pub(crate) const MINIMUM_RATE: u32 = 500;

/// How long a thread waits at most before it checks again whether it may go on waiting.
const GLANCE: Duration = Duration::from_secs(1);

/// How long a thread waits for a client.
///
/// Waiting adds to a debt of time, and bytes that the client moves pay it off: [so many](Self::with_rate) for a
/// second. The wait is over when the debt reaches the limit. So a client that sends single bytes is waited for
/// hardly longer than one that sends none. Bytes do not pay in advance, or a client could send much at once and then
/// drip for hours.
#[derive(Clone)]
pub(crate) struct Patience {
    /// The debt at which the wait is over.
    full: Duration,
    /// Bytes that pay for a second. 0: any byte pays for all.
    rate: u32,
    /// The gateway itself cuts off clients that do not move.
    watched: bool,
    /// Set while other jobs wait for a place.
    contended: Option<Arc<AtomicBool>>,
    owed: Duration,
    /// Since when a thread waits: this time is not in `owed` yet.
    since: Option<Instant>,
}

impl Patience {
    pub(crate) const fn new(full: Duration) -> Self {
        Self {
            full,
            rate: 0,
            watched: false,
            contended: None,
            owed: Duration::ZERO,
            since: None,
        }
    }

    /// A third of the limit while `contended` is set.
    pub(crate) fn among(self, contended: &Arc<AtomicBool>) -> Self {
        Self {
            contended: Some(Arc::clone(contended)),
            ..self
        }
    }

    pub(crate) fn with_rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    /// If `watched`, there is no limit unless other jobs wait for a place.
    pub(crate) fn watched(self, watched: bool) -> Self {
        Self { watched, ..self }
    }

    /// A thread waits from here on, if it does not already.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The thread does not wait any more.
    pub(crate) fn end(&mut self, now: Instant) {
        self.charge(now);
        self.since = None;
    }

    /// The client moved `bytes`.
    pub(crate) fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if self.since.is_none() && self.owed.is_zero() {
            return;
        }
        self.charge(now());
        self.owed = match self.rate {
            0 if bytes > 0 => Duration::ZERO,
            0 => self.owed,
            rate => {
                let worth = bytes as f64 / f64::from(rate);
                // Too many for a `Duration`: they pay for everything.
                let worth = Duration::try_from_secs_f64(worth).unwrap_or(Duration::MAX);
                self.owed.saturating_sub(worth)
            }
        };
    }

    /// How long to wait before the next check; `None` when the wait is over.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let glance = GLANCE.min(self.full / 8);
        let limit = match self.is_contended() {
            true => self.full / 3,
            false if self.watched => Duration::MAX,
            false => self.full,
        };
        let left = limit.checked_sub(self.owed + self.waits(now))?;
        Some(left.min(glance)).filter(|left| !left.is_zero())
    }

    /// Adds the time since `since` to the debt.
    fn charge(&mut self, now: Instant) {
        // Not beyond the limit, so that a watched client can still catch up.
        self.owed = (self.owed + self.waits(now)).min(self.full);
        self.since = self.since.map(|_| now);
    }

    fn waits(&self, now: Instant) -> Duration {
        let since = self.since;
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A client that moves so many bytes each time after it was waited for, and for how many
    /// seconds that goes well.
    fn lasts(patience: &mut Patience, every: Duration, bytes: usize) -> u64 {
        let start = Instant::now();
        let mut now = start;
        while now < start + 10_000 * SECOND {
            patience.begin(now);
            let until = now + every;
            while now < until {
                match patience.left(now) {
                    Some(left) => now = until.min(now + left),
                    None => return (now - start).as_secs(),
                }
            }
            patience.moved(bytes, || now);
            patience.end(now);
        }
        10_000
    }

    fn with_rate() -> Patience {
        Patience::new(30 * SECOND).with_rate(500)
    }

    #[test]
    fn a_client_is_waited_for_as_long_as_its_bytes_are_worth() {
        for (every, bytes, lasting) in [
            // At the required rate or faster: no limit.
            (1, 500, 10_000),
            (20, 10_000, 10_000),
            (29, 1_000_000, 10_000),
            // It does not move.
            (31, 1_000_000, 30),
            // A byte now and then hardly extends the wait.
            (5, 1, 30),
            (1, 0, 30),
            // A fifth too slow: the client gets five times the limit.
            (1, 400, 146),
        ] {
            let lasted = lasts(&mut with_rate(), every * SECOND, bytes);
            assert_eq!(lasted, lasting, "{bytes} bytes every {every} s");
        }
    }

    #[test]
    fn nothing_is_paid_in_advance() {
        let mut patience = with_rate();
        patience.moved(1_000_000_000, Instant::now);
        assert_eq!(lasts(&mut patience, 5 * SECOND, 1), 30);
    }

    #[test]
    fn without_a_rate_each_byte_begins_anew() {
        let mut patience = Patience::new(30 * SECOND);
        assert_eq!(lasts(&mut patience, 29 * SECOND, 1), 10_000);
        assert_eq!(lasts(&mut patience, 31 * SECOND, 1), 30);
    }

    #[test]
    fn it_is_a_third_while_others_wait() {
        let contended = Arc::new(AtomicBool::new(true));
        for patience in [with_rate(), with_rate().watched(true)] {
            let mut patience = patience.among(&contended);
            assert_eq!(lasts(&mut patience, SECOND, 1), 10);
        }
        contended.store(false, Ordering::Relaxed);
        let mut watched = with_rate().among(&contended).watched(true);
        assert_eq!(lasts(&mut watched, 100 * SECOND, 1), 10_000);
        // What is owed now has an end, so that a client may catch up.
        watched.moved(15_000, Instant::now);
        contended.store(true, Ordering::Relaxed);
        assert_eq!(lasts(&mut watched, SECOND, 500), 10_000);
    }
}
