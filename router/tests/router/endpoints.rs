//! What can stand behind a route.

use std::convert::Infallible;
use std::task::{Context, Poll};

use gateway_core::testing::Client;
use gateway_core::{Application, Body, Environ, Error, Reply};
use http::{Request, Response};
use router::{BoxRouter, RequestUrlArgs, Router, UrlMap};
use tower::{Service, ServiceExt, service_fn};

use crate::{Echo, futures_executor};

#[test]
fn functions_are_endpoints_as_in_the_article() {
    type View = fn(&mut Environ) -> Reply;
    fn index(_: &mut Environ) -> Reply {
        Reply::text("index")
    }
    fn hello(environ: &mut Environ) -> Reply {
        Reply::text(format!(
            "Hello {}!",
            environ.url_args().unwrap().get(0).unwrap_or("World")
        ))
    }
    let urls = Router::<View>::builder()
        .get("^$", index)
        .get("hello/?$", hello)
        .get("hello/(.+)$", hello)
        .build()
        .unwrap();
    let client = Client::new(urls);
    client.get("/").send().assert_text("index");
    client.get("/hello").send().assert_text("Hello World!");
    client
        .get("/say/hello/John%20D")
        .send()
        .assert_text("Hello John D!");
    client
        .get("/bye")
        .send()
        .assert_status(404)
        .assert_text("Not Found\n");
    client.post("/hello").send().assert_status(405);
}

#[test]
fn layers_go_around_every_service() {
    let loud = tower::util::MapResponseLayer::new(|response: Response<String>| {
        response.map(|text| text.to_uppercase())
    });
    let router = Router::builder()
        .get("^a$", Echo("x"))
        .fallback(Echo("none"))
        .build()
        .unwrap()
        .layer(loud);
    let response =
        futures_executor(router.clone().oneshot(Request::get("/a").body(()).unwrap())).unwrap();
    assert_eq!(response.into_body().into_inner().unwrap(), "X GET /A");
    let response = futures_executor(router.oneshot(Request::get("/b").body(()).unwrap())).unwrap();
    assert_eq!(response.into_body().into_inner().unwrap(), "NONE GET /B");
}

#[test]
fn a_boxed_router_takes_layered_services_beside_plain_ones() {
    let loud = tower::util::MapResponseLayer::new(|response: Response<String>| {
        response.map(|text| text.to_uppercase())
    });
    let router: BoxRouter = BoxRouter::builder()
        .get("^loud$", tower::Layer::layer(&loud, Echo("x")))
        .get("^plain$", Echo("x"))
        .fallback(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Body::from("nobody")))
        }))
        .build()
        .unwrap();
    let client = Client::of_service(router);
    client.get("/loud").send().assert_text("X GET /LOUD");
    client.get("/plain").send().assert_text("x GET /plain");
    client.get("/").send().assert_text("nobody");
}

#[test]
fn a_service_is_polled_ready_before_it_is_called() {
    #[derive(Clone)]
    struct Reluctant {
        polls: u32,
    }
    impl Service<Request<()>> for Reluctant {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<String>, Infallible>>;
        fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.polls += 1;
            if self.polls < 3 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            std::future::ready(Ok(Response::new(self.polls.to_string())))
        }
    }
    let router = Router::builder()
        .get("^$", Reluctant { polls: 0 })
        .build()
        .unwrap();
    let response = futures_executor(router.oneshot(Request::get("/").body(()).unwrap())).unwrap();
    assert_eq!(response.into_body().into_inner().unwrap(), "3");
}

#[test]
fn a_service_that_refuses_is_not_called_and_its_error_is_passed_on() {
    #[derive(Clone)]
    struct Closed;
    impl Service<Request<()>> for Closed {
        type Response = Response<String>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<String>, &'static str>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("closed"))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("it was not ready")
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let request = || Request::get("/").body(()).unwrap();
    let plain = Router::builder().get("^$", Closed).build().unwrap();
    let answer = runtime.block_on(plain.oneshot(request()));
    assert_eq!(answer.unwrap_err(), "closed");
    let boxed = BoxRouter::<(), &str>::builder().get("^$", Closed);
    let answer = runtime.block_on(boxed.build().unwrap().oneshot(request()));
    assert_eq!(answer.unwrap_err(), "closed");
}

#[test]
fn the_map_and_the_router_are_what_axum_needs() {
    fn needs<T: Clone + Send + Sync + 'static>() {}
    needs::<UrlMap<String>>();
    needs::<Router<Echo>>();
    needs::<BoxRouter<axum::body::Body>>();
}

#[test]
fn an_application_is_answered_by_the_router_itself() {
    let urls = Router::builder()
        .get("^x$", gateway_core::application(|_| "x"))
        .build()
        .unwrap();
    assert_eq!(
        urls.respond(&mut Environ::builder().uri("/y").build())
            .unwrap()
            .status(),
        404
    );
}

#[cfg(feature = "tokio")]
#[test]
fn functions_and_services_stand_beside_each_other_in_a_boxed_router() {
    fn hello(environ: &mut Environ) -> Reply {
        Reply::text(format!(
            "Hello {}!",
            environ.url_args().unwrap().name("subject").unwrap()
        ))
    }
    fn failing(_: &mut Environ) -> Result<Reply, Error> {
        let id: u8 = "x".parse()?;
        Ok(Reply::text(id.to_string()))
    }
    let router: BoxRouter = BoxRouter::builder()
        .get("^hello/(?<subject>.+)$", hello)
        .get("^fail$", failing)
        .get("^echo$", Echo("x"))
        .build()
        .unwrap();
    let client = Client::of_service(router);
    client.get("/hello/John").send().assert_text("Hello John!");
    client.get("/echo").send().assert_text("x GET /echo");
    assert_eq!(client.get("/fail").expecting(500).send().status(), 500);
    assert_eq!(client.head("/hello/J").send().status(), 200);
}
