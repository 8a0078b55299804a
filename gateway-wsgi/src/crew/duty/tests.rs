//! A model of the crew, without threads: any order of events.

use super::*;

const ONE: Limits = Limits {
    threads: 4,
    held: 1,
    share: 1,
    batons: 1,
};

/// Of an even number, the same connection; of an odd one it is not known.
impl Origin for u32 {
    fn is_same(&self, other: &Self) -> bool {
        self.is_multiple_of(2) && self == other
    }
}

/// A crew whose threads are numbers, and whose work is numbers.
struct Model {
    duty: Duty<u32, usize, u32>,
    /// What each thread is at; `None`: it rests.
    threads: Vec<Option<At>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Coming,
    Running,
    Watching,
}

impl Model {
    fn new(limits: Limits) -> Self {
        Self {
            duty: Duty::new(limits),
            threads: Vec::new(),
        }
    }

    fn act(&mut self, kick: Kick<usize>) {
        match kick {
            Kick::Enough => {}
            Kick::Call(number) => {
                assert_eq!(self.threads[number], None, "only who rests is called");
                self.threads[number] = Some(At::Coming);
            }
            Kick::Spawn(number) => {
                assert_eq!(number, self.threads.len());
                self.threads.push(Some(At::Coming));
                self.duty.born(number, number);
            }
        }
    }

    fn submit(&mut self, work: u32, held: bool) {
        self.submit_of(work, held.then_some(1));
    }

    fn submit_of(&mut self, work: u32, place: Option<u32>) {
        let kick = self.duty.submit(work, place);
        self.act(kick);
    }

    /// Lets the thread ask what is next. What it began, if it did.
    fn ask(&mut self, number: usize) -> Option<u32> {
        self.threads[number] = None;
        let (next, kick) = self.duty.next(number);
        let (at, work) = match next {
            Next::Run(work) => (Some(At::Running), Some(work)),
            Next::Rest | Next::GoHome => (None, None),
            Next::Watch => (Some(At::Watching), None),
            Next::Try => {
                self.duty.admitted(number, false);
                (Some(At::Coming), None)
            }
            Next::Again => (Some(At::Coming), None),
        };
        self.threads[number] = at;
        self.act(kick);
        work
    }

    fn look(&mut self, number: usize, has_lock: bool) {
        match self.duty.look(|_| has_lock) {
            Next::Try => {
                self.duty.admitted(number, !has_lock);
                self.threads[number] = Some(At::Coming);
            }
            Next::Again => self.threads[number] = Some(At::Coming),
            _ => {}
        }
    }

    fn done(&mut self, number: usize) {
        let kick = self.duty.done(number);
        self.act(kick);
        self.threads[number] = Some(At::Coming);
    }
}

#[test]
fn one_thread_does_all_while_it_gets_on() {
    let mut model = Model::new(ONE);
    for work in 0..100 {
        model.submit(work, false);
        if work == 0 {
            assert_eq!(model.ask(0), Some(0));
        }
    }
    for work in 1..100 {
        model.done(0);
        assert_eq!(model.ask(0), Some(work));
    }
    assert!(model.threads.len() <= 2, "one more watches");
}

#[test]
fn another_is_admitted_where_a_call_does_not_get_on() {
    let mut model = Model::new(ONE);
    model.submit(1, false);
    assert_eq!(model.ask(0), Some(1));
    model.submit(2, false);
    assert_eq!(model.ask(1), None);
    assert_eq!(model.threads[1], Some(At::Watching));
    // It has looked once when it began to watch.
    model.look(1, true);
    assert_eq!(model.ask(1), Some(2));
    // The first has lost its baton and rests when it is back.
    model.done(0);
    assert_eq!(model.ask(0), None);
}

#[test]
fn one_that_computes_is_left_alone_until_it_has_done_so_for_long() {
    let mut model = Model::new(ONE);
    model.submit(1, false);
    assert_eq!(model.ask(0), Some(1));
    model.submit(2, false);
    assert_eq!(model.ask(1), None);
    for _ in 1..LONG {
        model.look(1, false);
        assert_eq!(model.threads[1], Some(At::Watching));
    }
    model.look(1, false);
    assert_eq!(model.ask(1), Some(2));
}

#[test]
fn who_says_that_it_waits_is_relieved_at_once() {
    let mut model = Model::new(ONE);
    model.submit(1, false);
    assert_eq!(model.ask(0), Some(1));
    let kick = model.duty.leave(0);
    model.act(kick);
    model.submit(2, false);
    assert_eq!(model.ask(1), Some(2));
}

#[test]
fn no_more_wait_for_clients_than_there_are_places() {
    let mut model = Model::new(ONE);
    for work in 0..3 {
        model.submit(work, true);
    }
    assert_eq!(model.ask(0), Some(0));
    assert!(model.duty.is_contended());
    let kick = model.duty.leave(0);
    model.act(kick);
    model.submit(9, false);
    assert_eq!(model.ask(1), Some(9), "another is not kept waiting");
    model.done(1);
    assert_eq!(model.ask(1), None, "the second upload waits for a place");
    model.done(0);
    assert_eq!(model.ask(0), Some(1));
}

#[test]
fn one_connection_has_its_share_of_the_places_and_no_more() {
    let mut model = Model::new(Limits { held: 2, ..ONE });
    model.submit_of(1, Some(2));
    model.submit_of(2, Some(2));
    model.submit_of(3, Some(4));
    assert_eq!(model.ask(0), Some(1));
    model.done(0);
    // The second of the first connection has its place now, behind the other connection's.
    assert_eq!(model.ask(0), Some(3));
    assert!(!model.duty.is_contended());
    model.done(0);
    assert_eq!(model.ask(0), Some(2));
}

/// Any order of events: nothing is lost, nothing is done twice, and work is never left while
/// no thread comes for it.
#[test]
fn in_any_order_all_is_done_once() {
    for seed in 0..300_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = |sides: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % sides
        };
        let batons = 1 + usize::from(seed % 3 == 0);
        let limits = Limits {
            batons,
            held: 2,
            ..ONE
        };
        let mut model = Model::new(limits);
        let (mut submitted, mut begun) = (0, Vec::new());
        let mut idle = 0;
        while begun.len() < 200 {
            idle += 1;
            assert!(
                idle < 100_000,
                "seed {seed}: {:?} {:?}",
                model.duty,
                model.threads
            );
            if submitted < 200 && roll(3) == 0 {
                let place = (roll(5) == 0).then(|| u32::try_from(roll(4)).unwrap());
                model.submit_of(submitted, place);
                submitted += 1;
            }
            if model.threads.is_empty() {
                continue;
            }
            let number = usize::try_from(roll(model.threads.len() as u64)).unwrap();
            match model.threads[number] {
                None => {}
                Some(At::Coming) => begun.extend(model.ask(number)),
                Some(At::Watching) => model.look(number, roll(2) == 0),
                Some(At::Running) => match roll(4) {
                    0 => {
                        let kick = model.duty.leave(number);
                        model.act(kick);
                    }
                    1 => {}
                    _ => model.done(number),
                },
            }
            assert!(model.duty.batons_out() <= batons);
            assert!(model.duty.held.len() <= limits.held);
            let of_two = model.duty.held.iter().filter(|it| **it == 2).count();
            assert!(of_two <= limits.share);
        }
        begun.sort_unstable();
        assert!(begun.iter().copied().eq(0..200), "seed {seed}");
    }
}
