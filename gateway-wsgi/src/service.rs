use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::adapt::AnswerErrors;
use gateway_core::request::Cancellation;
use gateway_core::{BoxError, Input, Response};
use http::request::Parts;
use http::{HeaderMap, Request, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service;

use crate::ahead::Reserved;
use crate::call::Call;
use crate::host::Host;
use crate::input::Arrived;

/// How much of a request's body is awaited before a thread is taken, at any rate.
const INPUT_BUFFER: usize = 64 * 1024;

/// How long a piece is that is kept as it came, while more is waited for.
const KEPT: usize = 16 * 1024;

/// In how many pieces a body is kept at most, while more is waited for.
const PIECES: usize = 64;

/// How much of one that is announced to be no longer, as long as there is room for it.
const LARGER_BUFFER: usize = 256 * 1024;

/// A Python application as a tower service: made by [`Wsgi::into_service`](crate::Wsgi::into_service).
///
/// What a client does slowly costs no thread: a body of up to 64 KiB is awaited before Python is
/// called, and an iterable waits while the client does not take its pieces. Larger uploads, and
/// `write()`, hold one of a quarter of the threads, outside Python's lock.
///
/// # Errors
///
/// What the application raised, boxed: a [`Failure`](gateway_core::error::Failure).
#[derive(Clone)]
pub struct WsgiService {
    host: Arc<Host>,
}

impl WsgiService {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    /// The same service, with errors answered by a bare response: see [`AnswerErrors`].
    pub fn answer_errors(self) -> AnswerErrors<Self> {
        AnswerErrors::new(self)
    }
}

impl fmt::Debug for WsgiService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsgiService")
            .field("crew", self.host.crew())
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for WsgiService
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = WsgiFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> WsgiFuture<B> {
        let (parts, body) = request.into_parts();
        let state = if body.is_end_stream() {
            State::Called(called(&self.host, parts, Arrived::default()))
        } else if expects_continue(parts.version, &parts.headers) {
            // RFC 9110 section 10.1.1: the client waits for the application to begin reading.
            State::Called(called(&self.host, parts, Input::from_body(body).into()))
        } else {
            State::Arriving(Box::new(Arriving {
                host: Arc::clone(&self.host),
                parts: Some(parts),
                pieces: VecDeque::new(),
                copied: 0,
                arrived: 0,
                larger: None,
                length: body.size_hint().exact(),
                body: Some(Box::pin(body)),
            }))
        };
        WsgiFuture { state }
    }
}

fn called(host: &Arc<Host>, parts: Parts, input: Arrived) -> Arc<Call> {
    let call = Call::new(Arc::clone(host), parts, input, Cancellation::default());
    call.submit();
    call
}

fn expects_continue(version: Version, headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    version > Version::HTTP_10
        && expected.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The response of a [`WsgiService`]. Dropping it before it is ready cancels the call.
pub struct WsgiFuture<B> {
    state: State<B>,
}

enum State<B> {
    Arriving(Box<Arriving<B>>),
    Called(Arc<Call>),
    Over,
}

struct Arriving<B> {
    host: Arc<Host>,
    parts: Option<Parts>,
    pieces: VecDeque<Bytes>,
    /// So many of them keep no more memory alive than they are.
    copied: usize,
    /// So many bytes they are.
    arrived: usize,
    /// How long the body is, if that is known.
    length: Option<u64>,
    larger: Option<Reserved>,
    body: Option<Pin<Box<B>>>,
}

impl<B> Arriving<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<Call>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let rest = loop {
            if self.larger.is_none() && self.arrived > INPUT_BUFFER {
                let length = self.length.and_then(|length| usize::try_from(length).ok());
                self.larger = length
                    .filter(|length| *length <= LARGER_BUFFER)
                    .and_then(|length| self.host.ahead().reserve(length));
                if self.larger.is_none() {
                    break Rest::More;
                }
            }
            if body.is_end_stream() {
                break Rest::None;
            }
            match body.as_mut().poll_frame(context) {
                Poll::Pending => {
                    self.copy_small();
                    return Poll::Pending;
                }
                Poll::Ready(None) => break Rest::None,
                Poll::Ready(Some(Err(error))) => break Rest::Failed(error.into()),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.arrived += data.len();
                    self.pieces.push_back(data);
                }
            }
        };
        self.larger = None;
        let body = self.body.take();
        let Some(parts) = self.parts.take() else {
            return Poll::Ready(None);
        };
        let rest = match rest {
            Rest::None => Input::empty(),
            Rest::More => Input::from_body(Continued { body, failed: None }),
            Rest::Failed(error) => Input::from_body(Continued::<B> {
                body: None,
                failed: Some(error),
            }),
        };
        let input = Arrived {
            pieces: std::mem::take(&mut self.pieces),
            rest,
        };
        Poll::Ready(Some(called(&self.host, parts, input)))
    }

    /// While the client is slow: a few bytes must not keep a whole read buffer alive.
    fn copy_small(&mut self) {
        for piece in self.pieces.iter_mut().skip(self.copied) {
            if piece.len() < KEPT {
                *piece = Bytes::copy_from_slice(piece);
            }
        }
        // Nor must each of them be an allocation of its own for long.
        if self.pieces.len() >= PIECES {
            let mut whole = Vec::with_capacity(self.arrived);
            for piece in self.pieces.drain(..) {
                whole.extend_from_slice(&piece);
            }
            self.pieces.push_back(whole.into());
        }
        self.copied = self.pieces.len();
    }
}

enum Rest {
    None,
    More,
    Failed(BoxError),
}

/// The rest of a body whose beginning has arrived.
struct Continued<B> {
    body: Option<Pin<Box<B>>>,
    failed: Option<BoxError>,
}

impl<B> HttpBody for Continued<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(failed) = self.failed.take() {
            return Poll::Ready(Some(Err(failed)));
        }
        match &mut self.body {
            Some(body) => body.as_mut().poll_frame(context).map_err(Into::into),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<B> Future for WsgiFuture<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Arriving(arriving) = &mut self.state {
            self.state = match ready!(arriving.poll(context)) {
                Some(call) => State::Called(call),
                None => State::Over,
            };
        }
        match &self.state {
            State::Called(call) => {
                call.crew().pass_on();
                let outcome = ready!(call.poll(context));
                self.state = State::Over;
                Poll::Ready(outcome.map_err(Into::into))
            }
            _ => Poll::Ready(Err("the future was polled after its end".into())),
        }
    }
}

impl<B> Drop for WsgiFuture<B> {
    fn drop(&mut self) {
        if let State::Called(call) = &self.state {
            call.crew().pass_on();
            call.cancel();
        }
    }
}

impl<B> fmt::Debug for WsgiFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsgiFuture").finish_non_exhaustive()
    }
}
