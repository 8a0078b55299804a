//! Places for jobs that wait for clients while they have a thread: a limit for all, and one for each
//! connection.

use std::collections::{BTreeMap, VecDeque};

use super::work::{Holding, Limits, Origin, Same};

/// One connection may have a quarter of the places: over HTTP/2, one client sends many requests.
const SHARE: usize = 4;

/// A quarter of the places for uploads may be taken before any byte has come.
const EARLY: usize = 4;

pub(super) struct Places<J> {
    /// For both kinds together.
    limit: usize,
    reading: Kind,
    writing: Kind,
    /// Those of `reading` that were taken before any byte had come.
    early: Kind,
    waiting: VecDeque<Waiting<J>>,
    contended: Contended,
}

struct Kind {
    limit: usize,
    /// For one connection.
    share: usize,
    taken: usize,
    of: BTreeMap<usize, usize>,
    /// How many jobs wait for one.
    waiting: usize,
    /// How often it was asked for the share of a connection.
    #[cfg(test)]
    asked: std::cell::Cell<usize>,
}

struct Waiting<J> {
    work: J,
    place: Place,
}

/// The place that a job has, or waits for.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) holding: Holding,
    pub(super) origin: Origin,
}

/// For which places jobs wait, not counting jobs whose connection has its share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contended {
    pub(super) reading: bool,
    pub(super) writing: bool,
}

impl<J: Same> Places<J> {
    pub(super) fn new(limits: Limits) -> Self {
        let Limits { threads, held, .. } = limits;
        Self {
            // At least one thread is left to jobs without a place, unless all threads may be held.
            limit: (2 * held).min(held.max(threads - 1)),
            reading: Kind::new(held),
            writing: Kind::new(held),
            early: Kind::new(held.div_ceil(EARLY)),
            waiting: VecDeque::new(),
            contended: Contended::default(),
        }
    }

    /// How many are taken, and how many jobs wait for one.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.reading.taken + self.writing.taken, self.waiting.len())
    }

    /// Takes the place, if it is free.
    pub(super) fn take(&mut self, place: &Place) -> bool {
        let Place { holding, origin } = place;
        if *holding == Holding::Free {
            return true;
        }
        if !self.has_room(*holding, origin) {
            return false;
        }
        for kind in self.kinds(*holding).into_iter().flatten() {
            kind.take(origin);
        }
        self.note_contention();
        true
    }

    pub(super) fn give_back(&mut self, place: &Place) {
        if place.holding == Holding::Free {
            return;
        }
        for kind in self.kinds(place.holding).into_iter().flatten() {
            kind.give_back(&place.origin);
        }
        self.note_contention();
    }

    /// Queues the job behind those that wait for a place.
    pub(super) fn wait(&mut self, work: J, place: Place) {
        self.kind(place.holding).waiting += 1;
        self.waiting.push_back(Waiting { work, place });
        self.note_contention();
    }

    /// The next waiting job for which a place is free: it has the place now.
    pub(super) fn admit(&mut self) -> Option<(J, Place)> {
        // Thousands may wait, so do not search them while all places are taken.
        if self.is_full() || !(self.reading.may_admit() || self.writing.may_admit()) {
            return None;
        }
        let may = |it: &Waiting<J>| self.has_room(it.place.holding, &it.place.origin);
        let next = self.waiting.iter().position(may)?;
        let Waiting { work, place } = self.stop_waiting(next)?;
        self.take(&place);
        Some((work, place))
    }

    /// Takes the job out of the waiting ones; `false` if it was not among them.
    pub(super) fn forget(&mut self, work: &J) -> bool {
        let is_it = |it: &Waiting<J>| it.work.is_same(work);
        let at = self.waiting.iter().rposition(is_it);
        let waited = at.is_some_and(|at| self.stop_waiting(at).is_some());
        if waited {
            self.note_contention();
        }
        waited
    }

    fn stop_waiting(&mut self, at: usize) -> Option<Waiting<J>> {
        let waited = self.waiting.remove(at)?;
        self.kind(waited.place.holding).waiting -= 1;
        Some(waited)
    }

    pub(super) fn contended(&self) -> Contended {
        self.contended
    }

    pub(super) fn taken(&self) -> usize {
        self.reading.taken + self.writing.taken
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn is_full(&self) -> bool {
        self.taken() >= self.limit
    }

    fn has_room(&self, holding: Holding, origin: &Origin) -> bool {
        match holding {
            Holding::Free => true,
            _ if self.is_full() => false,
            Holding::Reading => self.reading.has_room(origin),
            Holding::Early => self.reading.has_room(origin) && self.early.has_room(origin),
            Holding::Writing => self.writing.has_room(origin),
        }
    }

    fn kinds(&mut self, holding: Holding) -> [Option<&mut Kind>; 2] {
        match holding {
            Holding::Free => [None, None],
            Holding::Reading => [Some(&mut self.reading), None],
            Holding::Early => [Some(&mut self.reading), Some(&mut self.early)],
            Holding::Writing => [Some(&mut self.writing), None],
        }
    }

    /// The kind of place that a job with this holding waits for.
    fn kind(&mut self, holding: Holding) -> &mut Kind {
        match holding {
            Holding::Writing => &mut self.writing,
            Holding::Free | Holding::Reading | Holding::Early => &mut self.reading,
        }
    }

    fn note_contention(&mut self) {
        let full = self.is_full();
        // The most that the loop can find. It stops there, mostly after the first of thousands.
        let most = Contended {
            reading: self.reading.waiting > 0 || full && self.writing.waiting > 0,
            writing: self.writing.waiting > 0 || full && self.reading.waiting > 0,
        };
        let mut contended = Contended::default();
        for Waiting { place, .. } in &self.waiting {
            if contended == most {
                break;
            }
            let reads = place.holding != Holding::Writing;
            let kind = if reads { &self.reading } else { &self.writing };
            if kind.has_share(&place.origin) {
                contended.reading |= reads || full;
                contended.writing |= !reads || full;
            }
        }
        self.contended = contended;
    }
}

