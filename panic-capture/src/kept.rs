//! Captures that wait for their payload: those of this thread, and the ring of those without a guard.

use std::{
    cell::Cell,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    Capture, Missing,
    identity::Identity,
    local::{LOCAL, Local, discard},
};

/// At most so many unclaimed panics are kept for a thread that is below a guard.
pub const MAX_KEPT: usize = 8;

/// At most so many unclaimed panics of threads without a guard are kept, by the whole process.
pub const RING: usize = 64;

/// A panic that nobody has claimed for so long was swallowed by somebody. Until then
/// it makes others of the same literal or type ambiguous.
const STALE: Duration = Duration::from_secs(10);

thread_local! {
    /// Not a `RefCell`: a hook that finds it borrowed would panic, and end the process.
    static KEPT: Cell<Vec<Capture>> = const { Cell::new(Vec::new()) };
}

struct Ring {
    captures: Vec<Capture>,
    /// When last a capture was lost that somebody may still come for: for a while after,
    /// "just one can be meant" cannot be said.
    lost: Option<Instant>,
}

/// Set when a hook gave up on the ring: the next to hold it notes that one was lost.
static UNKEPT: AtomicBool = AtomicBool::new(false);

/// How many wait. Read before the ring is taken: about right is enough.
static WAITING_LEN: AtomicUsize = AtomicUsize::new(0);

static WAITING: Mutex<Ring> = Mutex::new(Ring {
    captures: Vec::new(),
    lost: None,
});

