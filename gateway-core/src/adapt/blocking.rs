use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Version, header};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::AnswerErrors;
use super::call::BlockingFuture;
use super::settings::{Adapted, Settings};
use crate::threads::timer::Delay;
use crate::{Application, BoxError, Input, Response};

/// An application as a tower service, on threads that may block: made by
/// [`into_service`](Application::into_service).
///
/// The threads are those of the tokio runtime that polls it. Where none runs, the application is
/// called on the thread that polls.
///
/// As long as most calls take microseconds, a thread for each processor does them all. The more of
/// them block, the more threads there are; a call that is queued behind one that blocks
/// unexpectedly waits a millisecond or two for a thread of its own.
///
/// # What holds a thread, and what does not
///
/// | client | costs |
/// |---|---|
/// | sends a body slowly | up to [`input_buffer`](Self::input_buffer), no thread |
/// | sends a larger body slowly | that, and one of the [`held_threads`](Self::held_threads) for uploads |
/// | sends `Expect: 100-continue` | one of those for as long as it sends; it is asked to go on when the application reads |
/// | takes an iterator's chunks slowly | up to [`output_buffer`](Self::output_buffer) and one chunk, no thread |
/// | takes [`from_writer`](crate::Body::from_writer)'s output slowly | that, and one of the held threads for writers |
/// | goes away | what is not yet running is forgotten, what runs sees [`is_cancelled`](crate::Environ::is_cancelled) |
///
/// So slow clients never keep the other threads from the rest. Three rules keep them from each
/// other's:
///
/// - A client that has a held thread and does not move loses it after
///   [`stall_timeout`](Self::stall_timeout), or after a third of that while others wait for one. A
///   client that moves fewer than [`minimum_rate`](Self::minimum_rate) bytes a second loses it, too.
/// - One connection has at most a quarter of the held threads, however many requests it sends over
///   HTTP/2. (The gateway tells connections apart by [`ConnInfo`](crate::request::ConnInfo). Where it says
///   nothing, or where a proxy layer has replaced it, there is no share.)
/// - At most a quarter of those for uploads are held before any byte of the body has come, as
///   `Expect: 100-continue` asks for. Any further such client is asked to go on at once, and holds
///   a thread when its body has filled the buffer, as every other upload.
///
/// Requests that wait for a held thread wait in order.
///
/// # Readiness
///
/// `poll_ready` is pending while as many calls run or wait for a thread as there are
/// [`threads`](Self::threads), so load shedding works; it reserves nothing. A request takes its
/// place when a thread is needed: after its body has arrived. With a
/// [`wait_timeout`](Self::wait_timeout), a request that waits longer is answered with 503.
///
/// # Errors and panics
///
/// The application's error, boxed: a [`Failure`](crate::error::Failure), with status and place. Its
/// panics are carried to the caller: out of the future before the head, out of the body after it.
pub struct BlockingService<A> {
    adapted: Arc<Adapted<A>>,
    waiter: Option<u64>,
    /// The end of the wait to be ready, where `wait_timeout` is set.
    delay: Option<Delay>,
    /// The wait timed out: the next call is answered with 503.
    refuses: bool,
}

impl<A> BlockingService<A> {
    fn on(adapted: Arc<Adapted<A>>) -> Self {
        Self {
            adapted,
            waiter: None,
            delay: None,
            refuses: false,
        }
    }
}

