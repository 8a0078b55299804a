//! Random schedules against the scheduler: callers, a runtime and threads that are made of numbers.
//!
//! Each failure names its seed; `schedule(seed)` repeats it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::threads::work::Origin;

type Pool = Scheduler<usize, usize, usize>;

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Queued, or waiting for a place. Its caller has yet to hurry it, or cancel it.
    Unhurried,
    Queued,
    Running,
    Done,
    Cancelled,
}

/// A thread, between two events of its own.
enum Thread {
    Runs {
        work: usize,
        place: Place,
        begun: Begun,
    },
    Looks,
    Rests {
        watches: bool,
        called: bool,
    },
}

struct World {
    seed: u64,
    random: u64,
    pool: Pool,
    limits: Limits,
    jobs: Vec<Fate>,
    origins: Vec<Origin>,
    threads: BTreeMap<usize, (Thread, Tenure)>,
    last_thread: usize,
    /// Spawned, and not yet sent by the runtime.
    coming: usize,
    /// Started outside of the runtime, as it shut down.
    taking_over: usize,
    /// Callers that wait for room: their wakers are their numbers here.
    waiting: BTreeMap<usize, u64>,
    woken: BTreeSet<usize>,
    last_caller: usize,
    timers: usize,
    /// A thread could not be spawned, so that a queued job may have to wait for those at work.
    short_of_threads: bool,
    /// Callers submit at leisure and hurry later. Their hurry helps jobs of others, too.
    at_leisure: bool,
    /// Most jobs wait for clients.
    greedy: bool,
}

