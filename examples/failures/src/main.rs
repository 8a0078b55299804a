//! A server whose every route fails in a way of its own: `failures [--bind 127.0.0.1:8080] [--production]`.

use std::{
    error::Error,
    fmt,
    hint::black_box,
    io::{self, Write as _},
    panic::{panic_any, resume_unwind},
    pin::Pin,
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use gateway_core::{Application as _, Body, BoxError, Environ, Reply, RequestExt as _};
use gateway_server::{Outcome, http::Server};
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use middleware_exceptions::{ExceptionsLayer, redacted};
use tokio::time::{Sleep, sleep};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::Instrument as _;
use tracing_subscriber::prelude::*;

const USAGE: &str = "usage: failures [--bind HOST:PORT] [--production]

  --bind HOST:PORT  where to listen (default 127.0.0.1:8080; port 0 takes a free one)
  --production      tell clients no more than an id";

fn main() -> ExitCode {
    if std::env::args().any(|argument| ["--help", "-h"].contains(&&*argument)) {
        return match writeln!(io::stdout(), "{USAGE}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let Some((bind, production)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    gateway_server::block_on(serve(&bind, production)).unwrap_or_else(|error| {
        eprintln!("failures: {error}");
        ExitCode::FAILURE
    })
}

async fn serve(bind: &str, production: bool) -> io::Result<Outcome> {
    tracing_subscriber::registry()
        .with(tracing_subscriber::EnvFilter::new("info"))
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(false),
        )
        .with(tracing_error::ErrorLayer::default())
        .init();

    let mut exceptions = ExceptionsLayer::new().silence_default_hook();
    if !production {
        exceptions = exceptions.development_in_release();
    }
    let routes = service_fn(|request: Request<Body>| {
        let path = redacted(request.uri().path());
        let span = tracing::info_span!("request", method = %request.method(), path);
        route(request).instrument(span)
    });
    let plain = exceptions.clone().layer(routes);
    let appending = exceptions.append_to_text_bodies().layer(routes);
    let service = service_fn(move |request: Request<Body>| {
        let layered = match request.uri().path() {
            "/html-stream" => &appending,
            _ => &plain,
        };
        layered.clone().oneshot(request)
    });

    let server = Server::bind(bind)?;
    let addr = server.local_addr()?;
    writeln!(io::stdout(), "listening on http://{addr}")?;
    server.serve(service).await
}

fn arguments() -> Option<(String, bool)> {
    let mut bind = "127.0.0.1:8080".to_owned();
    let mut production = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bind" => bind = arguments.next()?,
            "--production" => production = true,
            _ => return None,
        }
    }
    Some((bind, production))
}

