//! What callers of the crate rely on.

mod support;
use support::client;

const HELLO: &str = "
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'Hello World!']
";

#[test]
fn an_application_answers() {
    client(HELLO)
        .get("/")
        .send()
        .assert_status(200)
        .assert_text("Hello World!");
}
