//! Files below a prefix; everything else goes to the inner service.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::BoxError;
use gateway_core::body::{FileBody, Piece};
#[doc(no_inline)]
pub use gateway_core::paths::{InvalidPrefix, Prefix};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::response::empty;
use crate::body::ResponseBody;
use crate::files::StaticFiles;
use crate::future::Lookup;
use crate::lookup::file_request::{FileRequest, last_segment};
use crate::site::{Resolution, Site};

/// Serves what is below a prefix and hands every other request to the inner service, untouched.
///
/// See the [front page](crate) for an example.
#[derive(Debug, Clone)]
pub struct StaticLayer {
    prefix: Prefix,
    files: StaticFiles,
    fall_through: bool,
}

impl StaticLayer {
    /// Serves the files below `root` at `prefix`, a literal path such as `/public`. It ends at the edge of a segment: `/public` has
    /// nothing to do with `/public2`.
    ///
    /// # Errors
    ///
    /// `prefix` does not begin with `/` or has an empty segment; see [`Prefix::new`].
    pub fn new(prefix: &str, root: impl Into<PathBuf>) -> Result<Self, InvalidPrefix> {
        Self::with_files(prefix, StaticFiles::new(root))
    }

    /// The same with files that have settings.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_files(prefix: &str, files: StaticFiles) -> Result<Self, InvalidPrefix> {
        Ok(Self {
            prefix: Prefix::new(prefix)?,
            files,
            fall_through: false,
        })
    }

    /// Hands what is missing below the prefix to the inner service too. Default: it is a 404.
    ///
    /// The inner service sees the request as it came, prefix and all. A directory counts as missing, with or without
    /// the slash at its end, where it has no index and is not listed. Pages that stand in for what is missing
    /// ([`spa`](StaticFiles::spa), [`not_found_page`](StaticFiles::not_found_page)) are then the inner service's affair.
    #[must_use]
    pub fn fall_through(mut self) -> Self {
        self.fall_through = true;
        self
    }
}

impl<S> Layer<S> for StaticLayer {
    type Service = Static<S>;

