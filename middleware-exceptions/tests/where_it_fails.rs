//! Every stage at which a request can fail: never a dropped connection where a response was still
//! possible, always one log record with the id.
#![expect(clippy::panic, reason = "panics are what is tested")]

mod support;

use std::{
    convert::Infallible,
    future::{Future, Ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gateway_core::BoxError;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use middleware_exceptions::Stage;
use support::{Boxed, Log, Never, Script, Step, Taken, ask, handler, layer, ok, streaming, take};
use tower::{Layer as _, ServiceExt as _};
use tower_service::Service;

/// The layer that notes at which stage things failed.
fn staged() -> (
    middleware_exceptions::ExceptionsLayer,
    Arc<std::sync::Mutex<Vec<Stage>>>,
) {
    let stages = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&stages);
    (
        layer().on_report(move |report| seen.lock().unwrap().push(report.stage())),
        stages,
    )
}

async fn fails_cleanly<S, R>(service: S, stage: Stage)
where
    S: Service<Request<Boxed>, Response = Response<R>>,
    S::Error: Into<BoxError> + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError> + 'static,
{
    let log = Log::new();
    let (layer, stages) = staged();
    let taken = ask(&layer, service).await;
    taken.assert_clean_500();
    assert!(log.only().await.contains(&format!("id={} ", taken.id())));
    assert_eq!(*stages.lock().unwrap(), [stage]);
}

fn boom() {
    panic!("boom")
}

#[tokio::test]
async fn handler_at_its_first_poll() {
    fails_cleanly(
        handler(async |_| -> Never { panic!("boom") }),
        Stage::Future,
    )
    .await;
}

#[tokio::test]
async fn handler_after_an_await() {
    let handler = handler(async |_| -> Never {
        tokio::task::yield_now().await;
        panic!("boom")
    });
    fails_cleanly(handler, Stage::Future).await;
}

#[tokio::test]
async fn nested_sync() {
    fn outer() {
        boom();
    }
    let handler = handler(async |_| -> Never {
        outer();
        Ok(ok("ok"))
    });
    fails_cleanly(handler, Stage::Future).await;
}

#[tokio::test]
async fn nested_async() {
    async fn inner() {
        tokio::task::yield_now().await;
        boom();
    }
    let handler = handler(async |_| -> Never {
        inner().await;
        Ok(ok("ok"))
    });
    fails_cleanly(handler, Stage::Future).await;
}

#[tokio::test]
async fn handler_that_returns_an_error() {
    let handler = handler(async |_| Err::<Response<Full<Bytes>>, BoxError>("no database".into()));
    fails_cleanly(handler, Stage::Future).await;
}

#[tokio::test]
async fn in_call() {
    let service = tower::service_fn(|_: Request<Boxed>| -> Ready<Never> { panic!("boom") });
    fails_cleanly(service, Stage::Call).await;
}

/// Fails in `poll_ready`, the first time only, and never expects a call before it is ready.
struct Unready {
    fail: Option<fn() -> Result<(), BoxError>>,
    ready: bool,
}

impl Service<Request<Boxed>> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(fail) = self.fail.take() {
            return Poll::Ready(fail());
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Boxed>) -> Self::Future {
        assert!(self.ready, "called without readiness");
        std::future::ready(Ok(ok("ok")))
    }
}

#[tokio::test]
async fn in_poll_ready_by_panic() {
    let fail = || panic!("boom");
    fails_cleanly(
        Unready {
            fail: Some(fail),
            ready: false,
        },
        Stage::Ready,
    )
    .await;
}

#[tokio::test]
async fn in_poll_ready_by_an_error() {
    let fail = || Err("shut down".into());
    fails_cleanly(
        Unready {
            fail: Some(fail),
            ready: false,
        },
        Stage::Ready,
    )
    .await;
}

#[tokio::test]
async fn a_service_that_was_not_ready_once_answers_the_next_request() {
    let log = Log::new();
    let inner = Unready {
        fail: Some(|| Err("not yet".into())),
        ready: false,
    };
    let mut service = layer().layer(inner);
    let request = || Request::get("/").body(support_body()).unwrap();
    let Ok(response) = service.ready().await.unwrap().call(request()).await;
    assert_eq!(take(response).await.status, 500);
    let Ok(response) = service.ready().await.unwrap().call(request()).await;
    assert_eq!(take(response).await.text, "ok");
    log.only().await;
}

