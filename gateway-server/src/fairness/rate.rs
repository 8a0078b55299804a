use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

/// How fast each client may begin requests, and what it has begun.
#[derive(Debug)]
pub(super) struct Rate<C: Clock = MonotonicClock> {
    limiter: RateLimiter<IpAddr, Recent, C, NoOpMiddleware<C::Instant>>,
}

impl Rate {
    pub(super) fn new(quota: Quota, most_clients: usize) -> Self {
        Self::by(quota, Recent::new(most_clients), MonotonicClock)
    }
}

impl<C: Clock> Rate<C> {
    fn by(quota: Quota, recent: Recent, clock: C) -> Self {
        Self {
            limiter: RateLimiter::new(quota, recent, clock),
        }
    }

    /// Begins a request of `client`.
    ///
    /// # Errors
    ///
    /// How long it has to wait where it has begun too many.
    pub(super) fn begin(&self, client: IpAddr) -> Result<(), Duration> {
        self.limiter
            .check_key(&client)
            .map_err(|early| early.wait_time_from(self.limiter.clock().now()))
    }
}

/// What is remembered of the clients: of at least the last `most / 2` of them, and of `most` at most.
///
/// In two generations: when the younger is full it takes the place of the older, which is forgotten as a whole. So
/// neither a timer nor a walk through the table is needed to stay within bounds. Who has more addresses than that can
/// be forgotten on purpose; but then each of them counts for itself anyway.
#[derive(Clone, Debug)]
struct Recent {
    generations: Arc<Mutex<Generations>>,
}

#[derive(Debug)]
struct Generations {
    most: usize,
    young: HashMap<IpAddr, Nanos>,
    old: HashMap<IpAddr, Nanos>,
}

impl Recent {
    fn new(most: usize) -> Self {
        Self {
            generations: Arc::new(Mutex::new(Generations {
                most: (most / 2).max(1),
                young: HashMap::new(),
                old: HashMap::new(),
            })),
        }
    }
}

impl Generations {
    fn find(&self, client: &IpAddr) -> Option<Nanos> {
        self.young
            .get(client)
            .or_else(|| self.old.get(client))
            .copied()
    }

    fn keep(&mut self, client: IpAddr, state: Nanos) {
        if let Some(kept) = self.young.get_mut(&client) {
            *kept = state;
            return;
        }
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, state);
    }
}

impl StateStore for Recent {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, client: &IpAddr, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let kept = generations.find(client);
        match measure(kept) {
            Ok((decided, state)) => {
                generations.keep(*client, state);
                Ok(decided)
            }
            Err(refused) => {
                // Who is refused is remembered for longer.
                if let Some(kept) = kept {
                    generations.keep(*client, kept);
                }
                Err(refused)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn client(net: u64) -> IpAddr {
        std::net::Ipv6Addr::from_bits(u128::from(net) << 64).into()
    }

    fn rate(
        per_second: u32,
        burst: u32,
        recent: Recent,
    ) -> (Rate<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_second(NonZeroU32::new(per_second).unwrap());
        let quota = quota.allow_burst(NonZeroU32::new(burst).unwrap());
        (Rate::by(quota, recent, clock.clone()), clock)
    }

    #[test]
    fn a_client_may_begin_its_burst_at_once_and_then_its_rate() {
        let (rate, clock) = rate(10, 3, Recent::new(100));
        let one = client(1);
        for _ in 0..3 {
            assert_eq!(rate.begin(one), Ok(()));
        }
        assert_eq!(rate.begin(one), Err(Duration::from_millis(100)));
        assert_eq!(rate.begin(client(2)), Ok(()));
        clock.advance(Duration::from_millis(100));
        assert_eq!(rate.begin(one), Ok(()));
        assert!(rate.begin(one).is_err());
    }

    #[test]
    fn a_flood_of_clients_is_kept_within_bounds_and_forgets_none_that_is_refused_meanwhile() {
        let recent = Recent::new(100);
        let (rate, _) = rate(1, 1, recent.clone());
        let one = IpAddr::from([192, 0, 2, 1]);
        assert!(rate.begin(one).is_ok());
        for other in 0..10_000 {
            assert!(rate.begin(client(other)).is_ok());
            assert!(rate.begin(one).is_err(), "{other}");
            let generations = recent.generations.lock().unwrap();
            assert!(generations.young.len() + generations.old.len() <= 100);
        }
    }
}
