//! Which timeout of a connection runs: a pure state machine, from what happens to what the clock does.

use std::time::Duration;

use crate::settings::Timeouts;

/// What one connection is doing.
///
/// [`on`](Self::on) is told what happens, and returns what becomes of the one clock that the
/// connection has. The clock always runs for what the state demands; it stands still while neither
/// the client nor the kernel owes us anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    stage: Stage,
    /// The body of the present HTTP/1 request.
    upload: UploadState,
    /// Request bodies that are not dropped.
    uploads: u32,
    /// Responses that are not finished.
    responses: u32,
    /// HTTP/2: responses whose next piece waits for the client's window.
    unsent: u32,
    /// HTTP/2: tasks that run.
    streams: u32,
    /// The kernel takes no more bytes, and holds so many.
    blocked: Option<usize>,
    /// Bytes of the next request arrived during the present one.
    is_next_begun: bool,
    client: Client,
    /// The head of the present answer was sent.
    is_answering: bool,
    /// What the clock runs for.
    running: Option<Timeout>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Connected; no byte yet.
    #[default]
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UploadState {
    /// The request has no body, or all of it has arrived.
    #[default]
    Complete,
    /// The service does not wait for it right now.
    Open,
    /// The service waits for its next piece.
    Starved,
}

/// The client's sending side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    #[default]
    Sends,
    /// The client has closed it, and hyper has not been told yet.
    HalfClosed,
    /// HTTP reads the end, or will at its next read; `half_closed` if the client has closed.
    EndRead { half_closed: bool },
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

/// What to do with the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Leave the clock as it is, running or stopped.
    Keep,
    /// Start it from zero, for this timeout.
    Restart(Timeout),
    /// Stop it.
    Stop,
}

/// What happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Bytes came over an HTTP/1 connection; blank if they are empty lines.
    Received {
        is_blank: bool,
    },
    /// The kernel took bytes.
    Sent,
    /// The kernel took none, and has not got rid of so many. While that number changes the client
    /// still reads, although there is no room for more yet (Linux tells only when a third is free).
    SendBlocked {
        queued: usize,
    },
    /// The client has closed its sending side, which is kept from HTTP for now.
    HalfClosed,
    /// HTTP reads the end of the client's bytes.
    EndRead,
    /// Our side is closed, or the client has sent more since.
    Lingers,
    /// The connection is no longer HTTP.
    Upgraded,
    /// The connection is HTTP/2.
    Multiplexed,
    RequestBegan,
    /// The head of an HTTP/1 answer is handed over.
    AnswerBegan,
    ResponseEnded,
    /// The task of an HTTP/2 stream was spawned.
    StreamBegan,
    StreamEnded,
    UploadBegan,
    /// The service waits for more of the body.
    UploadStarved,
    /// A piece of the body went to the service.
    UploadMoved,
    UploadCompleted,
    /// The body is dropped, complete or not.
    UploadEnded,
    /// The body of the present request will not be read.
    UploadRefused,
    /// The body came too slowly: reading it fails.
    UploadFailed,
    /// An HTTP/1 answer gave a piece.
    PieceWritten,
    /// An HTTP/2 response gave a piece that the client's window has to make room for.
    PieceGiven,
    /// The response was asked for its next piece.
    PieceGone,
}

/// How long a client that was answered early may be silent before the connection is closed for good, as
/// long as nginx waits: a proxy in front may take a while to look up from what it sends.
const LINGER: Duration = Duration::from_secs(5);

/// The same during a shutdown.
const LINGER_DRAINING: Duration = Duration::from_secs(1);

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

impl Activity {
    /// A new connection, and its clock: the first byte is owed.
    pub(crate) fn new() -> Self {
        Self {
            running: Some(Timeout::FirstByte),
            ..Self::default()
        }
    }

