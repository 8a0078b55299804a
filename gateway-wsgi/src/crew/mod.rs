//! Threads that run Python: a queue, and one thread that drains it.
//!
//! What makes Python slow beside other threads is the interpreter lock going from thread to thread,
//! so one thread keeps it while there is work: it has the *baton*. Another is admitted only when the
//! first waits outside the lock: [`away`](Crew::away) says so where we know it (the client is slow),
//! and otherwise an idle thread looks every millisecond whether a call gets on, and tries for the lock
//! where it waits. Where a call computes for long, the two share the lock as Python's threads do.
//!
//! The threads live as long as the application, and Python's thread state with them: what an
//! application keeps by thread (connections to a database) is there for the next request.

mod duty;

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_core::request::ConnInfo;
use http::request::Parts;
use pyo3::Python;
use pyo3::pybacked::PyBackedBytes;

use duty::{Duty, Kick, Limits, Next};

/// How often the one that watches looks whether the others get on.
const WATCH: Duration = Duration::from_millis(1);

/// Python takes its lock from a thread that has had it for 5 ms while another waits for it.
const FORCED: Duration = Duration::from_millis(4);

/// How many tasks are woken together at most.
const GATHERED: usize = 8;

/// How often a thread looks for work again, after every other thread's turn, before it sleeps.
const LOOKS: usize = 16;

/// What is done on a thread that runs Python.
pub(crate) trait Run: Send + Sync {
    /// Does it. Does not panic.
    fn run(self: Arc<Self>, py: Python<'_>);

    /// Whose client it is, if it may wait for one while it has a thread.
    fn place(&self) -> Option<Origin> {
        None
    }
}

pub(crate) type Work = Arc<dyn Run>;

/// The connection that work comes over: each has a share of the places of those that wait for clients.
#[derive(Clone, Debug)]
pub(crate) struct Origin(Option<ConnInfo>);

impl Origin {
    pub(crate) fn of(request: &Parts) -> Self {
        Self(request.extensions.get().cloned())
    }
}

impl duty::Origin for Origin {
    /// Where the server does not say which connection it is, there is no share.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => one.is_same_connection(other),
            _ => false,
        }
    }
}

/// The threads of one application.
pub(crate) struct Crew {
    duty: Mutex<Duty<Work, Seat, Origin>>,
    /// Tasks that have something to do, told together.
    gathered: Mutex<Vec<Waker>>,
    /// One of them has been woken, and wakes the others.
    rung: AtomicBool,
    lent: Lent,
}

/// One of the threads: how to call it, and how to see what it does.
#[derive(Clone)]
struct Seat {
    thread: Thread,
    #[cfg(target_os = "linux")]
    id: rustix::thread::Pid,
}

impl Seat {
    fn here() -> Self {
        Self {
            thread: thread::current(),
            #[cfg(target_os = "linux")]
            id: rustix::thread::gettid(),
        }
    }

    /// Whether the thread waits for something, and does not run or wait for a processor. Where that
    /// cannot be known it may.
    fn waits(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            let stat = std::fs::read(format!("/proc/self/task/{}/stat", self.id.as_raw_nonzero()));
            // `id (name) S ...`, and the name may have anything in it.
            let state = stat.ok().and_then(|stat| {
                let name_end = stat.iter().rposition(|byte| *byte == b')')?;
                stat.get(name_end + 2).copied()
            });
            state != Some(b'R')
        }
        #[cfg(not(target_os = "linux"))]
        true
    }
}

/// Python's memory that was lent to the network, and has come back: to be let go by a thread that
/// has Python's lock.
#[derive(Default)]
struct Lent {
    returned: Mutex<Vec<PyBackedBytes>>,
    size: AtomicUsize,
}

/// How much of it may wait for a thread that comes anyway.
const RETURNED: usize = 1024 * 1024;

thread_local! {
    /// Which crew's thread this is, and its number there.
    static ON_DUTY: RefCell<Option<(Arc<Crew>, usize)>> = const { RefCell::new(None) };
}

