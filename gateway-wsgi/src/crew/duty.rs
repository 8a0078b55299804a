//! Who runs Python: the state of a crew, without threads and without Python.

use std::collections::VecDeque;
use std::fmt;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Threads at most.
    pub(super) threads: usize,
    /// How many of them may wait for clients.
    pub(super) held: usize,
    /// How many run Python at a time: one where there is an interpreter lock.
    pub(super) batons: usize,
}

/// What is queued, who is there, and who has the baton. `W` is work, `T` a thread to be called.
pub(super) struct Duty<W, T> {
    limits: Limits,
    queue: VecDeque<Job<W>>,
    /// What waits for a place among those that may wait for clients.
    unheld: VecDeque<W>,
    held: usize,
    workers: Vec<Worker<T>>,
    /// Numbers of idle workers; the last one is warm.
    idle: Vec<usize>,
    /// One was called, or started, to work, and has not come yet.
    to_work: bool,
    /// The same, to see whether the others get on.
    to_watch: bool,
    /// One looks every now and then whether the others get on.
    watched: bool,
    /// One waits for Python's lock beside a call that seemed not to get on.
    trying: bool,
    /// Some work was begun since the last look.
    begun: bool,
    /// How much of the work waited outside the lock, lately.
    waits: u8,
    closed: bool,
}

/// What a worker is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    Work,
    Watch,
}

struct Job<W> {
    work: W,
    held: bool,
}

struct Worker<T> {
    thread: Option<T>,
    errand: Option<Errand>,
    has_baton: bool,
    /// Of how many pieces of work it has begun, this is the one that runs.
    at: Option<u64>,
    begun: u64,
    /// What ran at the last look.
    seen: Option<u64>,
    /// At so many looks in turn.
    looks: u32,
    /// What runs has a place.
    held: bool,
    /// It has only watched since it ran something.
    watched_last: bool,
}

impl<T> Worker<T> {
    fn started_for(errand: Option<Errand>) -> Self {
        Self {
            thread: None,
            errand,
            has_baton: false,
            at: None,
            begun: 0,
            seen: None,
            looks: 0,
            held: false,
            watched_last: false,
        }
    }
}

/// What is to be done once the lock is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kick<T> {
    Enough,
    Call(T),
    Spawn(usize),
}

/// What a worker does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<W> {
    Run(W),
    /// Nothing, until it is called.
    Rest,
    /// To look again in a moment whether the others get on.
    Watch,
    /// To wait for Python's lock, and then to ask [`Duty::admitted`].
    Try,
    /// To ask once more.
    Again,
    GoHome,
}

/// One wait weighs as much as four calls without.
const WEIGHT: u8 = 4;
const MOST: u8 = 8 * WEIGHT;

/// After so many looks one that computes shares the lock with others.
const LONG: u32 = 50;