    /// Updates the state by `event`.
    #[inline(always)]
    pub(crate) fn on(&mut self, event: Event) -> Clock {
        let restarts = self.apply(event);
        let demanded = self.demanded();
        let before = std::mem::replace(&mut self.running, demanded);
        match demanded {
            Some(timeout) if restarts || before != demanded => Clock::Restart(timeout),
            None if before.is_some() => Clock::Stop,
            Some(_) | None => Clock::Keep,
        }
    }

    /// What the clock has to run for.
    #[inline(always)]
    pub(super) fn demanded(&self) -> Option<Timeout> {
        match self.stage {
            Stage::Upgraded => None,
            Stage::Lingering => Some(Timeout::Linger),
            _ if self.blocked.is_some() => Some(Timeout::Write),
            Stage::Quiet => Some(Timeout::FirstByte),
            Stage::Head => Some(Timeout::Head),
            Stage::Idle => Some(Timeout::Idle),
            Stage::Busy if self.upload == UploadState::Starved => Some(Timeout::Body),
            Stage::Busy if self.client == Client::HalfClosed => {
                // Once an answer is on its way, writing it tells whether the client is there.
                Some(if self.is_answering {
                    Timeout::Idle
                } else {
                    Timeout::HalfClose
                })
            }
            // HTTP/2: every response has data that the client's windows have no room for.
            Stage::Busy => {
                (self.unsent > 0 && self.unsent == self.responses).then_some(Timeout::Write)
            }
        }
    }

