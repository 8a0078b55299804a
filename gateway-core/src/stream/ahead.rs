//! How far a producer may be ahead of its client.

use crate::threads::reserve::Reserve;

/// How many bytes may be queued for a slow client before its producer stops, unless `output_buffer` says
/// otherwise. A thousand slow clients then hold 64 MiB and not 1 GiB.
pub(crate) const HIGH_WATER: usize = 64 * 1024;

/// How many bytes more for a client that keeps up. Fewer and longer turns mean fewer wake-ups and writes, and
/// each of those costs as much as to send 16 KiB.
const MOST_BORROWED: usize = 192 * 1024;

/// How far one producer may be ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    high_water: usize,
    borrowed: usize,
    may_borrow: usize,
    was_full: bool,
}

impl Ahead {
    pub(crate) fn new(high_water: usize) -> Self {
        Self {
            high_water,
            borrowed: 0,
            may_borrow: 0,
            was_full: false,
        }
    }

    /// Whether the producer is to stop at `queued` bytes. Borrows from `reserve` first, if it may.
    pub(crate) fn is_full(&mut self, queued: usize, reserve: Option<&Reserve>) -> bool {
        if queued < self.limit() {
            return false;
        }
        if let Some(reserve) = reserve {
            self.borrowed += reserve.take(self.may_borrow - self.borrowed);
        }
        self.was_full = queued >= self.limit();
        self.was_full
    }

    /// Whether the producer is to go on, now that only `queued` bytes are left: below half of the limit.
    pub(crate) fn has_room(&mut self, queued: usize) -> bool {
        if queued > self.limit() / 2 {
            return false;
        }
        if std::mem::take(&mut self.was_full) {
            // The client takes what is made for it. Perhaps only buffers on the way do, so the limit grows
            // step by step.
            self.may_borrow = (2 * self.may_borrow + HIGH_WATER).min(MOST_BORROWED);
        }
        true
    }

    /// Returns what was borrowed: the queue is empty.
    pub(crate) fn give_back(&mut self, reserve: Option<&Reserve>) {
        let borrowed = std::mem::take(&mut self.borrowed);
        if let Some(reserve) = reserve
            && borrowed > 0
        {
            reserve.give(borrowed);
        }
    }

    fn limit(&self) -> usize {
        self.high_water + self.borrowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::reserve::RESERVE;

    const KIB: usize = 1024;

    /// How much is queued when the producer stops.
    fn fill(ahead: &mut Ahead, reserve: Option<&Reserve>) -> usize {
        (0..)
            .map(|pieces| pieces * KIB)
            .find(|queued| ahead.is_full(*queued, reserve))
            .unwrap()
    }

    #[test]
    fn a_client_that_keeps_up_is_given_more_each_time() {
        let reserve = Reserve::default();
        let mut ahead = Ahead::new(64 * KIB);
        let mut fills = [0; 5];
        for filled in &mut fills {
            *filled = fill(&mut ahead, Some(&reserve)) / KIB;
            assert!(!ahead.has_room(*filled * KIB / 2 + 1));
            assert!(ahead.has_room(*filled * KIB / 2));
        }
        assert_eq!(fills, [64, 128, 256, 256, 256]);
        ahead.give_back(Some(&reserve));
        assert_eq!(reserve.take(usize::MAX), RESERVE);
    }

    #[test]
    fn one_that_does_not_is_not() {
        let reserve = Reserve::default();
        let mut ahead = Ahead::new(64 * KIB);
        for _ in 0..5 {
            assert_eq!(fill(&mut ahead, Some(&reserve)), 64 * KIB);
            assert!(!ahead.has_room(33 * KIB));
        }
    }

    #[test]
    fn nor_is_one_that_waits_for_its_producer() {
        let reserve = Reserve::default();
        let mut ahead = Ahead::new(64 * KIB);
        for _ in 0..5 {
            assert!(!ahead.is_full(10 * KIB, Some(&reserve)));
            assert!(ahead.has_room(0));
            ahead.give_back(Some(&reserve));
        }
        assert_eq!(fill(&mut ahead, Some(&reserve)), 64 * KIB);
    }

    #[test]
    fn where_there_is_no_reserve_or_none_left_each_has_its_own() {
        let empty = Reserve::default();
        empty.take(RESERVE - 10 * KIB);
        for (reserve, most) in [(None, 64), (Some(&empty), 74)] {
            let mut ahead = Ahead::new(64 * KIB);
            for _ in 0..3 {
                fill(&mut ahead, reserve);
                assert!(ahead.has_room(0));
            }
            assert_eq!(fill(&mut ahead, reserve), most * KIB);
        }
    }
}
