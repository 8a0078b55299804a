//! Every public type by its name, and what may be done with it.

use std::fmt::Debug;

use gateway_core::Body;
use gateway_server::common_log::{self, CommonLog, CommonLogLayer};
use gateway_server::http::{RequestBodyError, Server};
use gateway_server::{Both, Either, Listener, Outcome, Signal, Sockets, Stream};

fn is_send<T: Send>() {}
fn is_static<T: Send + 'static>() {}
fn is_clone<T: Clone + Send + Sync>() {}
fn is_debug<T: Debug>() {}

#[test]
fn public_types_are_what_their_users_need() {
    is_static::<Server>();
    is_debug::<Server>();
    is_static::<Server<Both<Sockets, Sockets>>>();
    is_static::<Sockets>();
    is_static::<Stream>();
    is_static::<Either<Stream, Stream>>();
    is_clone::<Outcome>();
    is_clone::<Signal>();
    is_clone::<CommonLogLayer>();
    is_clone::<CommonLog<()>>();
    let mut log = tower::Layer::layer(&CommonLogLayer::stderr(), "inner");
    assert_eq!(*log.get_ref(), "inner");
    *log.get_mut() = "another";
    assert_eq!(log.into_inner(), "another");
    is_send::<common_log::ResponseBody<Body>>();
    is_send::<common_log::ResponseFuture<std::future::Ready<()>>>();
    // A body of ours has a default: tower-http's CORS answers with one.
    let _ = common_log::ResponseBody::<Body>::default();
}

#[test]
fn listeners_compose() {
    fn is_listener<L: Listener>() {}
    is_listener::<Sockets>();
    is_listener::<Both<Sockets, Both<Sockets, Sockets>>>();
}

#[test]
fn an_error_of_a_request_body_is_found_inside_what_the_service_made_of_it() {
    let error: gateway_core::BoxError = Box::new(RequestBodyError::TooLarge);
    assert!(error.downcast_ref::<RequestBodyError>().is_some());
    assert!(error.source().is_none());
    assert_eq!(error.to_string(), "the request body is larger than allowed");
}

#[test]
fn an_outcome_says_how_it_went() {
    // What becomes of a running server is in tests/process.rs; these are the numbers a shell knows.
    assert_eq!(Signal::Interrupt.exit_code(), 128 + 2);
    assert_eq!(Signal::Terminate.exit_code(), 128 + 15);
    assert_eq!(Signal::Terminate.to_string(), "SIGTERM");
}
