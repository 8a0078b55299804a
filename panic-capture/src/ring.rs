//! Captures of threads without a guard: they wait, for the whole process, until their payload comes below one.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Capture, MAX_CANDIDATES, Missing, Place, identity::Identity, local::discard};

/// At most so many unclaimed panics of threads without a guard are kept, by the whole process.
pub const RING: usize = 4096;

/// At most so many frames are kept of all these together. Beyond, the oldest keep their place and no frames.
pub const RING_FRAMES: usize = 64 * 1024;

/// So many of them keep what the context function returned, which may hold on to much.
#[cfg(feature = "hook")]
const CONTEXTS: usize = 256;

/// A panic that is not claimed for so long was swallowed by other code. Until then it makes other
/// panics of the same literal or type ambiguous.
const STALE: Duration = Duration::from_secs(10);

fn is_stale(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) > STALE
}

/// Set when a hook gave up on the ring: the next to hold it notes that one was lost.
static UNKEPT: AtomicBool = AtomicBool::new(false);

/// The highest number of a task whose capture was lost, plus one.
static LOST_TASKS: AtomicU64 = AtomicU64::new(0);

/// How many wait. Read before the ring is taken: about right is enough.
static LEN: AtomicUsize = AtomicUsize::new(0);

static WAITING: Mutex<Ring> = Mutex::new(Ring {
    captures: VecDeque::new(),
    frames: 0,
    bare: 0,
    lost: None,
});

/// The oldest first.
struct Ring {
    captures: VecDeque<Capture>,
    /// Of all of them together.
    frames: usize,
    /// So many of the oldest have given theirs up.
    bare: usize,
    /// When last a capture was lost that may still be claimed: for a while after,
    /// "just one can be meant" cannot be said.
    lost: Option<Instant>,
}

#[cfg(feature = "hook")]
pub(crate) fn has_room_for_context() -> bool {
    LEN.load(Ordering::Relaxed) < CONTEXTS
}

