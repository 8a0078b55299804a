use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// The handshakes under way, never more than a bound. One more takes the place of another, so that clients that
/// connect and then say nothing cannot keep others out, however many they are.
#[derive(Debug)]
pub(super) struct HalfOpen<T> {
    most: usize,
    next: u64,
    // In the order in which they began.
    waiting: BTreeMap<u64, (Option<IpAddr>, T)>,
    // By the owner of the address; what has none (a Unix socket) is one place.
    from: HashMap<Option<IpAddr>, BTreeSet<u64>>,
}

impl<T> HalfOpen<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            next: 0,
            waiting: BTreeMap::new(),
            from: HashMap::new(),
        }
    }

    /// Lowers the bound to `most`, and never below one.
    pub(super) fn at_most(&mut self, most: usize) {
        self.most = self.most.min(most).max(1);
    }

    /// A handshake begins: its number, and what was kept of the one that gives way to it.
    ///
    /// Where one origin has an eighth of all places, its own oldest gives way to it, so that a flood from there
    /// ends no handshake but its own. Else the oldest of all does: those that last are those that say nothing.
    pub(super) fn begin(&mut self, origin: Option<IpAddr>, kept: T) -> (u64, Option<T>) {
        let given_way = if self.waiting.len() < self.most {
            None
        } else {
            let share = (self.most / 8).max(1);
            let own = self.from.get(&origin).filter(|own| own.len() >= share);
            let oldest = match own {
                Some(own) => own.first(),
                None => self.waiting.keys().next(),
            };
            oldest.copied().and_then(|oldest| self.end(oldest))
        };
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, (origin, kept));
        self.from.entry(origin).or_default().insert(number);
        (number, given_way)
    }

    /// A handshake is over: what was kept of it, unless it has given way before.
    pub(super) fn end(&mut self, number: u64) -> Option<T> {
        let (origin, kept) = self.waiting.remove(&number)?;
        if let Some(own) = self.from.get_mut(&origin) {
            own.remove(&number);
            if own.is_empty() {
                self.from.remove(&origin);
            }
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::request::Addr;

    use super::*;

    fn origin(text: &str) -> Option<IpAddr> {
        let ip: IpAddr = text.parse().unwrap();
        Addr::Ip((ip, 1).into()).owner()
    }

    #[test]
    fn a_flood_from_one_place_ends_no_handshake_but_its_own() {
        let mut open = HalfOpen::new(16);
        let (slow, flood) = (origin("192.0.2.1"), origin("198.51.100.7"));
        assert_eq!(open.begin(slow, "slow").1, None);
        let ended: Vec<_> = (0..1000)
            .filter_map(|_| open.begin(flood, "flood").1)
            .collect();
        assert_eq!(ended, ["flood"; 985]);
        // A client from elsewhere has a place at once: the oldest of all gives way.
        assert_eq!(open.begin(origin("192.0.2.2"), "other").1, Some("slow"));
        assert_eq!(open.begin(origin("192.0.2.3"), "other").1, Some("flood"));
        assert_eq!(open.waiting.len(), 16);
    }

    #[test]
    fn a_flood_from_everywhere_ends_the_oldest() {
        let mut open = HalfOpen::new(16);
        for n in 0..1000 {
            let from = origin(&format!("10.0.{}.{}", n / 250, n % 250));
            let ended = open.begin(from, n).1;
            assert_eq!(ended, (n >= 16).then(|| n - 16));
        }
    }

    #[test]
    fn what_has_ended_leaves_nothing_behind() {
        let mut open = HalfOpen::new(4);
        let numbers: Vec<_> = ["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"]
            .map(|from| open.begin(origin(from), ()).0)
            .to_vec();
        // The two of IPv6 are of one network.
        assert_eq!(open.from.len(), 2);
        for number in numbers {
            assert!(open.end(number).is_some());
            assert!(open.end(number).is_none(), "ended already");
        }
        assert!(open.waiting.is_empty() && open.from.is_empty());
    }

    #[test]
    fn the_bound_is_lowered_and_never_raised_and_there_is_always_one_place() {
        let mut open = HalfOpen::new(8);
        open.at_most(100);
        assert_eq!(open.most, 8);
        open.at_most(0);
        assert_eq!(open.most, 1);
        assert_eq!(open.begin(origin("192.0.2.1"), 1), (0, None));
        assert_eq!(open.begin(origin("192.0.2.2"), 2), (1, Some(1)));
    }
}
