//! Readings of whole files: one for each state of a file, however many requests wait for it; stopped when none does;
//! a few at a time in the whole process.
//!
//! No thread waits for a reading, only futures do. Clients that ask for hundreds of large files take no threads from
//! others, and when they go away their readings stop.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use twox_hash::XxHash3_128;

use super::fact::{Fact, Finding, Findings};
use super::ledger::{Id, Ledger};
use super::work::{self, Work};
use crate::protocol::negotiate::Coding;
use crate::source::pool::CHUNK;
use crate::source::{Content, File, Stamp, Wait};

/// How many facts are remembered: 5 MiB at most; then it begins anew.
const MOST_KNOWN: usize = 32 * 1024;

/// So many bytes in memory are hashed at once, on the thread that serves: it takes a tenth of a millisecond.
const MOST_IN_PASSING: usize = 1 << 20;

/// A file that has to be read before a request can go on. Travels as the cause of an [`io::ErrorKind::WouldBlock`].
#[derive(Debug)]
pub(crate) struct Reading(Work);

impl Reading {
    /// The reading that this error asks for, if it does.
    ///
    /// # Errors
    /// The error, if it does not.
    pub(crate) fn in_error(error: io::Error) -> io::Result<Self> {
        error.downcast()
    }

    /// Reads on the present thread: without a runtime no other request waits for it.
    pub(crate) fn here(self, findings: &mut Findings) {
        let fact = self.0.fact();
        let settled = fact.is_settled();
        let finding = self.0.run(&|| true);
        remember(fact, finding, settled);
        findings.add(fact, finding);
    }

    /// Waits for it, together with all other requests that do.
    pub(crate) fn ticket(self) -> Ticket {
        let fact = self.0.fact();
        let (id, waiters) = shared()
            .ledger
            .join(fact, self.0, Arc::new(Waiters::default()));
        let number = waiters.number();
        Ticket {
            fact,
            id,
            number,
            waiters,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file has to be read first")
    }
}

impl Error for Reading {}

impl From<Reading> for io::Error {
    fn from(reading: Reading) -> Self {
        Self::new(io::ErrorKind::WouldBlock, reading)
    }
}

/// The digest of a file of `length` bytes; `None` where it has none, since it cannot be read or is never still.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`], with the [`Reading`] that is needed, or with [`Wait::Never`] for bytes
/// that are many.
pub(crate) fn digest(
    content: &Content,
    stamp: Option<Stamp>,
    length: u64,
    findings: &Findings,
    wait: Wait,
) -> io::Result<Option<u128>> {
    if let Content::Bytes(bytes) = content {
        if wait == Wait::Never && bytes.len() > MOST_IN_PASSING {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        return Ok(Some(XxHash3_128::oneshot(bytes)));
    }
    // A file without a known state would have to be read for each request.
    let Some(stamp) = stamp else { return Ok(None) };
    let fact = Fact::Digest(stamp);
    match finding(&fact, findings) {
        Some(Finding::Digest(digest)) => return Ok(Some(digest)),
        Some(_) => return Ok(None),
        None => {}
    }
    if length > CHUNK as u64 {
        return Err(Reading(Work::digest(content, stamp, length)).into());
    }
    let settled = fact.is_settled();
    let digest = work::digest(content, length, wait, &|| true)?;
    remember(fact, Finding::Digest(digest), settled);
    Ok(Some(digest))
}

/// Whether a compressed sibling is a copy of its file; `None` where that is not found out: one of them is in no known
/// state, is too large, or is never still.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`], with the [`Reading`] that is needed, or with [`Wait::Never`] for bytes in memory.
pub(crate) fn is_copy(
    sibling: &File,
    coding: Coding,
    original: &File,
    limit: u64,
    findings: &Findings,
    wait: Wait,
) -> io::Result<Option<bool>> {
    let (length, original_length) = (sibling.metadata.length, original.metadata.length);
    // A sibling longer than its file saves nothing, and would have to be read to its end.
    if length > original_length.saturating_add(CHUNK as u64) {
        return Ok(Some(false));
    }
    if original_length > limit {
        return Ok(None);
    }
    let work = match (sibling.stamp, original.stamp) {
        (Some(sibling_stamp), Some(original_stamp)) => Work::Copy {
            sibling: (sibling.content.clone(), sibling_stamp),
            coding,
            original: (original.content.clone(), original_stamp),
        },
        _ => match (&sibling.content, &original.content) {
            (Content::Bytes(sibling), Content::Bytes(original)) => Work::CopyOfBytes {
                sibling: sibling.clone(),
                coding,
                original: original.clone(),
            },
            _ => return Ok(None),
        },
    };
    let fact = work.fact();
    match finding(&fact, findings) {
        Some(Finding::Copy(copy)) => Ok(Some(copy)),
        Some(_) => Ok(None),
        None if matches!(work, Work::CopyOfBytes { .. }) => {
            if wait == Wait::Never {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let finding = work.run(&|| true);
            remember(fact, finding, true);
            Ok(Some(finding == Finding::Copy(true)))
        }
        None => Err(Reading(work).into()),
    }
}

/// The digest of a file, whatever it takes: for the program's own threads. A thread that waits for the reading of another one waits
/// for one that has begun; what has not begun it does itself.
///
/// # Errors
/// What the file system says of a file that cannot be read.
pub(crate) fn digest_now(content: &Content, stamp: Option<Stamp>, length: u64) -> io::Result<u128> {
    if let Some(stamp) = stamp {
        let fact = Fact::Digest(stamp);
        let finding = known(&fact).unwrap_or_else(|| {
            Reading(Work::digest(content, stamp, length))
                .ticket()
                .wait()
        });
        if let Finding::Digest(digest) = finding {
            return Ok(digest);
        }
    }
    // Read once more for the error; or the file has no known state.
    work::digest(content, length, Wait::Allowed, &|| true)
}

struct Shared {
    known: HashMap<Fact, Finding>,
    ledger: Ledger<Fact, Work, Arc<Waiters>>,
}

fn shared() -> MutexGuard<'static, Shared> {
    static SHARED: LazyLock<Mutex<Shared>> = LazyLock::new(|| {
        // Reading keeps a disk or a processor busy: half of them are left to the threads that serve.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Mutex::new(Shared {
            known: HashMap::new(),
            ledger: Ledger::new((processors / 2).max(2)),
        })
    });
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finding(fact: &Fact, findings: &Findings) -> Option<Finding> {
    let found = findings.finding(fact).or_else(|| known(fact));
    found.or_else(|| findings.is_full().then_some(Finding::Unknown))
}

fn known(fact: &Fact) -> Option<Finding> {
    shared().known.get(fact).copied()
}

/// Remembers what holds for every later look at files in the same state. Whether there can be others in that state is
/// asked before reading: what is written meanwhile has a later time.
fn remember(fact: Fact, finding: Finding, settled: bool) {
    if finding == Finding::Unknown || !settled {
        return;
    }
    let mut shared = shared();
    if shared.known.len() >= MOST_KNOWN {
        shared.known.clear();
    }
    shared.known.insert(fact, finding);
}

/// Where the waiters of one reading find its result.
#[derive(Default)]
struct Waiters {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    finding: Option<Finding>,
    /// The wakers, by the numbers of their tickets.
    wakers: Vec<(u64, Waker)>,
    last: u64,
}

impl Waiters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut state = self.state();
        state.last += 1;
        state.last
    }

    fn end(&self, finding: Finding) {
        self.state().finding = Some(finding);
        self.ended.notify_all();
        self.wake();
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut self.state().wakers);
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Registers a waker, unless there is a finding. What it replaces is dropped outside of the lock.
    fn look(&self, number: u64, waker: &Waker) -> Option<Finding> {
        let waker = waker.clone();
        let mut state = self.state();
        if state.finding.is_some() {
            return state.finding;
        }
        let place = state.wakers.iter_mut().find(|(known, _)| *known == number);
        let replaced = match place {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                state.wakers.push((number, waker));
                None
            }
        };
        drop(state);
        drop(replaced);
        None
    }

    fn forget(&self, number: u64) {
        let mut state = self.state();
        let place = state.wakers.iter().position(|(known, _)| *known == number);
        let waker = place.map(|place| state.wakers.swap_remove(place));
        drop(state);
        drop(waker);
    }
}

