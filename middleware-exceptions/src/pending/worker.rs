//! One thread for what must not run on an async worker: symbolication, and what an error's `Display` does. Others come only
//! where it is stuck.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
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

/// A job that takes longer is stuck, perhaps for ever: `Display` is the program's code. The next one to come brings a thread
/// that goes on with those behind it.
const STUCK: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 10 });

/// So many threads may be stuck, less one. Beyond, failures wait, and then find the queue full.
const MOST: usize = 8;

/// The thread that was started last.
struct Newest {
    number: usize,
    /// When it began what it is at.
    since: Option<Instant>,
}

static NEWEST: Mutex<Newest> = Mutex::new(Newest {
    number: 0,
    since: None,
});

type Jobs = Arc<Mutex<Receiver<Job>>>;

static THREADS: OnceLock<Option<(Sender<Job>, Jobs)>> = OnceLock::new();

fn sender() -> Option<&'static Sender<Job>> {
    let threads = THREADS.get_or_init(|| {
        let (sender, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        start(0, Arc::clone(&jobs)).then_some((sender, jobs))
    });
    let (sender, jobs) = threads.as_ref()?;
    relieve(jobs);
    Some(sender)
}

fn relieve(jobs: &Jobs) {
    let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_stuck = newest.since.is_some_and(|since| since.elapsed() > STUCK);
    let number = newest.number + 1;
    if is_stuck && number < MOST && start(number, Arc::clone(jobs)) {
        *newest = Newest {
            number,
            since: None,
        };
    }
}

fn start(number: usize, jobs: Jobs) -> bool {
    let thread = thread::Builder::new().name("exceptions".into());
    thread.spawn(move || work(number, &jobs)).is_ok()
}

fn work(number: usize, jobs: &Jobs) {
    loop {
        // In a statement of its own: the lock is given back before the job runs.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        began(number, Some(Instant::now()));
        if let Err(caught) = guard(job) {
            discard(caught.payload);
        }
        began(number, None);
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

fn began(number: usize, since: Option<Instant>) {
    let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    if newest.number == number {
        newest.since = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_ends_keeps_no_other_from_its_turn() {
        let (free, stuck) = channel::<()>();
        assert!(run(16, move || _ = stuck.recv()));
        let (done, is_done) = channel();
        // Each brings a thread where the newest is stuck by then.
        let patience = Duration::from_millis(100);
        let got_through = (0..100).any(|_| {
            let done = done.clone();
            run(16, move || _ = done.send(()));
            is_done.recv_timeout(patience).is_ok()
        });
        assert!(got_through);
        drop(free);
    }
}