impl Kind {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            share: limit.div_ceil(SHARE),
            taken: 0,
            of: BTreeMap::new(),
            waiting: 0,
            #[cfg(test)]
            asked: std::cell::Cell::default(),
        }
    }

    /// Whether a job waits for this kind and a place of it is free.
    fn may_admit(&self) -> bool {
        self.waiting > 0 && self.taken < self.limit
    }

    fn has_room(&self, origin: &Origin) -> bool {
        self.taken < self.limit && self.has_share(origin)
    }

    /// Whether the connection has less than its share.
    fn has_share(&self, origin: &Origin) -> bool {
        #[cfg(test)]
        self.asked.set(self.asked.get() + 1);
        let taken = origin.key().and_then(|key| self.of.get(&key));
        taken.is_none_or(|taken| *taken < self.share)
    }

    fn take(&mut self, origin: &Origin) {
        self.taken += 1;
        if let Some(key) = origin.key() {
            *self.of.entry(key).or_default() += 1;
        }
    }

    fn give_back(&mut self, origin: &Origin) {
        self.taken -= 1;
        if let Some(key) = origin.key()
            && let Some(taken) = self.of.get_mut(&key)
        {
            *taken -= 1;
            if *taken == 0 {
                self.of.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    impl Same for usize {
        fn is_same(&self, other: &Self) -> bool {
            self == other
        }
    }

    fn places(threads: usize, held: usize) -> Places<usize> {
        Places::new(Limits {
            threads,
            held,
            ..Limits::default()
        })
    }

    fn of(origin: &Origin, holding: Holding) -> Place {
        Place {
            holding,
            origin: origin.clone(),
        }
    }

    fn connection() -> Origin {
        Origin::of(Arc::new(()))
    }

    /// How many are to be had.
    fn drain(places: &mut Places<usize>, place: &Place) -> usize {
        (0..).take_while(|_| places.take(place)).count()
    }

    #[test]
    fn uploads_and_writers_have_places_of_their_own() {
        let mut places = places(256, 64);
        let unknown = Origin::default();
        assert_eq!(drain(&mut places, &of(&unknown, Holding::Reading)), 64);
        assert_eq!(drain(&mut places, &of(&unknown, Holding::Writing)), 64);
        places.give_back(&of(&unknown, Holding::Reading));
        assert!(!places.take(&of(&unknown, Holding::Writing)));
        assert!(places.take(&of(&unknown, Holding::Reading)));
    }

    #[test]
    fn one_connection_has_a_quarter_of_each_and_the_others_the_rest() {
        let mut places = places(256, 64);
        for connection in [connection(), connection(), connection(), connection()] {
            for holding in [Holding::Reading, Holding::Writing] {
                assert_eq!(drain(&mut places, &of(&connection, holding)), 16);
            }
        }
        assert!(!places.take(&of(&connection(), Holding::Reading)));
        assert!(places.reading.of.len() == 4);
    }

    #[test]
    fn a_quarter_of_the_places_for_uploads_can_be_had_before_any_byte() {
        let mut places = places(256, 64);
        let one = connection();
        assert_eq!(drain(&mut places, &of(&one, Holding::Early)), 4);
        let unknown = Origin::default();
        assert_eq!(drain(&mut places, &of(&unknown, Holding::Early)), 12);
        assert_eq!(drain(&mut places, &of(&unknown, Holding::Reading)), 48);
        places.give_back(&of(&one, Holding::Early));
        assert!(places.take(&of(&one, Holding::Early)));
    }

    #[test]
    fn there_is_one_place_of_each_kind_at_the_least_but_a_thread_is_left_to_the_others() {
        for (threads, held, reading, both) in [
            (1, 1, 1, 1),
            (2, 1, 1, 1),
            (3, 1, 1, 2),
            (4, 4, 4, 4),
            (8, 2, 2, 4),
        ] {
            let mut places = places(threads, held);
            let unknown = Origin::default();
            let reads = drain(&mut places, &of(&unknown, Holding::Reading));
            let writes = drain(&mut places, &of(&unknown, Holding::Writing));
            assert_eq!(
                (reads, reads + writes),
                (reading, both),
                "{threads}, {held}"
            );
        }
    }

    #[test]
    fn those_that_wait_have_places_in_order_but_for_those_whose_connection_has_its_share() {
        let mut places = places(256, 4);
        let (greedy, other) = (connection(), connection());
        assert!(places.take(&of(&greedy, Holding::Reading)));
        places.wait(0, of(&greedy, Holding::Reading));
        // The others need not hurry for one that waits for its own connection.
        assert_eq!(places.contended(), Contended::default());
        assert_eq!(
            drain(&mut places, &of(&Origin::default(), Holding::Reading)),
            3
        );
        places.wait(1, of(&other, Holding::Reading));
        places.wait(2, of(&other, Holding::Reading));
        let reading = Contended {
            reading: true,
            writing: false,
        };
        assert_eq!(places.contended(), reading);
        assert!(places.admit().is_none());
        places.give_back(&of(&Origin::default(), Holding::Reading));
        let (next, _) = places.admit().unwrap();
        assert_eq!(next, 1);
        assert!(places.forget(&2) && !places.forget(&2));
        places.give_back(&of(&greedy, Holding::Reading));
        let (next, _) = places.admit().unwrap();
        assert_eq!(next, 0);
        assert_eq!(places.contended(), Contended::default());
        assert!(places.waiting() == 0 && places.taken() == 4);
    }

    #[test]
    fn what_each_costs_does_not_grow_with_how_many_wait() {
        let asked = |waiting: usize| {
            let mut places = places(256, 4);
            let connections: Vec<_> = (0..waiting).map(|_| connection()).collect();
            let held = of(&Origin::default(), Holding::Reading);
            assert_eq!(drain(&mut places, &held), 4);
            for (number, connection) in connections.iter().enumerate() {
                places.wait(number, of(connection, Holding::Reading));
            }
            let before = places.reading.asked.get();
            let mut admitted = 0;
            for _ in 0..4 {
                places.give_back(&held);
                while let Some((_, place)) = places.admit() {
                    admitted += usize::from(place.holding == Holding::Reading);
                }
            }
            assert_eq!(admitted, 4);
            places.reading.asked.get() - before
        };
        assert_eq!(asked(10), asked(1000));
    }
}
