//! The look-up of a socket's owner, on a thread of its own: it may block, and the page that asks may run on any runtime.
//!
//! The thread starts with the first question and ends when none waits.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    thread,
};

use panic_capture::{discard, guard};

use super::{Facts, Reason, judge};
use crate::waker_slot::WakerSlot;

/// More questions than this do not wait: a proxy in front may ask for many clients.
const MOST_WAITING: usize = 64;

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    waiting: VecDeque::new(),
    has_thread: false,
});

struct Queue {
    waiting: VecDeque<(Facts, Arc<Answer>)>,
    has_thread: bool,
}

#[derive(Debug, Default)]
struct Answer {
    verdict: OnceLock<Result<(), Reason>>,
    waker: WakerSlot,
}

/// The verdict of [`judge`] with the owner looked up: a future for code that must not block.
///
/// The look-up starts at once, on another thread. Dropping the future before that thread came to it calls it off.
/// Where too many look-ups wait already, or no thread can be had, the verdict stays [`Reason::Unasked`]. The
/// future keeps its verdict: polling again repeats it.
///
/// ```
/// use gateway_core::developer::{Facts, OwnerLookUp, Reason, judge};
///
/// # async fn example(facts: Facts) {
/// let verdict = match judge(&facts) {
///     Err(Reason::Unasked) => OwnerLookUp::start(facts).await,
///     verdict => verdict,
/// };
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a look-up says nothing until it is polled"]
pub struct OwnerLookUp {
    answer: Arc<Answer>,
}

impl OwnerLookUp {
    /// Starts to look up who owns the client's end of the connection, as [`Facts::look_up`] does.
    pub fn start(facts: Facts) -> Self {
        let answer = Arc::new(Answer::default());
        if !enqueue(facts, &answer) {
            answer.give(Err(Reason::Unasked));
        }
        Self { answer }
    }
}

impl Future for OwnerLookUp {
    type Output = Result<(), Reason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let Answer { verdict, waker } = &*self.answer;
        if verdict.get().is_none() {
            waker.register(cx.waker());
        }
        verdict.get().cloned().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Answer {
    fn give(&self, verdict: Result<(), Reason>) {
        _ = self.verdict.set(verdict);
        self.waker.wake();
    }
}

/// `false` where too many wait, or there is no thread to be had.
fn enqueue(facts: Facts, answer: &Arc<Answer>) -> bool {
    let mut queue = queue();
    if queue.waiting.len() >= MOST_WAITING {
        return false;
    }
    if !queue.has_thread {
        let thread = thread::Builder::new().name("owner-look-up".into());
        queue.has_thread = thread.spawn(work).is_ok();
    }
    if queue.has_thread {
        queue.waiting.push_back((facts, Arc::clone(answer)));
    }
    queue.has_thread
}

fn work() {
    while let Some((facts, answer)) = next() {
        // The client is gone, and its future with it.
        if Arc::strong_count(&answer) == 1 {
            continue;
        }
        let verdict = contained(|| judge(&facts.look_up())).unwrap_or(Err(Reason::Unasked));
        // A waker is the runtime's code: where it panics, the others that wait get their answers all the same.
        contained(|| answer.give(verdict));
    }
}

fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    guard(run).map_err(|caught| discard(caught.payload)).ok()
}

fn next() -> Option<(Facts, Arc<Answer>)> {
    let mut queue = queue();
    let next = queue.waiting.pop_front();
    queue.has_thread = next.is_some();
    next
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}
