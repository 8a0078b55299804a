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

    /// The number of a connection that was just accepted. Tasks may begin in another order than their connections came.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// The handshake of a connection begins: what was kept of the one that gives way to it, which can be itself.
    ///
    /// Where one origin has an eighth of all places, its own oldest gives way to it, so that a flood from there
    /// ends no handshake but its own. Else the oldest of all does: those that last are those that say nothing.
    pub(super) fn begin(&mut self, number: u64, origin: Option<IpAddr>, kept: T) -> Option<T> {
        let share = (self.most / 8).max(1);
        let own = self.from.entry(origin).or_default();
        let has_its_share = own.len() >= share;
        own.insert(number);
        let own_oldest = own.first().copied();
        self.waiting.insert(number, (origin, kept));
        if self.waiting.len() <= self.most {
            return None;
        }
        let oldest = if has_its_share {
            own_oldest
        } else {
            self.waiting.keys().next().copied()
        };
        oldest.and_then(|oldest| self.end(oldest))
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

    /// A connection comes, and its handshake begins.
    fn begin<T>(open: &mut HalfOpen<T>, origin: Option<IpAddr>, kept: T) -> (u64, Option<T>) {
        let number = open.number();
        (number, open.begin(number, origin, kept))
    }

    fn origin(text: &str) -> Option<IpAddr> {
        let ip: IpAddr = text.parse().unwrap();
        Addr::Ip((ip, 1).into()).owner()
    }

    #[test]
    fn a_flood_from_one_place_ends_no_handshake_but_its_own() {
        let mut open = HalfOpen::new(16);
        let (slow, flood) = (origin("192.0.2.1"), origin("198.51.100.7"));
        assert_eq!(begin(&mut open, slow, "slow").1, None);
        let ended: Vec<_> = (0..1000)
            .filter_map(|_| begin(&mut open, flood, "flood").1)
            .collect();
        assert_eq!(ended, ["flood"; 985]);
        // A client from elsewhere has a place at once: the oldest of all gives way.
        assert_eq!(
            begin(&mut open, origin("192.0.2.2"), "other").1,
            Some("slow")
        );
        assert_eq!(
            begin(&mut open, origin("192.0.2.3"), "other").1,
            Some("flood")
        );
        assert_eq!(open.waiting.len(), 16);
    }

    #[test]
    fn a_flood_from_everywhere_ends_the_oldest() {
        let mut open = HalfOpen::new(16);
        for n in 0..1000 {
            let from = origin(&format!("10.0.{}.{}", n / 250, n % 250));
            let ended = begin(&mut open, from, n).1;
            assert_eq!(ended, (n >= 16).then(|| n - 16));
        }
    }

    // A flood that a task took up late ended the handshake of a client that had come after it.
    #[test]
    fn what_came_first_gives_way_in_whatever_order_the_handshakes_begin() {
        let mut open = HalfOpen::new(4);
        let numbers: Vec<_> = (0..10).map(|_| open.number()).collect();
        let here = origin("192.0.2.1");
        let ended: Vec<_> = numbers
            .iter()
            .rev()
            .filter_map(|number| open.begin(*number, here, *number))
            .collect();
        assert_eq!(ended, [5, 4, 3, 2, 1, 0]);
        assert_eq!(open.from.len(), 1);
    }

    #[test]
    fn what_has_ended_leaves_nothing_behind() {
        let mut open = HalfOpen::new(4);
        let numbers: Vec<_> = ["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"]
            .map(|from| begin(&mut open, origin(from), ()).0)
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
        assert_eq!(begin(&mut open, origin("192.0.2.1"), 1), (0, None));
        assert_eq!(begin(&mut open, origin("192.0.2.2"), 2), (1, Some(1)));
    }
}
