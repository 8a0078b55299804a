//! One connection from a front end: reads requests, runs the service, writes responses.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use gateway_core::request::GatewayFacts;
use gateway_core::{Body, BoxError, RequestExt};
use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tower_service::Service;
use tracing::{debug, error, warn};

use super::codec::{Codec, Event};
use super::current_request::CurrentRequest;
use super::errors::ErrorText;
use super::output::Output;
use super::service_call::{CallFailure, ServiceCall};
use super::timer::{Timer, Wait};
use crate::ServerState;
use crate::cgi_vars::response::encode_head;
use crate::failure::discard;
use crate::framing::{self, Asked, Content, Framing, Unsent};
use crate::listen::listener::StreamOptions;
use crate::log::access::Record;
use crate::log::operator;
use crate::settings::Settings;
use crate::shutdown::{Phase, Watch};

/// A response is gathered up to here before the socket must take some of it.
const HIGH_WATER: usize = 128 * 1024;

/// What one read asks for: the variables of most requests, or a good piece of an upload.
const READ: usize = 16 * 1024;
const READ_BODY: usize = 64 * 1024;

/// How long the front end may take to close its side after we have closed ours.
const LINGER: Duration = Duration::from_secs(2);

pin_project! {
    /// A connection, to be polled until it is done.
    ///
    /// One task and no others: input, service and output are polled in turn, so that nothing is
    /// locked or woken between them, and a small response is one read and one write.
    pub(crate) struct Connection<C, I, S, F, B> {
        io: I,
        codec: C,
        input: BytesMut,
        output: Output,
        service: S,
        // As it was given, never asked whether it is ready.
        fresh: S,
        #[pin]
        call: ServiceCall<F, B>,
        request: CurrentRequest,
        errors: ErrorText,
        settings: Arc<Settings>,
        options: StreamOptions<I>,
        shutdown: Watch,
        timer: Timer,
        phase: Phase,
        // The front end has closed its side.
        eof: bool,
        end: End,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not yet.
    Open,
    /// Once everything is written.
    Flush,
    /// Our side is to be shut.
    Shut,
    /// The front end is given time to read what was sent: closing a socket with unread input
    /// resets it, and takes the response along.
    Linger,
    /// Once everything is written, in a way that the front end cannot take for the end of a response.
    Reset,
}

/// What stands between the bytes and the next thing to do.
enum Step {
    /// Something was done; look again.
    Again,
    /// Nothing can be done now.
    Wait,
    /// The connection is over.
    Done,
}

impl<C, I, S, B> Connection<C, I, S, S::Future, B>
where
    C: Codec,
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    pub(crate) fn new(
        io: I,
        codec: C,
        service: S,
        settings: Arc<Settings>,
        options: StreamOptions<I>,
        shutdown: Watch,
    ) -> Self {
        Self {
            io,
            codec,
            input: BytesMut::new(),
            output: Output::default(),
            fresh: service.clone(),
            service,
            call: ServiceCall::Idle,
            request: CurrentRequest::default(),
            errors: ErrorText::default(),
            settings,
            options,
            shutdown,
            timer: Timer::default(),
            phase: Phase::Serving,
            eof: false,
            end: End::Open,
        }
    }

    fn step(mut self: Pin<&mut Self>, cx: &mut Context<'_>, moved: &mut Moved) -> Step {
        if self.as_mut().drive(cx) {
            return Step::Again;
        }
        let this = self.as_mut().project();
        this.codec.seal(this.output);
        if this.output.len() > 0 {
            let before = this.output.len();
            let flushed = this.output.poll_flush(cx, Pin::new(this.io));
            moved.output |= this.output.len() < before;
            match flushed {
                Poll::Ready(Ok(())) => return Step::Again,
                Poll::Ready(Err(error)) => {
                    debug!(%error, "the front end is gone");
                    return Step::Done;
                }
                Poll::Pending => {}
            }
        } else if let Some(step) = self.as_mut().close(cx) {
            return step;
        }
        self.read(cx, moved)
    }

    /// Drives the service and its response; says whether something came of it.
    fn drive(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while self.end == End::Open {
            let this = self.as_mut().project();
            if this.call.is_streaming() {
                if this.output.len() >= HIGH_WATER {
                    break;
                }
                match this.call.poll_piece(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(bytes))) => {
                        let this = self.as_mut().project();
                        if let Some(record) = &mut this.request.record {
                            record.sent(bytes.len());
                        }
                        this.codec.stdout(this.output, bytes);
                        if this.call.is_at_end() {
                            self.as_mut().complete();
                        }
                    }
                    Poll::Ready(None) => self.as_mut().complete(),
                    Poll::Ready(Some(Err(failed))) => self.as_mut().cut_short(&failed),
                }
            } else {
                let mut call = this.call;
                let response = call.as_mut().poll_response(this.service, cx);
                if let Some(counted) = &mut this.request.counted {
                    counted.waits(call.is_waiting());
                }
                match response {
                    Poll::Pending => break,
                    Poll::Ready(Ok(response)) => self.as_mut().respond(response),
                    Poll::Ready(Err(failed)) => self.as_mut().fail(&failed),
                }
            }
            progress = true;
        }
        if !self.call.is_idle() && C::ERRORS {
            let this = self.project();
            let text = this.errors.take(cx);
            if !text.is_empty() {
                this.codec.stderr(this.output, &text);
                progress = true;
            }
        }
        progress
    }

    fn respond(mut self: Pin<&mut Self>, response: Response<B>) {
        let (mut parts, body) = response.into_parts();
        let exact = body.size_hint().exact();
        let mut this = self.as_mut().project();
        let asked = Asked::from(&this.request.method);
        let judged = framing::judge(asked, false, parts.status, &parts.headers, exact);
        let framing = match judged {
            Ok(framing) => framing,
            Err(unsendable) => {
                let status = parts.status.as_u16();
                error!(status, "a response that cannot be sent: {unsendable}");
                operator::told(&format_args!(
                    "a response that cannot be sent: {unsendable}"
                ));
                return self.bare(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        if framing.is_coded {
            warn!("the Transfer-Encoding of a response is left out: it is the front end's to say");
        }
        this.codec.stdout_with(this.output, |out| {
            encode_head(parts.status, &parts.headers, framing, out);
        });
        parts.headers.clear();
        this.codec.recycle(parts.headers);
        if let Some(record) = this.request.record.take() {
            let has_body = !matches!(framing.content, Content::Nothing | Content::Exactly(0));
            this.request.record = Some(record.answered(parts.status, has_body));
        }
        if framing.content == Content::Nothing {
            return self.finish();
        }
        let unsent = Unsent::of(framing.content);
        this.call.set(ServiceCall::Streaming { body, unsent });
    }

    /// The service failed before its response began.
    fn fail(mut self: Pin<&mut Self>, failed: &CallFailure) {
        failed.log();
        if C::ERRORS {
            let this = self.as_mut().project();
            this.codec
                .stderr(this.output, format!("{failed}\n").as_bytes());
        }
        self.bare(failed.status());
    }

    /// A status and nothing else.
    fn bare(mut self: Pin<&mut Self>, status: StatusCode) {
        let this = self.as_mut().project();
        let headers = HeaderMap::new();
        let framing = Framing::of_bare(Asked::from(&this.request.method), status);
        this.codec.stdout_with(this.output, |out| {
            encode_head(status, &headers, framing, out);
        });
        if let Some(record) = this.request.record.take() {
            drop(record.answered(status, false));
        }
        self.finish();
    }

    /// The response's body is at its end.
    fn complete(mut self: Pin<&mut Self>) {
        if let Some(record) = &mut self.as_mut().project().request.record {
            record.completed();
        }
        self.finish();
    }

    /// The body failed after its head went out: the front end must see that something is missing,
    /// so the request is not ended, and the connection is.
    fn cut_short(mut self: Pin<&mut Self>, failed: &CallFailure) {
        if failed.is_reported() {
            debug!("the response is cut short: {failed}");
        } else {
            error!("the response is cut short: {failed}");
        }
        let this = self.as_mut().project();
        if C::ERRORS {
            let mut text = this.errors.end();
            text.extend(format!("the response is cut short: {failed}\n").bytes());
            this.codec.stderr(this.output, &text);
        }
        *this.request = CurrentRequest::over(this.request.input_ended);
        *this.end = End::Reset;
        self.clear();
    }

    /// Drops whatever runs.
    fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.call.is_waiting() {
            // A service that was asked whether it is ready may hold a place in a queue, or a thread that
            // another request waits for (tower: what is not called has to be dropped).
            let fresh = this.fresh.clone();
            discard(mem::replace(this.service, fresh));
        }
        this.call.as_mut().clear();
    }

    /// Ends the request; with it the connection, unless the front end wants to keep it.
    fn finish(mut self: Pin<&mut Self>) {
        self.as_mut().clear();
        let this = self.project();
        if C::ERRORS {
            let text = this.errors.end();
            if !text.is_empty() {
                this.codec.stderr(this.output, &text);
            }
        }
        let keep = this.codec.finish(this.output);
        let input_ended = this.request.input_ended;
        *this.request = CurrentRequest::default();
        // Closing in the same breath as the end of the response is what races least with a front
        // end that would put the connection back into its pool.
        if !keep || *this.eof || *this.phase > Phase::Serving {
            if keep {
                (this.options.end_with_last_write)(this.io);
            }
            *this.request = CurrentRequest::over(input_ended);
            *this.end = End::Flush;
        }
    }

    /// Everything is written: goes on with closing, if that is what comes next.
    fn close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Step> {
        let this = self.project();
        let idle = this.call.is_idle() && !this.request.is_new();
        if *this.end == End::Open && idle {
            let unwanted = *this.phase >= Phase::Closing && !this.codec.within_head();
            if unwanted || *this.eof {
                return Some(Step::Done);
            }
        }
        match *this.end {
            End::Open | End::Linger => None,
            End::Flush => {
                *this.end = End::Shut;
                Some(Step::Again)
            }
            End::Shut => match Pin::new(this.io).poll_shutdown(cx) {
                Poll::Pending => Some(Step::Wait),
                Poll::Ready(Ok(())) if !*this.eof && !this.request.input_ended => {
                    *this.end = End::Linger;
                    Some(Step::Again)
                }
                Poll::Ready(_) => Some(Step::Done),
            },
            End::Reset => {
                (this.options.reset_on_close)(this.io);
                Some(Step::Done)
            }
        }
    }

    fn read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, moved: &mut Moved) -> Step {
        let this = self.as_mut().project();
        let lingering = *this.end == End::Linger;
        // A front end that does not read the answers is asked for nothing more.
        let room = this.output.len() < HIGH_WATER && this.request.poll_room(cx).is_ready();
        if *this.eof || !(lingering || *this.end == End::Open && room) {
            return Step::Wait;
        }
        this.input.reserve(if this.request.is_fed() {
            READ_BODY
        } else {
            READ
        });
        // The future has no state of its own: it may be dropped and made again.
        let read = pin!(this.io.read_buf(this.input)).poll(cx);
        match read {
            Poll::Pending => Step::Wait,
            Poll::Ready(Err(error)) => {
                debug!(%error, "the front end is gone");
                Step::Done
            }
            Poll::Ready(Ok(_)) if lingering && this.input.is_empty() => Step::Done,
            Poll::Ready(Ok(_)) if lingering => {
                this.input.clear();
                Step::Again
            }
            Poll::Ready(Ok(0)) => {
                *this.eof = true;
                this.request.end_input(None);
                self.begin();
                Step::Again
            }
            Poll::Ready(Ok(_)) => {
                moved.input = true;
                self.decode()
            }
        }
    }

    /// Takes all events that the input holds.
    fn decode(mut self: Pin<&mut Self>) -> Step {
        loop {
            let this = self.as_mut().project();
            let event = match this.codec.decode(this.input, this.output) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(malformed) => {
                    warn!("connection closed: {malformed}");
                    return Step::Done;
                }
            };
            match event {
                Event::Request(request) => {
                    *this.request = CurrentRequest::new(request);
                    let state = this.settings.state.as_ref();
                    this.request.counted = state.map(ServerState::request_began);
                }
                Event::Refused(status) => {
                    *this.request = CurrentRequest::default();
                    debug!(status = status.as_u16(), "request refused");
                    self.as_mut().bare(status);
                }
                Event::Data(bytes) => this.request.take_data(bytes, this.settings.body_bytes),
                Event::DataEnd => this.request.take_end(),
                Event::Abort => {
                    debug!("request aborted by the front end");
                    self.as_mut().finish();
                }
                Event::Close => *this.end = End::Flush,
            }
            if self.end != End::Open {
                break;
            }
        }
        self.begin();
        Step::Again
    }

    /// Hands the request to the service.
    fn begin(mut self: Pin<&mut Self>) {
        let mut this = self.as_mut().project();
        let Some(request) = this.request.take_head() else {
            return;
        };
        let (head, vars) = *request;
        if let (Some(limit), Some(length)) = (this.settings.body_bytes, head.content_length)
            && length > limit
        {
            return self.bare(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if head.headers.len() > this.settings.head_fields {
            return self.bare(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let body = this.request.body(*this.eof);
        let mut facts = GatewayFacts::new(vars);
        if C::ERRORS {
            facts = facts.with_errors(this.errors.begin());
        }
        let request = head.into_request(body, facts);
        this.request.record = request
            .conn()
            .and_then(|conn| Record::begin(request.method(), request.uri(), conn));
        let request = Some(request);
        this.call.set(ServiceCall::Ready { request });
    }

    /// What is waited for, if not for ever.
    fn waits_for(&self) -> Option<(Wait, Duration)> {
        let settings = &self.settings;
        let (wait, patience) = match self.end {
            End::Shut | End::Linger => (Wait::Linger, Some(LINGER)),
            _ if self.output.len() > 0 => (Wait::Write, settings.timeouts.write),
            _ if self.call.is_idle() && (self.codec.within_head() || !self.input.is_empty()) => {
                (Wait::Head, settings.timeouts.head)
            }
            _ if self.call.is_idle() => (Wait::Idle, settings.timeouts.idle),
            _ if self.request.is_wanted() => (Wait::Body, settings.timeouts.body),
            _ if self.eof && self.call.is_silent() => {
                (Wait::HalfClosed, settings.timeouts.half_close)
            }
            _ => return None,
        };
        patience.map(|patience| (wait, patience))
    }
}

/// What a poll moved: what moved is waited for anew.
#[derive(Debug, Default)]
struct Moved {
    input: bool,
    output: bool,
}

impl<C, I, S, B> Future for Connection<C, I, S, S::Future, B>
where
    C: Codec,
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut moved = Moved::default();
        {
            let this = self.as_mut().project();
            while let Poll::Ready(phase) = this.shutdown.poll_advanced(cx) {
                *this.phase = phase;
            }
        }
        loop {
            if self.phase == Phase::Cut {
                return Poll::Ready(());
            }
            loop {
                match self.as_mut().step(cx, &mut moved) {
                    Step::Again => {}
                    Step::Wait => break,
                    Step::Done => return Poll::Ready(()),
                }
            }
            let waits_for = self.waits_for();
            let anew = match waits_for {
                Some((Wait::Write, _)) => moved.output,
                Some((Wait::Body | Wait::Idle, _)) => moved.input,
                _ => false,
            };
            let this = self.as_mut().project();
            this.timer.wait(waits_for, anew);
            match this.timer.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Wait::Body) => {
                    debug!("a request's body stalled");
                    this.request
                        .end_input(Some(io::Error::from(io::ErrorKind::TimedOut).into()));
                }
                Poll::Ready(wait) => {
                    debug!(?wait, "connection closed after waiting");
                    if matches!(wait, Wait::Write | Wait::HalfClosed)
                        && let Some(state) = &this.settings.state
                    {
                        state.connection_cut();
                    }
                    return Poll::Ready(());
                }
            }
        }
    }
}
