//! The states of one request to [`StaticFiles`](crate::StaticFiles).

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Response, StatusCode, Uri};
use tokio::task::JoinHandle;

use crate::answer::response::response;
use crate::body::ResponseBody;
use crate::lookup::ask::{Ask, OwnedAsk};
use crate::site::Site;
use crate::source::Wait;

/// What [`StaticFiles`](crate::StaticFiles) and [`StaticFile`](crate::StaticFile) answer: at once where everything
/// is in memory, and otherwise after one trip to a thread that may block.
pub struct ResponseFuture {
    state: Lookup<Response<ResponseBody>>,
}

impl ResponseFuture {
    pub(crate) fn new(site: &Arc<Site>, ask: &Ask<'_>, uri: &Uri) -> Self {
        Self {
            state: Lookup::start(site, ask, uri, Site::answer),
        }
    }

    pub(crate) fn done(answer: Response<ResponseBody>) -> Self {
        Self {
            state: Lookup::Done(Some(Ok(answer))),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.state.poll(context));
        Poll::Ready(Ok(answer.unwrap_or_else(bare)))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A look-up: done, or on a thread that may block. Where it comes to nothing there is a status instead.
pub(crate) enum Lookup<T> {
    Done(Option<Result<T, StatusCode>>),
    Waiting(JoinHandle<io::Result<T>>),
}

impl<T: Send + 'static> Lookup<T> {
    /// Asks without waiting; if that will not do, once more where waiting is allowed, for all of the look-up.
    pub(crate) fn start(
        site: &Arc<Site>,
        ask: &Ask<'_>,
        uri: &Uri,
        look: fn(&Site, &Ask<'_>, Wait) -> io::Result<T>,
    ) -> Self {
        match look(site, ask, Wait::Never) {
            Ok(found) => Self::Done(Some(Ok(found))),
            Err(_) => {
                // The one clone of a head: the kernel has to go to the disk, beside which it is nothing.
                let (site, owned) = (Arc::clone(site), OwnedAsk::new(ask, uri));
                let look = move || look(&site, &owned.ask(), Wait::Allowed);
                match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => Self::Waiting(runtime.spawn_blocking(look)),
                    // No runtime (CGI): nobody else is waiting for this thread.
                    Err(_) => {
                        Self::Done(Some(look().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)))
                    }
                }
            }
        }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, StatusCode>> {
        match self {
            Self::Done(done) => Poll::Ready(
                done.take()
                    .unwrap_or(Err(StatusCode::INTERNAL_SERVER_ERROR)),
            ),
            Self::Waiting(waiting) => Poll::Ready(match ready!(Pin::new(waiting).poll(context)) {
                // A source that must not wait no longer still said that it would.
                Ok(found) => found.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR),
                // Some source of the user's panicked: that is for whoever catches panics here.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
            }),
        }
    }
}

pub(crate) fn bare(status: StatusCode) -> Response<ResponseBody> {
    response(status, HeaderMap::new(), ResponseBody::empty())
}