/// From the hook: keeps what `take` captures, given whether there is room for a context.
#[cfg(feature = "hook")]
pub(crate) fn keep(guarded: bool, take: impl FnOnce(bool) -> Capture) {
    if guarded {
        // The thread is ending: its locals are gone, and so is whoever would claim.
        let Ok(mut kept) = KEPT.try_with(Cell::take) else {
            return;
        };
        let capture = take(kept.len() < MAX_KEPT);
        push(&mut kept, MAX_KEPT, capture);
        _ = KEPT.try_with(|cell| cell.set(kept));
        return;
    }
    let mut capture = Some(take(WAITING_LEN.load(Ordering::Relaxed) < RING));
    // Nobody walks a stack or runs foreign code while holding the ring, so it is free again at once, unless its
    // holder was preempted: a few time slices later on a crowded machine, hence the sleeps, some 100 ms in all.
    // Still a hook must not be able to hang: after so many tries the frames are given up.
    for tries in 0..200 {
        if let Some(mut ring) = try_ring() {
            if let Some(capture) = capture.take()
                && push(&mut ring.captures, RING, capture)
            {
                ring.lost = Some(Instant::now());
            }
            WAITING_LEN.store(ring.captures.len(), Ordering::Relaxed);
            return;
        }
        match tries {
            0..50 => std::hint::spin_loop(),
            50..100 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    UNKEPT.store(true, Ordering::Relaxed);
    // Its context is foreign code, which must not run in a hook: leaked, this once.
    std::mem::forget(capture);
}

/// Adds it, in the place of the oldest if there is no room. Says whether one was lost.
///
/// Runs in the hook: nothing foreign is dropped here, the displaced context is parked.
#[cfg(feature = "hook")]
fn push(captures: &mut Vec<Capture>, room: usize, mut capture: Capture) -> bool {
    let full = captures.len() >= room;
    if full {
        let mut oldest = captures.remove(0);
        let oldest = oldest.seen_mut();
        let parked = &mut capture.seen_mut().parked;
        parked.append(&mut oldest.parked);
        parked.extend(oldest.context.take());
    }
    captures.push(capture);
    full
}

/// Finds the capture that belongs to a payload which was just caught, by a guard that was entered
/// after so many captures.
///
/// What is older was swallowed by somebody below them. Should it still be
/// resumed, perhaps on another thread, the ring has it.
pub(crate) fn claim(identity: &Identity, since: usize) -> Result<Capture, Missing> {
    let kept = KEPT.try_with(Cell::take).unwrap_or_default();
    let is_older = |capture: &Capture| capture.seen().number.wrapping_sub(since).cast_signed() < 0;
    let (older, mut own) = kept.into_iter().partition::<Vec<_>, _>(is_older);
    let claimed = take(&mut own, identity, true);
    _ = KEPT.try_with(|cell| cell.set(own));
    release(older);
    match claimed {
        Err(Missing::Unseen) => claim_from_ring(identity),
        claimed => claimed,
    }
}

fn claim_from_ring(identity: &Identity) -> Result<Capture, Missing> {
    let mut ring = ring();
    let now = Instant::now();
    if UNKEPT.swap(false, Ordering::Relaxed) {
        ring.lost = Some(now);
    }
    let is_stale = |at: Instant| now.saturating_duration_since(at) > STALE;
    // What is known for certain may come late.
    let certain = identity
        .is_unique()
        .then(|| take(&mut ring.captures, identity, false));
    let (stale, waiting) = ring
        .captures
        .drain(..)
        .partition::<Vec<_>, _>(|capture| is_stale(capture.seen().at));
    ring.captures = waiting;
    WAITING_LEN.store(ring.captures.len(), Ordering::Relaxed);
    let claimed = match certain {
        Some(claimed) => claimed,
        None if ring.lost.is_some_and(|lost| !is_stale(lost)) => Err(Missing::Ambiguous),
        None => take(&mut ring.captures, identity, false),
    };
    drop(ring);
    // Contexts are foreign code: not under the lock, and contained.
    discard(stale);
    claimed
}

/// Takes the one that is meant, if it is clear which.
///
/// On a thread of its own (`same_thread`: all were captured below the guard that has just
/// caught) several that differ in nothing but time are as good as one.
fn take(
    captures: &mut Vec<Capture>,
    identity: &Identity,
    same_thread: bool,
) -> Result<Capture, Missing> {
    let is_meant = |capture: &Capture| capture.seen().identity == *identity;
    let newest = captures.iter().rposition(is_meant).ok_or(Missing::Unseen)?;
    let by_type = same_thread && matches!(identity, Identity::Other(_));
    if !identity.is_unique() && !by_type {
        let mut meant = captures.iter().filter(|capture| is_meant(capture));
        let first = meant.next();
        let alike = |other: &Capture| {
            first.is_some_and(|first| first.frames() == other.frames() && same_thread)
        };
        if !meant.all(alike) {
            return Err(Missing::Ambiguous);
        }
    }
    Ok(captures.remove(newest))
}

/// Puts back what is about to be resumed on this thread.
pub(crate) fn adopt(mut capture: Capture, guarded: bool) {
    capture.seen_mut().number = LOCAL.with(Local::number);
    let mut displaced = None;
    if guarded {
        let Ok(mut kept) = KEPT.try_with(Cell::take) else {
            return;
        };
        if kept.len() >= MAX_KEPT {
            displaced = Some(kept.remove(0));
        }
        kept.push(capture);
        _ = KEPT.try_with(|cell| cell.set(kept));
    } else {
        displaced = wait_in(&mut ring(), capture);
    }
    discard(displaced);
}

fn release(older: Vec<Capture>) {
    if older.is_empty() {
        return;
    }
    let mut ring = ring();
    let displaced: Vec<_> = older
        .into_iter()
        .filter_map(|capture| wait_in(&mut ring, capture))
        .collect();
    drop(ring);
    discard(displaced);
}

fn wait_in(ring: &mut Ring, capture: Capture) -> Option<Capture> {
    let mut displaced = None;
    if ring.captures.len() >= RING {
        displaced = Some(ring.captures.remove(0));
        ring.lost = Some(Instant::now());
    }
    ring.captures.push(capture);
    WAITING_LEN.store(ring.captures.len(), Ordering::Relaxed);
    displaced
}

fn ring() -> MutexGuard<'static, Ring> {
    WAITING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(feature = "hook")]
fn try_ring() -> Option<MutexGuard<'static, Ring>> {
    match WAITING.try_lock() {
        Ok(ring) => Some(ring),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => None,
    }
}
