//! The states of one request to [`StaticFiles`](crate::StaticFiles).

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode, Uri};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::answer::response::empty;
use crate::body::ResponseBody;
use crate::facts::{Reading, Ticket};
use crate::lookup::file_request::{FileRequest, OwnedFileRequest};
use crate::site::Site;
use crate::source::Wait;

/// The response of [`StaticFiles`](crate::StaticFiles) and [`StaticFile`](crate::StaticFile): ready at once where everything
/// is in memory, and otherwise after one job on a thread that may block.
pub struct ResponseFuture {
    state: Lookup<Response<ResponseBody>>,
}

impl ResponseFuture {
    pub(crate) fn new(site: &Arc<Site>, request: &FileRequest<'_>, uri: &Uri) -> Self {
        Self {
            state: Lookup::start(site, request, uri, Site::answer),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.state.poll(context));
        Poll::Ready(Ok(answer.unwrap_or_else(empty)))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A look-up: done, running on a thread that may block, or waiting until a file has been read. A look-up that fails gives
/// the status to answer with.
pub(crate) enum Lookup<T> {
    Done(Option<Result<T, StatusCode>>),
    Waiting(JoinHandle<(Box<Retry<T>>, io::Result<T>)>),
    Reading(Box<(Ticket, Box<Retry<T>>)>),
}

/// Everything that a look-up needs to start again.
pub(crate) struct Retry<T> {
    site: Arc<Site>,
    request: OwnedFileRequest,
    look: LookUp<T>,
}

type LookUp<T> = fn(&Site, &FileRequest<'_>, Wait) -> io::Result<T>;

impl<T: Send + 'static> Lookup<T> {
    /// Tries the look-up without waiting. If it would have to wait, repeats all of it on a thread that may block.
    pub(crate) fn start(
        site: &Arc<Site>,
        request: &FileRequest<'_>,
        uri: &Uri,
        look: LookUp<T>,
    ) -> Self {
        match look(site, request, Wait::Never) {
            Ok(found) => Self::Done(Some(Ok(found))),
            Err(error) => {
                // The only clone of a head: reading from the disk costs far more.
                let (site, request) = (Arc::clone(site), OwnedFileRequest::new(request, uri));
                Self::again(
                    Box::new(Retry {
                        site,
                        request,
                        look,
                    }),
                    error,
                )
            }
        }
    }

    /// Decides how to go on after an attempt that would have had to wait.
    fn again(mut retry: Box<Retry<T>>, error: io::Error) -> Self {
        let runtime = Handle::try_current();
        match (Reading::in_error(error), runtime) {
            (Ok(reading), Ok(_)) => Self::Reading(Box::new((reading.ticket(), retry))),
            (Err(_), Ok(runtime)) => Self::Waiting(runtime.spawn_blocking(move || {
                let looked = retry.look(Wait::Allowed);
                (retry, looked)
            })),
            // No runtime (CGI): no other request waits for this thread.
            (reading, Err(_)) => {
                if let Ok(reading) = reading {
                    reading.here(&mut retry.request.findings);
                }
                Self::Done(Some(retry.look_here()))
            }
        }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, StatusCode>> {
        loop {
            let next = match std::mem::replace(self, Self::Done(None)) {
                Self::Done(done) => {
                    return Poll::Ready(done.unwrap_or(Err(StatusCode::INTERNAL_SERVER_ERROR)));
                }
                Self::Waiting(mut waiting) => match Pin::new(&mut waiting).poll(context) {
                    Poll::Pending => {
                        *self = Self::Waiting(waiting);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((retry, looked))) => retry.resume(looked),
                    // A source of the user's panicked. Panic here, so that a layer that catches panics sees it.
                    Poll::Ready(Err(error)) if error.is_panic() => {
                        std::panic::resume_unwind(error.into_panic())
                    }
                    Poll::Ready(Err(_)) => Self::Done(Some(Err(StatusCode::SERVICE_UNAVAILABLE))),
                },
                Self::Reading(mut reading) => match Pin::new(&mut reading.0).poll(context) {
                    Poll::Pending => {
                        *self = Self::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready((fact, finding)) => {
                        let (_, mut retry) = *reading;
                        retry.request.findings.add(fact, finding);
                        match retry.look(Wait::Never) {
                            Ok(found) => Self::Done(Some(Ok(found))),
                            Err(error) => Self::again(retry, error),
                        }
                    }
                },
            };
            *self = next;
        }
    }
}

impl<T: Send + 'static> Retry<T> {
    fn look(&self, wait: Wait) -> io::Result<T> {
        (self.look)(&self.site, &self.request.borrowed(), wait)
    }

    /// Goes on after a look-up that was allowed to wait: only a reading can still be missing.
    fn resume(self: Box<Self>, looked: io::Result<T>) -> Lookup<T> {
        match looked.map_err(Reading::in_error) {
            Ok(found) => Lookup::Done(Some(Ok(found))),
            Err(Ok(reading)) => Lookup::again(self, reading.into()),
            // The source may wait now, and still says `WouldBlock`.
            Err(Err(_)) => Lookup::Done(Some(Err(StatusCode::INTERNAL_SERVER_ERROR))),
        }
    }

    /// Does the whole look-up on the present thread.
    fn look_here(mut self: Box<Self>) -> Result<T, StatusCode> {
        loop {
            match self.look(Wait::Allowed).map_err(Reading::in_error) {
                Ok(found) => return Ok(found),
                Err(Ok(reading)) => reading.here(&mut self.request.findings),
                Err(Err(_)) => return Err(StatusCode::INTERNAL_SERVER_ERROR),
            }
        }
    }
}