    fn layer(&self, inner: S) -> Static<S> {
        Static {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`StaticLayer`] makes.
///
/// It is always ready, also while the inner service is not: a saturated application does not keep its own style sheets
/// waiting. Each request that is for the inner service goes to a clone of it, and its future waits until that is ready.
/// So what limits the application (a concurrency limit, load shedding) still does, and a layer outside of this
/// one sees no more of its backpressure.
#[derive(Debug, Clone)]
pub struct Static<S> {
    inner: S,
    layer: StaticLayer,
}

impl Static<()> {
    /// The layer that makes such services: [`StaticLayer::new`].
    ///
    /// # Errors
    ///
    /// As [`StaticLayer::new`].
    pub fn layer(prefix: &str, root: impl Into<PathBuf>) -> Result<StaticLayer, InvalidPrefix> {
        StaticLayer::new(prefix, root)
    }
}

impl<S> Static<S> {
    /// Serves the files below `root` at `prefix`, in front of `inner`.
    ///
    /// # Errors
    ///
    /// As [`StaticLayer::new`].
    pub fn new(inner: S, prefix: &str, root: impl Into<PathBuf>) -> Result<Self, InvalidPrefix> {
        Ok(StaticLayer::new(prefix, root)?.layer(inner))
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, given back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Static<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Response = Response<LayerBody<R>>;
    type Error = S::Error;
    type Future = LayerFuture<S, B, S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let end = self.layer.prefix.matched_in(path);
        let (path, bare) = match end.and_then(|end| path.split_at_checked(end)) {
            Some((prefix, "")) => ("/", last_segment(prefix)),
            Some((_, path)) => (path, None),
            None => return LayerFuture::pass(self.inner.clone(), request),
        };
        let files = self.layer.files.site();
        let file_request = FileRequest {
            falls_through: self.layer.fall_through,
            ..FileRequest::new(
                request.method(),
                request.uri(),
                path,
                request.headers(),
                bare,
            )
        };
        if !self.layer.fall_through {
            return LayerFuture::look_up(
                Lookup::start(files, &file_request, request.uri(), answer),
                None,
            );
        }
        match Lookup::start(files, &file_request, request.uri(), Site::respond) {
            Lookup::Done(Some(Ok(Resolution::Missing(_)))) => {
                LayerFuture::pass(self.inner.clone(), request)
            }
            done @ Lookup::Done(_) => LayerFuture::look_up(done, None),
            waiting @ (Lookup::Waiting(_) | Lookup::Reading(_)) => {
                LayerFuture::look_up(waiting, Some((self.inner.clone(), request)))
            }
        }
    }
}

/// As [`Site::answer`], for a layer that keeps what is missing.
fn answer(
    site: &Site,
    file_request: &FileRequest<'_>,
    wait: crate::source::Wait,
) -> io::Result<Resolution> {
    site.answer(file_request, wait).map(Resolution::Answer)
}

pin_project! {
    /// The answer of a [`Static`].
    pub struct LayerFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        LookingUp { lookup: Lookup<Resolution>, otherwise: Option<(S, Request<B>)> },
        // The clone that is polled ready is the one that takes the call.
        Waiting { passing: Option<(S, Request<B>)> },
        Passed { #[pin] future: F },
    }
}

impl<S, B, F> LayerFuture<S, B, F> {
    fn look_up(lookup: Lookup<Resolution>, otherwise: Option<(S, Request<B>)>) -> Self {
        Self {
            state: State::LookingUp { lookup, otherwise },
        }
    }

    fn pass(inner: S, request: Request<B>) -> Self {
        let passing = Some((inner, request));
        Self {
            state: State::Waiting { passing },
        }
    }
}

impl<S, B, R> Future for LayerFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<LayerBody<R>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                StateProj::Passed { future } => {
                    return future
                        .poll(context)
                        .map_ok(|response| response.map(LayerBody::inner));
                }
                StateProj::Waiting { passing } => {
                    if let Some((inner, _)) = passing {
                        ready!(inner.poll_ready(context))?;
                    }
                    let Some((mut inner, request)) = passing.take() else {
                        // Polled again after it was ready with an error.
                        return Poll::Ready(Ok(
                            empty(StatusCode::INTERNAL_SERVER_ERROR).map(LayerBody::file)
                        ));
                    };
                    let future = inner.call(request);
                    State::Passed { future }
                }
                StateProj::LookingUp { lookup, otherwise } => {
                    match (ready!(lookup.poll(context)), otherwise.take()) {
                        (Ok(Resolution::Missing(_)), passing @ Some(_)) => {
                            State::Waiting { passing }
                        }
                        (Ok(Resolution::Answer(response)), _) => {
                            return Poll::Ready(Ok(response.map(LayerBody::file)));
                        }
                        (Ok(Resolution::Missing(status)) | Err(status), _) => {
                            return Poll::Ready(Ok(empty(status).map(LayerBody::file)));
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, B, F> fmt::Debug for LayerFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// A file's body, or the inner service's, every frame as it comes.
    #[derive(Debug)]
    pub struct LayerBody<R> {
        #[pin]
        kind: Kind<R>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<R> {
        Inner { #[pin] body: R },
        File { body: ResponseBody },
    }
}

impl<R> LayerBody<R> {
    fn inner(body: R) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    fn file(body: ResponseBody) -> Self {
        Self {
            kind: Kind::File { body },
        }
    }
}

impl<R> Default for LayerBody<R> {
    fn default() -> Self {
        Self::file(ResponseBody::default())
    }
}

impl<R: Body<Data = Bytes, Error: Into<BoxError>>> Body for LayerBody<R> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body
                .poll_frame(context)
                .map_err(|error| BodyError::Inner(error.into())),
            KindProj::File { body } => Pin::new(body).poll_frame(context).map_err(BodyError::File),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::File { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::File { body } => body.size_hint(),
        }
    }
}

impl<R: Body<Data = Bytes, Error: Into<BoxError>>> FileBody for LayerBody<R> {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, BodyError>>> {
        if let KindProj::File { body } = self.as_mut().project().kind.project() {
            return Pin::new(body).poll_piece(context).map_err(BodyError::File);
        }
        self.poll_frame(context)
            .map(|frame| frame.map(|frame| frame.map(Piece::Frame)))
    }
}

/// Why a [`LayerBody`] broke off.
#[derive(Debug)]
pub enum BodyError {
    /// The inner service's body failed: its own error, to be downcast.
    Inner(BoxError),
    /// A file could not be read to the end that was promised.
    File(io::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "the inner service's body broke off",
            Self::File(_) => "the file could not be read to its end",
        })
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Inner(error) => Some(&**error),
            Self::File(error) => Some(error),
        }
    }
}
