//! hyper services under our server, and our services under plain hyper, over real sockets.

use std::convert::Infallible;

use bytes::Bytes;
use conformance::interop::{BOTH, Connection, Served, Speaks, get, request, serve};
use gateway_core::validator::ValidatorLayer;
use gateway_core::{Application, Body, BoxError, Environ, Error, Reply, mount};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticLayer;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder};

#[tokio::test]
async fn a_hyper_service_over_any_body_runs_under_our_server() {
    use hyper::service::Service as _;

    let service = hyper::service::service_fn(async |request: Request<Body>| {
        if request.uri().path() == "/panic" {
            panic!("in a hyper service");
        }
        let text = format!("{} {}\n", request.method(), request.uri().path());
        let sent = request.into_body().collect().await?.to_bytes();
        let body = Full::new(Bytes::from([text.as_bytes(), &sent].concat()));
        Ok::<_, BoxError>(Response::new(body))
    });
    let service = tower::service_fn(move |request| service.call(request));
    let served = serve(service).await;
    for speaks in BOTH {
        assert_eq!(get(&served, speaks, "/page").await.text, "GET /page\n");
        assert_eq!(get(&served, speaks, "/panic").await.status, 500);
        let long = "long".repeat(100_000);
        let posted = request(&served, speaks, "POST", "/")
            .body(long.clone().into())
            .unwrap();
        let answer = Connection::open(&served, speaks).await.send(posted).await;
        assert_eq!(answer.text, format!("POST /\n{long}"));
    }
}

/// `service` as a hyper program would serve it.
async fn serve_by_hyper<S, B>(service: S, speaks: Speaks) -> Served
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            let io = TokioIo::new(stream);
            // What ends a connection early is the client's affair; the tests see it there.
            tokio::spawn(async move {
                match speaks {
                    Speaks::Http1 => {
                        let connection = hyper::server::conn::http1::Builder::new();
                        let _ = connection.serve_connection(io, service).await;
                    }
                    Speaks::Http2 => {
                        let builder =
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = builder.serve_connection(io, service).await;
                    }
                }
            });
        }
    });
    Served::new(address, task)
}

/// A blocking application that answers in pieces, counts what it was sent, and fails if asked.
fn application(environ: &mut Environ) -> Result<Reply, Error> {
    match environ.path_str()?.as_ref() {
        "/panic" => panic!("in the application"),
        "/error" => Err(Error::msg("no database")),
        "/pieces" => Ok(Reply::text(Body::chunks(
            (0..100).map(|n| format!("{n}\n")),
        ))),
        _ => {
            let length = std::io::copy(environ.input(), &mut std::io::sink())?;
            Ok(Reply::text(format!("{length} bytes\n")))
        }
    }
}

#[tokio::test]
async fn our_services_run_under_plain_hyper() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a file").unwrap();
    let validator = ValidatorLayer::new();
    let service = ServiceBuilder::new()
        .layer(validator.clone())
        .layer(ExceptionsLayer::new())
        .layer(validator.clone())
        .layer(StaticLayer::new("/public", folder.path()).unwrap())
        .layer(validator.clone())
        .service(application.into_service());
    for speaks in BOTH {
        let served = serve_by_hyper(service.clone(), speaks).await;
        let mut connection = Connection::open(&served, speaks).await;
        for (path, status, text) in [
            ("/public/a.txt", 200, "a file"),
            ("/public/none.txt", 404, ""),
            ("/panic", 500, "Error ID"),
            ("/error", 500, "Error ID"),
            ("/pieces", 200, "98\n99\n"),
            ("/", 200, "0 bytes\n"),
        ] {
            let asked = request(&served, speaks, "GET", path)
                .body(Body::empty())
                .unwrap();
            let answer = connection.send(asked).await;
            assert_eq!(answer.status, status, "{path} {speaks:?}");
            assert!(answer.text.contains(text), "{path} {speaks:?}: {answer:?}");
            assert!(!answer.cut, "{path} {speaks:?}");
        }
        // Chunked, and larger than is buffered before a thread is taken.
        let pieces = (0..64).map(|_| Bytes::from(vec![7; 8 * 1024]));
        let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let upload = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let posted = request(&served, speaks, "POST", "/").body(upload).unwrap();
        assert_eq!(connection.send(posted).await.text, "524288 bytes\n");
    }
    validator.breaches().assert_none();
}

#[tokio::test]
async fn a_body_that_fails_is_cut_and_not_ended_under_plain_hyper() {
    let failing = gateway_core::application(|_| {
        let pieces = (0..3).map(|n| {
            if n < 2 {
                Ok("piece\n")
            } else {
                Err("the disk is gone")
            }
        });
        Reply::text(Body::try_chunks(pieces))
    });
    let service = ExceptionsLayer::new().layer(failing.into_service());
    for speaks in BOTH {
        let served = serve_by_hyper(service.clone(), speaks).await;
        let answer = get(&served, speaks, "/").await;
        assert_eq!(
            (answer.status.as_u16(), answer.cut),
            (200, true),
            "{speaks:?}"
        );
        assert_eq!(answer.text, "piece\npiece\n", "{speaks:?}");
    }
}

#[tokio::test]
async fn a_mount_under_plain_hyper_says_where_it_is() {
    let position = gateway_core::application(|environ: &mut Environ| {
        Reply::text(format!(
            "{} {}",
            environ.raw_script_name(),
            environ.raw_path_info()
        ))
    });
    let site = mount("/a", mount("/b", position.into_service()).unwrap()).unwrap();
    for speaks in BOTH {
        let served = serve_by_hyper(site.clone(), speaks).await;
        assert_eq!(get(&served, speaks, "/a/b/c%2Fd").await.text, "/a/b /c%2Fd");
        assert_eq!(get(&served, speaks, "/a/b").await.text, "/a/b ");
        assert_eq!(get(&served, speaks, "/ab").await.status, 404);
    }
}
