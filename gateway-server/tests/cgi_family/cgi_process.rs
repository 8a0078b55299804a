//! CGI as web servers start it: a process with an environment, an input and an output of its own.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::Answer;
use gateway_core::{Body, Environ, Reply};
use gateway_server::cgi;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::service_fn;

const KIND: &str = "GATEWAY_SERVER_TEST_CGI";

/// Not a test: the program that the others start, this one once more with `KIND` set.
#[test]
fn the_program_of_the_other_tests() {
    let Ok(kind) = std::env::var(KIND) else {
        return;
    };
    let result = match &*kind {
        "application" => cgi::run(|environ: &mut Environ| {
            let secret = environ.var("SECRET").is_some();
            Reply::text(format!("secret: {secret}"))
        }),
        "at once" => cgi::run_service(service_fn(|request: Request<Body>| async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Body::from(body)))
        })),
        "later" => cgi::run_service(service_fn(|_: Request<Body>| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let spawned = tokio::spawn(async { "from a task" });
            Ok::<_, Infallible>(Response::new(spawned.await.unwrap().to_owned()))
        })),
        "regardless" => cgi::run_service(service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new("x".repeat(SIZE)))
        })),
        other => panic!("no such kind: {other}"),
    };
    if let Err(error) = &result {
        eprintln!("said: {error}");
    }
    std::process::exit(result.is_err().into());
}

/// More than the kernel keeps for a pipe.
const SIZE: usize = 300_000;

fn start(kind: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cgi_process::the_program_of_the_other_tests"])
        .arg("--nocapture")
        .env_clear()
        .env(KIND, kind)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Writes all of the input before it reads any output, as Apache's mod_cgid does.
fn run(kind: &str, input: &[u8]) -> Answer {
    let length = input.len().to_string();
    let mut child = start(
        kind,
        &[
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_NAME", "/app.cgi"),
            ("CONTENT_LENGTH", &length),
            ("SECRET", "of the administrator"),
        ],
    );
    child.stdin.take().unwrap().write_all(input).unwrap();
    let mut output = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    assert!(child.wait().unwrap().success());
    // In front of it stands what the tests' own `main` says.
    let status = output.windows(8).position(|eight| eight == b"Status: ");
    Answer::parse(&output[status.unwrap()..])
}

#[test]
fn of_the_processs_environment_the_application_sees_the_requests_variables() {
    assert_eq!(run("application", b"").text(), "secret: false");
}

#[test]
fn a_service_is_polled_where_it_stands_and_may_wait() {
    assert_eq!(run("at once", b"hello").text(), "hello");
    assert_eq!(run("later", b"").text(), "from a task");
}

#[test]
fn input_that_a_service_lets_go_of_is_read_before_the_response_is_written() {
    let answer = run("regardless", &[b'x'; SIZE]);
    assert_eq!(answer.text().len(), SIZE);
}

#[test]
fn a_program_that_nobody_asked_anything_says_what_it_is() {
    let output = start("application", &[]).wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("to be started by a web server"), "{said}");
}