/// From the hook.
#[cfg(feature = "hook")]
pub(crate) fn keep(capture: Capture) {
    let mut capture = Some(capture);
    // No thread walks a stack or runs foreign code while it holds the ring, so it is free again at once, unless its
    // holder was preempted: some time slices later on a crowded machine, hence the sleeps, half a second in all.
    // Still a hook must not be able to hang: after so many tries the frames are given up.
    for tries in 0..600 {
        if let Some(mut ring) = try_ring() {
            if let Some(mut capture) = capture.take() {
                if let Some(displaced) = ring.make_room() {
                    capture.park_context_of(displaced);
                }
                ring.push(capture);
            }
            return;
        }
        match tries {
            0..50 => std::hint::spin_loop(),
            50..100 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    UNKEPT.store(true, Ordering::Relaxed);
    if let Some(capture) = &capture {
        note_lost_task(capture);
    }
    // Its context is foreign code, which must not run in a hook: leaked, this once.
    std::mem::forget(capture);
}

/// Moves captures there that no guard on their own thread can claim any more.
pub(crate) fn release(captures: impl IntoIterator<Item = Capture>) {
    let mut captures = captures.into_iter().peekable();
    if captures.peek().is_none() {
        return;
    }
    let mut displaced = Vec::new();
    let mut ring = ring();
    for capture in captures {
        displaced.extend(ring.make_room());
        ring.push(capture);
    }
    drop(ring);
    // Contexts are foreign code: not under the lock, and contained.
    discard(displaced);
}

/// The newest panic of a task, copied.
pub(crate) fn of_task(task: u64) -> Result<Capture, Missing> {
    let mut ring = ring();
    let newest = ring.captures.iter_mut().rev();
    let newest = newest
        .into_iter()
        .find(|capture| capture.task() == Some(task));
    newest.map(Capture::settle).ok_or_else(|| {
        if task < LOST_TASKS.load(Ordering::Relaxed) {
            Missing::TooMany
        } else {
            Missing::Unseen
        }
    })
}

fn note_lost_task(capture: &Capture) {
    if let Some(task) = capture.task() {
        LOST_TASKS.fetch_max(task.saturating_add(1), Ordering::Relaxed);
    }
}

pub(crate) fn claim(identity: &Identity) -> Result<Capture, Missing> {
    let mut ring = ring();
    let now = Instant::now();
    if UNKEPT.swap(false, Ordering::Relaxed) {
        ring.lost = Some(now);
    }
    let has_lost = ring.lost.is_some_and(|lost| !is_stale(lost, now));
    // What is known for certain may come late.
    let certain = identity
        .is_unique()
        .then(|| take(&mut ring.captures, identity, false));
    let stale = ring.give_up(|capture| is_stale(capture.seen().at, now));
    let claimed = match certain {
        Some(Err(_)) | None if has_lost => Err(Missing::TooMany),
        Some(claimed) => claimed,
        None => take(&mut ring.captures, identity, false),
    };
    ring.count();
    drop(ring);
    discard(stale);
    claimed
}

/// Takes the one that is meant, or of several that could be what they have in common.
///
/// On a thread of its own (`same_thread`: all were captured below the guard that has just
/// caught) several that differ in nothing but time are as good as one.
pub(crate) fn take(
    captures: &mut VecDeque<Capture>,
    identity: &Identity,
    same_thread: bool,
) -> Result<Capture, Missing> {
    let now = Instant::now();
    let is_meant = |capture: &Capture| {
        let seen = capture.seen();
        let is_waited_for = || !seen.is_settled && !is_stale(seen.at, now);
        seen.identity == *identity && (identity.is_unique() || same_thread || is_waited_for())
    };
    let newest = captures.iter().rposition(is_meant).ok_or(Missing::Unseen)?;
    let by_type = same_thread && matches!(identity, Identity::Other(_));
    if !identity.is_unique() && !by_type {
        let mut meant = captures.iter().filter(|capture| is_meant(capture));
        let first = meant.next();
        let alike = |other: &Capture| {
            first.is_some_and(|first| first.frames() == other.frames() && same_thread)
        };
        if !meant.all(alike) {
            let meant = captures.iter_mut().filter(|capture| is_meant(capture));
            share(&mut meant.collect::<Vec<_>>());
        }
    }
    captures.remove(newest).ok_or(Missing::Unseen)
}

/// Leaves each of them what all have in common: whichever of them a payload then takes, nothing of it is another's.
fn share(captures: &mut [&mut Capture]) {
    let mut places: Vec<Place> = Vec::new();
    for capture in captures.iter() {
        let candidates = capture.candidates().iter().chain(capture.place());
        for place in candidates {
            if !places.contains(place) && places.len() < MAX_CANDIDATES {
                places.push(place.clone());
            }
        }
    }
    let Some((first, others)) = captures.split_first() else {
        return;
    };
    let mut len = first.frames().len();
    let mut thread = first.thread();
    for other in others {
        let pairs = first.frames().iter().zip(other.frames());
        len = len.min(pairs.take_while(|(one, another)| one == another).count());
        thread = thread.filter(|thread| other.thread() == Some(thread));
    }
    let thread = thread.map(Box::from);
    for capture in captures {
        let seen = capture.seen_mut();
        let frames = seen.frames.iter().take(len).copied();
        seen.frames = frames.collect();
        seen.truncated = false;
        seen.thread.clone_from(&thread);
        seen.doubt = Some(Missing::Ambiguous);
        match places.as_slice() {
            [place] => seen.place = Some(place.clone()),
            several => {
                seen.place = None;
                seen.candidates = several.into();
            }
        }
        // Dropped with the capture: it is foreign code.
        seen.parked.extend(seen.context.take());
    }
}

impl Ring {
    /// Takes the oldest out, if there is no room for another.
    fn make_room(&mut self) -> Option<Capture> {
        if self.captures.len() < RING {
            return None;
        }
        let oldest = self.captures.pop_front()?;
        note_lost_task(&oldest);
        self.lost = Some(Instant::now());
        self.frames = self.frames.saturating_sub(oldest.frames().len());
        self.bare = self.bare.saturating_sub(1);
        Some(oldest)
    }

    /// Takes out those that are no more waited for. A task may be asked for its panic late: of those that have one, only the
    /// contexts are taken, which may hold on to much.
    fn give_up(
        &mut self,
        is_old: impl Fn(&Capture) -> bool,
    ) -> (Vec<Capture>, Vec<Box<dyn Any + Send>>) {
        let (mut captures, mut contexts) = (Vec::new(), Vec::new());
        let holds_much = |capture: &Capture| {
            let seen = capture.seen();
            seen.task.is_none() || seen.context.is_some() || !seen.parked.is_empty()
        };
        let is_given_up = |capture: &Capture| is_old(capture) && holds_much(capture);
        if !self.captures.iter().any(is_given_up) {
            return (captures, contexts);
        }
        for mut capture in std::mem::take(&mut self.captures) {
            if !is_old(&capture) {
                self.captures.push_back(capture);
            } else if capture.task().is_some() {
                let seen = capture.seen_mut();
                contexts.append(&mut seen.parked);
                contexts.extend(seen.context.take());
                self.captures.push_back(capture);
            } else {
                captures.push(capture);
            }
        }
        (captures, contexts)
    }

    /// Runs in the hook: nothing foreign is dropped.
    fn push(&mut self, capture: Capture) {
        self.frames += capture.frames().len();
        self.captures.push_back(capture);
        while self.frames > RING_FRAMES
            && let Some(oldest) = self.captures.get_mut(self.bare)
        {
            self.frames = self.frames.saturating_sub(oldest.give_frames_up());
            self.bare += 1;
        }
        LEN.store(self.captures.len(), Ordering::Relaxed);
    }

    /// After some were taken out, or share what they have.
    fn count(&mut self) {
        let frames = |capture: &Capture| capture.frames().len();
        self.frames = self.captures.iter().map(frames).sum();
        let full = self.captures.iter().position(|capture| frames(capture) > 0);
        self.bare = full.unwrap_or(self.captures.len());
        LEN.store(self.captures.len(), Ordering::Relaxed);
    }
}

fn ring() -> MutexGuard<'static, Ring> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "hook")]
fn try_ring() -> Option<MutexGuard<'static, Ring>> {
    match WAITING.try_lock() {
        Ok(ring) => Some(ring),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => None,
    }
}
