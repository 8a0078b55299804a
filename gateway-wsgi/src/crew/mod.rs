//! Threads that run Python: a queue, and one thread that drains it.
//!
//! What makes Python slow beside other threads is the interpreter lock going from thread to thread,
//! so one thread keeps it while there is work: it has the *baton*. Another is admitted only when the
//! first waits outside the lock: [`away`](Crew::away) says so where we know it (the client is slow),
//! and otherwise an idle thread looks every millisecond whether a call gets on, and tries for the lock
//! where it does not. It gets it if the call has released it, or if the call computes for longer than
//! Python's own switch interval.
//!
//! The threads live as long as the application, and Python's thread state with them: what an
//! application keeps by thread (connections to a database) is there for the next request.

mod duty;
mod worker;

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use pyo3::Python;

use duty::{Duty, Kick, Limits};

/// What is done on a thread that runs Python.
pub(crate) trait Run: Send + Sync {
    /// Does it. Does not panic.
    fn run(self: Arc<Self>, py: Python<'_>);

    /// Whether it may wait for a client while it has a thread.
    fn may_wait(&self) -> bool {
        false
    }
}

pub(crate) type Work = Arc<dyn Run>;

/// The threads of one application.
pub(crate) struct Crew {
    duty: Mutex<Duty<Work, Thread>>,
}

thread_local! {
    /// Which crew's thread this is, and its number there.
    static ON_DUTY: RefCell<Option<(Arc<Crew>, usize)>> = const { RefCell::new(None) };
}

impl Crew {
    pub(crate) fn new(threads: usize, batons: usize) -> Arc<Self> {
        let limits = Limits {
            threads: threads.max(1),
            held: (threads / 4).max(1),
            batons: batons.clamp(1, threads.max(1)),
        };
        Arc::new(Self {
            duty: Mutex::new(Duty::new(limits)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Duty<Work, Thread>> {
        // Nothing below panics while it holds the lock.
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `work`. Work that may wait for a client waits for one of the places first.
    pub(crate) fn submit(self: &Arc<Self>, work: Work) {
        let held = work.may_wait();
        let kick = self.lock().submit(work, held);
        self.act(kick);
    }

    /// Does `wait` on this thread, which is outside Python's lock meanwhile: another may run Python.
    pub(crate) fn away<R>(wait: impl FnOnce() -> R) -> R {
        let me = ON_DUTY.with_borrow(Clone::clone);
        if let Some((crew, number)) = &me {
            let kick = crew.lock().leave(*number);
            crew.act(kick);
        }
        wait()
    }

    /// Whether work waits for one of the places of those that wait for clients.
    pub(crate) fn is_contended(&self) -> bool {
        self.lock().is_contended()
    }

    /// Takes one of the places of those that wait for clients, if one is free.
    pub(crate) fn try_hold(self: &Arc<Self>) -> Option<Held> {
        self.lock().try_hold().then(|| Held {
            crew: Arc::clone(self),
        })
    }

    /// No work comes any more: threads go home when they have done what is queued.
    pub(crate) fn close(&self) {
        for thread in self.lock().close() {
            thread.unpark();
        }
    }

    fn act(self: &Arc<Self>, kick: Kick<Thread>) {
        match kick {
            Kick::Enough => {}
            Kick::Call(thread) => thread.unpark(),
            Kick::Spawn(number) => {
                let crew = Arc::clone(self);
                let thread = thread::Builder::new().name(format!("python-{number}"));
                if thread.spawn(move || worker::live(&crew, number)).is_err() {
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

/// A place among those that wait for clients.
pub(crate) struct Held {
    crew: Arc<Crew>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let kick = self.crew.lock().release();
        self.crew.act(kick);
    }
}
