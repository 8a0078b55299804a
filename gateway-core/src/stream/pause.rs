//! A moment's wait, on one thread for all who wait, which is there while somebody does.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use panic_capture::{discard, guard};

/// All pauses are of one length, so that the first to begin is the first to end.
const LENGTH: Duration = Duration::from_millis(50);

static WAITING: Mutex<Waiting> = Mutex::new(Waiting {
    pauses: VecDeque::new(),
    has_thread: false,
});

struct Waiting {
    pauses: VecDeque<(Instant, Arc<State>)>,
    has_thread: bool,
}

/// Ends after 50 ms.
pub(crate) struct Pause(Arc<State>);

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Pause {
    pub(crate) fn begin() -> Self {
        let state = Arc::new(State::default());
        let mut waiting = lock(&WAITING);
        let end = Instant::now() + LENGTH;
        waiting.pauses.push_back((end, Arc::clone(&state)));
        if !waiting.has_thread {
            let thread = thread::Builder::new().name("gateway-pauses".into());
            waiting.has_thread = thread.spawn(end_all).is_ok();
            if !waiting.has_thread {
                // No thread to be had: nobody waits.
                let pauses = mem::take(&mut waiting.pauses);
                drop(waiting);
                pauses.into_iter().for_each(|(_, state)| state.end());
            }
        }
        Self(state)
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.0.is_over() {
            return Poll::Ready(());
        }
        let waker = Some(context.waker().clone());
        let before = mem::replace(&mut *lock(&self.0.waker), waker);
        // Foreign code, and so not under the lock.
        drop(before);
        if self.0.is_over() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker
            && let Err(caught) = guard(|| waker.wake())
        {
            discard(caught.payload);
        }
    }
}

/// Ends pauses until there are none.
fn end_all() {
    loop {
        let mut waiting = lock(&WAITING);
        let Some((end, _)) = waiting.pauses.front() else {
            waiting.has_thread = false;
            return;
        };
        let left = end.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            drop(waiting);
            thread::sleep(left);
            continue;
        }
        let over = waiting.pauses.pop_front();
        drop(waiting);
        if let Some((_, state)) = over {
            state.end();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
