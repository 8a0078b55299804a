//! What callers of the crate rely on: names, and what can be sent, shared and cloned.

mod support;

use std::error::Error;
use std::fmt::Debug;

use gateway_core::{Application, Body};
use gateway_wsgi::{Import, ImportError, Role, Workers, Wsgi, WsgiFuture, WsgiService};
use support::client;

fn is<T: Debug + Send + Sync + 'static>() {}
fn is_cloned<T: Clone>() {}

#[test]
fn types_are_sent_shared_and_shown() {
    is::<Wsgi>();
    is::<WsgiService>();
    is::<Import>();
    is::<ImportError>();
    is::<Workers>();
    is::<Role>();
    is_cloned::<Wsgi>();
    is_cloned::<WsgiService>();
    is_cloned::<Import>();
    is_cloned::<Workers>();
    fn sent<T: Debug + Send + 'static>() {}
    sent::<WsgiFuture<Body>>();
    fn application<T: Application>() {}
    application::<Wsgi>();
    fn error<T: Error>() {}
    error::<ImportError>();
}

const HELLO: &str = "
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'Hello World!']
";

#[test]
fn an_application_answers() {
    let answer = client(HELLO).get("/").send();
    answer.assert_status(200).assert_text("Hello World!");
}
