//! One connection from its first byte to its last: which protocol it speaks, which timeout runs,
//! and how it ends.

use std::error::Error;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use gateway_core::request::ConnInfo;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tracing::{debug, error, warn};

use super::activity::{Event, Timeout};
use super::files::{Outbox, lend};
use super::io::{Io, Version};
use super::service::ConnectionService;
use super::shared_activity::{SharedActivity, is_blank};
use super::streams::Streams;
use crate::HttpService;
use crate::listen::accept::Admission;
use crate::listen::listener::StreamOptions;
use crate::settings::{Settings, Timeouts};
use crate::shutdown::{Phase, Watch};

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// More than most first requests need, so that one read takes all of it.
const FIRST_READ: usize = 4096;

/// Bytes of a response that are gathered before the client has taken any.
const WRITE_BUFFER: usize = 64 * 1024;

/// How often a connection that is busy with one request after the other looks about: whether it
/// has become idle, and could give back its buffers. A quarter of the idle timeout, as that is
/// counted from there, and every two seconds at least.
fn look(timeouts: &Timeouts) -> Duration {
    let most = Duration::from_secs(2);
    let look = timeouts.idle.map_or(most, |idle| (idle / 4).min(most));
    // A timeout of nothing at all must not make a connection spin.
    look.max(Duration::from_millis(5))
}

/// What is sent to a client that takes too long over the head of a request (RFC 9110 section
/// 15.5.9). The service was not asked, so it cannot answer.
fn too_slow() -> Bytes {
    // httpdate knows no time before 1970.
    let date = httpdate::fmt_http_date(SystemTime::now().max(UNIX_EPOCH));
    let head = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0";
    format!("{head}\r\ndate: {date}\r\n\r\n").into()
}

/// Everything connections of one server have in common.
#[derive(Debug)]
pub(crate) struct Protocols {
    pub(crate) settings: Arc<Settings>,
    one: http1::Builder,
    look: Duration,
}

impl Protocols {
    pub(crate) fn new(settings: Settings) -> Self {
        // hyper gathers this much before it answers 431, and never less than 8 KiB.
        let buffer = WRITE_BUFFER.max(settings.head_bytes);
        let mut one = http1::Builder::new();
        one.max_buf_size(buffer)
            .max_header_size(settings.head_bytes)
            // The timeouts are ours: hyper's knows neither the first byte nor an idle connection.
            .header_read_timeout(None);
        // Its own count of 100 is kept on the stack.
        if settings.head_fields != 100 {
            one.max_headers(settings.head_fields);
        }
        Self {
            look: look(&settings.timeouts),
            settings: Arc::new(settings),
            one,
        }
    }

    /// A connection is ended in the middle of a request.
    fn count_cut(&self) {
        if let Some(state) = &self.settings.state {
            state.connection_cut();
        }
    }

