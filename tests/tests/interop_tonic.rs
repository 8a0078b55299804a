//! A gRPC service under our server and inside our layers, and our layers under tonic's server: real
//! HTTP/2, real trailers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use conformance::interop::{BOTH, Served, Speaks, get, serve, serve_axum};
use futures_util::{Stream, StreamExt};
use gateway_core::paths::RecordPathLayer;
use gateway_core::validator::ValidatorLayer;
use gateway_core::{Application, BoxError, Environ, Reply, mount};
use http::uri::PathAndQuery;
use middleware_exceptions::ExceptionsLayer;
use middleware_static::StaticLayer;
use router::BoxRouter;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Layer, Service, ServiceBuilder, service_fn};

#[derive(Clone, PartialEq, prost::Message)]
struct Subject {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    text: String,
}

type Greetings = Pin<Box<dyn Stream<Item = Result<Greeting, Status>> + Send>>;

fn greeting(name: &str) -> Greeting {
    Greeting {
        text: format!("Hello {name}!"),
    }
}

/// One answer, or a status, or a panic.
async fn hello(request: Request<Subject>) -> Result<Response<Greeting>, Status> {
    let name = request.into_inner().name;
    match name.as_str() {
        "nobody" => Err(Status::not_found("there is nobody")),
        "panic" => panic!("in a method"),
        _ => Ok(Response::new(greeting(&name))),
    }
}

/// A stream, with a panic in the middle of it where that is asked for.
async fn hellos(request: Request<Subject>) -> Result<Response<Greetings>, Status> {
    let name = request.into_inner().name;
    let greetings = futures_util::stream::iter(0..100).map(move |number| {
        assert!(name != "panic" || number < 50, "in a stream");
        Ok(greeting(&format!("{name} {number}")))
    });
    Ok(Response::new(Box::pin(greetings)))
}

/// A greeting for each subject, as they come.
async fn chat(request: Request<Streaming<Subject>>) -> Result<Response<Greetings>, Status> {
    let greetings = request
        .into_inner()
        .map(|subject| Ok(greeting(&subject?.name)));
    Ok(Response::new(Box::pin(greetings)))
}

/// What `protoc` would have written.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "article.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Greeting, Subject>::default());
            Ok(match request.uri().path() {
                "/article.Greeter/Hello" => grpc.unary(service_fn(hello), request).await,
                "/article.Greeter/Hellos" => {
                    grpc.server_streaming(service_fn(hellos), request).await
                }
                "/article.Greeter/Chat" => grpc.streaming(service_fn(chat), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

struct Client {
    grpc: tonic::client::Grpc<Channel>,
    prefix: &'static str,
}

impl Client {
    async fn connect(served: &Served, prefix: &'static str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self {
            grpc: tonic::client::Grpc::new(channel),
            prefix,
        }
    }

    fn method(&self, name: &str) -> PathAndQuery {
        format!("{}/article.Greeter/{name}", self.prefix)
            .parse()
            .unwrap()
    }

    async fn hello(&mut self, name: &str) -> Result<String, Status> {
        self.grpc.ready().await.unwrap();
        let codec = ProstCodec::<Subject, Greeting>::default();
        let request = Request::new(Subject { name: name.into() });
        let response = self
            .grpc
            .unary(request, self.method("Hello"), codec)
            .await?;
        Ok(response.into_inner().text)
    }

    async fn hellos(&mut self, name: &str) -> (usize, Option<Status>) {
        self.grpc.ready().await.unwrap();
        let codec = ProstCodec::<Subject, Greeting>::default();
        let request = Request::new(Subject { name: name.into() });
        let response = self
            .grpc
            .server_streaming(request, self.method("Hellos"), codec)
            .await;
        let mut stream = response.unwrap().into_inner();
        let mut came = 0;
        loop {
            match stream.message().await {
                Ok(Some(_)) => came += 1,
                Ok(None) => return (came, None),
                Err(status) => return (came, Some(status)),
            }
        }
    }

    /// Sends the second subject only when the first was answered: nothing on the way may gather.
    async fn chat(&mut self) -> Vec<String> {
        self.grpc.ready().await.unwrap();
        let codec = ProstCodec::<Subject, Greeting>::default();
        let (say, said) = tokio::sync::mpsc::channel(1);
        let subjects = futures_util::stream::unfold(
            said,
            async |mut said: tokio::sync::mpsc::Receiver<&str>| {
                let name = said.recv().await?.to_owned();
                Some((Subject { name }, said))
            },
        );
        let request = Request::new(subjects);
        say.send("Ann").await.unwrap();
        let response = self
            .grpc
            .streaming(request, self.method("Chat"), codec)
            .await
            .unwrap();
        let mut answers = response.into_inner();
        let mut texts = vec![answers.message().await.unwrap().unwrap().text];
        say.send("Bob").await.unwrap();
        texts.push(answers.message().await.unwrap().unwrap().text);
        drop(say);
        assert!(answers.message().await.unwrap().is_none());
        texts
    }
}

async fn greets(served: &Served, prefix: &'static str) {
    let mut client = Client::connect(served, prefix).await;
    assert_eq!(client.hello("John").await.unwrap(), "Hello John!");
    let status = client.hello("nobody").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "there is nobody")
    );
    let (came, status) = client.hellos("John").await;
    assert_eq!(came, 100);
    assert!(status.is_none(), "{status:?}");
    assert_eq!(client.chat().await, ["Hello Ann!", "Hello Bob!"]);
}

