//! ServeDir and hyper-staticfile, each in the same shell as `serve`: hyper, HTTP/1.1, two threads.

use std::io::Write;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

pub fn is_peer(name: &str) -> bool {
    matches!(name, "servedir" | "hyper-staticfile")
}

pub fn run(name: &str, root: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on http://{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        match name {
            "servedir" => {
                serve(
                    listener,
                    TowerToHyperService::new(tower_http::services::ServeDir::new(root)),
                )
                .await
            }
            _ => {
                let files = Arc::new(hyper_staticfile::Static::new(root));
                let answer = service_fn(move |request: Request<Incoming>| {
                    let files = Arc::clone(&files);
                    async move { (*files).clone().serve(request).await }
                });
                serve(listener, answer).await;
            }
        }
    });
}

async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        stream.set_nodelay(true).unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
