//! The life of a thread of the pool: jobs, a look for more, rest, and back to the runtime.

use std::cell::Cell;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use panic_capture::{discard, guard};

use super::parker::Parker;
use super::places::Place;
use super::pool::{Event, Pool};
use super::runtime::Runtime;
use super::scheduler::{Job, Next, Started, Tenure};
use super::work::{Holding, Origin, Turn, Work};

/// How long a thread without work waits for some before it goes back to the runtime.
///
/// Also the longest that an idle service can delay the shutdown of a runtime it outlives.
const LINGER: Duration = Duration::from_millis(100);

thread_local! {
    static LINGERS: Cell<bool> = const { Cell::new(true) };
}

/// From now on this thread goes back to its runtime as soon as it finds no work: for the threads of a runtime that
/// lasts for a single request, as in tests, where a thread that waits for the next one only delays the shutdown.
#[cfg(feature = "tokio")]
pub(crate) fn do_not_linger() {
    LINGERS.set(false);
}

fn linger() -> Duration {
    match LINGERS.get() {
        true => LINGER,
        false => Duration::ZERO,
    }
}

/// How long a thread works for the pool before it queues again behind the runtime's other work: neither
/// may a runtime with few threads be monopolised, nor one that shuts down be kept by another's work.
const TENURE: Duration = Duration::from_millis(250);

/// How often the watching thread checks that the others make progress. When work suddenly blocks, what is
/// queued behind it waits one or two of these periods for another thread.
const WATCH: Duration = Duration::from_millis(1);

/// How often a thread looks for work again, after all other threads had a turn, before it sleeps. To be
/// put to sleep and woken costs as much as some dozens of looks.
const LOOKS: usize = 16;

/// How long a runtime's shutdown waits for what it left undone.
const LAST_WORK: Duration = Duration::from_secs(1);

/// One thread of the pool, or the intention to have one.
pub(super) struct Worker {
    pool: Arc<Pool>,
    came: bool,
}

impl Worker {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, came: false }
    }

    /// Whether the runtime took it. One that shuts down does not, and where none runs, there is no thread.
    pub(super) fn spawn(mut self, runtime: Option<Runtime>) -> bool {
        match runtime {
            Some(runtime) => runtime.spawn_blocking(move || {
                self.came = true;
                self.run(Some(Instant::now() + TENURE));
            }),
            None => {
                self.came = true;
                self.pool.on(Event::NotSpawned);
                false
            }
        }
    }

    /// Does what the scheduler says until it says to leave. Without `until` the thread does what is queued
    /// and leaves.
    fn run(&self, until: Option<Instant>) {
        let pool = &self.pool;
        let parker = Arc::new(Parker::here());
        let thread = &parker;
        let begins = match until {
            Some(_) => Tenure::Lasts,
            None => Tenure::LastJobs,
        };
        let tenure = |now: Instant| match until {
            Some(until) if now >= until => Tenure::Over,
            _ => begins,
        };
        let came = Event::Came {
            thread,
            tenure: begins,
        };
        let mut next = pool.on(came).next;
        loop {
            let event = match next {
                Next::Run(started) => self.work(started, thread, tenure),
                Next::Look => {
                    for _ in 0..LOOKS {
                        thread::yield_now();
                        if pool.has_queue() {
                            break;
                        }
                    }
                    Event::Looked {
                        thread,
                        tenure: begins,
                    }
                }
                Next::Rest { watches } => {
                    let called = parker.wait(if watches { WATCH } else { linger() });
                    Event::Woke {
                        thread,
                        tenure: tenure(Instant::now()),
                        called,
                        watches,
                    }
                }
                Next::Leave { last } => {
                    if last {
                        pool.buffers().forget();
                    }
                    return;
                }
                Next::Nothing | Next::TakeOver => return,
            };
            let rested = matches!(event, Event::Woke { .. });
            next = pool.on(event).next;
            if rested && !matches!(next, Next::Rest { .. }) {
                // Called just when it gave up, perhaps.
                parker.forget();
            }
        }
    }

    /// Does one job.
    fn work<'a>(
        &self,
        started: Started<Work>,
        thread: &'a Arc<Parker>,
        tenure: impl Fn(Instant) -> Tenure,
    ) -> Event<'a> {
        let Started {
            job: Job { work, place },
            begun,
        } = started;
        let mut turn = JobTurn {
            pool: &self.pool,
            place,
            steps: 0,
        };
        let start = Instant::now();
        // It does not panic; if it did, the pool would be a thread short from then on.
        if let Err(caught) = guard(|| work.run(&mut turn)) {
            discard(caught);
        }
        let now = Instant::now();
        let JobTurn { place, steps, .. } = turn;
        Event::Done {
            thread,
            tenure: tenure(now),
            begun,
            place,
            took: now - start,
            steps,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.came {
            return;
        }
        // The runtime shut down before a thread came.
        if !matches!(self.pool.on(Event::Lost).next, Next::TakeOver) {
            return;
        }
        let last = Self {
            pool: Arc::clone(&self.pool),
            came: true,
        };
        let (finished, wait) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("gateway-last-work".into());
        let spawned = thread.spawn(move || {
            last.run(None);
            drop(finished);
        });
        match spawned {
            // Not without limit: what is left may wait for a task of the very runtime that ends.
            Ok(_) => _ = wait.recv_timeout(LAST_WORK),
            Err(_) => _ = self.pool.on(Event::NotSpawned),
        }
    }
}

/// A thread's turn at one job.
struct JobTurn<'a> {
    pool: &'a Arc<Pool>,
    place: Place,
    steps: usize,
}

impl Turn for JobTurn<'_> {
    fn others_wait(&self) -> bool {
        self.pool.has_queue()
    }

    fn did(&mut self, steps: usize) {
        self.steps += steps;
    }

    fn hold(&mut self, holding: Holding, origin: &Origin) -> bool {
        let reads = matches!(self.place.holding, Holding::Reading | Holding::Early);
        let has_it = holding == self.place.holding || (reads && holding == Holding::Reading);
        if holding == Holding::Free || has_it {
            return true;
        }
        let to = Place {
            holding,
            origin: origin.clone(),
        };
        let place = &mut self.place;
        self.pool.on(Event::Hold { place, to }).granted
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;
    use crate::testing::Client;
    use crate::{Application, Environ, Reply};

    #[test]
    fn only_a_runtime_of_one_request_has_threads_that_do_not_linger() {
        let application = |_: &mut Environ| Reply::text(format!("{:?}", linger()));
        let service = application.into_service();
        let tested = Client::of_service(service.clone()).get("/").send();
        assert_eq!(tested.text(), format!("{:?}", Duration::ZERO));

        let runtime = tokio::runtime::Runtime::new().unwrap();
        let lingers = runtime.block_on(async {
            let request = http::Request::new(crate::Body::empty());
            let response = tower::ServiceExt::oneshot(service, request).await.unwrap();
            let body = http_body_util::BodyExt::collect(response.into_body()).await;
            String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
        });
        assert_eq!(lingers, format!("{LINGER:?}"));
    }
}
