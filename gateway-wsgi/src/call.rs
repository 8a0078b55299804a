//! One call of the application: asked for on the caller's side, made on a thread that runs Python.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_core::request::Cancellation;
use gateway_core::{Body, Environ, Error, Response};
use http::request::Parts;
use http::{Method, StatusCode, header};
use pyo3::exceptions::{PyAssertionError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::crew::{Crew, Origin, Run};
use crate::file_body::FileBody;
use crate::file_wrapper::{FileWrapper, RealFile};
use crate::host::Host;
use crate::input::{Arrived, WsgiInput};
use crate::iterable::{Iterable, bytes_of, piece_of};
use crate::start_response::{Answering, Head, StartResponse};
use crate::stream::{Stream, Streamed};

pub(crate) struct Call {
    host: Arc<Host>,
    progress: Mutex<Progress>,
    exchange: Mutex<Exchange>,
    cancellation: Cancellation,
    origin: Origin,
    may_wait: bool,
    bodiless: bool,
}

struct Progress {
    stage: Stage,
    caller: Option<Waker>,
}

enum Stage {
    Asked {
        parts: Parts,
        input: Arrived,
    },
    Running,
    Done(Result<Response, Error>),
    /// The caller has it, or wants it no more.
    Over,
}

/// What the application has said so far.
#[derive(Default)]
struct Exchange {
    head: Option<Head>,
    sent: bool,
    /// Of `write()`, or of what it returned.
    stream: Option<Arc<Stream>>,
}

impl Call {
    pub(crate) fn new(
        host: Arc<Host>,
        parts: Parts,
        input: Arrived,
        cancellation: Cancellation,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            origin: Origin::of(&parts),
            may_wait: !input.is_whole(),
            bodiless: parts.method == Method::HEAD,
            progress: Mutex::new(Progress {
                stage: Stage::Asked { parts, input },
                caller: None,
            }),
            exchange: Mutex::default(),
            cancellation,
        })
    }

    pub(crate) fn crew(&self) -> &Crew {
        self.host.crew()
    }

    pub(crate) fn submit(self: &Arc<Self>) {
        self.host.crew().submit(Arc::clone(self) as _);
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing below panics while it holds the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Result<Response, Error>> {
        let mut progress = self.lock();
        match mem::replace(&mut progress.stage, Stage::Over) {
            Stage::Done(outcome) => return Poll::Ready(outcome),
            Stage::Over => {
                return Poll::Ready(Err(Error::msg("the call was polled after its end")));
            }
            stage => progress.stage = stage,
        }
        let waker = context.waker();
        if !progress
            .caller
            .as_ref()
            .is_some_and(|it| it.will_wake(waker))
        {
            progress.caller = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The caller has gone away.
    pub(crate) fn cancel(&self) {
        let mut progress = self.lock();
        let left = (
            mem::replace(&mut progress.stage, Stage::Over),
            progress.caller.take(),
        );
        drop(progress);
        drop(left);
    }

    /// Lets the caller have the outcome.
    fn settle(&self, outcome: Result<Response, Error>) {
        let mut progress = self.lock();
        if let Stage::Over = progress.stage {
            drop(progress);
            // A response that no client waits for: its body has its iterable closed.
            drop(outcome);
            return;
        }
        progress.stage = Stage::Done(outcome);
        let caller = progress.caller.take();
        drop(progress);
        if let Some(caller) = caller {
            self.host.crew().wake(caller);
        }
    }

    /// Sends the head, before `body`.
    fn send_head(&self, body: Body) -> PyResult<()> {
        let mut exchange = self.exchange();
        let Some(head) = &mut exchange.head else {
            drop(exchange);
            drop(body);
            return Err(PyAssertionError::new_err("write() before start_response()"));
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = mem::take(&mut head.headers);
        exchange.sent = true;
        drop(exchange);
        self.settle(Ok(response));
        Ok(())
    }

    /// The stream that the response's pieces go to; with the head sent before the first.
    fn stream(&self) -> PyResult<Arc<Stream>> {
        if let Some(stream) = self.exchange().stream.clone() {
            return Ok(stream);
        }
        let stream = Stream::new(Arc::clone(&self.host), self.origin.clone());
        self.send_head(Body::new(Streamed::new(Arc::clone(&stream))))?;
        self.exchange().stream = Some(Arc::clone(&stream));
        Ok(stream)
    }

    /// Calls the application, and begins its response.
    fn respond(self: &Arc<Self>, py: Python<'_>, environ: &Environ, input: Arrived) {
        let mut reading = None;
        let answered = self.answer(py, environ, input, &mut reading);
        let status = reading.as_ref().and_then(|input| input.get().failed());
        let Err(error) = answered else { return };
        // What the client made fail is its fault.
        let status = status.filter(|_| error.is_instance_of::<PyOSError>(py));
        let mut failure = self.host.failure(py, &error);
        if let Some(status) = status {
            failure = failure.with_status(status);
        }
        let stream = self.exchange().stream.clone();
        match stream {
            Some(stream) => stream.end(Err(failure.into())),
            None => self.settle(Err(failure)),
        }
    }

    fn answer<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        environ: &Environ,
        mut input: Arrived,
        reading: &mut Option<Bound<'py, WsgiInput>>,
    ) -> PyResult<()> {
        let dict = self.host.environs().dict(py, environ)?;
        if has_body(environ, &mut input) {
            *reading = Some(self.host.set_input(py, &dict, input)?);
        }
        let start_response = Bound::new(
            py,
            StartResponse {
                call: Arc::clone(self) as _,
            },
        )?;
        let returned = self
            .host
            .application
            .bind(py)
            .call1((dict, start_response))?;
        let written = self.exchange().stream.clone();
        if written.is_none() {
            if let Some(pieces) = ready_pieces(&returned, self.host.crew()) {
                return self.send_pieces(pieces?);
            }
            if let Ok(wrapper) = returned.cast_exact::<FileWrapper>()
                && let Some(file) = wrapper.get().real_file(py)
            {
                return self.send_file(py, file, &returned);
            }
        }
        let mut iterable = Iterable::new(&returned)?;
        drop(returned);
        if let Some(stream) = written {
            stream.produce(py, iterable);
            return Ok(());
        }
        let first = match iterable.next(py, self.host.crew()) {
            Ok(first) => first,
            Err(error) => {
                iterable.close(py);
                return Err(error);
            }
        };
        let written = self.exchange().stream.clone();
        let Some(first) = first else {
            // Closed before the end is told, as everywhere.
            iterable.try_close(py)?;
            return match written {
                Some(stream) => {
                    stream.end(Ok(()));
                    Ok(())
                }
                None => self.send_head(Body::empty()),
            };
        };
        let stream = match written {
            Some(stream) => stream,
            None => Stream::new(Arc::clone(&self.host), self.origin.clone()),
        };
        stream.put(first);
        if !self.head_is_sent()
            && let Err(error) = self.send_head(Body::new(Streamed::new(Arc::clone(&stream))))
        {
            iterable.close(py);
            return Err(error);
        }
        self.exchange().stream = Some(Arc::clone(&stream));
        if self.bodiless {
            iterable.close(py);
            stream.end(Ok(()));
            return Ok(());
        }
        stream.produce(py, iterable);
        Ok(())
    }

    /// A response that is there as a whole.
    fn send_pieces(&self, mut pieces: Vec<Bytes>) -> PyResult<()> {
        let body = match pieces.len() {
            0 => Body::empty(),
            // PEP 3333: of one piece the length is known.
            1 => pieces.pop().unwrap_or_default().into(),
            _ => {
                let stream = Stream::new(Arc::clone(&self.host), self.origin.clone());
                for piece in pieces {
                    stream.put(piece);
                }
                stream.end(Ok(()));
                Body::new(Streamed::new(stream))
            }
        };
        self.send_head(body)
    }

    fn send_file(
        &self,
        py: Python<'_>,
        file: RealFile,
        wrapper: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if let Some(head) = &mut self.exchange().head {
            // The rest of a file has a length; what the application declared stands.
            let length = head.headers.entry(header::CONTENT_LENGTH);
            length.or_insert_with(|| file.left.into());
            if head.status == StatusCode::NOT_MODIFIED || head.status == StatusCode::NO_CONTENT {
                head.headers.remove(header::CONTENT_LENGTH);
            }
        }
        // Ours is open; Python's own is closed here, as PEP 3333 asks, exactly once.
        let closed = Iterable::new(wrapper)?.try_close(py);
        self.send_head(Body::new(FileBody::new(file)))?;
        closed
    }
}

/// Whether there is, or may be, something to read. All others share one input, at its end.
fn has_body(environ: &Environ, input: &mut Arrived) -> bool {
    let headers = environ.headers();
    let declared = headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING);
    declared || !input.is_empty()
}

/// The pieces of a list or a tuple: there is nothing to wait for, and nothing to close.
fn ready_pieces(returned: &Bound<'_, PyAny>, crew: &Arc<Crew>) -> Option<PyResult<Vec<Bytes>>> {
    let copied = |piece: Bound<'_, PyAny>| Ok(piece_of(bytes_of(&piece)?, crew));
    let is_empty = |piece: &PyResult<Bytes>| !matches!(piece, Ok(piece) if piece.is_empty());
    if let Ok(list) = returned.cast_exact::<PyList>() {
        return Some(list.iter().map(copied).filter(is_empty).collect());
    }
    let tuple = returned.cast_exact::<PyTuple>().ok()?;
    Some(tuple.iter().map(copied).filter(is_empty).collect())
}

impl Answering for Call {
    fn has_head(&self) -> bool {
        self.exchange().head.is_some()
    }

    fn head_is_sent(&self) -> bool {
        self.exchange().sent
    }

    fn set_head(&self, head: Head) {
        self.exchange().head = Some(head);
    }

    fn write(&self, py: Python<'_>, piece: Bytes) -> PyResult<()> {
        if piece.is_empty() {
            return match self.has_head() {
                true => Ok(()),
                false => Err(PyAssertionError::new_err("write() before start_response()")),
            };
        }
        let stream = self.stream()?;
        if self.bodiless {
            return Ok(());
        }
        Ok(py.detach(|| stream.write(piece))?)
    }
}

impl Run for Call {
    fn run(self: Arc<Self>, py: Python<'_>) {
        let mut progress = self.lock();
        let asked = mem::replace(&mut progress.stage, Stage::Running);
        let Stage::Asked { parts, input } = asked else {
            progress.stage = Stage::Over;
            return;
        };
        drop(progress);
        if self.cancellation.is_cancelled() {
            self.settle(Err(Error::msg("the client has gone away")));
            return;
        }
        let environ = Environ::new(parts, ());
        self.respond(py, &environ, input);
    }

    fn place(&self) -> Option<Origin> {
        self.may_wait.then(|| self.origin.clone())
    }
}
