use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::activity::{Activity, Clock, Event, Stage, Timeout};
use gateway_core::waker_slot::WakerSlot;

/// The [`Activity`] of a connection, written down by what sees it (the stream, the service, the
/// bodies) and read by the connection's task, which has the timer.
///
/// Nearly all of that happens inside that task. The lock is for bodies that a service has moved
/// elsewhere, and for the tasks of HTTP/2 streams. What is read at every poll is published beside it, and what
/// matters only if something else happens first is noted there: a request without a body takes the lock twice,
/// for its beginning and its end.
#[derive(Debug)]
pub(crate) struct SharedActivity {
    timed: Mutex<Timed>,
    // A `Snapshot` of it, stored while the lock is held.
    snapshot: AtomicU64,
    received: AtomicU8,
    connection: WakerSlot,
    messages: Messages,
}

/// The activity, and its clock as the connection's task sees it.
#[derive(Debug)]
struct Timed {
    activity: Activity,
    running: Option<Timeout>,
    // Counts what restarts the clock. It is compared, never added up, so it may wrap.
    restarts: u32,
}

// What came over an HTTP/1 connection and the activity has not heard of. Mostly it is the head of a request, whose
// beginning makes up for it. The connection's task alone writes it, where there was `NOTHING`; other tasks take
// it, with the lock held. So a load and a store do, and none is lost.
const NOTHING: u8 = 0;
const BYTES: u8 = 1;
const BLANK_BYTES: u8 = 2;

/// What one part of a connection tells another, and no clock has to do with.
#[derive(Debug, Default)]
struct Messages {
    // HTTP/1 was given bytes and has not come for more: it may not have looked at all of them.
    unread: AtomicBool,
    draining: AtomicBool,
    // The head of the present HTTP/1 answer is handed over. Told to the activity once the client has closed its side.
    answering: AtomicBool,
    // The client paused for too long in a body.
    stalled: AtomicBool,
    // A request body was dropped before its end.
    abandoned: AtomicBool,
    // A response ended early, and only a reset can tell.
    cut_short: AtomicBool,
    // The next read has to fail.
    read_timed_out: AtomicBool,
}

/// How long a client may go on sending after our side is closed, and during a shutdown. Such connections still
/// count under the limit.
const LINGER_MOST: Duration = Duration::from_secs(30);
const LINGER_MOST_DRAINING: Duration = Duration::from_secs(2);

/// Whether these are empty lines.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

impl Default for SharedActivity {
    fn default() -> Self {
        let timed = Timed {
            activity: Activity::new(),
            running: Some(Timeout::FirstByte),
            restarts: 0,
        };
        Self {
            snapshot: AtomicU64::new(Snapshot::of(&timed).0),
            received: AtomicU8::new(NOTHING),
            timed: Mutex::new(timed),
            connection: WakerSlot::default(),
            messages: Messages::default(),
        }
    }
}

impl Timed {
    // Where the event is known, most of the machine is known as well: four times a request.
    #[inline(always)]
    fn on(&mut self, event: Event) -> Clock {
        let clock = self.activity.on(event);
        match clock {
            Clock::Keep => {}
            Clock::Restart(timeout) => {
                self.running = Some(timeout);
                self.restarts = self.restarts.wrapping_add(1);
            }
            Clock::Stop => self.running = None,
        }
        clock
    }
}

/// What can be read of an activity without its lock, in one word.
#[derive(Clone, Copy)]
struct Snapshot(u64);

impl Snapshot {
    const BLOCKED: u64 = 1 << 8;
    const END_HIDDEN: u64 = 1 << 9;
    const HALF_CLOSED: u64 = 1 << 10;
    const UPLOAD_OPEN: u64 = 1 << 11;
    const UPLOAD_COMPLETE: u64 = 1 << 12;

    /// The stage in the lowest byte, flags, the timeout from bit 16 on, the restarts from bit 32 on.
    #[inline]
    fn of(timed: &Timed) -> Self {
        let activity = &timed.activity;
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let half_closed = activity.is_half_closed();
        Self(
            activity.stage() as u64
                | flag(activity.is_blocked(), Self::BLOCKED)
                | flag(half_closed && !activity.is_end_read(), Self::END_HIDDEN)
                | flag(half_closed, Self::HALF_CLOSED)
                | flag(activity.is_upload_open(), Self::UPLOAD_OPEN)
                | flag(!activity.has_upload(), Self::UPLOAD_COMPLETE)
                | timed.running.map_or(0, |timeout| timeout as u64 + 1) << 16
                | u64::from(timed.restarts) << 32,
        )
    }

    fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    fn is_at(self, stage: Stage) -> bool {
        self.0 & 0xff == stage as u64
    }

    fn running(self) -> Option<(Timeout, u32)> {
        let timeout = match self.0 >> 16 & 0xff {
            0 => return None,
            1 => Timeout::FirstByte,
            2 => Timeout::Head,
            3 => Timeout::Idle,
            4 => Timeout::Body,
            5 => Timeout::Write,
            6 => Timeout::HalfClose,
            _ => Timeout::Linger,
        };
        Some((timeout, (self.0 >> 32) as u32))
    }
}

impl SharedActivity {
    /// But for bytes that are not heard of. Those change none of the flags.
    fn snapshot(&self) -> Snapshot {
        Snapshot(self.snapshot.load(Relaxed))
    }

    /// As of now.
    #[inline]
    fn current(&self) -> Snapshot {
        self.hear();
        self.snapshot()
    }

    #[inline(always)]
    fn tell(&self, timed: &mut Timed, event: Event) -> Clock {
        let clock = timed.on(event);
        self.publish(timed);
        clock
    }

    #[inline]
    fn publish(&self, timed: &Timed) {
        self.snapshot.store(Snapshot::of(timed).0, Relaxed);
    }

    /// What has come is heard of by now; the caller publishes what comes of that.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Timed> {
        let mut timed = self.lock_deaf();
        if self.received.load(Relaxed) != NOTHING {
            self.take_received(&mut timed);
        }
        timed
    }

    #[cold]
    fn take_received(&self, timed: &mut Timed) {
        let is_blank = self.received.swap(NOTHING, Relaxed) == BLANK_BYTES;
        timed.on(Event::Received { is_blank });
    }

    #[inline]
    fn lock_deaf(&self) -> MutexGuard<'_, Timed> {
        // Nothing panics while it is held.
        self.timed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn hear(&self) {
        if self.received.load(Relaxed) != NOTHING {
            self.hear_what_came();
        }
    }

    #[cold]
    fn hear_what_came(&self) {
        let timed = self.lock();
        self.publish(&timed);
    }

    /// Takes note of `event`.
    #[inline(never)]
    pub(crate) fn on(&self, event: Event) {
        self.tell(&mut self.lock(), event);
    }

    /// Which timeout runs, and a number that changes whenever it starts anew.
    pub(crate) fn running(&self) -> Option<(Timeout, u32)> {
        self.current().running()
    }

    /// Whether all is answered, and sent: hyper takes a body of one piece whole, so a response can be
    /// over for all but the kernel. And whether all was read: of many pipelined requests hyper
    /// answers some, and then lets other tasks have a turn.
    pub(crate) fn is_idle(&self) -> bool {
        let snapshot = self.current();
        (snapshot.is_at(Stage::Quiet) || snapshot.is_at(Stage::Idle))
            && !snapshot.has(Snapshot::BLOCKED)
            && !self.messages.unread.load(Relaxed)
    }

    pub(crate) fn is_lingering(&self) -> bool {
        self.current().is_at(Stage::Lingering)
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.snapshot().is_at(Stage::Upgraded)
    }

    // Told by the stream.

    /// The kernel took bytes.
    pub(crate) fn sent(&self) {
        if self.snapshot().has(Snapshot::BLOCKED) {
            self.on(Event::Sent);
        }
    }

    /// `bytes` came over an HTTP/1 connection, to its task.
    pub(crate) fn received(&self, bytes: &[u8]) {
        self.hear();
        let received = if is_blank(bytes) { BLANK_BYTES } else { BYTES };
        self.received.store(received, Relaxed);
    }

    /// HTTP/1 asked for bytes; `given` if there were any.
    pub(crate) fn read(&self, given: bool) {
        self.messages.unread.store(given, Relaxed);
    }

    /// The client sends no more. Whether to keep that from HTTP for now, so that the request under
    /// way is still answered.
    pub(crate) fn hide_end(&self) -> bool {
        let mut timed = self.lock();
        let hides = timed.activity.hides_end();
        if hides {
            if self.messages.answering.load(Relaxed) {
                timed.on(Event::AnswerBegan);
            }
            timed.on(Event::HalfClosed);
        }
        self.publish(&timed);
        hides
    }

    /// Whether the client has not sent all that it announced, or we could not read it.
    pub(crate) fn expects_more(&self) -> bool {
        let snapshot = self.current();
        snapshot.is_at(Stage::Head)
            || snapshot.is_at(Stage::Lingering)
            || self.messages.abandoned.load(Relaxed)
    }

    /// How long a client may go on sending after our side is closed.
    pub(crate) fn longest_linger(&self) -> Duration {
        if self.is_draining() {
            LINGER_MOST_DRAINING
        } else {
            LINGER_MOST
        }
    }

    /// Whether the next read has to fail: asked once per failure.
    pub(crate) fn take_read_timeout(&self) -> bool {
        let message = &self.messages.read_timed_out;
        // Looked at on every read, set nearly never: no read-modify-write on the way there.
        message.load(Relaxed) && message.swap(false, Relaxed)
    }

    // Told by the connection.

    /// Lets HTTP read the end that was [hidden](Self::hide_end), if there is one: once.
    pub(crate) fn end_reading_if_half_closed(&self) -> bool {
        let ends = self.snapshot().has(Snapshot::END_HIDDEN);
        if ends {
            self.on(Event::EndRead);
        }
        ends
    }

    /// The body of the present request comes too slowly.
    pub(crate) fn stall(&self) {
        self.messages.stalled.store(true, Relaxed);
        self.messages.read_timed_out.store(true, Relaxed);
        self.on(Event::UploadFailed);
    }

    pub(crate) fn drain(&self) {
        self.messages.draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.messages.draining.load(Relaxed)
    }

    /// Names the task that is woken when the last stream has ended.
    pub(crate) fn wake_when_streams_end(&self, waker: &Waker) {
        self.connection.register(waker);
    }

    // Told by the service and the bodies.

    /// A request came; `has_body` if its body will be given to the service.
    pub(crate) fn request_began(&self, has_body: bool) {
        // What came was its head, or the beginning of the next one's.
        self.received.store(NOTHING, Relaxed);
        self.messages.answering.store(false, Relaxed);
        let mut timed = self.lock_deaf();
        timed.on(Event::RequestBegan);
        if has_body {
            timed.on(Event::UploadBegan);
        }
        self.publish(&timed);
    }

    /// A response is over, complete or not.
    pub(crate) fn response_ended(&self) {
        self.tell(&mut self.lock(), Event::ResponseEnded);
    }

    /// The head of an HTTP/1 answer is handed over, by the connection's task.
    pub(crate) fn answer_began(&self) {
        self.messages.answering.store(true, Relaxed);
        if self.snapshot().has(Snapshot::HALF_CLOSED) {
            self.on(Event::AnswerBegan);
        }
    }

    /// A piece of the body went to the service.
    pub(crate) fn upload_moved(&self) {
        if !self.snapshot().has(Snapshot::UPLOAD_OPEN) {
            self.on(Event::UploadMoved);
        }
    }

    pub(crate) fn upload_completed(&self) {
        if !self.snapshot().has(Snapshot::UPLOAD_COMPLETE) {
            self.tell(&mut self.lock(), Event::UploadCompleted);
        }
    }

    /// The task of an HTTP/2 stream has ended. The connection's task may have looked before, when
    /// the last bytes were handed to it.
    pub(crate) fn stream_ended(&self) {
        let clock = self.tell(&mut self.lock(), Event::StreamEnded);
        if clock != Clock::Keep {
            self.connection.wake();
        }
    }

    /// The body of a request is dropped, complete or not.
    pub(crate) fn upload_ended(&self) {
        let mut timed = self.lock();
        if timed.activity.has_upload() {
            self.messages.abandoned.store(true, Relaxed);
        }
        self.tell(&mut timed, Event::UploadEnded);
    }

    /// The body of the present request will not be read.
    pub(crate) fn upload_refused(&self) {
        self.messages.abandoned.store(true, Relaxed);
        self.on(Event::UploadRefused);
    }

    /// An HTTP/1 answer gave a piece.
    pub(crate) fn piece_written(&self) {
        if self.snapshot().has(Snapshot::HALF_CLOSED) {
            self.on(Event::PieceWritten);
        }
    }

    /// The present answer ends before its end, in a way that the client could take for its end.
    pub(crate) fn cut_short(&self) {
        self.messages.cut_short.store(true, Relaxed);
    }

    pub(crate) fn is_cut_short(&self) -> bool {
        self.messages.cut_short.load(Relaxed)
    }

    /// Whether the client paused for too long in a body.
    pub(crate) fn is_stalled(&self) -> bool {
        self.messages.stalled.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_snapshot_says_what_the_activity_says() {
        for timeout in [
            Timeout::FirstByte,
            Timeout::Head,
            Timeout::Idle,
            Timeout::Body,
            Timeout::Write,
            Timeout::HalfClose,
            Timeout::Linger,
        ] {
            let timed = Timed {
                activity: Activity::new(),
                running: Some(timeout),
                restarts: u32::MAX,
            };
            let running = Snapshot::of(&timed).running();
            assert_eq!(running, Some((timeout, u32::MAX)));
        }
        let shared = SharedActivity::default();
        assert!(shared.is_idle() && shared.running().is_some());
        shared.on(Event::SendBlocked { queued: 1 });
        assert!(!shared.is_idle());
        shared.sent();
        shared.on(Event::RequestBegan);
        assert_eq!(shared.running(), None);
        assert!(!shared.is_idle() && shared.hide_end());
        assert!(shared.end_reading_if_half_closed() && !shared.end_reading_if_half_closed());
        shared.on(Event::Upgraded);
        assert!(shared.is_upgraded() && !shared.is_lingering());
    }

    /// What a connection, its service and its bodies tell, and the connection looking at what came of it.
    #[derive(Clone, Copy, Debug)]
    enum Told {
        Received { is_blank: bool },
        Began { has_body: bool },
        Answered,
        Ended,
        HalfClosed,
        Moved,
        Completed,
        BodyDropped,
        Other(Event),
        Looked,
    }

    fn told() -> impl Strategy<Value = Told> {
        prop_oneof![
            any::<bool>().prop_map(|is_blank| Told::Received { is_blank }),
            any::<bool>().prop_map(|has_body| Told::Began { has_body }),
            prop_oneof![
                Just(Told::Answered),
                Just(Told::Ended),
                Just(Told::HalfClosed),
                Just(Told::Moved),
                Just(Told::Completed),
                Just(Told::BodyDropped),
                Just(Told::Looked),
            ],
            prop_oneof![
                Just(Event::Sent),
                Just(Event::SendBlocked { queued: 1 }),
                Just(Event::EndRead),
                Just(Event::Lingers),
                Just(Event::UploadStarved),
                Just(Event::UploadRefused),
                Just(Event::UploadFailed),
                Just(Event::PieceWritten),
            ]
            .prop_map(Told::Other),
        ]
    }

    proptest! {
        /// What is noted, left out or put together on the way to the lock makes no difference.
        #[test]
        fn a_shared_activity_is_the_activity(schedule in proptest::collection::vec(told(), 0..60)) {
            let shared = SharedActivity::default();
            let mut plain = Activity::new();
            for told in schedule {
                match told {
                    Told::Received { is_blank } => {
                        shared.received(if is_blank { b"\r\n" } else { b"GET" });
                        plain.on(Event::Received { is_blank });
                    }
                    Told::Began { has_body } => {
                        shared.request_began(has_body);
                        plain.on(Event::RequestBegan);
                        if has_body {
                            plain.on(Event::UploadBegan);
                        }
                    }
                    Told::Answered => {
                        shared.answer_began();
                        plain.on(Event::AnswerBegan);
                    }
                    Told::Ended => {
                        shared.response_ended();
                        plain.on(Event::ResponseEnded);
                    }
                    Told::HalfClosed => {
                        let hides = plain.hides_end();
                        prop_assert_eq!(shared.hide_end(), hides);
                        if hides {
                            plain.on(Event::HalfClosed);
                        }
                    }
                    Told::Moved => {
                        shared.upload_moved();
                        plain.on(Event::UploadMoved);
                    }
                    Told::Completed => {
                        shared.upload_completed();
                        plain.on(Event::UploadCompleted);
                    }
                    Told::BodyDropped => {
                        shared.upload_ended();
                        plain.on(Event::UploadEnded);
                    }
                    Told::Other(event) => {
                        shared.on(event);
                        plain.on(event);
                    }
                    Told::Looked => {
                        shared.hear();
                        let expected = Snapshot::of(&Timed { activity: plain, running: plain.demanded(), restarts: 0 });
                        // All but how often the clock has started anew.
                        prop_assert_eq!(shared.snapshot().0 as u32, expected.0 as u32);
                    }
                }
            }
        }
    }
}