fn schedule(seed: u64) -> World {
    let mut world = World::new(seed);
    // Mostly short ones: in a long one, a later event makes up for a wake-up that was lost.
    let most = 1 + world.below(100);
    let steps = 1 + world.below(most);
    for _ in 0..steps {
        world.step();
    }
    world
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            pool: Scheduler::new(Limits::default(), 2),
            limits: Limits::default(),
            jobs: Vec::new(),
            origins: vec![Origin::default()],
            threads: BTreeMap::new(),
            last_thread: 0,
            coming: 0,
            taking_over: 0,
            waiting: BTreeMap::new(),
            woken: BTreeSet::new(),
            last_caller: 0,
            timers: 0,
            short_of_threads: false,
            at_leisure: false,
            greedy: false,
        };
        world.at_leisure = world.below(2) == 0;
        world.greedy = world.below(2) == 0;
        let threads = 1 + world.below(8);
        world.limits = Limits {
            threads,
            held: 1 + world.below(threads),
            paced: world.below(4) > 0,
        };
        let crew = 2 + world.below(3);
        world.pool = Scheduler::new(world.limits, crew);
        for _ in 0..3 {
            world.origins.push(Origin::of(Arc::new(())));
        }
        world
    }

    /// xorshift64*: the same on every machine.
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let number = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn any<T: Copy>(&mut self, of: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = of.into_iter().collect();
        (!all.is_empty()).then(|| all[self.below(all.len())])
    }

    fn place(&mut self) -> Place {
        let holding = match self.below(if self.greedy { 2 } else { 4 }) {
            0 => Holding::Reading,
            1 => Holding::Writing,
            _ => Holding::Free,
        };
        let origin = self.below(self.origins.len());
        Place {
            holding,
            origin: self.origins[origin].clone(),
        }
    }

    fn step(&mut self) {
        match self.below(16) {
            0..=3 => self.submit(),
            4 => self.hurry(),
            5 => self.cancel(),
            6 => self.ask_room(),
            7 => self.leave_room_or_fire(),
            8 | 9 => self.runtime_sends(),
            10 | 11 => self.hold(),
            _ => {
                if let Some(thread) = self.any(self.threads.keys().copied().collect::<Vec<_>>()) {
                    self.turn(thread);
                }
            }
        }
        self.check();
    }

    fn submit(&mut self) {
        let work = self.jobs.len();
        let mut place = self.place();
        if self.below(8) == 0 {
            place.holding = Holding::Early;
            if !self.on(None, Event::TakePlace(&place.clone())).granted {
                place.holding = Holding::Reading;
            }
        }
        let urgency = match self.below(2) {
            0 if self.at_leisure => Urgency::Soon,
            _ => Urgency::Now,
        };
        self.jobs.push(match urgency {
            Urgency::Soon => Fate::Unhurried,
            Urgency::Now => Fate::Queued,
        });
        let event = Event::Submit {
            work,
            place,
            urgency,
        };
        let spawns = self.below(20) > 0;
        let helped = self.on_where(None, event, spawns).1;
        if !helped && self.on(None, Event::Retract(&work)).granted {
            self.jobs[work] = Fate::Cancelled;
        }
    }

    fn unhurried(&self) -> Vec<usize> {
        let jobs = self.jobs.iter().enumerate();
        jobs.filter(|(_, fate)| **fate == Fate::Unhurried)
            .map(|(work, _)| work)
            .collect()
    }

    fn hurry(&mut self) {
        if let Some(work) = self.any(self.unhurried()) {
            self.jobs[work] = Fate::Queued;
            drop(self.on(None, Event::Hurry));
        }
    }

    fn cancel(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let work = self.below(self.jobs.len());
        let was = self.jobs[work];
        let granted = self.on(None, Event::Cancel(&work)).granted;
        let is_queued = matches!(was, Fate::Unhurried | Fate::Queued);
        assert_eq!(
            granted, is_queued,
            "seed {}: job {work} is {was:?}",
            self.seed
        );
        if granted {
            self.jobs[work] = Fate::Cancelled;
        }
    }

    fn ask_room(&mut self) {
        let caller = match self.any(self.woken.iter().copied().collect::<Vec<_>>()) {
            Some(woken) if self.below(2) == 0 => woken,
            _ => {
                self.last_caller += 1;
                self.last_caller
            }
        };
        self.woken.remove(&caller);
        let event = Event::AskRoom {
            ticket: self.waiting.remove(&caller),
            waker: caller,
        };
        let load = self.pool.load();
        let actions = self.on(None, event);
        assert_eq!(
            actions.granted,
            load < self.limits.threads,
            "seed {}",
            self.seed
        );
        if let Some(ticket) = actions.ticket {
            self.waiting.insert(caller, ticket);
        }
    }

    fn leave_room_or_fire(&mut self) {
        if self.timers > 0 && self.below(2) == 0 {
            self.timers -= 1;
            drop(self.on(None, Event::RoomTimer));
        } else if let Some(caller) = self.any(self.waiting.keys().copied().collect::<Vec<_>>()) {
            let ticket = self.waiting.remove(&caller).unwrap();
            self.woken.remove(&caller);
            drop(self.on(None, Event::LeaveRoom { ticket }));
        }
    }

    fn runtime_sends(&mut self) {
        if self.taking_over > 0 {
            self.taking_over -= 1;
            self.come(Tenure::LastJobs);
        } else if self.coming > 0 {
            self.coming -= 1;
            match self.below(10) {
                0 => {
                    let actions = self.on(None, Event::Lost);
                    self.taking_over += usize::from(matches!(actions.next, Next::TakeOver));
                }
                _ => self.come(Tenure::Lasts),
            }
        }
    }

    fn come(&mut self, tenure: Tenure) {
        self.last_thread += 1;
        let thread = self.last_thread;
        let came = Event::Came {
            thread: &thread,
            tenure,
        };
        drop(self.on(Some((thread, tenure)), came));
    }

    fn hold(&mut self) {
        let to = self.place();
        if to.holding == Holding::Free {
            return;
        }
        let running = |(thread, (state, _)): (&usize, &(Thread, Tenure))| {
            matches!(state, Thread::Runs { .. }).then_some(*thread)
        };
        let running: Vec<usize> = self.threads.iter().filter_map(running).collect();
        if let Some(thread) = self.any(running)
            && let Some((
                Thread::Runs {
                    work,
                    mut place,
                    begun,
                },
                tenure,
            )) = self.threads.remove(&thread)
        {
            let event = Event::Hold {
                place: &mut place,
                to,
            };
            drop(self.on(None, event));
            let state = Thread::Runs { work, place, begun };
            self.threads.insert(thread, (state, tenure));
        }
    }

    /// The thread's next event.
    fn turn(&mut self, thread: usize) {
        let told = match self.below(10) {
            0 => Tenure::Over,
            _ => Tenure::Lasts,
        };
        let took = Duration::from_micros([5, 1000][self.below(2)]);
        self.turn_after(thread, told, took);
    }

    fn turn_after(&mut self, thread: usize, told: Tenure, took: Duration) {
        let Some((state, tenure)) = self.threads.remove(&thread) else {
            return;
        };
        let told = match tenure {
            Tenure::LastJobs => tenure,
            _ => told,
        };
        let event = match state {
            Thread::Runs { work, place, begun } => {
                self.jobs[work] = Fate::Done;
                Event::Done {
                    thread: &thread,
                    tenure: told,
                    begun,
                    place,
                    took,
                    steps: 1,
                }
            }
            Thread::Looks => Event::Looked {
                thread: &thread,
                tenure,
            },
            Thread::Rests { watches, called } => Event::Woke {
                thread: &thread,
                tenure: told,
                called,
                watches,
            },
        };
        drop(self.on(Some((thread, tenure)), event));
    }

    fn on(
        &mut self,
        thread: Option<(usize, Tenure)>,
        event: Event<'_, usize, usize, usize>,
    ) -> Actions<usize, usize, usize> {
        self.on_where(thread, event, true).0
    }

    /// Performs the actions. The second value is `false` where a thread was needed and could not be spawned.
    fn on_where(
        &mut self,
        thread: Option<(usize, Tenure)>,
        event: Event<'_, usize, usize, usize>,
        spawns: bool,
    ) -> (Actions<usize, usize, usize>, bool) {
        let mut actions = self.pool.on(event);
        let mut helped = true;
        match mem::take(&mut actions.help) {
            Help::None => {}
            Help::Unpark(called) => self.call(called),
            Help::Spawn if spawns => self.coming += 1,
            Help::Spawn => {
                helped = false;
                self.short_of_threads = true;
                drop(self.pool.on(Event::NotSpawned));
            }
        }
        for called in mem::take(&mut actions.dismissed) {
            self.call(called);
        }
        let woken = actions.wake.take().into_iter();
        let all = mem::take(&mut actions.wake_all);
        self.woken.extend(woken.chain(all.into_values()));
        self.timers += usize::from(actions.set_timer);
        if let Some((thread, tenure)) = thread {
            let state = match mem::take(&mut actions.next) {
                Next::Run(Started { job, begun }) => {
                    let Job { work, place } = job;
                    let before = mem::replace(&mut self.jobs[work], Fate::Running);
                    assert!(
                        matches!(before, Fate::Unhurried | Fate::Queued),
                        "seed {}: job {work} runs and was {before:?}",
                        self.seed
                    );
                    Some(Thread::Runs { work, place, begun })
                }
                Next::Look => Some(Thread::Looks),
                Next::Rest { watches } => Some(Thread::Rests {
                    watches,
                    called: false,
                }),
                Next::Leave { .. } => None,
                Next::Nothing | Next::TakeOver => unreachable!("a thread knows what it does"),
            };
            if let Some(state) = state {
                self.threads.insert(thread, (state, tenure));
            }
        }
        (actions, helped)
    }

    fn call(&mut self, thread: usize) {
        match self.threads.get_mut(&thread) {
            Some((Thread::Rests { called, .. }, _)) => *called = true,
            _ => panic!(
                "seed {}: thread {thread} was called and does not rest",
                self.seed
            ),
        }
    }

    /// What holds after each event.
    fn check(&self) {
        let Self {
            pool, seed, limits, ..
        } = self;
        let count = |is: fn(&Thread) -> bool| {
            let threads = self.threads.values();
            threads.filter(|(thread, _)| is(thread)).count()
        };
        let running = count(|thread| matches!(thread, Thread::Runs { .. }));
        let called = count(|thread| matches!(thread, Thread::Rests { called: true, .. }));
        let idle = count(|thread| matches!(thread, Thread::Rests { called: false, .. }));
        let spawned = self.coming + self.taking_over;
        assert_eq!(pool.workers, self.threads.len() + spawned, "seed {seed}");
        assert_eq!(pool.spawned, spawned, "seed {seed}");
        assert_eq!(pool.called, called, "seed {seed}");
        assert_eq!(pool.idle.len(), idle, "seed {seed}");
        assert_eq!(pool.running.all(), running, "seed {seed}");
        assert!(pool.workers <= limits.threads, "seed {seed}");

        // Each place is held by one job that runs or is queued.
        let of_threads = self
            .threads
            .values()
            .filter_map(|(thread, _)| match thread {
                Thread::Runs { place, .. } => Some(place),
                _ => None,
            });
        let of_queue = pool.queue.iter().map(|job| &job.place);
        let held: Vec<&Place> = of_threads.chain(of_queue).collect();
        let many = |holds: fn(Holding) -> bool| {
            let held = held.iter().filter(|place| holds(place.holding));
            held.count()
        };
        let writing = many(|holding| holding == Holding::Writing);
        let reading = many(|holding| matches!(holding, Holding::Reading | Holding::Early));
        assert_eq!(pool.places.taken(), writing + reading, "seed {seed}");
        assert!(
            writing <= limits.held && reading <= limits.held,
            "seed {seed}"
        );
        let share = limits.held.div_ceil(4);
        for origin in self.origins.iter().filter_map(Origin::key) {
            for writes in [false, true] {
                let its = held.iter().filter(|place| {
                    place.origin.key() == Some(origin)
                        && place.holding != Holding::Free
                        && (place.holding == Holding::Writing) == writes
                });
                assert!(its.count() <= share, "seed {seed}");
            }
        }

        let fate = |fate: Fate| self.jobs.iter().filter(|it| **it == fate).count();
        let queued = fate(Fate::Queued) + fate(Fate::Unhurried);
        assert_eq!(
            pool.queue.len() + pool.places.waiting(),
            queued,
            "seed {seed}"
        );
        assert_eq!(fate(Fate::Running), running, "seed {seed}");
    }

    /// All that can happen soon happens, but for the jobs that block. Idle threads that nothing calls stay
    /// idle, so that a wake-up that was lost is not made good by their looking for jobs before they leave.
    fn settle(&mut self, blocks: &BTreeSet<usize>) {
        while !self.unhurried().is_empty() {
            self.hurry();
        }
        for _ in 0..50 {
            while self.coming + self.taking_over > 0 {
                self.runtime_sends();
            }
            for thread in self.threads.keys().copied().collect::<Vec<_>>() {
                let stays = match self.threads.get(&thread) {
                    Some((Thread::Runs { work, .. }, _)) => blocks.contains(work),
                    Some((Thread::Rests { watches, called }, _)) => !watches && !called,
                    _ => false,
                };
                if !stays {
                    self.turn_after(thread, Tenure::Lasts, Duration::from_micros(5));
                }
                self.check();
            }
            if self.timers > 0 {
                self.timers -= 1;
                drop(self.on(None, Event::RoomTimer));
            }
        }
    }

    fn running(&self) -> Vec<usize> {
        let runs = |(thread, _): &(Thread, Tenure)| match thread {
            Thread::Runs { work, .. } => Some(*work),
            _ => None,
        };
        self.threads.values().filter_map(runs).collect()
    }
}