#[tokio::test]
async fn in_poll_ready_with_no_call_to_follow_is_logged() {
    let log = Log::new();
    let mut service = layer().layer(Unready {
        fail: Some(|| panic!("boom")),
        ready: false,
    });
    service.ready().await.unwrap();
    drop(service);
    assert!(log.only().await.contains("boom"));
}

fn support_body() -> Boxed {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn request_body() {
    let log = Log::new();
    let service = layer().layer(handler(async |request: Request<Boxed>| {
        let body = request.into_body().collect().await?;
        Ok::<_, BoxError>(Response::new(Full::new(body.to_bytes())))
    }));
    for step in [Step::Panic, Step::Fail("reset by peer")] {
        let body = Script::new([Step::Chunk("half"), Step::Pending, step]).boxed_unsync();
        let request = Request::post("/upload").body(body).unwrap();
        let Ok(response) = service.clone().oneshot(request).await;
        let taken = take(response).await;
        taken.assert_clean_500();
        assert!(log.only().await.contains(&taken.id()));
    }
}

#[tokio::test]
async fn body_at_its_first_poll() {
    for step in [|| Step::Panic, || Step::Fail("disk")] {
        let handler = handler(move |_| async move { streaming(Script::new([step()])) });
        fails_cleanly(handler, Stage::BodyStart).await;
    }
}

#[tokio::test]
async fn body_after_a_first_poll_that_was_pending() {
    for step in [|| Step::Panic, || Step::Fail("disk")] {
        let log = Log::new();
        let (layer, stages) = staged();
        let handler =
            handler(move |_| async move { streaming(Script::new([Step::Pending, step()])) });
        let taken = ask(&layer, handler).await;
        assert_eq!(taken.status, 200);
        let id = id_of(taken.error.as_deref());
        assert!(log.only().await.contains(&id));
        assert_eq!(*stages.lock().unwrap(), [Stage::Body]);
    }
}

fn id_of(error: Option<&str>) -> String {
    let (_, rest) = error
        .expect("an error")
        .split_once("error id ")
        .expect("an id");
    rest.trim_end_matches(')').to_owned()
}

#[tokio::test]
async fn body_after_a_chunk() {
    for step in [|| Step::Panic, || Step::Fail("disk")] {
        let log = Log::new();
        let handler = handler(move |_| async move {
            streaming(Script::new([
                Step::Chunk("first chunk\n"),
                Step::Wait(30),
                step(),
            ]))
        });
        let taken = ask(&layer(), handler).await;
        assert_eq!(
            (taken.status.as_u16(), taken.text.as_str()),
            (200, "first chunk\n")
        );
        assert!(log.only().await.contains(&id_of(taken.error.as_deref())));
    }
}

#[tokio::test]
async fn body_at_the_very_next_poll() {
    let log = Log::new();
    let handler =
        handler(async |_| streaming(Script::new([Step::Chunk("first chunk\n"), Step::Panic])));
    let taken = ask(&layer(), handler).await;
    assert_eq!(taken.text, "first chunk\n");
    assert!(log.only().await.contains(&id_of(taken.error.as_deref())));
}

#[tokio::test]
async fn body_with_a_content_length() {
    let log = Log::new();
    let handler = handler(async |_| {
        let body = Script::new([Step::Chunk("12345"), Step::Pending, Step::Fail("disk")]);
        streaming(body.with_hint(SizeHint::with_exact(10)))
    });
    let taken = ask(&layer().append_to_text_bodies(), handler).await;
    assert_eq!(taken.text, "12345");
    assert!(log.only().await.contains(&id_of(taken.error.as_deref())));
}

#[tokio::test]
async fn trailers() {
    /// Its trailers panic.
    struct Late(u8);
    impl Body for Late {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 += 1;
            match self.0 {
                1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"all"))))),
                _ => panic!("no trailers"),
            }
        }
    }
    let log = Log::new();
    let taken = ask(
        &layer(),
        handler(async |_| Ok::<_, Infallible>(Response::new(Late(0)))),
    )
    .await;
    assert_eq!(taken.text, "all");
    assert!(log.only().await.contains(&id_of(taken.error.as_deref())));

    // And those that do not pass, whether or not something comes before them.
    let mut sent = HeaderMap::new();
    sent.insert("grpc-status", HeaderValue::from_static("0"));
    for chunks in 0..2 {
        let trailers = sent.clone();
        let handler = handler(move |_| {
            let mut steps: Vec<_> = (0..chunks).map(|_| Step::Chunk("chunk")).collect();
            steps.push(Step::Trailers(trailers.clone()));
            async { streaming(Script::new(steps)) }
        });
        let taken = ask(&layer(), handler).await;
        assert_eq!(taken.trailers.as_ref(), Some(&sent));
    }
    assert_eq!(log.take(), [""; 0]);
}

