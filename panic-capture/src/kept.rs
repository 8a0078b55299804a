//! Captures that wait for their payload on their own thread, and where else they may be.

use std::{cell::Cell, collections::VecDeque, time::Instant};

use crate::{
    Capture, Missing,
    identity::Identity,
    local::{LOCAL, Local, discard},
    ring::{self, take},
    task,
};

/// At most so many unclaimed panics are kept for a thread that is below a guard.
pub const MAX_KEPT: usize = 8;

thread_local! {
    /// Not a `RefCell`: a hook that finds it borrowed would panic, and end the process.
    static KEPT: Cell<VecDeque<Capture>> = const { Cell::new(VecDeque::new()) };
}

/// From the hook: keeps what `take` captures, given whether there is room for a context.
#[cfg(feature = "hook")]
pub(crate) fn keep(guarded: bool, take: impl FnOnce(bool) -> Capture) {
    if !guarded {
        ring::keep(take(ring::has_room_for_context()));
        return;
    }
    // The thread is ending: its locals are gone, and so are its guards.
    let Ok(mut kept) = KEPT.try_with(Cell::take) else {
        return;
    };
    let mut capture = take(kept.len() < MAX_KEPT);
    if kept.len() >= MAX_KEPT
        && let Some(oldest) = kept.pop_front()
    {
        capture.park_context_of(oldest);
    }
    kept.push_back(capture);
    _ = KEPT.try_with(|cell| cell.set(kept));
}

/// Finds the capture that belongs to a payload which was just caught, by a guard that was entered
/// after so many captures.
///
/// An older one was swallowed by code below that guard. Should it still be
/// resumed, perhaps on another thread, the ring has it.
pub(crate) fn claim(identity: &Identity, since: usize) -> Result<Capture, Missing> {
    let kept = KEPT.try_with(Cell::take).unwrap_or_default();
    let is_older = |capture: &Capture| capture.seen().number.wrapping_sub(since).cast_signed() < 0;
    let (older, mut own) = kept.into_iter().partition::<VecDeque<_>, _>(is_older);
    let claimed = take(&mut own, identity, true);
    _ = KEPT.try_with(|cell| cell.set(own));
    ring::release(older);
    match claimed {
        Err(Missing::Unseen) => ring::claim(identity),
        claimed => claimed,
    }
}

/// What was captured of the panic that ended a task of tokio's: of several panics of one task, the newest.
///
/// `task` is the number that the task's `Id` displays, as `JoinError::id` and [`Capture::task`] have it. Each call gives a copy,
/// and leaves the capture where it is; the [context](Capture::context) is in the first one.
///
/// # Errors
///
/// There is none: [`Missing::TooMany`], if so many panics came after it that it may be forgotten, else [`Missing::Unseen`].
pub fn of_task(task: u64) -> Result<Capture, Missing> {
    let mut kept = KEPT.try_with(Cell::take).unwrap_or_default();
    // A task that ran below a guard of this thread.
    let own = kept.iter_mut().rev();
    let own = own.into_iter().find(|capture| capture.task() == Some(task));
    let own = own.map(Capture::settle);
    _ = KEPT.try_with(|cell| cell.set(kept));
    match (own, ring::of_task(task)) {
        (Some(own), Ok(other)) if own.seen().at < other.seen().at => Ok(other),
        (Some(own), _) => Ok(own),
        (None, other) => other,
    }
}

/// Puts back what is about to be resumed on this thread.
pub(crate) fn adopt(mut capture: Capture, guarded: bool) {
    let seen = capture.seen_mut();
    seen.number = LOCAL.with(Local::number);
    seen.at = Instant::now();
    seen.task = task::current().or(seen.task);
    if !guarded {
        ring::release([capture]);
        return;
    }
    let Ok(mut kept) = KEPT.try_with(Cell::take) else {
        return;
    };
    let displaced = (kept.len() >= MAX_KEPT).then(|| kept.pop_front());
    kept.push_back(capture);
    _ = KEPT.try_with(|cell| cell.set(kept));
    discard(displaced);
}
