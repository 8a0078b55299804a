use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize};
use std::task::Waker;
use std::time::Duration;

use crate::settings::Timeouts;
use crate::waker::WakerSlot;

/// What one connection is doing, written down by what sees it (the stream, the service, the
/// bodies) and read by the connection's task to tell which timeout runs.
///
/// For HTTP/1 nearly all of that happens inside the connection's own task, so plain stores would
/// do; the atomics are for bodies that a service has moved elsewhere. They guard no other memory,
/// so they are relaxed, and on the usual processors cost what plain stores cost.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    stage: AtomicU8,
    // Counts what restarts a timeout. It is compared, never added up, so it may wrap.
    beat: AtomicU32,
    upload: AtomicU8,
    // Request bodies that are not dropped.
    uploads: AtomicU32,
    // Responses whose next piece waits for HTTP/2 flow control.
    unsent: AtomicU32,
    // Responses that are not finished.
    responses: AtomicU32,
    // HTTP/2: tasks that run.
    streams: AtomicU32,
    connection: WakerSlot,
    // Bytes in the kernel when it last took no more.
    queued: AtomicUsize,
    flags: Flags,
}

#[derive(Debug, Default)]
struct Flags {
    // Several tasks write at the same time: HTTP/2.
    shared: AtomicBool,
    // Bytes of the next request came while this one was being answered.
    ahead: AtomicBool,
    // HTTP/1 was given bytes and has not come for more: it may not have looked at all of them.
    unread: AtomicBool,
    // The kernel takes no more bytes.
    blocked: AtomicBool,
    // The client has closed its sending side, and HTTP has not been told yet.
    half_closed: AtomicBool,
    // The head of the present answer is out.
    answering: AtomicBool,
    draining: AtomicBool,
    // The client paused for too long in a body.
    stalled: AtomicBool,
    // A request body was dropped before its end.
    abandoned: AtomicBool,
    // A response ended early, and only a reset can tell.
    cut_short: AtomicBool,
    // What the next read has to answer in place of what the stream says.
    read_timed_out: AtomicBool,
    read_ended: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Connected; no byte yet.
    Quiet,
    /// Some bytes of a head.
    Head,
    /// A request is being answered.
    Busy,
    /// Answered all, waiting for the next request.
    Idle,
    /// Closed on our side; what still comes is thrown away.
    Lingering,
    /// No longer HTTP, and no longer timed.
    Upgraded,
}

/// The body of the present HTTP/1 request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Upload {
    /// There is none, or all of it has come.
    Complete,
    /// The service does not wait for it right now.
    Open,
    /// The service waits for its next piece.
    Starved,
}

/// The timeout that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    FirstByte,
    Head,
    Idle,
    Body,
    Write,
    HalfClose,
    Linger,
}

/// How long a client that was answered early may be silent before the connection is closed for good, as
/// long as nginx waits: a proxy in front may take a while to look up from what it sends.
const LINGER: Duration = Duration::from_secs(5);

/// The same during a shutdown.
const LINGER_DRAINING: Duration = Duration::from_secs(1);

/// How long it may go on sending, and during a shutdown. Such connections still count under the limit.
const LINGER_MOST: Duration = Duration::from_secs(30);
const LINGER_MOST_DRAINING: Duration = Duration::from_secs(2);

/// Whether these are empty lines.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

impl Timeout {
    pub(crate) fn length(self, timeouts: &Timeouts, is_draining: bool) -> Option<Duration> {
        match self {
            Self::FirstByte => timeouts.first_byte,
            Self::Head => timeouts.head,
            Self::Idle => timeouts.idle,
            Self::Body => timeouts.body,
            Self::Write => timeouts.write,
            Self::HalfClose => timeouts.half_close,
            Self::Linger if is_draining => Some(LINGER_DRAINING),
            Self::Linger => Some(LINGER),
        }
    }
}