/// A body of one chunk whose hints panic, from the given poll on.
struct Hintless {
    polls: usize,
    size_from: usize,
    end_from: usize,
}

impl Body for Hintless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polls += 1;
        Poll::Ready((self.polls < 3).then(|| Ok(Frame::data(Bytes::from_static(b"x")))))
    }

    fn size_hint(&self) -> SizeHint {
        assert!(self.polls < self.size_from, "no size");
        SizeHint::default()
    }

    fn is_end_stream(&self) -> bool {
        assert!(self.polls < self.end_from, "no end");
        false
    }
}

#[tokio::test]
async fn size_hint_and_is_end_stream_before_the_head() {
    for (size_from, end_from) in [(0, 9), (9, 0)] {
        let handler = handler(move |_| async move {
            Ok::<_, Infallible>(Response::new(Hintless {
                polls: 0,
                size_from,
                end_from,
            }))
        });
        fails_cleanly(handler, Stage::BodyStart).await;
    }
}

#[tokio::test]
async fn size_hint_and_is_end_stream_after_the_head() {
    for (size_from, end_from) in [(1, 9), (9, 1)] {
        let log = Log::new();
        let (layer, stages) = staged();
        let service = layer.layer(handler(move |_| async move {
            Ok::<_, Infallible>(Response::new(Hintless {
                polls: 0,
                size_from,
                end_from,
            }))
        }));
        let Ok(response) = service.oneshot(Request::new(support_body())).await;
        let mut body = response.into_body();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "x"
        );
        for _ in 0..2 {
            assert_eq!(body.size_hint().exact(), None);
            assert!(!body.is_end_stream());
        }
        assert!(
            body.frame().await.unwrap().is_err(),
            "what is broken is cut"
        );
        assert!(body.frame().await.is_none());
        assert!(log.only().await.contains("no "));
        assert_eq!(*stages.lock().unwrap(), [Stage::BodyHint]);
    }
}

#[tokio::test]
async fn drop_of_a_whole_body() {
    let log = Log::new();
    let (layer, stages) = staged();
    let handler = handler(async |_| {
        streaming(Script::new([Step::Chunk("all of it")]).on_drop(|| panic!("boom in drop")))
    });
    let taken = ask(&layer, handler).await;
    assert_eq!(
        (taken.status.as_u16(), taken.text.as_str()),
        (200, "all of it")
    );
    assert_eq!(taken.error, None);
    assert!(log.only().await.contains("boom in drop"));
    assert_eq!(*stages.lock().unwrap(), [Stage::BodyDrop]);
}

#[tokio::test]
async fn drop_of_a_body_whose_client_is_gone() {
    let log = Log::new();
    let (layer, stages) = staged();
    let service = layer.layer(handler(async |_| {
        let endless = Script::new((0..100).map(|_| Step::Chunk("more")));
        streaming(endless.on_drop(|| panic!("boom in drop")))
    }));
    let Ok(response) = service.oneshot(Request::new(support_body())).await;
    drop(response);
    assert!(log.only().await.contains("boom in drop"));
    assert_eq!(*stages.lock().unwrap(), [Stage::BodyDrop]);
}

/// A future that answers at once (or never) and panics when it is dropped.
struct Leaver {
    answer: bool,
}

