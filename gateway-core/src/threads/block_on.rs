use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// The waker of a thread that waits in [`block_on`].
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Polls `poll` on this thread until it is ready. `None` when `left` gives up.
///
/// Needs no runtime, so it works in tokio's blocking pool, on a plain thread and in a CGI program. `left` is called
/// before each wait: it returns how long the wait may last, or `None` to give up.
pub(crate) fn block_on<T>(
    mut left: impl FnMut() -> Option<Duration>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    // No waker is made for what is ready at once.
    if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
        return Some(value);
    }
    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut context) {
            return Some(value);
        }
        // `park` may return spuriously, and an `unpark` may be meant for other code on this thread.
        while !unpark.woken.swap(false, Ordering::Acquire) {
            thread::park_timeout(left()?);
        }
    }
}

/// As [`block_on`], without a limit.
pub(crate) fn block_on_forever<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    loop {
        if let Some(value) = block_on(|| Some(Duration::MAX), &mut poll) {
            return value;
        }
    }
}

/// Runs `future` to its end on this thread.
pub(crate) fn block_on_future<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    block_on_forever(|context| future.as_mut().poll(context))
}
