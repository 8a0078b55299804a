//! Questions that are answered on a thread of their own, since to answer may block, and a router may run on any runtime.
//!
//! The thread starts with the first question and ends when none waits.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use http::Response;

use crate::service::answer::not_found;

/// More questions than this do not wait: what is in front may ask for many clients.
const WAITING: usize = 64;

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    waiting: VecDeque::new(),
    has_thread: false,
});

struct Queue {
    waiting: VecDeque<(Question, Arc<Mutex<Answer>>)>,
    has_thread: bool,
}

type Question = Box<dyn FnOnce() -> Response<Bytes> + Send>;

enum Answer {
    /// With the waker of the task that waits for it.
    Awaited(Option<Waker>),
    There(Response<Bytes>),
    Taken,
}

/// The answer to a question.
pub(crate) struct Later {
    answer: Arc<Mutex<Answer>>,
}

impl Later {
    /// `refused` is the answer where too many wait, or there is no thread to be had.
    pub(super) fn new(
        question: impl FnOnce() -> Response<Bytes> + Send + 'static,
        refused: impl FnOnce() -> Response<Bytes>,
    ) -> Self {
        let answer = Arc::new(Mutex::new(Answer::Awaited(None)));
        let mut queue = lock(&QUEUE);
        if queue.waiting.len() < WAITING {
            queue
                .waiting
                .push_back((Box::new(question), Arc::clone(&answer)));
            let thread = thread::Builder::new().name("router".into());
            queue.has_thread = queue.has_thread || thread.spawn(work).is_ok();
            if queue.has_thread {
                return Self { answer };
            }
            queue.waiting.clear();
        }
        drop(queue);
        *lock(&answer) = Answer::There(refused());
        Self { answer }
    }
}

fn work() {
    while let Some((question, answer)) = next() {
        // The client is gone.
        if Arc::strong_count(&answer) == 1 {
            continue;
        }
        let response = catch_unwind(AssertUnwindSafe(question));
        let there = Answer::There(response.unwrap_or_else(|_| not_found()));
        let before = mem::replace(&mut *lock(&answer), there);
        if let Answer::Awaited(Some(waker)) = before {
            waker.wake();
        }
    }
}

fn next() -> Option<(Question, Arc<Mutex<Answer>>)> {
    let mut queue = lock(&QUEUE);
    let next = queue.waiting.pop_front();
    queue.has_thread = next.is_some();
    next
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Future for Later {
    type Output = Response<Bytes>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Bytes>> {
        let waker = context.waker().clone();
        let mut answer = lock(&self.answer);
        let (before, poll) = match mem::replace(&mut *answer, Answer::Taken) {
            Answer::There(response) => (None, Poll::Ready(response)),
            Answer::Awaited(before) => {
                *answer = Answer::Awaited(Some(waker));
                (before, Poll::Pending)
            }
            // Polled after it was done.
            Answer::Taken => (None, Poll::Pending),
        };
        // Wakers are the runtime's code: none is dropped while the lock is held.
        drop(answer);
        drop(before);
        poll
    }
}
