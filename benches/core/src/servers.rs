//! The same answers, by axum and through the adapters.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use gateway_core::{Application, Body, BoxError, Environ, Reply, application};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tower_service::Service;

pub const PIECE: usize = 16 * 1024;
pub const PIECES: usize = 100;
/// 100 MB.
const ENDLESS: usize = 6400;

const BLOCK: Duration = Duration::from_millis(1);

fn pieces(count: usize) -> impl Iterator<Item = Bytes> + Send {
    static ZEROS: [u8; PIECE] = [b'x'; PIECE];
    // Made anew each time, as an application would.
    (0..count).map(|_| Bytes::copy_from_slice(&ZEROS))
}

pub fn serve(name: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        match name {
            "axum" => by_axum(listener, get(async || "hello\n")).await,
            "axum + spawn_blocking" => {
                by_axum(
                    listener,
                    get(async || spawn_blocking(|| "hello\n").await.unwrap()),
                )
                .await;
            }
            "inline" => by_hyper(listener, hello().into_inline_service()).await,
            "blocking" => by_hyper(listener, hello().into_service()).await,
            "blocking, no pace" => {
                by_hyper(listener, hello().into_service().without_pace()).await;
            }

            "axum mixed" => {
                by_axum(
                    listener,
                    get(async || {
                        if waits() {
                            tokio::time::sleep(BLOCK).await;
                        }
                        "hello\n"
                    }),
                )
                .await;
            }
            "spawn_blocking mixed" => {
                by_axum(
                    listener,
                    get(async || spawn_blocking(hello_or_sleep).await.unwrap()),
                )
                .await;
            }
            "blocking mixed" => by_hyper(listener, mixed().into_service()).await,
            "blocking mixed, no pace" => {
                by_hyper(listener, mixed().into_service().without_pace()).await;
            }

            "async sleep" => {
                by_axum(
                    listener,
                    get(async || {
                        tokio::time::sleep(BLOCK).await;
                        "hello\n"
                    }),
                )
                .await;
            }
            "spawn_blocking sleep" => {
                let sleep = async || {
                    spawn_blocking(|| {
                        std::thread::sleep(BLOCK);
                        "hello\n"
                    })
                    .await
                    .unwrap()
                };
                by_axum(listener, get(sleep)).await;
            }
            "blocking sleep" => {
                let sleep = application(|_: &mut Environ| {
                    std::thread::sleep(BLOCK);
                    "hello\n"
                });
                by_hyper(listener, sleep.into_service()).await;
            }

            "axum stream" => {
                let stream = async || {
                    let pieces = pieces(PIECES).map(Ok::<_, std::convert::Infallible>);
                    axum::body::Body::from_stream(futures_util::stream::iter(pieces))
                };
                by_axum(listener, get(stream)).await;
            }
            "inline stream" => by_hyper(listener, chunks(PIECES).into_inline_service()).await,
            "blocking stream" => by_hyper(listener, chunks(PIECES).into_service()).await,
            "blocking writer" => by_hyper(listener, writer(PIECES).into_service()).await,

            "iterators" => by_small_hyper(listener, or_hello(chunks(ENDLESS)).into_service()).await,
            "writers" => by_small_hyper(listener, or_hello(writer(ENDLESS)).into_service()).await,
            "uploads" => by_small_hyper(listener, or_hello(uploads()).into_service()).await,
            _ => panic!("no server is called `{name}`"),
        }
    });
}

fn hello() -> impl Application {
    application(|_: &mut Environ| "hello\n")
}

/// Whether it is this request's turn to wait: one of sixteen.
fn waits() -> bool {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    REQUESTS.fetch_add(1, Ordering::Relaxed) % 16 == 0
}

fn hello_or_sleep() -> &'static str {
    if waits() {
        std::thread::sleep(BLOCK);
    }
    "hello\n"
}

fn mixed() -> impl Application {
    application(|_: &mut Environ| hello_or_sleep())
}

fn chunks(count: usize) -> impl Application {
    application(move |_: &mut Environ| Reply::new(Body::chunks(pieces(count))))
}

fn writer(count: usize) -> impl Application {
    application(move |_: &mut Environ| {
        Reply::new(Body::from_writer(move |out| {
            pieces(count).try_for_each(|piece| out.write_all(&piece))
        }))
    })
}

fn uploads() -> impl Application {
    application(|environ: &mut Environ| {
        std::io::copy(environ.input(), &mut std::io::sink()).map(|length| length.to_string())
    })
}

/// `app`, and hello below `/hello`.
fn or_hello(app: impl Application) -> impl Application {
    application(move |environ: &mut Environ| match &*environ.path_info() {
        b"/hello" => hello().respond(environ),
        _ => app.respond(environ),
    })
}

async fn by_axum(listener: TcpListener, method: axum::routing::MethodRouter) {
    let app = Router::new().route("/", method);
    axum::serve(listener, app).await.unwrap();
}

/// As `axum::serve` does it.
async fn by_hyper<S>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    by(auto::Builder::new(TokioExecutor::new()), listener, service).await;
}

/// As `by_hyper`, with 64 KiB a connection: hyper's own 400 KiB would drown what is measured.
async fn by_small_hyper<S>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(64 * 1024);
    by(builder, listener, service).await;
}

async fn by<S>(builder: auto::Builder<TokioExecutor>, listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service.clone());
        let builder = builder.clone();
        tokio::spawn(async move {
            _ = builder
                .serve_connection_with_upgrades(TokioIo::new(socket), service)
                .await;
        });
    }
}