impl Pulse {
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Quiet,
            1 => Stage::Head,
            2 => Stage::Busy,
            3 => Stage::Idle,
            4 => Stage::Lingering,
            _ => Stage::Upgraded,
        }
    }

    /// Whether all is answered, and sent: hyper takes a body of one piece whole, so a response can be
    /// over for all but the kernel. And whether all was read: of many pipelined requests hyper
    /// answers some, and then lets other tasks have a turn.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.stage(), Stage::Quiet | Stage::Idle)
            && !self.flags.blocked.load(Relaxed)
            && !self.flags.unread.load(Relaxed)
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.beat();
    }

    fn beat(&self) {
        // Not `fetch_add`: two threads that count at the same time may count once.
        self.beat
            .store(self.beat.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn upload(&self) -> Upload {
        match self.upload.load(Relaxed) {
            0 => Upload::Complete,
            1 => Upload::Open,
            _ => Upload::Starved,
        }
    }

    /// Which timeout runs, and a number that changes whenever it starts anew.
    pub(crate) fn running(&self) -> Option<(Timeout, u32)> {
        let timeout = match self.stage() {
            Stage::Upgraded => None,
            Stage::Lingering => Some(Timeout::Linger),
            _ if self.flags.blocked.load(Relaxed) => Some(Timeout::Write),
            Stage::Quiet => Some(Timeout::FirstByte),
            Stage::Head => Some(Timeout::Head),
            Stage::Idle => Some(Timeout::Idle),
            Stage::Busy if self.upload() == Upload::Starved => Some(Timeout::Body),
            Stage::Busy if self.is_half_closed() && !self.flags.read_ended.load(Relaxed) => {
                // Once an answer is on its way, writing it tells whether the client is there.
                let answering = self.flags.answering.load(Relaxed);
                Some(if answering {
                    Timeout::Idle
                } else {
                    Timeout::HalfClose
                })
            }
            Stage::Busy => {
                // HTTP/2: every response has data that the client's windows have no room for.
                let unsent = self.unsent.load(Relaxed);
                (unsent > 0 && unsent == self.responses.load(Relaxed)).then_some(Timeout::Write)
            }
        };
        timeout.map(|timeout| (timeout, self.beat.load(Relaxed)))
    }

    // Told by the stream.

    /// `bytes` came over an HTTP/1 connection.
    pub(crate) fn received(&self, bytes: &[u8]) {
        match self.stage() {
            // RFC 9112 section 2.2: an empty line behind a body is no request, and not answered as one.
            Stage::Quiet | Stage::Idle if is_blank(bytes) => {}
            Stage::Quiet | Stage::Idle => self.enter(Stage::Head),
            // A head has one deadline, however slowly it drips.
            Stage::Head => {}
            Stage::Busy if self.upload() == Upload::Complete => {
                if !is_blank(bytes) {
                    self.flags.ahead.store(true, Relaxed);
                }
            }
            Stage::Busy => self.beat(),
            Stage::Lingering | Stage::Upgraded => {}
        }
    }

    /// HTTP/1 asked for bytes; `given` if there were any.
    pub(crate) fn read(&self, given: bool) {
        self.flags.unread.store(given, Relaxed);
    }

    /// The kernel took bytes.
    pub(crate) fn sent(&self) {
        if self.flags.blocked.load(Relaxed) {
            self.flags.blocked.store(false, Relaxed);
            self.beat();
        }
    }

    /// The kernel took none. `queued` is what it has not got rid of: while that changes the client
    /// still reads, although there is no room for more yet (Linux tells only when a third is free).
    pub(crate) fn send_blocked(&self, queued: usize) {
        let moved = self.queued.swap(queued, Relaxed) != queued;
        if moved || !self.flags.blocked.load(Relaxed) {
            self.flags.blocked.store(true, Relaxed);
            self.beat();
        }
    }

    /// The client sends no more. Whether to keep that from HTTP for now, so that the request under
    /// way is still answered.
    pub(crate) fn hide_end(&self) -> bool {
        let hide = self.stage() == Stage::Busy
            && self.upload() == Upload::Complete
            && !self.flags.read_ended.load(Relaxed);
        if hide && !self.is_half_closed() {
            self.flags.half_closed.store(true, Relaxed);
            self.beat();
        }
        hide
    }

    pub(crate) fn is_half_closed(&self) -> bool {
        self.flags.half_closed.load(Relaxed)
    }

    /// Whether the client has not sent all that it announced, or we could not read it.
    pub(crate) fn expects_more(&self) -> bool {
        matches!(self.stage(), Stage::Head | Stage::Lingering) || self.flags.abandoned.load(Relaxed)
    }

    /// Our side is closed. Told again whenever the client has sent more.
    pub(crate) fn linger(&self) {
        self.enter(Stage::Lingering);
    }

    pub(crate) fn is_lingering(&self) -> bool {
        self.stage() == Stage::Lingering
    }

    /// How long a client may go on sending after that.
    pub(crate) fn longest_linger(&self) -> Duration {
        if self.is_draining() {
            LINGER_MOST_DRAINING
        } else {
            LINGER_MOST
        }
    }

    /// Whether the next read has to fail: asked once per failure.
    pub(crate) fn take_read_timeout(&self) -> bool {
        // Looked at on every read, set nearly never: no read-modify-write on the way there.
        self.flags.read_timed_out.load(Relaxed) && self.flags.read_timed_out.swap(false, Relaxed)
    }

    // Told by the connection.

    /// The service will see that its client is gone.
    pub(crate) fn end_reading(&self) {
        self.flags.read_ended.store(true, Relaxed);
    }

    /// As [`end_reading`](Self::end_reading), where there is an end to read: once.
    pub(crate) fn end_reading_if_half_closed(&self) -> bool {
        self.is_half_closed() && !self.flags.read_ended.swap(true, Relaxed)
    }

    /// The body of the present request comes too slowly.
    pub(crate) fn stall(&self) {
        self.flags.stalled.store(true, Relaxed);
        self.flags.read_timed_out.store(true, Relaxed);
        self.upload.store(Upload::Open as u8, Relaxed);
        self.beat();
    }

    pub(crate) fn drain(&self) {
        self.flags.draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.flags.draining.load(Relaxed)
    }

    // Told by the service and the bodies.

    /// The connection is HTTP/2.
    pub(crate) fn share(&self) {
        self.flags.shared.store(true, Relaxed);
        // There may be a while between the preface and the first request: browsers connect early.
        self.enter(Stage::Idle);
    }

    pub(crate) fn request_began(&self) {
        self.count_response(1);
        self.upload.store(Upload::Complete as u8, Relaxed);
        self.flags.ahead.store(false, Relaxed);
        self.flags.answering.store(false, Relaxed);
        self.enter(Stage::Busy);
    }

    pub(crate) fn response_ended(&self) {
        self.count_response(u32::MAX); // minus one
        self.settle();
    }

    /// Adds to the number of responses, wrapping.
    fn count_response(&self, difference: u32) {
        if self.flags.shared.load(Relaxed) {
            self.responses.fetch_add(difference, Relaxed);
        } else {
            // HTTP/1 begins and ends them all in one task, which saves two locked instructions a
            // request.
            let count = self.responses.load(Relaxed);
            self.responses
                .store(count.wrapping_add(difference), Relaxed);
        }
    }

    /// The task of an HTTP/2 stream was spawned.
    pub(crate) fn stream_began(&self) {
        self.streams.fetch_add(1, Relaxed);
    }

    /// It has ended. The connection's task may have looked before, when the last bytes were handed to it.
    pub(crate) fn stream_ended(&self) {
        self.streams.fetch_sub(1, Relaxed);
        if self.settle() {
            self.connection.wake();
        }
    }

    /// Who is to look when the last stream has ended.
    pub(crate) fn look_with(&self, waker: &Waker) {
        self.connection.register(waker);
    }

    pub(crate) fn upload_began(&self) {
        self.uploads.fetch_add(1, Relaxed);
        self.upload.store(Upload::Open as u8, Relaxed);
    }

    pub(crate) fn upload_starved(&self) {
        if self.upload() == Upload::Open {
            self.upload.store(Upload::Starved as u8, Relaxed);
            self.beat();
        }
    }

    pub(crate) fn upload_moved(&self) {
        self.upload.store(Upload::Open as u8, Relaxed);
    }

    pub(crate) fn upload_completed(&self) {
        self.upload.store(Upload::Complete as u8, Relaxed);
    }

    /// The body is dropped, complete or not.
    pub(crate) fn upload_ended(&self) {
        if self.upload() != Upload::Complete {
            self.upload_refused();
        }
        self.uploads.fetch_sub(1, Relaxed);
        self.settle();
    }

    /// The body of the present request will not be read.
    pub(crate) fn upload_refused(&self) {
        self.upload.store(Upload::Open as u8, Relaxed);
        self.flags.abandoned.store(true, Relaxed);
    }

    /// The present answer ends before its end, in a way that the client could take for its end.
    pub(crate) fn cut_short(&self) {
        self.flags.cut_short.store(true, Relaxed);
    }

    pub(crate) fn is_cut_short(&self) -> bool {
        self.flags.cut_short.load(Relaxed)
    }

    /// The connection is no longer HTTP.
    pub(crate) fn upgraded(&self) {
        self.enter(Stage::Upgraded);
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.stage() == Stage::Upgraded
    }

    /// Whether the client paused for too long in a body.
    pub(crate) fn is_stalled(&self) -> bool {
        self.flags.stalled.load(Relaxed)
    }

    /// Goes from busy to idle when nothing is left to do. Two threads that end the last response
    /// and the last body at the same moment may each miss the other, so the connection looks too. Says
    /// whether it did.
    pub(crate) fn settle(&self) -> bool {
        let settles = self.stage() == Stage::Busy
            && self.responses.load(Relaxed) == 0
            && self.uploads.load(Relaxed) == 0
            && self.streams.load(Relaxed) == 0;
        if settles {
            let ahead = self.flags.ahead.load(Relaxed);
            self.enter(if ahead { Stage::Head } else { Stage::Idle });
        }
        settles
    }

    /// The head of an HTTP/1 answer is handed over.
    pub(crate) fn answering(&self) {
        self.flags.answering.store(true, Relaxed);
    }

    /// An HTTP/1 answer gave a piece.
    pub(crate) fn piece_written(&self) {
        if self.is_half_closed() {
            self.beat();
        }
    }

    /// An HTTP/2 response gave a piece that the client's window has to make room for.
    pub(crate) fn piece_given(&self) {
        self.unsent.fetch_add(1, Relaxed);
        self.beat();
    }

    /// It was asked for the next one.
    pub(crate) fn piece_gone(&self) {
        self.unsent.fetch_sub(1, Relaxed);
        self.beat();
    }
}
