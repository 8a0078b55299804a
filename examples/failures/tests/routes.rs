//! The program itself, over its port: what curl and the log would show.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

struct Failures {
    child: Child,
    addr: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl Failures {
    fn start(arguments: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_failures"))
            .args(["--bind", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line
            .trim()
            .strip_prefix("listening on http://")
            .unwrap()
            .parse()
            .unwrap();
        Self { child, addr, log }
    }

    /// All that comes back on one connection.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.addr
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A connection that is cut may be reset.
        _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// The log as soon as it is so.
    fn log_when(&self, is_so: impl Fn(&str) -> bool) -> String {
        for _ in 0..6000 {
            let log = self.log();
            if is_so(&log) {
                return log;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("after a minute: {}", self.log());
    }
}

impl Drop for Failures {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn errors(log: &str) -> usize {
    log.lines().filter(|line| line.contains(" ERROR ")).count()
}

fn id(text: &str) -> &str {
    let (_, rest) = text
        .split_once("Error ID: ")
        .unwrap_or_else(|| panic!("{text}"));
    rest.split_whitespace().next().unwrap()
}

#[test]
fn every_failing_route_shows_its_own_traceback_and_logs_it_under_the_same_id() {
    let failures = Failures::start(&[]);
    let cases: [(&str, &[&str]); 12] = [
        ("/panic", &["panic: boom 1", "in async route"]),
        ("/panic-str", &["panic: a literal"]),
        ("/panic-any", &["panic: 42"]),
        ("/unwrap", &["ParseIntError { kind: InvalidDigit }"]),
        (
            "/index",
            &["index out of bounds: the len is 2 but the index is 7"],
        ),
        ("/nested", &["in outer_helper\n", "in inner_helper\n"]),
        (
            "/async-nested",
            &["in async async_outer\n", "in async async_inner\n"],
        ),
        ("/panic-blocking", &["in blocking_work\n", "on the pool"]),
        ("/application", &["in application\n", "in an application"]),
        (
            "/panic-before-first-chunk",
            &["boom before the first chunk"],
        ),
        (
            "/error",
            &[
                "the database closed the connection",
                "the query failed",
                "order 7",
                "in show_order",
            ],
        ),
        (
            "/anyhow",
            &[
                "invalid digit",
                "port is not a number",
                "while reading the settings",
            ],
        ),
    ];
    for (path, expected) in cases {
        let answer = failures.get(path);
        assert!(answer.starts_with("HTTP/1.1 500 "), "{path}: {answer}");
        for text in expected {
            assert!(answer.contains(text), "{path}: {text:?} is not in {answer}");
        }
        assert!(
            failures.log().contains(&format!("id={}", id(&answer))),
            "{path}"
        );
    }
    assert!(failures.get("/ok").ends_with("\r\n\r\nok\n"));
}

#[test]
fn in_production_there_is_the_id_and_nothing_else() {
    let failures = Failures::start(&["--production"]);
    let mut lengths = std::collections::BTreeSet::new();
    for path in [
        "/panic",
        "/nested",
        "/error",
        "/application",
        "/panic-blocking",
    ] {
        let answer = failures.get(path);
        for secret in [
            "boom",
            "main.rs",
            "route",
            "helper",
            "Traceback",
            "order",
            "tokio",
        ] {
            assert!(!answer.contains(secret), "{path}: {secret} in {answer}");
        }
        lengths.insert(answer.len());
        let log = failures.log();
        assert!(log.contains(&format!("id={}", id(&answer))));
        assert!(
            log.contains("Traceback") && log.contains("src/main.rs"),
            "{log}"
        );
    }
    assert_eq!(lengths.len(), 1);
}

#[test]
fn bodies_that_fail_arrive_as_far_as_they_came_and_are_cut() {
    let failures = Failures::start(&[]);
    for path in ["/panic-in-body", "/error-in-body", "/panic-in-body-now"] {
        let answer = failures.get(path);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{path}: {answer}");
        assert!(
            answer.ends_with("first chunk\n\r\n"),
            "no last chunk: {path}: {answer}"
        );
    }
    let answer = failures.get("/panic-on-drop-of-body");
    assert!(answer.ends_with("\r\n\r\nall of it\n"), "{answer}");
    let answer = failures.get("/slow-stream");
    assert_eq!(answer.matches("tick\n").count(), 5);
    assert!(answer.ends_with("0\r\n\r\n"));
    for text in [
        "boom in the body",
        "the database closed",
        "boom at once",
        "in the drop of a body",
    ] {
        assert!(failures.log().contains(text), "{text}");
    }
}

#[test]
fn a_failure_is_one_error_in_the_log_wherever_it_happens() {
    let failures = Failures::start(&["--production"]);
    let paths = [
        "/panic",
        "/error",
        "/application",
        "/panic-before-first-chunk",
        "/panic-in-body",
        "/error-in-body",
        "/panic-in-body-now",
        "/panic-on-drop-of-body",
        "/panic",
    ];
    for (done, path) in paths.into_iter().enumerate() {
        failures.get(path);
        // What is dropped after the response is reported after it. A second report of it would be one too many
        // at the next path.
        let log = failures.log_when(|log| errors(log) > done);
        assert_eq!(errors(&log), done + 1, "{path}: {log}");
    }
}

#[test]
fn a_wrong_command_line_is_answered_with_the_usage_and_2() {
    for arguments in [&["--bind"][..], &["--what"], &["--bind", "a:1", "b"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_failures"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("usage: failures [--bind HOST:PORT]"),
            "{said}"
        );
    }
}

#[test]
fn help_is_given_and_a_taken_port_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = &*taken.local_addr().unwrap().to_string();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failures"));
        command.args(arguments).output().unwrap()
    };
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .starts_with("usage: failures ")
    );
    let refused = run(&["--bind", address]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said.matches(address).count(), 1, "{said}");
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn what_the_client_wants_said_is_said_without_its_secrets() {
    const TEXT: &str = "postgres%3A%2F%2Fapp%3Ahunter2%40db%2Fx%3Fsslpassword%3Dhunter2+is+not+%3Cb%3Efound%3C%2Fb%3E";
    const SHOWN: &str = "postgres://[redacted]@db/x?sslpassword=[redacted] is not <b>found</b>";
    for (path, heading) in [("/message", "error"), ("/panic-message", "panic")] {
        for arguments in [&[][..], &["--production"]] {
            let failures = Failures::start(arguments);
            let answer = failures.get(&format!("{path}?m={TEXT}"));
            let log = failures.log();
            assert!(log.contains(&format!("{heading}: {SHOWN}")), "{log}");
            assert!(!log.contains("hunter2"), "{log}");
            assert!(!answer.contains("hunter2"), "{answer}");
            assert_eq!(answer.contains(SHOWN), arguments.is_empty(), "{answer}");
        }
    }
}

#[test]
fn nothing_is_appended_to_html() {
    let failures = Failures::start(&[]);
    let answer = failures.get("/html-stream?m=%3Cscript%3Ealert(1)%3C/script%3E");
    assert!(answer.contains("content-type: text/html"), "{answer}");
    assert!(answer.contains("<p>first</p>"), "{answer}");
    assert!(!answer.contains("alert"), "{answer}");
    assert!(failures.log().contains("panic: <script>alert(1)</script>"));
}

#[test]
fn a_query_of_nested_escapes_is_no_work() {
    let failures = Failures::start(&["--production"]);
    for query in [
        "=".repeat(150) + "%252541",
        "=".repeat(60_000),
        "%25".repeat(20_000),
    ] {
        let answer = failures.get(&format!("/error?{query}"));
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    }
}
