//! How little can it cost? A layer that catches at every stage and answers, as ours does, but knows nothing of the
//! request, has no settings and tells nobody.

use std::{
    any::Any,
    convert::Infallible,
    mem::ManuallyDrop,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use panic_capture::{Guard, Here, discard};
use pin_project_lite::pin_project;
use tower::Service;

/// Guards `poll_ready`, `call`, the future, the body and their drops. What fails before the head went out is a 500, the first
/// poll of the body included.
pub struct Least<S>(S);

impl<S> Least<S> {
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

pin_project! {
    pub struct LeastFuture<F> {
        #[pin]
        inner: Option<F>,
    }

    impl<F> PinnedDrop for LeastFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.inner.is_some() {
                this.leave();
            }
        }
    }
}

impl<F> LeastFuture<F> {
    #[cold]
    #[inline(never)]
    fn leave(self: Pin<&mut Self>) {
        let mut this = self.project();
        discard(caught(|| this.inner.set(None)));
    }
}

pub enum LeastBody<B> {
    Whole(Option<Bytes>),
    Watched(Option<B>),
}

type Panic = Box<dyn Any + Send>;

#[inline(always)]
fn caught<R>(run: impl FnOnce() -> R) -> Result<R, Panic> {
    let here = Here::new();
    Guard::enter(&here).catch(run)
}

#[cold]
#[inline(never)]
fn answer<B>(failed: Option<Panic>) -> Poll<Box<Response<LeastBody<B>>>> {
    discard(failed);
    let mut response = Response::new(LeastBody::Whole(None));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    Poll::Ready(Box::new(response))
}

impl<S, B, R> Service<Request<B>> for Least<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes> + Unpin,
{
    type Response = Response<LeastBody<R>>;
    type Error = Infallible;
    type Future = LeastFuture<S::Future>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        caught(|| self.0.poll_ready(cx)).unwrap_or(Poll::Ready(Ok(())))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = Some(request);
        let called = caught(|| match request.take() {
            Some(request) => self.0.call(request),
            None => unreachable!("it is taken once"),
        });
        match called {
            Ok(inner) => LeastFuture { inner: Some(inner) },
            Err(panic) => {
                discard(panic);
                LeastFuture { inner: None }
            }
        }
    }
}

enum Started {
    Whole(Bytes),
    Rest,
}

impl<F, R> Future for LeastFuture<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
    R: Body<Data = Bytes> + Unpin,
{
    type Output = Result<Response<LeastBody<R>>, Infallible>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(handler) = this.inner.as_mut().as_pin_mut() else {
            return failed(None);
        };
        let here = Here::new();
        let guard = Guard::enter(&here);
        let response = match guard.catch(|| handler.poll(cx)) {
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Pending) => return Poll::Pending,
            Err(panic) => return failed(Some(panic)),
        };
        let (parts, mut body) = response.into_parts();
        let parts = ManuallyDrop::new(parts);
        if let Err(panic) = guard.catch(|| this.inner.set(None)) {
            discard(panic);
        }
        let body = match guard.catch(|| start(&mut body, cx)) {
            Ok(Ok(Started::Whole(data))) => {
                discard(body);
                LeastBody::Whole(Some(data))
            }
            Ok(Ok(Started::Rest)) => LeastBody::Watched(Some(body)),
            Ok(Err(_)) => {
                discard((ManuallyDrop::into_inner(parts), body));
                return failed(None);
            }
            Err(panic) => {
                discard((ManuallyDrop::into_inner(parts), body));
                return failed(Some(panic));
            }
        };
        drop(guard);
        Poll::Ready(Ok(Response::from_parts(
            ManuallyDrop::into_inner(parts),
            body,
        )))
    }
}

#[inline(always)]
fn failed<B>(panic: Option<Panic>) -> Poll<Result<Response<LeastBody<B>>, Infallible>> {
    answer(panic).map(|response| Ok(*response))
}

/// What is not whole in its first frame loses that frame: nothing here is for use.
#[inline(always)]
fn start<B>(body: &mut B, cx: &mut Context<'_>) -> Result<Started, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Started::Rest);
    }
    let size = body.size_hint();
    match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) if size.exact() == Some(data.len() as u64) && body.is_end_stream() => {
                Ok(Started::Whole(data))
            }
            _ => Ok(Started::Rest),
        },
        Poll::Ready(Some(Err(error))) => Err(error),
        Poll::Ready(None) | Poll::Pending => Ok(Started::Rest),
    }
}

impl<B> Drop for LeastBody<B> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Self::Watched(body) = self {
            end(body);
        }
    }
}

#[inline(never)]
fn end<B>(body: &mut Option<B>) {
    discard(body.take());
}

impl<B: Body<Data = Bytes> + Unpin> LeastBody<B> {
    #[inline(never)]
    fn poll_watched(
        body: &mut Option<B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = body else {
            return Poll::Ready(None);
        };
        caught(|| Pin::new(body).poll_frame(cx)).unwrap_or(Poll::Ready(None))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for LeastBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline(always)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            Self::Whole(data) => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            Self::Watched(body) => Self::poll_watched(body, cx),
        }
    }

    #[inline(always)]
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.is_none(),
            Self::Watched(Some(body)) => caught(|| body.is_end_stream()).unwrap_or(false),
            Self::Watched(None) => true,
        }
    }

    #[inline(always)]
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
            Self::Watched(Some(body)) => caught(|| body.size_hint()).unwrap_or_default(),
            Self::Watched(None) => SizeHint::with_exact(0),
        }
    }
}