    /// Changes the state; says whether something moved, so that a clock that runs starts anew.
    #[inline(always)]
    fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Received { is_blank } => return self.received(is_blank),
            Event::Sent => return self.blocked.take().is_some(),
            Event::SendBlocked { queued } => {
                return self.blocked.replace(queued) != Some(queued);
            }
            Event::HalfClosed => {
                let is_news = self.client == Client::Sends;
                if is_news {
                    self.client = Client::HalfClosed;
                }
                return is_news;
            }
            Event::EndRead => {
                self.client = Client::EndRead {
                    half_closed: self.is_half_closed(),
                };
                return false;
            }
            Event::Lingers => self.stage = Stage::Lingering,
            Event::Upgraded => self.stage = Stage::Upgraded,
            // There may be a while between the preface and the first request: browsers connect
            // early.
            Event::Multiplexed => self.stage = Stage::Idle,
            Event::RequestBegan => {
                self.responses += 1;
                self.upload = UploadState::Complete;
                self.is_next_begun = false;
                self.is_answering = false;
                self.stage = Stage::Busy;
            }
            Event::AnswerBegan => {
                self.is_answering = true;
                return false;
            }
            Event::ResponseEnded => {
                self.responses = self.responses.saturating_sub(1);
                return self.rest();
            }
            Event::StreamBegan => {
                self.streams += 1;
                return false;
            }
            Event::StreamEnded => {
                self.streams = self.streams.saturating_sub(1);
                return self.rest();
            }
            Event::UploadBegan => {
                self.uploads += 1;
                self.upload = UploadState::Open;
                return false;
            }
            Event::UploadStarved => {
                let is_news = self.upload == UploadState::Open;
                if is_news {
                    self.upload = UploadState::Starved;
                }
                return is_news;
            }
            Event::UploadMoved | Event::UploadRefused => {
                self.upload = UploadState::Open;
                return false;
            }
            Event::UploadCompleted => {
                self.upload = UploadState::Complete;
                return false;
            }
            Event::UploadEnded => {
                if self.upload != UploadState::Complete {
                    self.upload = UploadState::Open;
                }
                self.uploads = self.uploads.saturating_sub(1);
                return self.rest();
            }
            Event::UploadFailed => self.upload = UploadState::Open,
            Event::PieceWritten => return self.is_half_closed(),
            Event::PieceGiven => self.unsent += 1,
            Event::PieceGone => self.unsent = self.unsent.saturating_sub(1),
        }
        true
    }

    fn received(&mut self, is_blank: bool) -> bool {
        match self.stage {
            // RFC 9112 section 2.2: an empty line behind a body is no request, and not answered as one.
            Stage::Quiet | Stage::Idle if is_blank => false,
            Stage::Quiet | Stage::Idle => {
                self.stage = Stage::Head;
                true
            }
            Stage::Busy if self.upload == UploadState::Complete => {
                self.is_next_begun |= !is_blank;
                false
            }
            Stage::Busy => true,
            // A head has one deadline, however slowly it drips.
            Stage::Head | Stage::Lingering | Stage::Upgraded => false,
        }
    }

    /// Goes from busy to idle if nothing is left to do; says whether it did.
    fn rest(&mut self) -> bool {
        let is_done = self.stage == Stage::Busy
            && self.responses == 0
            && self.uploads == 0
            && self.streams == 0;
        if is_done {
            self.stage = if self.is_next_begun {
                Stage::Head
            } else {
                Stage::Idle
            };
        }
        is_done
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the kernel takes no more bytes.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether the request body of the present request is still to be read.
    pub(crate) fn has_upload(&self) -> bool {
        self.upload != UploadState::Complete
    }

    /// Whether it is, and the service does not wait for it.
    pub(crate) fn is_upload_open(&self) -> bool {
        self.upload == UploadState::Open
    }

    /// Whether the end of the client's bytes is kept from HTTP for now, so that the request under
    /// way is still answered.
    pub(crate) fn hides_end(&self) -> bool {
        self.stage == Stage::Busy && !self.has_upload() && !self.is_end_read()
    }

    /// Whether the client has closed its sending side, or did before HTTP was told.
    pub(crate) fn is_half_closed(&self) -> bool {
        matches!(
            self.client,
            Client::HalfClosed | Client::EndRead { half_closed: true }
        )
    }

    pub(crate) fn is_end_read(&self) -> bool {
        matches!(self.client, Client::EndRead { .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tells a new connection of `events`, and returns the clock's last answer.
    fn after(events: &[Event]) -> (Activity, Clock) {
        let mut activity = Activity::new();
        let clocks = events.iter().map(|event| activity.on(*event));
        let last = clocks.last().unwrap_or(Clock::Keep);
        (activity, last)
    }

    const HEAD: Event = Event::Received { is_blank: false };
    const BLANK: Event = Event::Received { is_blank: true };

    #[test]
    fn the_clock_is_that_of_what_is_owed() {
        use Event::*;
        let stuck = |queued| SendBlocked { queued };
        for (events, clock) in [
            (&[HEAD][..], Clock::Restart(Timeout::Head)),
            // A head that drips gets no more time; an empty line is none.
            (&[HEAD, HEAD], Clock::Keep),
            (&[BLANK], Clock::Keep),
            (&[HEAD, RequestBegan], Clock::Stop),
            (
                &[HEAD, RequestBegan, ResponseEnded],
                Clock::Restart(Timeout::Idle),
            ),
            (
                &[HEAD, RequestBegan, HEAD, ResponseEnded],
                Clock::Restart(Timeout::Head),
            ),
            // A body counts while it is waited for, and its pieces start it anew.
            (&[HEAD, RequestBegan, UploadBegan], Clock::Keep),
            (
                &[HEAD, RequestBegan, UploadBegan, UploadStarved],
                Clock::Restart(Timeout::Body),
            ),
            (
                &[HEAD, RequestBegan, UploadBegan, UploadStarved, HEAD],
                Clock::Restart(Timeout::Body),
            ),
            (
                &[HEAD, RequestBegan, UploadBegan, UploadStarved, UploadMoved],
                Clock::Stop,
            ),
            // A client that takes some, if only out of the kernel, is alive.
            (
                &[HEAD, RequestBegan, stuck(9)],
                Clock::Restart(Timeout::Write),
            ),
            (&[HEAD, RequestBegan, stuck(9), stuck(9)], Clock::Keep),
            (
                &[HEAD, RequestBegan, stuck(9), stuck(8)],
                Clock::Restart(Timeout::Write),
            ),
            (&[HEAD, RequestBegan, stuck(9), Sent], Clock::Stop),
            // A response can be over for all but the kernel.
            (
                &[HEAD, RequestBegan, stuck(9), ResponseEnded],
                Clock::Restart(Timeout::Write),
            ),
            (
                &[HEAD, RequestBegan, HalfClosed],
                Clock::Restart(Timeout::HalfClose),
            ),
            (&[HEAD, RequestBegan, HalfClosed, EndRead], Clock::Stop),
            (
                &[HEAD, RequestBegan, HalfClosed, AnswerBegan],
                Clock::Restart(Timeout::Idle),
            ),
            (
                &[HEAD, RequestBegan, HalfClosed, AnswerBegan, PieceWritten],
                Clock::Restart(Timeout::Idle),
            ),
            (&[HEAD, Lingers, Lingers], Clock::Restart(Timeout::Linger)),
            (&[HEAD, RequestBegan, Upgraded], Clock::Keep),
            // HTTP/2: one response that moves is enough.
            (
                &[Multiplexed, RequestBegan, PieceGiven],
                Clock::Restart(Timeout::Write),
            ),
            (
                &[Multiplexed, RequestBegan, RequestBegan, PieceGiven],
                Clock::Keep,
            ),
            (
                &[Multiplexed, RequestBegan, PieceGiven, PieceGone],
                Clock::Stop,
            ),
            (
                &[Multiplexed, RequestBegan, StreamBegan, ResponseEnded],
                Clock::Keep,
            ),
            (
                &[
                    Multiplexed,
                    RequestBegan,
                    StreamBegan,
                    ResponseEnded,
                    StreamEnded,
                ],
                Clock::Restart(Timeout::Idle),
            ),
        ] {
            assert_eq!(after(events).1, clock, "{events:?}");
        }
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(HEAD),
            Just(BLANK),
            Just(Event::Sent),
            (0..3_usize).prop_map(|queued| Event::SendBlocked { queued }),
            Just(Event::HalfClosed),
            Just(Event::EndRead),
            Just(Event::Lingers),
            Just(Event::Upgraded),
            Just(Event::Multiplexed),
            Just(Event::RequestBegan),
            Just(Event::AnswerBegan),
            Just(Event::ResponseEnded),
            Just(Event::StreamBegan),
            Just(Event::StreamEnded),
            Just(Event::UploadBegan),
            Just(Event::UploadStarved),
            Just(Event::UploadMoved),
            Just(Event::UploadCompleted),
            Just(Event::UploadEnded),
            Just(Event::UploadRefused),
            Just(Event::UploadFailed),
            Just(Event::PieceWritten),
            Just(Event::PieceGiven),
            Just(Event::PieceGone),
        ]
    }

    proptest! {
        /// A clock that only hears what `on` returns runs for what the state demands, after every step.
        #[test]
        fn the_clock_that_runs_is_the_one_that_the_state_demands(
            events in proptest::collection::vec(event(), 0..60),
        ) {
            let mut activity = Activity::new();
            let mut running = Some(Timeout::FirstByte);
            for event in events {
                match activity.on(event) {
                    Clock::Keep => {}
                    Clock::Restart(timeout) => running = Some(timeout),
                    Clock::Stop => running = None,
                }
                prop_assert_eq!(running, activity.demanded(), "after {:?}", event);
            }
        }

        /// While the service works, the clock runs only if the client or the kernel owes something.
        #[test]
        fn no_clock_runs_while_nothing_is_owed(
            events in proptest::collection::vec(event(), 0..60),
        ) {
            let (activity, _) = after(&events);
            let is_owed = activity.is_blocked()
                || activity.upload == UploadState::Starved
                || activity.client == Client::HalfClosed
                || activity.unsent > 0;
            let is_between = matches!(activity.stage, Stage::Quiet | Stage::Head | Stage::Idle | Stage::Lingering);
            if !is_between && !is_owed {
                prop_assert_eq!(activity.running, None);
            }
            if is_between {
                prop_assert!(activity.running.is_some());
            }
        }
    }
}