impl<W, T: Clone> Duty<W, T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            unheld: VecDeque::new(),
            held: 0,
            workers: Vec::new(),
            idle: Vec::new(),
            to_work: false,
            to_watch: false,
            watched: false,
            trying: false,
            begun: false,
            waits: 0,
            closed: false,
        }
    }

    pub(super) fn submit(&mut self, work: W, held: bool) -> Kick<T> {
        if held {
            if self.held >= self.limits.held {
                self.unheld.push_back(work);
                return Kick::Enough;
            }
            self.held += 1;
        }
        self.queue.push_back(Job { work, held });
        self.kick()
    }

    fn batons_out(&self) -> usize {
        self.workers.iter().filter(|it| it.has_baton).count()
    }

    /// Whether most calls wait outside the lock: then another thread stands ready for each.
    fn waits_often(&self) -> bool {
        self.waits >= 4 * WEIGHT
    }

    /// Whom to call for what is queued.
    fn kick(&mut self) -> Kick<T> {
        if self.queue.is_empty() {
            return Kick::Enough;
        }
        let free = self.batons_out() < self.limits.batons;
        let comes = match free {
            true => self.to_work,
            // Those that have a baton come to it; one more sees to it that this stays true.
            false => self.to_watch || self.trying || (self.watched && !self.waits_often()),
        };
        if comes {
            return Kick::Enough;
        }
        let errand = Some(if free { Errand::Work } else { Errand::Watch });
        let called = match free {
            true => self.idle.pop(),
            false if self.idle.is_empty() => None,
            false => Some(self.idle.remove(0)),
        };
        let kick = if let Some(number) = called {
            let Some(worker) = self.workers.get_mut(number) else {
                return Kick::Enough;
            };
            worker.errand = errand;
            worker.thread.clone().map_or(Kick::Enough, Kick::Call)
        } else if self.workers.len() < self.limits.threads {
            self.workers.push(Worker::started_for(errand));
            Kick::Spawn(self.workers.len() - 1)
        } else {
            return Kick::Enough;
        };
        match free {
            true => self.to_work = true,
            false => self.to_watch = true,
        }
        kick
    }

    /// The worker has come that was called.
    fn came(&mut self, number: usize) -> Option<Errand> {
        let worker = self.workers.get_mut(number)?;
        let errand = worker.errand.take();
        match errand {
            Some(Errand::Work) => self.to_work = false,
            Some(Errand::Watch) => self.to_watch = false,
            None => {}
        }
        errand
    }

    /// A thread could not be started.
    pub(super) fn stillborn(&mut self, number: usize) {
        self.came(number);
        if number + 1 == self.workers.len() {
            self.workers.pop();
        }
    }

    pub(super) fn born(&mut self, number: usize, thread: T) {
        if let Some(worker) = self.workers.get_mut(number) {
            worker.thread = Some(thread);
        }
    }

    /// What the worker does next: after its work, or when it was called.
    pub(super) fn next(&mut self, number: usize) -> (Next<W>, Kick<T>) {
        let out = self.batons_out();
        let came = self.came(number);
        // Not before one that was called to work, and is warm.
        let leaves_it = came == Some(Errand::Watch) && self.to_work;
        let Some(worker) = self.workers.get_mut(number) else {
            return (Next::GoHome, Kick::Enough);
        };
        if !worker.has_baton && !leaves_it && out < self.limits.batons && !self.queue.is_empty() {
            worker.has_baton = true;
        }
        if worker.has_baton {
            if let Some(job) = self.queue.pop_front() {
                self.begun = true;
                worker.watched_last = false;
                worker.begun += 1;
                worker.at = Some(worker.begun);
                worker.held = job.held;
                let stands_ready = self.waits_often() || !self.watched;
                let kick = match stands_ready && !self.queue.is_empty() {
                    true => self.kick(),
                    false => Kick::Enough,
                };
                return (Next::Run(job.work), kick);
            }
            worker.has_baton = false;
        }
        let watched_last = worker.watched_last;
        let out = self.batons_out();
        if self.waits_often() && !self.trying && !self.queue.is_empty() {
            self.trying = true;
            return (Next::Try, Kick::Enough);
        }
        if out > 0 && !self.watched && !self.trying {
            self.watched = true;
            if let Some(worker) = self.workers.get_mut(number) {
                worker.watched_last = true;
            }
            self.see(|_| false);
            return (Next::Watch, Kick::Enough);
        }
        if self.closed && self.queue.is_empty() {
            return (Next::GoHome, Kick::Enough);
        }
        // The last in is the first out: the thread that is warm goes on.
        match watched_last {
            true => self.idle.insert(0, number),
            false => self.idle.push(number),
        }
        (Next::Rest, Kick::Enough)
    }

    /// Whether the idle worker has been called.
    pub(super) fn was_called(&self, number: usize) -> bool {
        let worker = self.workers.get(number);
        self.closed || worker.is_none_or(|worker| worker.errand.is_some())
    }

    /// Whether one with a baton does not get on: it has been at its work for two looks, and waits, as
    /// `waits` knows, or has computed for long.
    fn see(&mut self, waits: impl Fn(&T) -> bool) -> bool {
        let mut stuck = false;
        for worker in self.workers.iter_mut().filter(|it| it.has_baton) {
            if worker.at.is_some() && worker.seen == worker.at {
                worker.looks += 1;
                let waits = worker.thread.as_ref().is_none_or(&waits);
                stuck |= waits || worker.looks >= LONG;
            } else {
                worker.looks = 0;
            }
            worker.seen = worker.at;
        }
        stuck
    }

    /// The watcher has looked. Whether it is to go on, or to try for the lock.
    pub(super) fn look(&mut self, waits: impl Fn(&T) -> bool) -> Next<W> {
        let out = self.batons_out();
        let begun = std::mem::take(&mut self.begun);
        let stuck = self.see(waits);
        if !self.queue.is_empty() && out < self.limits.batons && !self.to_work {
            self.watched = false;
            return Next::Again;
        }
        if !self.queue.is_empty() && stuck && !self.trying {
            self.watched = false;
            self.trying = true;
            return Next::Try;
        }
        if out == 0 && !begun {
            self.watched = false;
            return Next::Again;
        }
        Next::Watch
    }

    /// The worker has Python's lock. `true` if it has the baton now: of one whose call waits, or has
    /// computed for long, or one that was put down. `forced`: Python took the lock from another, so
    /// that one waits for nothing but the lock.
    pub(super) fn admitted(&mut self, number: usize, forced: bool) -> bool {
        self.trying = false;
        if self.queue.is_empty() {
            return false;
        }
        if self.batons_out() >= self.limits.batons {
            let often = self.waits_often();
            let mut busy = self
                .workers
                .iter_mut()
                .filter(|it| it.has_baton && it.at.is_some());
            let stuck = busy.find(|it| match forced {
                true => it.looks >= LONG,
                false => often || it.seen == it.at,
            });
            let Some(stuck) = stuck else {
                self.waits = self.waits.saturating_sub(u8::from(forced));
                return false;
            };
            stuck.has_baton = false;
            if !forced {
                self.waits = self.waits.saturating_add(WEIGHT).min(MOST);
            }
        }
        if let Some(worker) = self.workers.get_mut(number) {
            worker.has_baton = true;
        }
        true
    }

    /// The worker's call waits outside the lock, and says so.
    pub(super) fn leave(&mut self, number: usize) -> Kick<T> {
        if let Some(worker) = self.workers.get_mut(number) {
            worker.has_baton = false;
        }
        self.kick()
    }

    /// The worker has done what it was given.
    pub(super) fn done(&mut self, number: usize) -> Kick<T> {
        let Some(worker) = self.workers.get_mut(number) else {
            return Kick::Enough;
        };
        worker.at = None;
        worker.seen = None;
        if worker.has_baton {
            self.waits = self.waits.saturating_sub(1);
        }
        match std::mem::take(&mut worker.held) {
            true => self.release(),
            false => Kick::Enough,
        }
    }

    /// Whether another thread sees to it that what is done is told, so that it may be told together with
    /// what is done next; and whether there is more to do.
    pub(super) fn may_gather(&self) -> (bool, bool) {
        (self.watched, !self.queue.is_empty())
    }

    pub(super) fn is_contended(&self) -> bool {
        !self.unheld.is_empty()
    }

    pub(super) fn try_hold(&mut self) -> bool {
        let free = self.held < self.limits.held;
        self.held += usize::from(free);
        free
    }

    /// A place is free again.
    pub(super) fn release(&mut self) -> Kick<T> {
        self.held = self.held.saturating_sub(1);
        if self.held < self.limits.held
            && let Some(work) = self.unheld.pop_front()
        {
            self.held += 1;
            self.queue.push_back(Job { work, held: true });
            return self.kick();
        }
        Kick::Enough
    }

    pub(super) fn close(&mut self) -> Vec<T> {
        self.closed = true;
        let idle = std::mem::take(&mut self.idle);
        let threads = idle.iter().filter_map(|number| self.workers.get(*number));
        threads.filter_map(|worker| worker.thread.clone()).collect()
    }
}

impl<W, T> fmt::Debug for Duty<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("limits", &self.limits)
            .field("queued", &self.queue.len())
            .field("waiting_to_hold", &self.unheld.len())
            .field("held", &self.held)
            .field("threads", &self.workers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Limits = Limits {
        threads: 4,
        held: 1,
        batons: 1,
    };

    /// A crew whose threads are numbers, and whose work is numbers.
    struct Model {
        duty: Duty<u32, usize>,
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
            let kick = self.duty.submit(work, held);
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
            let mut model = Model::new(Limits { batons, ..ONE });
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
                    model.submit(submitted, roll(5) == 0);
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
                assert!(model.duty.held <= ONE.held);
            }
            begun.sort_unstable();
            assert!(begun.iter().copied().eq(0..200), "seed {seed}");
        }
    }
}