impl Crew {
    pub(crate) fn new(threads: usize, batons: usize) -> Arc<Self> {
        let limits = Limits {
            threads: threads.max(1),
            held: (threads / 4).max(1),
            share: (threads / 16).max(1),
            batons: batons.clamp(1, threads.max(1)),
        };
        Arc::new(Self {
            duty: Mutex::new(Duty::new(limits)),
            gathered: Mutex::default(),
            rung: AtomicBool::new(false),
            lent: Lent::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Duty<Work, Seat, Origin>> {
        // Nothing below panics while it holds the lock.
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `work`. Work that may wait for a client waits for one of the places first.
    pub(crate) fn submit(self: &Arc<Self>, work: Work) {
        let place = work.place();
        let kick = self.lock().submit(work, place);
        self.act(kick);
    }

    /// Wakes a task, or does so in a moment, together with others: after this thread's next pieces of
    /// work, before it waits, or when another thread looks after it.
    pub(crate) fn wake(&self, waker: Waker) {
        // Before the question whether another thread looks after it: one that no longer does sees it then.
        let mut gathered = self.gathered();
        gathered.push(waker);
        let enough = gathered.len() >= GATHERED;
        drop(gathered);
        let (is_watched, has_more) = self.lock().may_gather();
        if !is_watched {
            self.wake_gathered();
        } else if enough || !has_more {
            self.ring();
        }
    }

    /// Wakes what was gathered, before this thread waits.
    fn tell(&self) {
        match self.lock().may_gather() {
            (true, _) => self.ring(),
            (false, _) => self.wake_gathered(),
        }
    }

    /// Wakes one task, which wakes the others when it is polled: to wake a task of a runtime from its own
    /// thread is cheap, and from outside it is a system call each. One that is dropped wakes them as well, and
    /// for one that is not polled the thread that watches does.
    fn ring(&self) {
        if !self.rung.load(Ordering::Acquire)
            && let Some(waker) = {
                let mut gathered = self.gathered();
                let waker = gathered.pop();
                self.rung.store(!gathered.is_empty(), Ordering::Release);
                waker
            }
        {
            waker.wake();
        }
    }

    /// A task of ours is polled, or dropped: if it is the one that was woken, it wakes the others.
    pub(crate) fn pass_on(&self) {
        if self.rung.load(Ordering::Acquire) {
            self.wake_gathered();
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_gathered(&self) {
        let mut gathered = self.gathered();
        self.rung.store(false, Ordering::Release);
        let wakers = std::mem::take(&mut *gathered);
        drop(gathered);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Does `wait` on this thread, which is outside Python's lock meanwhile: another may run Python.
    pub(crate) fn away<R>(wait: impl FnOnce() -> R) -> R {
        let me = ON_DUTY.with_borrow(Clone::clone);
        if let Some((crew, number)) = &me {
            crew.tell();
            let kick = crew.lock().leave(*number);
            crew.act(kick);
        }
        wait()
    }

    /// Whether work waits for one of the places of those that wait for clients, and its connection
    /// has not yet its share.
    pub(crate) fn is_contended(&self) -> bool {
        self.lock().is_contended()
    }

    /// Takes one of the places of those that wait for clients, if one is free for that connection.
    pub(crate) fn try_hold(self: &Arc<Self>, origin: &Origin) -> Option<Held> {
        self.lock().try_hold(origin).then(|| Held {
            crew: Arc::clone(self),
            origin: origin.clone(),
        })
    }

    /// A piece that is Python's memory, and not a copy of it.
    pub(crate) fn lend(self: &Arc<Self>, piece: PyBackedBytes) -> Bytes {
        Bytes::from_owner(Loan {
            piece: Some(piece),
            crew: Arc::clone(self),
        })
    }

    fn give_back(self: &Arc<Self>, piece: PyBackedBytes) {
        let length = piece.len();
        let mut returned = self.lent.returned();
        returned.push(piece);
        let before = self.lent.size.fetch_add(length, Ordering::Relaxed);
        drop(returned);
        // Once, when it has become too much.
        if before < RETURNED && before + length >= RETURNED {
            self.submit(Arc::new(Nothing));
        }
    }

    /// No work comes any more: threads go home when they have done what is queued.
    pub(crate) fn close(&self) {
        for seat in self.lock().close() {
            seat.thread.unpark();
        }
    }

    fn act(self: &Arc<Self>, kick: Kick<Seat>) {
        match kick {
            Kick::Enough => {}
            Kick::Call(seat) => seat.thread.unpark(),
            Kick::Spawn(number) => {
                let crew = Arc::clone(self);
                let thread = thread::Builder::new().name(format!("python-{number}"));
                if thread.spawn(move || live(&crew, number)).is_err() {
                    // Those that are there come to it in turn; where there are none, the next
                    // request tries again.
                    self.lock().stillborn(number);
                }
            }
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

impl Lent {
    fn returned(&self) -> MutexGuard<'_, Vec<PyBackedBytes>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On a thread that has Python's lock.
    fn let_go(&self) {
        if self.size.load(Ordering::Relaxed) > 0 {
            let mut returned = self.returned();
            let let_go = std::mem::take(&mut *returned);
            self.size.store(0, Ordering::Relaxed);
            drop(returned);
            drop(let_go);
        }
    }
}

/// A piece on its way.
struct Loan {
    piece: Option<PyBackedBytes>,
    crew: Arc<Crew>,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        self.piece.as_deref().unwrap_or_default()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(piece) = self.piece.take() {
            self.crew.give_back(piece);
        }
    }
}

/// For a thread to come.
struct Nothing;

impl Run for Nothing {
    fn run(self: Arc<Self>, _: Python<'_>) {}
}

/// A place among those that wait for clients.
pub(crate) struct Held {
    crew: Arc<Crew>,
    origin: Origin,
}

impl Drop for Held {
    fn drop(&mut self) {
        let kick = self.crew.lock().release(&self.origin);
        self.crew.act(kick);
    }
}

/// The life of a thread: work, a look whether others get on, rest, and home.
fn live(crew: &Arc<Crew>, number: usize) {
    ON_DUTY.set(Some((Arc::clone(crew), number)));
    crew.lock().born(number, Seat::here());
    // The thread state of Python lives as long as the thread.
    let attached = Python::try_attach(|py| {
        loop {
            let (next, kick) = crew.lock().next(number);
            crew.act(kick);
            crew.lent.let_go();
            if !matches!(next, Next::Run(_)) {
                crew.tell();
            }
            match next {
                Next::Run(work) => {
                    // It does not panic, and if it did the baton would be lost.
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| work.run(py))) {
                        // Dropping it may panic again.
                        std::mem::forget(payload);
                    }
                    let kick = crew.lock().done(number);
                    crew.act(kick);
                }
                Next::GoHome => return,
                Next::Rest => py.detach(|| rest(crew, number)),
                Next::Again => {}
                Next::Watch => {
                    // Told to try while it is outside: to come back is to wait for the lock.
                    let mut told = Instant::now();
                    let seen = py.detach(|| {
                        let seen = watch(crew);
                        told = Instant::now();
                        seen
                    });
                    if let Next::Try = seen {
                        crew.lock().admitted(number, told.elapsed() >= FORCED);
                    }
                }
                Next::Try => {
                    let told = Instant::now();
                    py.detach(|| {});
                    crew.lock().admitted(number, told.elapsed() >= FORCED);
                }
            }
        }
    });
    if attached.is_none() {
        // The interpreter has ended, or ends. What is queued is dropped with the crew.
        crew.lock().stillborn(number);
    }
    ON_DUTY.set(None);
}

/// Looks whether the others get on, until there is something else to do.
fn watch(crew: &Crew) -> Next<Work> {
    loop {
        thread::park_timeout(WATCH);
        crew.wake_gathered();
        match crew.lock().look(Seat::waits) {
            Next::Watch => {}
            next => return next,
        }
    }
}

/// Waits until it is called.
fn rest(crew: &Crew, number: usize) {
    let mut looks = LOOKS;
    loop {
        if crew.lock().was_called(number) {
            return;
        }
        match looks.checked_sub(1) {
            Some(less) => {
                looks = less;
                thread::yield_now();
            }
            None => thread::park(),
        }
    }
}