const SEEDS: std::ops::Range<u64> = 1..5000;

#[test]
fn no_wake_up_is_lost_though_jobs_block() {
    for seed in SEEDS {
        let mut world = schedule(seed);
        // Some of those that run block for ever; a thread at least is left.
        let most = match world.short_of_threads {
            true => 0,
            false => world.limits.threads - 1,
        };
        let blocks: BTreeSet<usize> = world.running().into_iter().take(most).collect();
        world.settle(&blocks);
        assert_eq!(
            world.pool.queued(),
            0,
            "seed {seed}: jobs are left in the queue"
        );
        for work in world.running() {
            assert!(
                blocks.contains(&work),
                "seed {seed}: job {work} is not over"
            );
        }
        if blocks.is_empty() {
            assert_eq!(
                world.pool.places.waiting(),
                0,
                "seed {seed}: jobs wait for free places"
            );
        }
        assert!(
            world.pool.room.is_empty(),
            "seed {seed}: callers wait for room that there is"
        );
    }
}

#[test]
fn every_job_runs_or_is_cancelled_and_no_place_or_thread_is_left_behind() {
    for seed in SEEDS {
        let mut world = schedule(seed);
        world.settle(&BTreeSet::new());
        drop(world.on(None, Event::Close));
        world.settle(&BTreeSet::new());
        for (work, fate) in world.jobs.iter().enumerate() {
            let is_over = matches!(fate, Fate::Done | Fate::Cancelled);
            assert!(is_over, "seed {seed}: job {work} is {fate:?}");
        }
        assert_eq!(world.pool.places.taken(), 0, "seed {seed}");
        assert_eq!(
            world.pool.workers, 0,
            "seed {seed}: threads stay though the pool is closed"
        );
    }
}

