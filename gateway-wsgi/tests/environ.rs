//! Python's environ says what the contract's does.

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gateway_core::request::{ConnInfo, EnvironBuilder};
use gateway_core::{Application, Environ};
use http::uri::Scheme;
use support::app;

const SHOWS: &str = "
def application(environ, start_response):
    start_response('200 OK', [])
    text = {key: value for key, value in environ.items() if isinstance(value, str)}
    return [b''.join(f'{key}\\x00{value}\\x01'.encode() for key, value in text.items())]
";

fn requests() -> Vec<EnvironBuilder> {
    let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
    let conn = || ConnInfo::new(addr("192.0.2.7:4242"), addr("10.0.0.1:8443"));
    vec![
        Environ::builder(),
        Environ::builder()
            .uri("/a/b?c=d")
            .header("host", "example.org:8080"),
        Environ::builder()
            .uri("http://absolute.example/x?y")
            .header("host", "other"),
        Environ::builder()
            .uri("/caf%C3%A9/%zz")
            .script_name("/w%69ki"),
        Environ::builder().method("OPTIONS").uri("*"),
        Environ::builder().method("PURGE").uri("/x"),
        Environ::builder()
            .conn(conn())
            .header("x-real-ip", "1.2.3.4"),
        Environ::builder().conn(conn().with_scheme(Scheme::HTTPS)),
        Environ::builder()
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("x-two", "1")
            .header("x-two", "2")
            .header("proxy", "http://evil.example")
            .header("x_forged", "1")
            .header("x-latin", "J\u{fc}rgen")
            .header("content-type", "text/plain")
            .header("content-length", "0"),
    ]
}

#[test]
fn every_variable_is_the_contracts_and_none_is_missing() {
    let app = app(SHOWS);
    for request in requests() {
        let mut environ = request.build();
        let latin1 = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
        };
        let expected: BTreeMap<String, String> = environ
            .vars()
            .filter(|(name, _)| !name.starts_with("wsgi.") || name == "wsgi.url_scheme")
            .map(|(name, value)| (name.into_owned(), latin1(&value)))
            .collect();
        let response = app.respond(&mut environ).unwrap();
        let body = response.into_body().into_bytes().unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let entries = text
            .split_terminator('\u{1}')
            .map(|it| it.split_once('\0').unwrap());
        let shown: BTreeMap<String, String> = entries
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(shown, expected);
    }
}
