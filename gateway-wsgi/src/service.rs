use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use gateway_core::adapt::AnswerErrors;
use gateway_core::{BoxError, Cancellation, Input, Response};
use http::request::Parts;
use http::{HeaderMap, Request, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service;

use crate::ahead::Reserved;
use crate::call::Call;
use crate::host::Host;

/// How much of a request's body is awaited before a thread is taken, at any rate.
const INPUT_BUFFER: usize = 64 * 1024;

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
/// What the application raised, boxed: a [`Failure`](gateway_core::Failure).
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
            State::Called(called(&self.host, parts, Input::empty()))
        } else if expects_continue(parts.version, &parts.headers) {
            // RFC 9110 section 10.1.1: the client waits for the application to begin reading.
            State::Called(called(&self.host, parts, Input::from_body(body)))
        } else {
            State::Arriving(Box::new(Arriving {
                host: Arc::clone(&self.host),
                parts: Some(parts),
                arrived: Bytes::new(),
                gathered: BytesMut::new(),
                larger: None,
                length: body.size_hint().exact(),
                body: Some(Box::pin(body)),
            }))
        };
        WsgiFuture { state }
    }
}

fn called(host: &Arc<Host>, parts: Parts, input: Input) -> Arc<Call> {
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
    /// The first piece, as it came.
    arrived: Bytes,
    /// All of them, where there are several: each may be a byte that keeps a whole buffer alive.
    gathered: BytesMut,
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
            if self.larger.is_none() && self.arrived.len().max(self.gathered.len()) > INPUT_BUFFER {
                let length = self.length.and_then(|length| usize::try_from(length).ok());
                self.larger = length
                    .filter(|length| *length <= LARGER_BUFFER)
                    .and_then(|length| self.host.ahead().reserve(length));
                let Some(larger) = &self.larger else {
                    break Rest::More;
                };
                self.gathered.reserve(larger.length());
            }
            if body.is_end_stream() {
                break Rest::None;
            }
            match body.as_mut().poll_frame(context) {
                Poll::Pending => {
                    if !self.arrived.is_empty() {
                        // Not to keep a read buffer while the client is slow.
                        self.gathered.extend_from_slice(&self.arrived);
                        self.arrived = Bytes::new();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(None) => break Rest::None,
                Poll::Ready(Some(Err(error))) => break Rest::Failed(error.into()),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    if self.arrived.is_empty() && self.gathered.is_empty() {
                        self.arrived = data;
                    } else {
                        if self.gathered.is_empty() {
                            self.gathered.extend_from_slice(&self.arrived);
                            self.arrived = Bytes::new();
                        }
                        self.gathered.extend_from_slice(&data);
                    }
                }
            }
        };
        let arrived = match self.gathered.is_empty() {
            true => std::mem::take(&mut self.arrived),
            false => self.gathered.split().freeze(),
        };
        self.larger = None;
        let body = self.body.take();
        let Some(parts) = self.parts.take() else {
            return Poll::Ready(None);
        };
        let input = match rest {
            Rest::None => arrived.into(),
            Rest::More => Input::from_body(Continued {
                arrived: Some(arrived).filter(|it| !it.is_empty()),
                body,
                failed: None,
            }),
            Rest::Failed(error) => Input::from_body(Continued::<B> {
                arrived: Some(arrived).filter(|it| !it.is_empty()),
                body: None,
                failed: Some(error),
            }),
        };
        Poll::Ready(Some(called(&self.host, parts, input)))
    }
}

enum Rest {
    None,
    More,
    Failed(BoxError),
}

/// A body whose beginning has arrived.
struct Continued<B> {
    arrived: Option<Bytes>,
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
        if let Some(arrived) = self.arrived.take() {
            return Poll::Ready(Some(Ok(Frame::data(arrived))));
        }
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
            call.cancel();
        }
    }
}

impl<B> fmt::Debug for WsgiFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsgiFuture").finish_non_exhaustive()
    }
}
