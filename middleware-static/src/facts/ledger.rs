//! Decides which requests wait for which work and what may run. It has neither threads nor wakers.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Work by key. Requests for the same key share the work while it waits or runs. Work that no request waits for any more is
/// dropped, and told to stop if it runs.
///
/// `P` is where the waiting parties meet; the ledger hands it out and never looks into it.
pub(super) struct Ledger<K, W, P> {
    jobs: HashMap<Id, Job<K, W, P>>,
    by_key: HashMap<K, Id>,
    queue: VecDeque<Id>,
    last: u64,
    workers: usize,
    most_workers: usize,
}

/// One piece of work. The same key gets another one once the first is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(u64);

struct Job<K, W, P> {
    key: K,
    /// `None` once the work runs.
    work: Option<W>,
    waiters: P,
    waiting: usize,
}

impl<K: Copy + Eq + Hash, W, P: Clone> Ledger<K, W, P> {
    pub(super) fn new(most_workers: usize) -> Self {
        Self {
            jobs: HashMap::new(),
            by_key: HashMap::new(),
            queue: VecDeque::new(),
            last: 0,
            workers: 0,
            most_workers,
        }
    }

    /// Adds a waiter for `key`. `work` is queued unless others wait for the key already.
    pub(super) fn join(&mut self, key: K, work: W, waiters: P) -> (Id, P) {
        if let Some(&id) = self.by_key.get(&key)
            && let Some(job) = self.jobs.get_mut(&id)
        {
            job.waiting += 1;
            return (id, job.waiters.clone());
        }
        self.last += 1;
        let id = Id(self.last);
        self.by_key.insert(key, id);
        self.queue.push_back(id);
        let job = Job {
            key,
            work: Some(work),
            waiters: waiters.clone(),
            waiting: 1,
        };
        self.jobs.insert(id, job);
        (id, waiters)
    }

    /// Removes a waiter. If it was the last one, its work is returned, to be dropped outside of any lock.
    pub(super) fn leave(&mut self, id: Id) -> Option<W> {
        let job = self.jobs.get_mut(&id)?;
        job.waiting = job.waiting.saturating_sub(1);
        if job.waiting > 0 || job.work.is_none() {
            return None;
        }
        self.queue.retain(|&queued| queued != id);
        self.remove(id)?.work
    }

    /// Whether one more worker should start. If so, it is counted.
    pub(super) fn hire(&mut self) -> bool {
        let needed = !self.queue.is_empty() && self.workers < self.most_workers;
        self.workers += usize::from(needed);
        needed
    }

    /// The next work for a worker. The worker ends if there is none.
    pub(super) fn next(&mut self) -> Option<(Id, W)> {
        while let Some(id) = self.queue.pop_front() {
            if let Some(work) = self.jobs.get_mut(&id).and_then(|job| job.work.take()) {
                return Some((id, work));
            }
        }
        self.workers = self.workers.saturating_sub(1);
        None
    }

    /// Takes work that has not begun, for a thread that needs its result and does it itself.
    pub(super) fn claim(&mut self, id: Id) -> Option<W> {
        self.queue.retain(|&queued| queued != id);
        self.jobs.get_mut(&id)?.work.take()
    }

    /// A worker ended before it asked for its next work. The waiters of what is queued should look whether
    /// another one is needed.
    pub(super) fn lose(&mut self) -> Vec<P> {
        self.workers = self.workers.saturating_sub(1);
        let queued = self.queue.iter().filter_map(|id| self.jobs.get(id));
        queued.map(|job| job.waiters.clone()).collect()
    }

    /// Whether running work may stop because no request waits for it. If so, it is dropped from the ledger.
    pub(super) fn give_up(&mut self, id: Id) -> bool {
        let unwanted = self.jobs.get(&id).is_none_or(|job| job.waiting == 0);
        if unwanted {
            self.remove(id);
        }
        unwanted
    }

    /// Marks the work as done and returns its waiters.
    pub(super) fn finish(&mut self, id: Id) -> Option<P> {
        self.remove(id).map(|job| job.waiters)
    }