    fn two(&self, activity: &Arc<SharedActivity>) -> http2::Builder<Streams> {
        let settings = &self.settings;
        let mut two = http2::Builder::new(Streams(Arc::clone(activity)));
        two.timer(TokioTimer::new())
            .max_concurrent_streams(settings.streams)
            .max_header_list_size(u32::try_from(settings.head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(WRITE_BUFFER)
            // A peer that is gone without a word is noticed although it is not idle.
            .keep_alive_interval(settings.timeouts.write)
            .keep_alive_timeout(Duration::from_secs(20));
        if settings.http2_websockets {
            two.enable_connect_protocol();
        }
        two
    }
}

pin_project! {
    /// Serves one connection until it is closed.
    pub(crate) struct Connection<T, S: HttpService> {
        protocol: Protocol<T, S>,
        protocols: Arc<Protocols>,
        activity: Arc<SharedActivity>,
        shutdown: Option<Watch>,
        conn: ConnInfo,
        phase: Phase,
        // Where the kernel sends files.
        outbox: Option<Arc<Outbox>>,
        timer: Timer,
        #[pin]
        sleep: Sleep,
    }
}

enum Protocol<T, S: HttpService> {
    /// No bytes arrived yet, or none for a while: the connection holds no buffers.
    Quiet {
        io: Io<T>,
        service: ConnectionService<S>,
        // A beginning of the preface of HTTP/2.
        seen: Vec<u8>,
    },
    One(Box<One<T, S>>),
    Two(Pin<Box<Two<T, S>>>),
    /// Sends the last bytes, then closes.
    Farewell {
        io: Io<T>,
        unsent: Bytes,
    },
    Over,
}

type One<T, S> = http1::UpgradeableConnection<TokioIo<Io<T>>, ConnectionService<S>>;
type Two<T, S> = http2::Connection<TokioIo<Io<T>>, ConnectionService<S>, Streams>;

/// When the running timeout is over, and when to look again.
#[derive(Debug)]
struct Timer {
    running: Option<(Timeout, u32)>,
    since: Option<Instant>,
    armed: Option<Armed>,
    // The kernel was asked whether a blocked client has moved after all.
    asked: bool,
}

/// What the runtime's timer is set to.
#[derive(Debug)]
struct Armed {
    wakes: Instant,
    is_look: bool,
    waker: Waker,
}

impl<T, S> Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    pub(crate) fn new(
        stream: T,
        conn: ConnInfo,
        service: S,
        protocols: Arc<Protocols>,
        options: StreamOptions<T>,
        admission: Option<Admission>,
    ) -> Self {
        let shutdown = admission
            .as_ref()
            .map(|admission| admission.shutdown().watch());
        let activity = Arc::new(SharedActivity::default());
        let settings = Arc::clone(&protocols.settings);
        // A stream that takes one buffer at a time would have the mark copied into it.
        let sends_files =
            settings.sends_files && stream.is_write_vectored() && (options.sends_files)(&stream);
        let outbox = sends_files.then(Arc::default);
        Self {
            outbox: outbox.clone(),
            protocol: Protocol::Quiet {
                io: Io::new(stream, Arc::clone(&activity), options, admission, outbox),
                service: ConnectionService::new(
                    service,
                    conn.clone(),
                    Arc::clone(&activity),
                    settings,
                ),
                seen: Vec::new(),
            },
            // The runtime does not see the timer before its first poll.
            sleep: sleep(protocols.look),
            protocols,
            activity,
            shutdown,
            conn,
            phase: Phase::Serving,
            timer: Timer {
                running: None,
                since: None,
                armed: None,
                asked: false,
            },
        }
    }
}

impl<T, S> Future for Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        while let Some(watch) = this.shutdown.as_mut()
            && let Poll::Ready(phase) = watch.poll_advanced(cx)
        {
            *this.phase = phase;
            match phase {
                Phase::Serving => {}
                Phase::Draining | Phase::Closing => {
                    this.activity.drain();
                    let _ = this.protocol.say_goodbye();
                }
                Phase::Cut => {
                    warn!(peer = %this.conn.peer(), "connection cut");
                    this.protocols.count_cut();
                    return Poll::Ready(());
                }
            }
        }
        loop {
            let outbox = this.outbox.as_ref();
            let polled = this
                .protocol
                .poll(this.protocols, this.activity, outbox, cx);
            if polled.is_ready() {
                return Poll::Ready(());
            }
            let is_idle = this.activity.is_idle();
            // Everything readable was read and looked at, so nothing is on its way that we know of.
            if is_idle && *this.phase >= Phase::Closing {
                return Poll::Ready(());
            }
            if is_idle && this.activity.end_reading_if_half_closed() {
                // The answer is out; now HTTP may see that there is nothing more.
                continue;
            }
            let is_parked = matches!(this.protocol, Protocol::Quiet { .. });
            let sleep = this.sleep.as_mut();
            let Some(timeout) = this
                .timer
                .due(this.activity, this.protocols, is_parked, sleep, cx)
            else {
                return Poll::Pending;
            };
            match timeout {
                Due::Look => this.protocol.park(this.protocols, this.activity),
                Due::Over(Timeout::Body) => this.activity.stall(),
                Due::Over(Timeout::HalfClose) => this.activity.on(Event::EndRead),
                Due::Over(Timeout::Head) if this.protocol.turn_away() => {
                    debug!("request head took too long");
                }
                // HTTP/2 is told to go away, and then has a moment to go.
                Due::Over(Timeout::Idle) if this.protocol.say_goodbye() => {
                    this.activity.on(Event::Lingers);
                }
                Due::Over(Timeout::Write) if !mem::replace(&mut this.timer.asked, true) => {}
                Due::Over(timeout) => {
                    debug!(?timeout, "connection closed");
                    if timeout == Timeout::Write {
                        this.protocols.count_cut();
                    }
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl<T, S> Protocol<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    /// Ready when the connection is over.
    fn poll(
        &mut self,
        protocols: &Protocols,
        activity: &Arc<SharedActivity>,
        outbox: Option<&Arc<Outbox>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            match self {
                Self::Quiet { io, seen, .. } => {
                    let mut first = [0; FIRST_READ];
                    let mut buf = ReadBuf::new(&mut first);
                    let read = ready!(Pin::new(io.stream()).poll_read(cx, &mut buf));
                    if read.is_err() || buf.filled().is_empty() {
                        return Poll::Ready(());
                    }
                    activity.received(buf.filled());
                    seen.extend_from_slice(buf.filled());
                    if PREFACE.len() > seen.len() && PREFACE.starts_with(seen) {
                        continue;
                    }
                    self.begin(protocols, activity);
                }
                Self::One(conn) => {
                    let conn = Pin::new(&mut **conn);
                    let ended = ready!(match outbox {
                        Some(outbox) => lend(outbox, || conn.poll(cx)),
                        None => conn.poll(cx),
                    });
                    log(&ended);
                    return Poll::Ready(());
                }
                Self::Two(conn) => {
                    activity.wake_when_streams_end(cx.waker());
                    let ended = ready!(conn.as_mut().poll(cx));
                    log(&ended);
                    return Poll::Ready(());
                }
                Self::Farewell { io, unsent } => {
                    while !unsent.is_empty() {
                        match ready!(Pin::new(&mut *io).poll_write(cx, unsent)) {
                            Ok(written) if written > 0 => {
                                unsent.advance(written);
                            }
                            Ok(_) | Err(_) => return Poll::Ready(()),
                        }
                    }
                    return Pin::new(io).poll_shutdown(cx).map(|_| ());
                }
                Self::Over => return Poll::Ready(()),
            }
        }
    }

    /// Goes from quiet to the protocol that the first bytes are of.
    fn begin(&mut self, protocols: &Protocols, activity: &Arc<SharedActivity>) {
        let Self::Quiet {
            mut io,
            service,
            seen,
        } = mem::replace(self, Self::Over)
        else {
            return;
        };
        let is_two = seen.starts_with(PREFACE);
        let version = if is_two { Version::Two } else { Version::One };
        io.begin(version, Bytes::from(seen));
        let io = TokioIo::new(io);
        *self = if is_two {
            activity.on(Event::Multiplexed);
            Self::Two(Box::pin(
                protocols.two(activity).serve_connection(io, service),
            ))
        } else {
            let conn = protocols.one.serve_connection(io, service);
            Self::One(Box::new(conn.with_upgrades()))
        };
    }

    /// Sends GOAWAY. False where there is no such thing: HTTP/1 says it in its next answer.
    fn say_goodbye(&mut self) -> bool {
        if let Self::Two(conn) = self {
            conn.as_mut().graceful_shutdown();
            return true;
        }
        false
    }

    /// Answers 408 to a client whose request has not come to the service. False where that is not so.
    fn turn_away(&mut self) -> bool {
        let io = match mem::replace(self, Self::Over) {
            Self::One(conn) => conn.into_parts().map(|parts| parts.io.into_inner()),
            Self::Quiet { io, .. } => Some(io),
            other => {
                *self = other;
                return false;
            }
        };
        let Some(io) = io else {
            return false;
        };
        *self = Self::Farewell {
            io,
            unsent: too_slow(),
        };
        true
    }

    /// Gives hyper's buffers back while a connection is idle: ten thousand of them would hold a
    /// hundred megabytes for nothing.
    fn park(&mut self, protocols: &Protocols, activity: &Arc<SharedActivity>) {
        if !activity.is_idle() || activity.expects_more() {
            return;
        }
        match mem::replace(self, Self::Over) {
            Self::One(conn) => {
                if let Some(parts) = conn.into_parts() {
                    // The beginning of a head that came together with the request before.
                    let is_waiting = !is_blank(&parts.read_buf);
                    let seen = if is_waiting {
                        activity.received(&parts.read_buf);
                        // Copied, or it would keep the whole buffer.
                        parts.read_buf.to_vec()
                    } else {
                        Vec::new()
                    };
                    *self = Self::Quiet {
                        io: parts.io.into_inner(),
                        service: parts.service,
                        seen,
                    };
                    if is_waiting {
                        self.begin(protocols, activity);
                    }
                }
            }
            other => *self = other,
        }
    }
}

/// What went wrong on a connection is mostly the client's doing, and no news to the service.
fn log(ended: &hyper::Result<()>) {
    let Err(error) = ended else { return };
    let cause = error as &dyn Error;
    // Of a head, what hyper refuses and we let pass. Bodies that fail have said so themselves.
    let is_service = error.is_user() && (error.is_body_write_aborted() || error.source().is_none());
    if is_service {
        error!(error = cause, "response cannot be sent");
    } else {
        debug!(error = cause, "connection failed");
    }
}

/// What is due when the timer fires.
#[derive(Debug)]
enum Due {
    Over(Timeout),
    /// Nothing is over; this is the moment for what need not be done at every request.
    Look,
}

impl Timer {
    /// What is due now, if anything. A connection that answers one request after the other costs
    /// neither a look at the clock nor a visit to the runtime's timers: it is woken once in a
    /// while, to [look](Due::Look). Only what has to wait in the middle of something arms the
    /// timer for its own deadline.
    fn due(
        &mut self,
        activity: &SharedActivity,
        protocols: &Protocols,
        is_parked: bool,
        mut sleep: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Option<Due> {
        let running = activity.running();
        if running != self.running {
            self.running = running;
            self.since = None;
            self.asked = false;
        }
        let (timeout, _) = running?;
        let timeouts = &protocols.settings.timeouts;
        let length = timeout.length(timeouts, activity.is_draining())?;
        let is_idle = timeout == Timeout::Idle;
        let armed = self
            .armed
            .as_ref()
            .filter(|armed| armed.waker.will_wake(cx.waker()) && !sleep.is_elapsed());
        if is_idle && self.since.is_none() && armed.is_some_and(|armed| armed.is_look) {
            // The time counts from the next look, so an idle connection lives a little longer.
            return None;
        }
        let now = Instant::now();
        let deadline = *self.since.get_or_insert(now) + length;
        if now >= deadline {
            return Some(Due::Over(timeout));
        }
        // There is nothing to look at in a connection that is parked.
        let is_look = is_idle && !is_parked;
        let wakes = if is_look {
            deadline.min(now + protocols.look)
        } else {
            deadline
        };
        if armed.is_some_and(|armed| armed.wakes <= wakes) {
            return None;
        }
        if let Some(armed) = self.armed.take()
            && armed.is_look
            && armed.wakes <= now
        {
            return Some(Due::Look);
        }
        sleep.as_mut().reset(wakes);
        self.armed = Some(Armed {
            wakes,
            is_look,
            waker: cx.waker().clone(),
        });
        if sleep.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        None
    }
}
