//! Who runs Python: the state of a crew, without threads and without Python.

use std::collections::VecDeque;
use std::fmt;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Threads at most.
    pub(super) threads: usize,
    /// How many of them may wait for clients.
    pub(super) held: usize,
    /// How many of these for those of one connection.
    pub(super) share: usize,
    /// How many run Python at a time: one where there is an interpreter lock.
    pub(super) batons: usize,
}

/// Where work comes from.
pub(super) trait Origin: Clone {
    fn is_same(&self, other: &Self) -> bool;
}

/// What is queued, who is there, and who has the baton. `W` is work, `T` a thread to be called, `O` whose client is waited
/// for.
pub(super) struct Duty<W, T, O> {
    limits: Limits,
    queue: VecDeque<Job<W, O>>,
    /// What waits for a place among those that may wait for clients.
    unheld: VecDeque<(W, O)>,
    held: Vec<O>,
    workers: Vec<Worker<T, O>>,
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

struct Job<W, O> {
    work: W,
    place: Option<O>,
}

struct Worker<T, O> {
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
    /// What runs has this place.
    place: Option<O>,
    /// It has only watched since it ran something.
    watched_last: bool,
}

impl<T, O> Worker<T, O> {
    fn started_for(errand: Option<Errand>) -> Self {
        Self {
            thread: None,
            errand,
            has_baton: false,
            at: None,
            begun: 0,
            seen: None,
            looks: 0,
            place: None,
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

impl<W, T: Clone, O: Origin> Duty<W, T, O> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            unheld: VecDeque::new(),
            held: Vec::new(),
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

    pub(super) fn submit(&mut self, work: W, place: Option<O>) -> Kick<T> {
        if let Some(origin) = &place
            && !self.try_hold(origin)
        {
            self.unheld.push_back((work, origin.clone()));
            return Kick::Enough;
        }
        self.queue.push_back(Job { work, place });
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
                worker.place = job.place;
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
        match worker.place.take() {
            Some(origin) => self.release(&origin),
            None => Kick::Enough,
        }
    }

    /// Whether another thread sees to it that what is done is told, so that it may be told together with
    /// what is done next; and whether there is more to do.
    pub(super) fn may_gather(&self) -> (bool, bool) {
        (self.watched, !self.queue.is_empty())
    }

    pub(super) fn is_contended(&self) -> bool {
        self.unheld.iter().any(|(_, origin)| self.has_share(origin))
    }

    /// Whether a connection has fewer places than are its share.
    fn has_share(&self, origin: &O) -> bool {
        let taken = self.held.iter().filter(|it| it.is_same(origin)).count();
        taken < self.limits.share
    }

    pub(super) fn try_hold(&mut self, origin: &O) -> bool {
        let free = self.held.len() < self.limits.held && self.has_share(origin);
        if free {
            self.held.push(origin.clone());
        }
        free
    }

    /// A place of that connection is free again, or one of those whose connection is not known.
    pub(super) fn release(&mut self, origin: &O) -> Kick<T> {
        let same = self.held.iter().position(|it| it.is_same(origin));
        let unknown = || self.held.iter().position(|it| !it.is_same(it));
        if let Some(at) = same.or_else(unknown) {
            self.held.swap_remove(at);
        }
        let next = self
            .unheld
            .iter()
            .position(|(_, origin)| self.has_share(origin));
        if self.held.len() < self.limits.held
            && let Some(next) = next
            && let Some((work, origin)) = self.unheld.remove(next)
        {
            self.held.push(origin.clone());
            let place = Some(origin);
            self.queue.push_back(Job { work, place });
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

impl<W, T, O> fmt::Debug for Duty<W, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("limits", &self.limits)
            .field("queued", &self.queue.len())
            .field("waiting_to_hold", &self.unheld.len())
            .field("held", &self.held.len())
            .field("threads", &self.workers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