#[test]
fn what_is_submitted_as_the_pool_closes_runs_all_the_same() {
    for seed in SEEDS {
        let mut world = schedule(seed);
        drop(world.on(None, Event::Close));
        for _ in 0..world.below(5) {
            world.submit();
        }
        world.settle(&BTreeSet::new());
        let over = |fate: &Fate| matches!(fate, Fate::Done | Fate::Cancelled);
        assert!(world.jobs.iter().all(over), "seed {seed}");
        assert_eq!(world.pool.workers, 0, "seed {seed}");
    }
}

/// How many threads were called in 200 rounds, in which each of four clients sends its next request as soon as
/// the last is answered.
fn calls(took: u64, paced: bool) -> usize {
    let mut world = World::new(1);
    world.limits = Limits {
        threads: 16,
        held: 4,
        paced,
    };
    world.pool = Scheduler::new(world.limits, 2);
    let mut calls = 0;
    for _ in 0..200 {
        let open = |fate: &&Fate| matches!(fate, Fate::Queued | Fate::Running);
        for _ in world.jobs.iter().filter(open).count()..4 {
            let event = Event::Submit {
                work: world.jobs.len(),
                place: Place {
                    holding: Holding::Free,
                    origin: Origin::default(),
                },
                urgency: Urgency::Now,
            };
            world.jobs.push(Fate::Queued);
            let before = world.pool.called + world.coming;
            drop(world.on(None, event));
            calls += world.pool.called + world.coming - before;
        }
        while world.coming > 0 {
            world.coming -= 1;
            world.come(Tenure::Lasts);
        }
        // No round takes as long as an idle thread sleeps.
        for thread in world.threads.keys().copied().collect::<Vec<_>>() {
            match world.threads.get(&thread) {
                Some((Thread::Rests { called: false, .. }, _)) | None => {}
                _ => world.turn_after(thread, Tenure::Lasts, Duration::from_micros(took)),
            }
        }
    }
    calls
}

#[test]
fn quick_jobs_call_few_threads_and_slow_ones_a_thread_each() {
    let (quick, slow, unpaced) = (calls(5, true), calls(1000, true), calls(5, false));
    assert!(quick < 20, "{quick}, {slow}, {unpaced}");
    assert!(slow > 200 && unpaced > 200, "{quick}, {slow}, {unpaced}");
}