async fn route(request: Request<Body>) -> Result<Response<Body>, BoxError> {
    match request.uri().path() {
        "/ok" => Ok(text(Body::from("ok\n"))),
        "/panic" => panic!("boom {}", count()),
        "/panic-str" => panic!("a literal"),
        "/panic-any" => panic_any(42i32),
        "/error" => Ok(text(show_order(7)?)),
        "/anyhow" => Ok(text(read_settings()?)),
        "/panic-in-body" => Ok(text(failing(Failing::new(30, || {
            panic!("boom in the body")
        })))),
        "/error-in-body" => Ok(text(failing(Failing::new(30, || LoadError::Connection)))),
        "/panic-in-body-now" => Ok(text(failing(Failing::new(0, || panic!("boom at once"))))),
        "/panic-before-first-chunk" => {
            let mut body = Failing::new(0, || panic!("boom before the first chunk"));
            body.first = None;
            Ok(text(failing(body)))
        }
        "/panic-on-drop-of-body" => Ok(text(failing(Leaving(Some("all of it\n"))))),
        "/nested" => Ok(text(Body::from(outer_helper(count())))),
        "/async-nested" => Ok(text(async_outer(count()).await)),
        "/panic-blocking" => {
            let task = tokio::task::spawn_blocking(|| blocking_work(count()));
            match task.await {
                Ok(done) => Ok(text(Body::from(done))),
                Err(failed) => resume_unwind(failed.into_panic()),
            }
        }
        "/application" => application.into_service().oneshot(request).await,
        "/unwrap" => {
            let cents: u32 = black_box("12.50").parse().unwrap();
            Ok(text(Body::from(cents.to_string())))
        }
        "/index" => {
            let orders = ["first", "second"];
            Ok(text(Body::from(orders[black_box(7)])))
        }
        "/message" => Err(message(&request).into()),
        "/panic-message" => panic!("{}", message(&request)),
        "/html-stream" => {
            let text = message(&request);
            let mut body = Failing::new(30, move || panic!("{text}"));
            body.first = Some("<p>first</p>");
            Ok(html(failing(body)))
        }
        "/slow-stream" => Ok(text(failing(Ticking {
            left: 5,
            wait: None,
        }))),
        _ => {
            let mut response = text(Body::from("no such failure\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

fn text(body: impl Into<Body>) -> Response<Body> {
    of_type("text/plain; charset=utf-8", body.into())
}

fn html(body: Body) -> Response<Body> {
    of_type("text/html; charset=utf-8", body)
}

fn of_type(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let value = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// What the client wants said: `?m=TEXT`.
fn message(request: &Request<Body>) -> String {
    request.query("m").unwrap_or_default().into_owned()
}

fn count() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

#[inline(never)]
fn outer_helper(n: u32) -> &'static str {
    black_box(inner_helper(n))
}

#[inline(never)]
fn inner_helper(n: u32) -> &'static str {
    panic!("boom {n} in a helper")
}

#[inline(never)]
async fn async_outer(n: u32) -> &'static str {
    async_inner(n).await
}

#[inline(never)]
async fn async_inner(n: u32) -> &'static str {
    tokio::task::yield_now().await;
    panic!("boom {n} after an await")
}

#[inline(never)]
fn blocking_work(n: u32) -> &'static str {
    panic!("boom {n} on the pool")
}

#[inline(never)]
fn application(environ: &mut Environ) -> Reply {
    panic!(
        "boom {} in an application called by {}",
        count(),
        environ.method()
    )
}

/// Errors of our own: three deep.
#[derive(Debug)]
enum LoadError {
    Order { id: u32, source: Box<LoadError> },
    Query(Box<LoadError>),
    Connection,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { id, .. } => write!(f, "order {id} cannot be loaded"),
            Self::Query(_) => f.write_str("the query failed"),
            Self::Connection => f.write_str("the database closed the connection"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Order { source, .. } | Self::Query(source) => Some(source),
            Self::Connection => None,
        }
    }
}

/// `gateway_core::Error` remembers where `?` met the error.
fn show_order(id: u32) -> Result<String, gateway_core::Error> {
    let row = query().map_err(|source| LoadError::Order {
        id,
        source: Box::new(source),
    })?;
    Ok(row)
}

fn query() -> Result<String, LoadError> {
    Err(LoadError::Query(Box::new(LoadError::Connection)))
}

fn read_settings() -> anyhow::Result<String> {
    let port: u16 = black_box("eighty")
        .parse()
        .context("port is not a number")
        .context("while reading the settings")?;
    Ok(port.to_string())
}

fn failing<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Body::new(body)
}

/// "first chunk", a while, then it fails.
struct Failing {
    first: Option<&'static str>,
    wait: Option<Pin<Box<Sleep>>>,
    fail: Box<dyn FnMut() -> LoadError + Send>,
}

impl Failing {
    fn new(millis: u64, fail: impl FnMut() -> LoadError + Send + 'static) -> Self {
        let wait = (millis > 0).then(|| Box::pin(sleep(Duration::from_millis(millis))));
        Self {
            first: Some("first chunk\n"),
            wait,
            fail: Box::new(fail),
        }
    }
}

impl http_body::Body for Failing {
    type Data = Bytes;
    type Error = LoadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LoadError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first.into()))));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
        }
        Poll::Ready(Some(Err((self.fail)())))
    }
}

/// A whole body whose drop panics.
struct Leaving(Option<&'static str>);

impl http_body::Body for Leaving {
    type Data = Bytes;
    type Error = LoadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LoadError>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(text.into()))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.map_or(0, |text| text.len() as u64))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        panic!("boom in the drop of a body");
    }
}

/// "tick", and again after 200 ms.
struct Ticking {
    left: u8,
    wait: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Ticking {
    type Data = Bytes;
    type Error = LoadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LoadError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
        }
        self.left -= 1;
        self.wait = Some(Box::pin(sleep(Duration::from_millis(200))));
        Poll::Ready(Some(Ok(Frame::data("tick\n".into()))))
    }
}
