//! The vocabulary of these tests: a log that is looked into, and responses taken apart.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::allow_attributes,
    reason = "every test binary uses its own part of it"
)]

use std::{
    convert::Infallible,
    fmt::Debug,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, Once},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gateway_core::BoxError;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use middleware_exceptions::ExceptionsLayer;
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _};
use tower_service::Service;
use tracing::{Event, Subscriber, field::Visit, subscriber::DefaultGuard};
use tracing_subscriber::{Layer, layer::Context as LayerContext, prelude::*};

pub type Boxed = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// The error events of this thread since it was made.
pub struct Log {
    records: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Log {
    pub fn new() -> Self {
        keep_events_enabled();
        let records = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry()
            .with(tracing_error::ErrorLayer::default())
            .with(Recorder(Arc::clone(&records)));
        Self {
            records,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.records.lock().unwrap())
    }

    /// The one record there is; waits for one that comes from another thread.
    pub async fn only(&self) -> String {
        for _ in 0..6000 {
            let records = self.take();
            match <[String; 1]>::try_from(records) {
                Ok([record]) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    assert_eq!(self.take(), [""; 0], "there is one record only");
                    return record;
                }
                Err(records) => assert!(records.is_empty(), "one record: {records:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("nothing was logged");
    }
}

/// While one subscriber exists, tracing asks the default of whichever thread meets an event first
/// whether anybody cares, and keeps the answer for all threads. A test without a [`Log`] would
/// switch the events of its neighbours off. A global default that always cares prevents it.
fn keep_events_enabled() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("nobody else sets one");
    });
}

struct Recorder(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        struct Fields(String);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                self.0.push_str(&format!("{field}={value} "));
            }
        }
        if event.metadata().target() == "middleware_exceptions" {
            let mut fields = Fields(format!("{} ", event.metadata().level()));
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }
}

/// A response with all of its body, and how that ended.
#[derive(Debug)]
pub struct Taken {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub trailers: Option<HeaderMap>,
    pub error: Option<String>,
}

impl Taken {
    pub fn id(&self) -> String {
        let (_, rest) = self
            .text
            .split_once("Error ID: ")
            .unwrap_or_else(|| panic!("{self:#?}"));
        let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        assert_eq!(id.len(), 16, "{self:#?}");
        id
    }

    /// A failure whose head had not gone out: asserts all that always holds.
    #[track_caller]
    pub fn assert_clean_500(&self) {
        assert_eq!(self.status, StatusCode::INTERNAL_SERVER_ERROR, "{self:#?}");
        assert_eq!(self.headers["cache-control"], "no-store");
        assert_eq!(self.headers["x-content-type-options"], "nosniff");
        assert_eq!(
            self.headers["content-length"],
            self.text.len().to_string().as_str()
        );
        assert_eq!(self.error, None);
        assert_eq!(self.id().len(), 16);
    }
}

pub async fn take<B>(response: Response<B>) -> Taken
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let (parts, mut body) = response.into_parts();
    let mut taken = Taken {
        status: parts.status,
        headers: parts.headers,
        text: String::new(),
        trailers: None,
        error: None,
    };
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) if frame.is_data() => {
                taken
                    .text
                    .push_str(str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
            Ok(frame) => taken.trailers = frame.into_trailers().ok(),
            Err(error) => {
                let error: BoxError = error.into();
                taken.error = Some(error.to_string());
                break;
            }
        }
    }
    for _ in 0..3 {
        assert!(
            body.frame().await.is_none(),
            "a body that has ended yields None for ever"
        );
    }
    taken
}

/// A service from an async closure that answers or fails.
pub fn handler<F, Fut, B, E>(
    run: F,
) -> impl Service<Request<Boxed>, Response = Response<B>, Error = E, Future = Fut> + Clone
where
    F: Fn(Request<Boxed>) -> Fut + Clone,
    Fut: Future<Output = Result<Response<B>, E>>,
{
    tower::service_fn(run)
}

/// Ready, called, polled and collected below the layer.
pub async fn ask<S, R>(layer: &ExceptionsLayer, service: S) -> Taken
where
    S: Service<Request<Boxed>, Response = Response<R>>,
    S::Error: Into<BoxError> + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError> + 'static,
{
    ask_for(layer, service, Request::get("/orders/7")).await
}

pub async fn ask_for<S, R>(
    layer: &ExceptionsLayer,
    service: S,
    request: http::request::Builder,
) -> Taken
where
    S: Service<Request<Boxed>, Response = Response<R>>,
    S::Error: Into<BoxError> + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError> + 'static,
{
    let request = request
        .body(Full::new(Bytes::new()).map_err(Into::into).boxed_unsync())
        .unwrap();
    let Ok(response) = layer.layer(service).oneshot(request).await;
    take(response).await
}

pub fn ok(text: &'static str) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())))
}

pub type Never = Result<Response<Full<Bytes>>, Infallible>;

/// One step of a scripted body.
pub enum Step {
    Chunk(&'static str),
    /// Pending once, woken at once.
    Pending,
    /// Pending, woken after so many milliseconds.
    Wait(u64),
    /// Pending until there is a permit.
    Permit(&'static Semaphore),
    Fail(&'static str),
    Panic,
    Trailers(HeaderMap),
}

/// A body that does what it is told.
#[derive(Default)]
pub struct Script {
    pub steps: std::collections::VecDeque<Step>,
    pub hint: SizeHint,
    pub on_drop: Option<Box<dyn FnOnce() + Send>>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut script = Self::default();
        script.steps = steps.into_iter().collect();
        script
    }

    pub fn with_hint(mut self, hint: SizeHint) -> Self {
        self.hint = hint;
        self
    }

    pub fn on_drop(mut self, run: impl FnOnce() + Send + 'static) -> Self {
        self.on_drop = Some(Box::new(run));
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(waiting) = &mut self.waiting {
            std::task::ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Chunk(text)) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Wait(millis)) => {
                let sleep = tokio::time::sleep(Duration::from_millis(millis));
                self.waiting = Some(Box::pin(sleep));
                self.poll_frame(cx)
            }
            Some(Step::Permit(permits)) => {
                self.waiting = Some(Box::pin(async {
                    permits
                        .acquire()
                        .await
                        .expect("it is never closed")
                        .forget();
                }));
                self.poll_frame(cx)
            }
            Some(Step::Fail(text)) => Poll::Ready(Some(Err(text.into()))),
            Some(Step::Panic) => panic!("boom in the body"),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Some(run) = self.on_drop.take() {
            run();
        }
    }
}

pub fn streaming(script: Script) -> Result<Response<Script>, Infallible> {
    Ok(Response::new(script))
}

/// The layer of these tests: quiet on stderr, and quick to end what has failed.
pub fn layer() -> ExceptionsLayer {
    keep_events_enabled();
    ExceptionsLayer::new()
        .silence_default_hook()
        .flush_time(Duration::from_millis(20))
}
