//! The life of a thread that runs Python.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pyo3::Python;

use super::duty::Next;
use super::{Crew, ON_DUTY, Work};

/// How often the one that watches looks whether the others get on.
const WATCH: Duration = Duration::from_millis(1);

/// How often a thread looks for work again, after every other thread's turn, before it sleeps.
const LOOKS: usize = 16;

pub(super) fn live(crew: &Arc<Crew>, number: usize) {
    ON_DUTY.set(Some((Arc::clone(crew), number)));
    crew.lock().born(number, thread::current());
    // The thread state of Python lives as long as the thread.
    let attached = Python::try_attach(|py| {
        loop {
            let (next, kick) = crew.lock().next(number);
            crew.act(kick);
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
                    if let Next::Try = py.detach(|| watch(crew)) {
                        crew.lock().admitted(number);
                    }
                }
                Next::Try => {
                    py.detach(|| {});
                    crew.lock().admitted(number);
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
        match crew.lock().look() {
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