/// One waiter of a reading. The reading stops when the last one is dropped.
pub(crate) struct Ticket {
    fact: Fact,
    id: Id,
    number: u64,
    waiters: Arc<Waiters>,
}

impl Ticket {
    /// Blocks the present thread, which does the work itself if it has not begun.
    fn wait(self) -> Finding {
        let claimed = shared().ledger.claim(self.id);
        if let Some(work) = claimed {
            Running::new(self.id).run(&work);
        }
        let state = self.waiters.state();
        let state = self
            .waiters
            .ended
            .wait_while(state, |state| state.finding.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.finding.unwrap_or(Finding::Unknown)
    }
}

impl Future for Ticket {
    type Output = (Fact, Finding);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(finding) = self.waiters.look(self.number, context.waker()) {
            return Poll::Ready((self.fact, finding));
        }
        // Looked after at every poll: a worker may be lost with the runtime that it ran on.
        if shared().ledger.hire() {
            let worker = Worker;
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || worker.work())),
                Err(_) => {
                    worker.work();
                    context.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiters.forget(self.number);
        let unwanted = shared().ledger.leave(self.id);
        drop(unwanted);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("fact", &self.fact)
            .finish_non_exhaustive()
    }
}

/// Reads on a thread that may block, one file after the other, until no more is wanted.
struct Worker;

impl Worker {
    fn work(self) {
        loop {
            let next = shared().ledger.next();
            match next {
                Some((id, work)) => Running::new(id).run(&work),
                // The ledger has counted this worker out already.
                None => return std::mem::forget(self),
            }
        }
    }
}

impl Drop for Worker {
    /// The runtime ended before this began, or a reading panicked.
    fn drop(&mut self) {
        let queued = shared().ledger.lose();
        queued.iter().for_each(|waiters| waiters.wake());
    }
}

/// A reading in progress: however it ends, its waiters are told.
struct Running {
    id: Id,
    finding: Finding,
}

impl Running {
    fn new(id: Id) -> Self {
        Self {
            id,
            finding: Finding::Unknown,
        }
    }

    fn run(mut self, work: &Work) {
        let (id, fact) = (self.id, work.fact());
        let settled = fact.is_settled();
        self.finding = work.run(&|| !shared().ledger.give_up(id));
        remember(fact, self.finding, settled);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let waiters = shared().ledger.finish(self.id);
        if let Some(waiters) = waiters {
            waiters.end(self.finding);
        }
    }
}
