//! Which thread does what: the decisions of the pool, as a function from events to actions.
//!
//! Nothing here has a thread, a clock or an atomic: [`perform`](super::perform) carries the actions out, and the
//! model test drives [`Scheduler::on`] through random schedules.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::Duration;

use super::pace::{Begun, Pace, RunningJobs};
use super::places::{Contended, Place, Places};
use super::room::Room;
use super::work::{Holding, Limits, Same, Urgency};

/// The state of a pool: jobs `J`, threads `T`, and wakers `W` of callers that wait for room.
pub(super) struct Scheduler<J, T, W> {
    limits: Limits,
    /// How many threads are enough for quick jobs.
    crew: usize,
    queue: VecDeque<Job<J>>,
    /// For jobs that may wait for a client while they have a thread.
    places: Places<J>,
    running: RunningJobs,
    pace: Pace,
    /// Threads of the pool: awake, idle, or spawned and not yet here.
    workers: usize,
    /// Threads that were unparked and have not reported back yet.
    called: usize,
    /// Threads that were spawned and have not started yet.
    spawned: usize,
    /// A thread has just run out of jobs and looks for more before it parks.
    looking: bool,
    /// An idle thread checks every now and then that the others make progress.
    watched: bool,
    /// Last in, first out: the thread that is warm gets the job, the others go home.
    idle: Vec<T>,
    room: Room<W>,
    closed: bool,
}

pub(super) struct Job<J> {
    pub(super) work: J,
    pub(super) place: Place,
}

/// A job that a thread has begun.
pub(super) struct Started<J> {
    pub(super) job: Job<J>,
    pub(super) begun: Begun,
}

/// Whether a thread goes on after its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenure {
    Lasts,
    /// It has worked for long enough: the thread goes back to the runtime.
    Over,
    /// It does what is queued and leaves: the runtime has shut down.
    LastJobs,
}

