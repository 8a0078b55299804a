//! Limits how many failures are handled in full when many come at once.

use std::time::Instant;

/// A token bucket: a burst, and a rate per second.
pub(crate) struct Budget {
    burst: f64,
    per_second: f64,
    left: Option<(f64, Instant)>,
    refused: u64,
}

impl Budget {
    pub(crate) const fn new(burst: f64, per_second: f64) -> Self {
        Self {
            burst,
            per_second,
            left: None,
            refused: 0,
        }
    }

    /// Takes a token and returns how many calls were refused since the last one; `None` refuses this call, too.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u64> {
        let (tokens, at) = self.left.unwrap_or((self.burst, now));
        let refill = now.saturating_duration_since(at).as_secs_f64() * self.per_second;
        let tokens = (tokens + refill).min(self.burst);
        if tokens < 1.0 {
            self.left = Some((tokens, now));
            self.refused += 1;
            return None;
        }
        self.left = Some((tokens - 1.0, now));
        Some(std::mem::take(&mut self.refused))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_storm_is_cut_and_counted() {
        let start = Instant::now();
        let mut budget = Budget::new(2.0, 1.0);
        let taken: Vec<_> = (0..5).map(|_| budget.take(start)).collect();
        assert_eq!(taken, [Some(0), Some(0), None, None, None]);
        assert_eq!(budget.take(start + Duration::from_secs(1)), Some(3));
        assert_eq!(budget.take(start + Duration::from_secs(1)), None);
        // The bucket holds no more than the burst.
        let later = start + Duration::from_secs(1000);
        let taken: Vec<_> = (0..3).map(|_| budget.take(later)).collect();
        assert_eq!(taken, [Some(1), Some(0), None]);
    }
}