    fn remove(&mut self, id: Id) -> Option<Job<K, W, P>> {
        let job = self.jobs.remove(&id)?;
        self.by_key.remove(&job.key);
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Join(u8),
        Leave(u8),
        Claim(u8),
        Hire,
        Work,
        Lose,
        Finish(u8),
        GiveUp(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..4_u8).prop_map(Step::Join),
            3 => any::<u8>().prop_map(Step::Leave),
            1 => any::<u8>().prop_map(Step::Claim),
            3 => Just(Step::Hire),
            3 => Just(Step::Work),
            1 => Just(Step::Lose),
            2 => any::<u8>().prop_map(Step::Finish),
            1 => any::<u8>().prop_map(Step::GiveUp),
        ];
        proptest::collection::vec(step, 0..60)
    }

    const MOST: usize = 2;

    /// Waiters, workers and their work, as they would be outside.
    #[derive(Default)]
    struct World {
        tickets: Vec<Id>,
        /// Work in progress; of a worker, or of a thread that claimed it.
        running: Vec<(Id, bool)>,
        /// Workers that have begun and have no work yet.
        idle: usize,
    }

    impl World {
        fn work(&mut self, ledger: &mut Ledger<u8, u8, u8>) {
            self.idle -= 1;
            if let Some((id, work)) = ledger.next() {
                assert_eq!(ledger.jobs[&id].key, work);
                assert!(!self.running.iter().any(|(other, _)| *other == id), "once");
                self.running.push((id, true));
            }
        }

        fn end(&mut self, at: usize) -> Id {
            let (id, of_worker) = self.running.remove(at);
            self.idle += usize::from(of_worker);
            id
        }

        fn waiting(&self, id: Id) -> usize {
            self.tickets.iter().filter(|&&ticket| ticket == id).count()
        }
    }

    proptest! {
        #[test]
        fn everything_wanted_is_done_once_and_nothing_else(steps in steps()) {
            let mut ledger = Ledger::new(MOST);
            let mut world = World::default();
            let pick = |from: usize, number: u8| usize::from(number) % from.max(1);
            for step in steps {
                match step {
                    Step::Join(key) => {
                        let (id, waiters) = ledger.join(key, key, key);
                        assert_eq!(waiters, key);
                        world.tickets.push(id);
                    }
                    Step::Leave(number) if !world.tickets.is_empty() => {
                        let id = world.tickets.remove(pick(world.tickets.len(), number));
                        let known = ledger.jobs.contains_key(&id);
                        let begun = world.running.iter().any(|(other, _)| *other == id);
                        let dropped = ledger.leave(id).is_some();
                        assert_eq!(dropped, known && !begun && world.waiting(id) == 0);
                    }
                    Step::Claim(number) if !world.tickets.is_empty() => {
                        let id = world.tickets[pick(world.tickets.len(), number)];
                        if ledger.claim(id).is_some() {
                            world.running.push((id, false));
                        }
                    }
                    Step::Hire => world.idle += usize::from(ledger.hire()),
                    Step::Work if world.idle > 0 => world.work(&mut ledger),
                    Step::Lose if world.idle > 0 => {
                        world.idle -= 1;
                        assert_eq!(ledger.lose().len(), ledger.queue.len());
                    }
                    Step::Finish(number) if !world.running.is_empty() => {
                        let id = world.end(pick(world.running.len(), number));
                        assert!(ledger.finish(id).is_some());
                    }
                    Step::GiveUp(number) if !world.running.is_empty() => {
                        let at = pick(world.running.len(), number);
                        let id = world.running[at].0;
                        let unwanted = world.waiting(id) == 0;
                        assert_eq!(ledger.give_up(id), unwanted);
                        if unwanted {
                            world.end(at);
                        }
                    }
                    _ => {}
                }
                let workers = world.running.iter().filter(|(_, of_worker)| *of_worker).count();
                assert_eq!(ledger.workers, workers + world.idle);
                assert!(ledger.workers <= MOST);
                assert_eq!(ledger.jobs.len(), ledger.by_key.len());
                assert_eq!(ledger.jobs.len(), ledger.queue.len() + world.running.len());
            }
            // Left alone, with the waiters looking after the workers, everything that is wanted runs.
            loop {
                while !world.running.is_empty() {
                    let id = world.end(0);
                    ledger.finish(id);
                }
                world.idle += usize::from(ledger.hire());
                if world.idle == 0 {
                    break;
                }
                world.work(&mut ledger);
            }
            assert!(ledger.jobs.is_empty() && ledger.by_key.is_empty() && ledger.queue.is_empty());
            assert_eq!(ledger.workers, 0);
        }
    }
}