pub(super) enum Event<'a, J, T, W> {
    /// A caller queues a job. An [early](Holding::Early) place is taken already; any other is waited for.
    Submit {
        work: J,
        place: Place,
        urgency: Urgency,
    },
    /// A caller takes a place before it submits a job. Granted if there is one.
    TakePlace(&'a Place),
    /// A job that was submitted as [`Urgency::Soon`] is still queued.
    Hurry,
    /// A caller takes a job back out. Granted if no thread has it.
    Cancel(&'a J),
    /// A caller has no runtime to ask for a thread. Granted, and the job taken back, if no thread will come.
    Retract(&'a J),
    /// A caller wants to submit a job. Granted if there is room; if not, the actions have a ticket, and the waker
    /// is woken when there may be room.
    AskRoom { ticket: Option<u64>, waker: W },
    /// A caller that waited for room does not want it any more.
    LeaveRoom { ticket: u64 },
    /// The time for woken callers to come is over.
    RoomTimer,
    /// No more jobs will be submitted.
    Close,

    /// A spawned thread is here.
    Came { thread: &'a T, tenure: Tenure },
    /// No thread could be spawned.
    NotSpawned,
    /// The runtime shut down before it sent the thread.
    Lost,
    /// The thread's job will wait for a client: it changes its place. Granted if there is one.
    Hold { place: &'a mut Place, to: Place },
    /// The thread has done its job, calling the application `steps` times.
    Done {
        thread: &'a T,
        tenure: Tenure,
        begun: Begun,
        place: Place,
        took: Duration,
        steps: usize,
    },
    /// The thread has looked for jobs and knows whether some are queued by asking for them.
    Looked { thread: &'a T, tenure: Tenure },
    /// The thread has rested: until it was `called`, or for as long as it was to.
    Woke {
        thread: &'a T,
        tenure: Tenure,
        called: bool,
        watches: bool,
    },
}

/// What is to be done once the lock is released.
#[must_use]
pub(super) struct Actions<J, T, W> {
    pub(super) granted: bool,
    /// The caller waits for room and is known by this number.
    pub(super) ticket: Option<u64>,
    pub(super) help: Help<T>,
    /// Idle threads to unpark, as the pool closes.
    pub(super) dismissed: Vec<T>,
    pub(super) wake: Option<W>,
    pub(super) wake_all: BTreeMap<u64, W>,
    /// Send [`Event::RoomTimer`] after a while.
    pub(super) set_timer: bool,
    /// Drop this.
    pub(super) replaced: Option<W>,
    /// What the thread that sent the event does next.
    pub(super) next: Next<J>,
}

/// Another thread for what is queued.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Help<T> {
    #[default]
    None,
    Unpark(T),
    Spawn,
}

/// What a thread does next.
#[derive(Default)]
pub(super) enum Next<J> {
    /// The event was no thread's.
    #[default]
    Nothing,
    Run(Started<J>),
    /// Look for jobs without the lock, then send [`Event::Looked`].
    Look,
    /// Park until called or for a while, then send [`Event::Woke`].
    Rest {
        watches: bool,
    },
    Leave {
        /// No thread is left.
        last: bool,
    },
    /// Take over as a thread of its own, with [`Tenure::LastJobs`].
    TakeOver,
}

impl<J, T, W> Default for Actions<J, T, W> {
    fn default() -> Self {
        Self {
            granted: false,
            ticket: None,
            help: Help::None,
            dismissed: Vec::new(),
            wake: None,
            wake_all: BTreeMap::new(),
            set_timer: false,
            replaced: None,
            next: Next::Nothing,
        }
    }
}

impl<J: Same, T: Same + Clone, W> Scheduler<J, T, W> {
    pub(super) fn new(limits: Limits, crew: usize) -> Self {
        Self {
            limits,
            crew,
            queue: VecDeque::new(),
            places: Places::new(limits),
            running: RunningJobs::default(),
            pace: Pace::new(limits.paced),
            workers: 0,
            called: 0,
            spawned: 0,
            looking: false,
            watched: false,
            idle: Vec::new(),
            room: Room::default(),
            closed: false,
        }
    }

    /// The jobs that run or are queued.
    pub(super) fn load(&self) -> usize {
        self.queue.len() + self.running.all()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The places that jobs have, and the jobs that wait for one.
    pub(super) fn held(&self) -> (usize, usize) {
        self.places.counts()
    }

    pub(super) fn contended(&self) -> Contended {
        self.places.contended()
    }

    fn has_room(&self) -> bool {
        self.load() < self.limits.threads
    }

    pub(super) fn on(&mut self, event: Event<'_, J, T, W>) -> Actions<J, T, W> {
        let mut actions = Actions::default();
        match event {
            Event::Submit {
                work,
                place,
                urgency,
            } => actions.help = self.submit(work, place, urgency),
            Event::TakePlace(place) => actions.granted = self.places.take(place),
            Event::Hurry => actions.help = self.help(),
            Event::Cancel(work) => {
                actions.granted = self.remove(work);
                // A job that may hold a thread now has no help on its way yet.
                actions.help = self.help();
                self.let_in(&mut actions);
            }
            Event::Retract(work) => {
                actions.granted = self.workers == 0 && self.remove(work);
                self.let_in(&mut actions);
            }
            Event::AskRoom { ticket, waker } => self.ask_room(ticket, waker, &mut actions),
            Event::LeaveRoom { ticket } => {
                actions.replaced = self.room.leave(ticket);
                self.let_in(&mut actions);
            }
            Event::RoomTimer => {
                let has_room = self.has_room();
                actions.wake_all = self.room.time_is_over(has_room);
                self.let_in(&mut actions);
            }
            Event::Close => {
                self.closed = true;
                actions.dismissed = mem::take(&mut self.idle);
                self.called += actions.dismissed.len();
            }
            Event::Came { thread, tenure } => {
                self.spawned -= 1;
                self.next(thread, tenure, false, &mut actions);
            }
            Event::NotSpawned => self.lose_spawned(),
            Event::Lost => self.lost(&mut actions),
            Event::Hold { place, to } => {
                if self.places.take(&to) {
                    let before = mem::replace(place, to);
                    self.give_back(&before);
                    actions.help = self.help();
                    actions.granted = true;
                }
            }
            Event::Done {
                thread,
                tenure,
                begun,
                place,
                took,
                steps,
            } => {
                self.running.end(begun);
                self.pace.record(took, steps);
                let admits = place.holding != Holding::Free;
                if admits {
                    self.give_back(&place);
                }
                self.let_in(&mut actions);
                match tenure {
                    Tenure::Over => self.leave_to_another(&mut actions),
                    _ => self.next_after(thread, tenure, admits, &mut actions),
                }
            }
            Event::Looked { thread, tenure } => {
                self.looking = false;
                self.next(thread, tenure, true, &mut actions);
            }
            Event::Woke {
                thread,
                tenure,
                called,
                watches,
            } => self.woke(thread, tenure, called, watches, &mut actions),
        }
        actions
    }

    fn submit(&mut self, work: J, place: Place, urgency: Urgency) -> Help<T> {
        let holding = place.holding;
        if holding != Holding::Early && !self.places.take(&place) {
            self.places.wait(work, place);
            return Help::None;
        }
        self.queue.push_back(Job { work, place });
        match urgency {
            // A job that has a place must not keep it in the queue.
            Urgency::Soon if self.at_work() > 0 && holding == Holding::Free => Help::None,
            _ => self.help(),
        }
    }

    /// Takes `work` back out; `false` if a thread has it.
    fn remove(&mut self, work: &J) -> bool {
        let is_it = |job: &Job<J>| job.work.is_same(work);
        let Some(at) = self.queue.iter().rposition(is_it) else {
            return self.places.forget(work);
        };
        if let Some(job) = self.queue.remove(at) {
            self.give_back(&job.place);
        }
        true
    }

    /// Has the place back, and queues the jobs that waited for it.
    fn give_back(&mut self, place: &Place) {
        self.places.give_back(place);
        while let Some((work, place)) = self.places.admit() {
            self.queue.push_back(Job { work, place });
        }
    }

    fn ask_room(&mut self, ticket: Option<u64>, waker: W, actions: &mut Actions<J, T, W>) {
        if self.has_room() {
            actions.granted = true;
            actions.replaced = ticket.and_then(|ticket| self.room.enter(ticket));
            // The job may not need a thread yet: then the next caller can have it.
            self.let_in(actions);
        } else {
            let (ticket, before) = self.room.wait(ticket, waker);
            actions.ticket = Some(ticket);
            actions.replaced = before;
            // A slow client may have room for what is queued to be done soon, and not ask for it: then
            // this caller is the only one that needs the queue to move.
            actions.help = self.help();
        }
    }

    /// Wakes the next caller that waits for room, if there is some.
    fn let_in(&mut self, actions: &mut Actions<J, T, W>) {
        if self.has_room() {
            (actions.wake, actions.set_timer) = self.room.next();
        }
    }

    /// Another thread for what is queued, besides those that come anyway.
    fn help(&mut self) -> Help<T> {
        let coming = self.called + usize::from(self.looking);
        if coming >= self.queue.len() {
            return Help::None;
        }
        if self.pace.is_quick() && self.at_work() >= self.crew {
            // One more, to watch whether they stay quick.
            let one_comes = self.called > 0 || (self.idle.is_empty() && self.spawned > 0);
            if self.watched || one_comes {
                return Help::None;
            }
        }
        // Before those that were spawned: a busy runtime may send them late.
        if let Some(thread) = self.idle.pop() {
            self.called += 1;
            return Help::Unpark(thread);
        }
        if coming + self.spawned < self.queue.len() && self.workers < self.limits.threads {
            self.spawned += 1;
            self.workers += 1;
            return Help::Spawn;
        }
        Help::None
    }

    /// The threads that will soon come to what is queued, as it seems.
    fn at_work(&self) -> usize {
        let away = self.idle.len() + self.running.old();
        self.workers.saturating_sub(away)
    }

    fn lose_spawned(&mut self) {
        self.spawned -= 1;
        self.workers -= 1;
    }

    /// What is queued belongs to other runtimes, or is an application's iterator that has yet to be dropped.
    fn lost(&mut self, actions: &mut Actions<J, T, W>) {
        if self.queue.is_empty() {
            self.lose_spawned();
        } else if let Some(thread) = self.idle.pop() {
            self.lose_spawned();
            self.called += 1;
            actions.help = Help::Unpark(thread);
        } else {
            actions.next = Next::TakeOver;
        }
    }

    /// What `thread` does next, when `looked` says whether it has just looked for jobs.
    fn next(&mut self, thread: &T, tenure: Tenure, looked: bool, actions: &mut Actions<J, T, W>) {
        if let Some(job) = self.queue.pop_front() {
            return self.start(job, false, actions);
        }
        actions.next = if self.closed || tenure == Tenure::LastJobs {
            self.workers -= 1;
            Next::Leave { last: false }
        } else if !looked && !mem::replace(&mut self.looking, true) {
            Next::Look
        } else {
            self.rest(thread)
        };
    }

    fn next_after(
        &mut self,
        thread: &T,
        tenure: Tenure,
        admits: bool,
        actions: &mut Actions<J, T, W>,
    ) {
        match self.queue.pop_front() {
            Some(job) => self.start(job, admits, actions),
            None => self.next(thread, tenure, false, actions),
        }
    }

    /// Starts `job`. If jobs block, or if no thread would notice that they do, or if further jobs were
    /// `admitted`, wakes another worker first.
    fn start(&mut self, job: Job<J>, admitted: bool, actions: &mut Actions<J, T, W>) {
        let begun = self.running.begin();
        let quick = self.pace.is_quick() && self.running.old() == 0;
        let noticed = self.watched || self.at_work() < self.crew;
        if admitted || !(quick && noticed) {
            actions.help = self.help();
        }
        actions.next = Next::Run(Started { job, begun });
    }

    /// The thread leaves, and another takes its place if there are jobs.
    fn leave_to_another(&mut self, actions: &mut Actions<J, T, W>) {
        self.workers -= 1;
        actions.help = self.help();
        actions.next = Next::Leave { last: false };
    }

    /// The thread parks, and watches the others meanwhile, unless another thread does.
    fn rest(&mut self, thread: &T) -> Next<J> {
        let others = self.workers - self.idle.len() > 1;
        let watches = others && !self.watched;
        if watches {
            self.watched = true;
            // The watching thread should be called last, because another thread would have to replace it.
            self.idle.insert(0, thread.clone());
        } else {
            self.idle.push(thread.clone());
        }
        Next::Rest { watches }
    }

    fn woke(
        &mut self,
        thread: &T,
        tenure: Tenure,
        called: bool,
        watches: bool,
        actions: &mut Actions<J, T, W>,
    ) {
        let found = match self.idle.iter().position(|it| it.is_same(thread)) {
            // It was called, perhaps just when it gave up.
            None => {
                self.called -= 1;
                match called || !self.queue.is_empty() {
                    true => Found::Jobs,
                    false => Found::Nothing,
                }
            }
            Some(at) => {
                let found = match watches {
                    true => self.watch(tenure),
                    false if self.queue.is_empty() => Found::Nothing,
                    false => Found::Jobs,
                };
                if let Found::Progress = found {
                    let watches = watches && self.watched;
                    actions.next = Next::Rest { watches };
                    return;
                }
                self.idle.remove(at);
                found
            }
        };
        self.watched &= !watches;
        match found {
            Found::Jobs => self.next(thread, tenure, false, actions),
            Found::TenureOver => self.leave_to_another(actions),
            Found::Nothing | Found::Progress => {
                self.workers -= 1;
                let last = self.workers == 0;
                actions.next = Next::Leave { last };
            }
        }
    }

    /// Whether the threads at work make progress, and whether they need to be watched further.
    fn watch(&mut self, tenure: Tenure) -> Found {
        let seen = self.running.look();
        let idles = seen.begun == 0;
        // A job that is queued behind one that turns out to block was refused a thread of its own.
        if !self.queue.is_empty() && (idles || seen.aged > 0) {
            return Found::Jobs;
        }
        if tenure == Tenure::Over {
            return Found::TenureOver;
        }
        let over = idles && self.queue.is_empty() && self.running.young() == 0;
        self.watched = !over;
        Found::Progress
    }

    pub(super) fn describe(&self, into: &mut std::fmt::DebugStruct<'_, '_>) {
        into.field("limits", &self.limits)
            .field("running", &self.running.all())
            .field("held", &self.places.taken())
            .field("queued", &self.queue.len())
            .field("waiting_to_hold", &self.places.waiting())
            .field("workers", &self.workers);
    }
}

/// What a thread finds after a rest.
enum Found {
    /// There are jobs, or another thread called it.
    Jobs,
    /// There were no jobs for long enough: it leaves.
    Nothing,
    /// Its tenure is over.
    TenureOver,
    /// The other threads do the jobs: it rests again.
    Progress,
}

#[cfg(test)]
mod model;
