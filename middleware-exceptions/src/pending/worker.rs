//! One thread for what must not run on an async worker: symbolication, and what an error's `Display` does.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll},
    thread,
};

use gateway_core::waker_slot::WakerSlot;
use panic_capture::{discard, guard};

type Job = Box<dyn FnOnce() + Send>;

/// Something that happens once and wakes the task that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    fired: AtomicBool,
    waker: WakerSlot,
}

impl Signal {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.fired.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.waker.register(cx.waker());
        if self.fired.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn fire(&self) {
        self.fired.store(true, Ordering::Release);
        if let Err(caught) = guard(|| self.waker.wake()) {
            discard(caught.payload);
        }
    }
}

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Runs it on the thread. `false`, and it is dropped, where that cannot be: as many as `queue` wait already,
/// or there is no thread to be had.
pub(crate) fn run(queue: usize, job: impl FnOnce() + Send + 'static) -> bool {
    if WAITING.fetch_add(1, Ordering::Relaxed) >= queue {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        return false;
    }
    let sent = sender().is_some_and(|thread| thread.send(Box::new(job)).is_ok());
    if !sent {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
    sent
}

/// Like [`run`], but also returns a signal that fires when the job is done.
pub(crate) fn run_and_signal(
    queue: usize,
    job: impl FnOnce() + Send + 'static,
) -> Option<Arc<Signal>> {
    let signal = Arc::new(Signal::default());
    let done = Arc::clone(&signal);
    let sent = run(queue, move || {
        if let Err(caught) = guard(job) {
            discard(caught.payload);
        }
        done.fire();
    });
    sent.then_some(signal)
}

fn sender() -> Option<&'static Sender<Job>> {
    static THREAD: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, jobs) = channel();
        let thread = thread::Builder::new().name("exceptions".into());
        thread.spawn(move || work(&jobs)).ok().map(|_| sender)
    });
    thread.as_ref()
}

fn work(jobs: &Receiver<Job>) {
    for job in jobs {
        if let Err(caught) = guard(job) {
            discard(caught.payload);
        }
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}