impl Future for Leaver {
    type Output = Never;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Never> {
        if self.answer {
            Poll::Ready(Ok(ok("answered")))
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        panic!("boom in drop");
    }
}

#[tokio::test]
async fn drop_of_the_handler_that_has_answered() {
    let log = Log::new();
    let (layer, stages) = staged();
    let taken = ask(
        &layer,
        tower::service_fn(|_: Request<Boxed>| Leaver { answer: true }),
    )
    .await;
    assert_eq!(taken.text, "answered");
    assert!(log.only().await.contains("boom in drop"));
    assert_eq!(*stages.lock().unwrap(), [Stage::FutureDrop]);
}

#[tokio::test]
async fn the_handler_is_gone_before_its_body_is_polled() {
    #[derive(Clone)]
    struct Gone(Arc<AtomicUsize>);
    impl Body for Gone {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            assert_eq!(self.0.load(Ordering::Relaxed), 1);
            Poll::Ready(None)
        }
    }
    struct Handler(Gone);
    impl Future for Handler {
        type Output = Result<Response<Gone>, Infallible>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(Response::new(self.0.clone())))
        }
    }
    impl Drop for Handler {
        fn drop(&mut self) {
            (self.0.0).fetch_add(1, Ordering::Relaxed);
        }
    }
    let gone = Gone(Arc::default());
    let handler = tower::service_fn(|_: Request<Boxed>| Handler(gone.clone()));
    assert_eq!(ask(&layer(), handler).await.status, 200);
}

#[tokio::test]
async fn layers_on_one_thread_keep_to_themselves_and_leave_nothing() {
    let log = Log::new();
    let (observing, stages) = staged();
    for _ in 0..3 {
        for plain in [&layer(), &layer()] {
            ask(plain, handler(async |_| Never::Ok(ok("fine")))).await;
            let failing = handler(async |_| -> Never { panic!("not yours") });
            ask(plain, failing).await.assert_clean_500();
        }
        ask(&observing, handler(async |_| Never::Ok(ok("fine")))).await;
        assert_eq!(*stages.lock().unwrap(), []);
    }
    let failing = handler(async |_| -> Never { panic!("mine") });
    ask(&observing, failing).await.assert_clean_500();
    assert_eq!(*stages.lock().unwrap(), [Stage::Future]);
    assert_eq!(log.take().len(), 7);
    drop(observing);
    assert_eq!(Arc::strong_count(&stages), 1, "what its closures own");
}

#[tokio::test]
async fn drop_of_the_handler_whose_client_is_gone() {
    let log = Log::new();
    let (layer, stages) = staged();
    let service = layer.layer(tower::service_fn(|_: Request<Boxed>| Leaver {
        answer: false,
    }));
    let call = service.oneshot(Request::new(support_body()));
    // Polled once, and dropped.
    assert!(call.now_or_never().is_none());
    assert!(log.only().await.contains("boom in drop"));
    assert_eq!(*stages.lock().unwrap(), [Stage::FutureDrop]);
}

#[tokio::test]
async fn a_failing_handler_and_a_failing_drop_are_one_failure() {
    struct Both;
    impl Future for Both {
        type Output = Never;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Never> {
            panic!("boom in poll")
        }
    }
    impl Drop for Both {
        fn drop(&mut self) {
            panic!("boom in drop");
        }
    }
    let log = Log::new();
    ask(&layer(), tower::service_fn(|_: Request<Boxed>| Both))
        .await
        .assert_clean_500();
    assert!(log.only().await.contains("boom in poll"));

    // And so with a body, before the head and after.
    for steps in [vec![Step::Panic], vec![Step::Pending, Step::Panic]] {
        let steps = std::sync::Mutex::new(Some(steps));
        let handler = tower::service_fn(|_: Request<Boxed>| {
            let steps = steps.lock().unwrap().take().unwrap();
            let body = Script::new(steps).on_drop(|| panic!("boom in drop"));
            std::future::ready(streaming(body))
        });
        ask(&layer(), handler).await;
        assert!(log.only().await.contains("boom in the body"));
    }
}

#[tokio::test]
async fn an_observer_that_panics_is_contained() {
    let log = Log::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let layer = layer().on_report(|_| panic!("observer")).on_report(|_| {
        CALLS.fetch_add(1, Ordering::Relaxed);
    });
    ask(&layer, handler(async |_| -> Never { panic!("boom") }))
        .await
        .assert_clean_500();
    assert_eq!(
        CALLS.load(Ordering::Relaxed),
        1,
        "the next observer is called all the same"
    );
    let records = log.take();
    let errors: Vec<_> = records
        .iter()
        .filter(|record| record.starts_with("ERROR"))
        .collect();
    assert_eq!(errors.len(), 1, "{records:#?}");
    assert!(
        records
            .iter()
            .any(|record| record.contains("an observer panicked: observer"))
    );
}