#[tokio::test]
async fn a_grpc_service_runs_under_our_server_inside_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a file").unwrap();
    let routes = Routes::new(Greeter).prepare();
    greets(&serve(routes.clone()).await, "").await;

    let validator = ValidatorLayer::new();
    let layered = ServiceBuilder::new()
        .layer(validator.clone())
        .layer(ExceptionsLayer::new())
        .layer(RecordPathLayer::new())
        .layer(StaticLayer::new("/public", folder.path()).unwrap())
        .layer(validator.clone())
        .service(routes.clone());
    let served = serve(layered).await;
    greets(&served, "").await;
    assert_eq!(
        get(&served, Speaks::Http1, "/public/a.txt").await.text,
        "a file"
    );

    let page = gateway_core::application(|_: &mut Environ| Reply::text("a page"));
    let mounted = mount("/rpc", routes)
        .unwrap()
        .otherwise(ExceptionsLayer::new().layer(page.into_service()));
    let served = serve(validator.layer(mounted)).await;
    greets(&served, "/rpc").await;
    assert_eq!(get(&served, Speaks::Http1, "/").await.text, "a page");
    validator.breaches().assert_none();
}

fn router_over<B>(routes: &Routes) -> BoxRouter<B>
where
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let page = service_fn(async |_: http::Request<B>| {
        Ok::<_, Infallible>(http::Response::new(gateway_core::Body::from("a page")))
    });
    BoxRouter::builder()
        .get("^$", page)
        .post(r"^article\.Greeter/", routes.clone())
        .mount("/rpc", routes.clone())
        .build()
        .unwrap()
}

/// Methods are paths to a router; streams and trailers pass through it.
#[tokio::test]
async fn a_grpc_service_is_an_endpoint_a_mount_or_what_is_around_a_router() {
    let routes = Routes::new(Greeter).prepare();
    let validator = ValidatorLayer::new();
    let served = serve(validator.layer(router_over(&routes))).await;
    greets(&served, "").await;
    greets(&served, "/rpc").await;
    assert_eq!(get(&served, Speaks::Http2, "/").await.text, "a page");
    panics_are_statuses(&serve(ExceptionsLayer::new().layer(router_over(&routes))).await).await;

    let around = Routes::new(Greeter)
        .into_axum_router()
        .fallback_service(router_over(&routes));
    let served = serve_axum(around).await;
    greets(&served, "").await;
    greets(&served, "/rpc").await;
    validator.breaches().assert_none();
}

#[tokio::test]
async fn our_layers_run_under_tonics_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a file").unwrap();
    let validator = ValidatorLayer::new();
    let server = tonic::transport::Server::builder()
        .accept_http1(true)
        .layer(validator.clone())
        .layer(ExceptionsLayer::new())
        .layer(StaticLayer::new("/public", folder.path()).unwrap())
        .layer(validator.clone())
        .add_service(Greeter);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        server
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
            .unwrap();
    });
    let served = Served::new(address, task);
    greets(&served, "").await;
    for speaks in BOTH {
        assert_eq!(get(&served, speaks, "/public/a.txt").await.text, "a file");
    }
    panics_are_statuses(&served).await;
    validator.breaches().assert_none();
}

#[tokio::test]
async fn a_panic_in_a_method_is_a_status_and_costs_no_connection() {
    let served = serve(ExceptionsLayer::new().layer(Routes::new(Greeter).prepare())).await;
    panics_are_statuses(&served).await;
}

async fn panics_are_statuses(served: &Served) {
    let mut client = Client::connect(served, "").await;
    let status = client.hello("panic").await.unwrap_err();
    assert!(
        matches!(status.code(), Code::Internal | Code::Unknown),
        "{status:?}"
    );
    // In the middle of a stream: what was made arrives, and the end is no clean one.
    let (came, status) = client.hellos("panic").await;
    assert!(came <= 50, "{came}");
    assert_ne!(status.expect("no clean end").code(), Code::Ok);
    assert_eq!(client.hello("John").await.unwrap(), "Hello John!");
}