impl<A: Application> BlockingService<A> {
    pub(crate) fn new(application: A) -> Self {
        let adapted = Adapted::new(Arc::new(application), Settings::default());
        Self::on(Arc::new(adapted))
    }

    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.adapted.settings;
        set(&mut settings);
        let application = Arc::clone(&self.adapted.application);
        Self::on(Arc::new(Adapted::new(application, settings)))
    }

    /// At most `limit` threads at a time, at least 1. Default: 256.
    ///
    /// The runtime's `max_blocking_threads` (512 unless set) must be more. Clones share the
    /// threads; a clone made before this call keeps its own.
    #[must_use]
    pub fn threads(self, limit: usize) -> Self {
        self.set(|settings| settings.threads = limit.max(1))
    }

    /// Of those, at most `limit` at a time that wait for clients that send, and as many that wait
    /// for clients that take; at least 1 each. Default: a quarter of the threads each, but never
    /// all threads together if there are two or more.
    #[must_use]
    pub fn held_threads(self, limit: usize) -> Self {
        self.set(|settings| settings.held_threads = Some(limit))
    }

    /// How much of a request's body is awaited before a thread is taken, in bytes. Default: 64 KiB.
    ///
    /// 0 calls the application as soon as the head is there, so that it can answer while it reads.
    /// (While a quarter of the threads held for uploads wait for a first byte, it is called when
    /// there is one.) A slow client's memory is this much and one piece more.
    #[must_use]
    pub fn input_buffer(self, bytes: usize) -> Self {
        self.set(|settings| settings.input_buffer = bytes)
    }

    /// How much of a response's body is produced ahead of the client, in bytes. Default: 64 KiB,
    /// and up to 256 KiB for clients that take as much, while all that do have no more than 8 MiB
    /// of it together.
    ///
    /// A slow client's memory is this much and one chunk more, besides what the server buffers. What
    /// is set here holds for all clients alike.
    #[must_use]
    pub fn output_buffer(self, bytes: usize) -> Self {
        self.set(|settings| settings.output_buffer = Some(bytes.max(1)))
    }

    /// How long a read of the input or a write of the output waits for a client that does not
    /// move at all. Default: 30 seconds. A third of it while others wait for a held thread.
    ///
    /// Then the read or write fails with [`TimedOut`](std::io::ErrorKind::TimedOut). A client that
    /// does move has as long in all as its bytes are worth: see [`minimum_rate`](Self::minimum_rate).
    ///
    /// The movement of a write is that of the next piece, behind the buffers of the server and of
    /// the kernel: a client slower than one or two KB/s can look as if it stood still. Where the
    /// gateway [watches](crate::request::Arrival::watched) its clients itself, as `gateway-server` does over HTTP,
    /// writes wait for it without limit while no others wait for a held thread.
    #[must_use]
    pub fn stall_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.stall_timeout = limit)
    }

    /// How many bytes a second a client has to move while a read or write waits for it, in the long
    /// run. Default: 500, as Apache's `MinRate`. 0: none, so that each byte begins
    /// [`stall_timeout`](Self::stall_timeout) anew.
    ///
    /// The time that reads or writes have waited adds up to `stall_timeout` at most, or to a third
    /// of it while others wait for a held thread; so many bytes take a second off again. Only the
    /// waits count: not the time in which the application works, nor the time in which a body
    /// arrives ahead of it: what fits into [`input_buffer`](Self::input_buffer) holds no thread, and may come
    /// as slowly as the gateway allows. So an upload of 20 bytes a second fills 64 KiB in 55 minutes, and is cut
    /// 31 seconds after that. Asynchronous bodies, which hold no thread either, have no such limit.
    #[must_use]
    pub fn minimum_rate(self, bytes_per_second: u32) -> Self {
        self.set(|settings| settings.minimum_rate = bytes_per_second)
    }

    /// How long a request waits for a thread: until the service is ready for it, and in the queue
    /// behind others. Default: as long as it takes.
    ///
    /// Then it is answered with 503 and `Retry-After`, and the application never sees it. That is
    /// a response and no error: nothing has failed. The time in which a request's body arrives
    /// does not count.
    ///
    /// ```
    /// use std::time::Duration;
    /// use gateway_core::{Application, application};
    ///
    /// let app = application(|_| "hello\n");
    /// let service = app.into_service().threads(8).wait_timeout(Duration::from_secs(10));
    /// # let _ = service;
    /// ```
    #[must_use]
    pub fn wait_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.wait_timeout = Some(limit))
    }

    /// Calls a thread for each request that is queued, however quick they are: what a benchmark compares with.
    #[doc(hidden)]
    #[must_use]
    pub fn without_pace(self) -> Self {
        self.set(|settings| settings.paced = false)
    }

    /// What its threads do at this moment. Clones share them, so a clone tells as well.
    ///
    /// ```
    /// use gateway_core::{Application, application};
    ///
    /// let service = application(|_| "hello\n").into_service().threads(8);
    /// assert_eq!((service.load().running, service.load().threads), (0, 8));
    /// ```
    #[must_use]
    pub fn load(&self) -> ThreadLoad {
        let [running, queued, held, waiting] = self.adapted.pool().counts();
        ThreadLoad {
            threads: self.adapted.settings.threads,
            running,
            queued,
            held,
            waiting,
        }
    }

    /// The same service, with errors answered by a bare response: see [`AnswerErrors`].
    pub fn answer_errors(self) -> AnswerErrors<Self> {
        AnswerErrors::new(self)
    }
}

/// What the threads of a [`BlockingService`] do at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadLoad {
    /// The most threads there may be: [`BlockingService::threads`].
    pub threads: usize,
    /// Those that run the application.
    pub running: usize,
    /// Calls that wait for a thread.
    pub queued: usize,
    /// Places that are held by calls which may wait for a slow client: [`BlockingService::held_threads`].
    pub held: usize,
    /// Calls that wait for such a place.
    pub waiting: usize,
}

impl<A, B> Service<Request<B>> for BlockingService<A>
where
    A: Application,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = BlockingFuture<A>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let pool = self.adapted.pool();
        let free = self.waiter.is_none() && pool.has_room();
        self.refuses = false;
        if free || pool.poll_room(&mut self.waiter, context.waker()) {
            return Poll::Ready(Ok(()));
        }
        if self.delay.is_none() {
            self.delay = self.adapted.settings.wait_timeout.and_then(Delay::of);
        }
        match &mut self.delay {
            Some(delay) => ready!(delay.poll(context)),
            None => return Poll::Pending,
        }
        if let Some(waiter) = self.waiter.take() {
            pool.leave_room(waiter);
        }
        self.refuses = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> BlockingFuture<A> {
        let (parts, body) = request.into_parts();
        let input = Input::from_body(body);
        // RFC 9110 section 10.1.1: a client that expects 100 waits for us to begin reading.
        let ahead =
            self.adapted.input_buffer() > 0 && !expects_continue(parts.version, &parts.headers);
        let waited = self.delay.take();
        if mem::take(&mut self.refuses) {
            return BlockingFuture::refused(Arc::clone(&self.adapted));
        }
        let left = match waited {
            Some(delay) => Some(delay.left()),
            None => self.adapted.settings.wait_timeout,
        };
        BlockingFuture::new(Arc::clone(&self.adapted), parts, input, ahead, left)
    }
}

fn expects_continue(version: Version, headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    version > Version::HTTP_10
        && expected
            .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

impl<A> Clone for BlockingService<A> {
    fn clone(&self) -> Self {
        Self::on(Arc::clone(&self.adapted))
    }
}

impl<A> Drop for BlockingService<A> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.adapted.pool().leave_room(waiter);
        }
    }
}

impl<A> fmt::Debug for BlockingService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingService")
            .field("settings", &self.adapted.settings)
            .field("pool", self.adapted.pool())
            .finish_non_exhaustive()
    }
}