#[tokio::test]
async fn a_formatter_that_panics_is_contained() {
    let log = Log::new();
    let layer = layer().render_with(|_| panic!("renderer"));
    let taken = ask(&layer, handler(async |_| -> Never { panic!("boom") })).await;
    taken.assert_clean_500();
    assert!(log.only().await.contains("boom"));
}

#[tokio::test]
async fn a_subscriber_that_panics_is_contained() {
    struct Bad;
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Bad {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            panic!("subscriber");
        }
    }
    use tracing_subscriber::prelude::*;
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Bad));
    ask(&layer(), handler(async |_| -> Never { panic!("boom") }))
        .await
        .assert_clean_500();
}

#[tokio::test]
async fn a_client_that_leaves_while_the_failure_is_reported_does_not_silence_it() {
    let log = Log::new();
    let service = layer().layer(handler(async |_| {
        streaming(Script::new([Step::Chunk("chunk"), Step::Panic]))
    }));
    let Ok(response) = service.oneshot(Request::new(support_body())).await;
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
    // Failing: pending, until what came before is flushed. Then the client goes.
    let waiting = futures_util::FutureExt::now_or_never(body.frame());
    assert!(waiting.is_none());
    drop(body);
    assert!(log.only().await.contains("boom in the body"));
}

#[tokio::test]
async fn nested_layers_answer_and_log_once() {
    let log = Log::new();
    static REPORTS: AtomicUsize = AtomicUsize::new(0);
    let count = || {
        layer().on_report(|_| {
            REPORTS.fetch_add(1, Ordering::Relaxed);
        })
    };
    let steps: [(fn() -> Script, u16); 2] = [
        (|| Script::new([Step::Panic]), 500),
        (
            || Script::new([Step::Chunk("chunk"), Step::Pending, Step::Panic]),
            200,
        ),
    ];
    for (script, status) in steps {
        let inner = count().layer(handler(move |_| async move {
            Ok::<_, Infallible>(Response::new(script()))
        }));
        let taken = ask(&count(), inner).await;
        assert_eq!(taken.status.as_u16(), status);
        log.only().await;
        assert_eq!(REPORTS.swap(0, Ordering::Relaxed), 1);
    }
}

/// Says of itself, or by its source, that it has been reported; or panics when it is asked.
#[derive(Debug)]
enum Sourced {
    Reported,
    Panicking,
}

impl std::fmt::Display for Sourced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut off")
    }
}

impl std::error::Error for Sourced {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Reported => Some(&gateway_core::error::Reported),
            Self::Panicking => panic!("boom in source"),
        }
    }
}

async fn body_that_ends_in(error: Sourced) -> Taken {
    let error = std::sync::Mutex::new(Some(error));
    let service = handler(|_| {
        let error = error.lock().unwrap().take().unwrap();
        let chunks = [Ok(Bytes::from_static(b"half")), Err(error)];
        let frames = futures_util::stream::iter(chunks.map(|chunk| chunk.map(Frame::data)));
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(frames))) }
    });
    ask(&layer(), service).await
}

/// The panic once went up into the server, and nothing was logged.
#[tokio::test]
async fn body_that_ends_in_an_error_whose_source_panics() {
    let log = Log::new();
    let taken = body_that_ends_in(Sourced::Panicking).await;
    assert_eq!(taken.text, "half");
    let id = id_of(taken.error.as_deref());
    let record = log.only().await;
    assert!(
        record.contains(&id) && record.contains("cut off"),
        "{record}"
    );
}

#[tokio::test]
async fn body_that_ends_in_an_error_that_was_reported_elsewhere() {
    let log = Log::new();
    let taken = body_that_ends_in(Sourced::Reported).await;
    assert_eq!((taken.text.as_str(), taken.error.is_some()), ("half", true));
    assert_eq!(log.take(), [""; 0]);
}
