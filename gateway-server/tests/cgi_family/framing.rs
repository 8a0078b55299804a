//! Where a response ends, whatever the application says of it: behind a front end.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::time::Duration;

use gateway_core::{Environ, application};
use gateway_server::{cgi, fastcgi, scgi};
use tower::service_fn;

use crate::cases::{Case, FIELD, Got, answer, cases};
use crate::fcgi::{self, stream};
use crate::support::{Answer, Running};
use gateway_server::fastcgi::record::Kind;

/// A server of either protocol for the application of the cases.
macro_rules! serve {
    ($server:ty) => {{
        let server = <$server>::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();
        Running::start(addr, |stopped| async move {
            let server = server.with_graceful_shutdown(async { drop(stopped.await) });
            let server = server.shutdown_grace(Duration::ZERO);
            server.serve(service_fn(answer)).await.unwrap();
        })
    }};
}

fn got(stdout: &[u8], is_cut: bool) -> Got {
    let answer = Answer::parse(stdout);
    assert_eq!(answer.header("transfer-encoding"), None);
    let lengths = answer.headers.iter();
    let lengths = lengths.filter(|(name, _)| name == "content-length");
    let lengths: Vec<_> = lengths.map(|(_, value)| value.clone()).collect();
    Got {
        status: answer.status,
        lengths,
        content: answer.text(),
        is_cut,
    }
}

fn check(outcome: impl Fn(usize, &Case) -> Got) {
    let cases = cases();
    let wrong = cases.iter().enumerate();
    let wrong = wrong.filter_map(|(number, case)| case.differs(&outcome(number, case)));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_response_ends_where_the_table_says_over_fastcgi() {
    let running = serve!(fastcgi::Server);
    check(|number, case| {
        let number = number.to_string();
        let field = [("HTTP_X_CASE", &*number)];
        let head = fcgi::head(1, true, &case.method, "/", &field);
        let request = [head, stream(Kind::STDIN, 1, &[])].concat();
        let reply = fcgi::exchange(&mut running.connect(), 1, &request);
        got(&reply.stdout, reply.end.is_none())
    });
}

#[test]
fn a_response_ends_where_the_table_says_over_scgi() {
    let running = serve!(scgi::Server);
    check(|number, case| {
        let number = number.to_string();
        let request = [
            ("CONTENT_LENGTH", "0"),
            ("SCGI", "1"),
            ("REQUEST_METHOD", &case.method),
            ("REQUEST_URI", "/"),
            ("HTTP_X_CASE", &number),
        ];
        let mut connection = running.connect();
        connection
            .write_all(&crate::scgi::netstring(&request))
            .unwrap();
        let mut bytes = Vec::new();
        // Cut short, it is reset.
        let is_cut = connection.read_to_end(&mut bytes).is_err();
        got(&bytes, is_cut)
    });
}

#[test]
fn a_response_ends_where_the_table_says_over_cgi() {
    let app = application(|environ: &mut Environ| {
        let number = environ.headers()[FIELD].to_str().unwrap();
        let number: usize = number.parse().unwrap();
        Ok::<_, Infallible>(cases()[number].response())
    });
    check(|number, case| {
        let variables = [
            ("REQUEST_METHOD", case.method.clone()),
            ("SCRIPT_NAME", "/".to_owned()),
            ("HTTP_X_CASE", number.to_string()),
        ];
        let mut stdout = Vec::new();
        let result = cgi::respond(&app, variables, io::empty(), &mut stdout);
        got(&stdout, result.is_err())
    });
}
