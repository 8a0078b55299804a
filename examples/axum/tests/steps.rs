//! Each step is started and asked, and the README's lines are those of the programs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(path: &str) -> Self {
        let mut command = Command::new(path);
        command
            .args(["--bind", "127.0.0.1:0"])
            .env("RUST_BACKTRACE", "0");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { child, address }
    }

    /// All that comes back, head and body. Nothing, if the connection is closed without an answer.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let address = &self.address;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        // A reset is no answer either.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn without_the_layer_a_panic_drops_the_connection() {
    let shop = Program::start(env!("CARGO_BIN_EXE_step0"));
    assert!(shop.get("/").contains("Good day, 127.0.0.1."));
    assert!(shop.get("/assets/style.css").contains("system-ui"));
    assert!(shop.get("/orders/7").contains("order 7\n"));
    assert_eq!(shop.get("/orders/x7"), "");
}

#[test]
fn with_the_layer_the_traceback_names_the_line() {
    let shop = Program::start(env!("CARGO_BIN_EXE_step1"));
    let answer = shop.get("/orders/x7");
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    // What this README and the workspace's promise, but for what differs from machine to machine.
    let pages = [
        include_str!("../README.md"),
        include_str!("../../../README.md"),
    ];
    for page in pages {
        let shown = page.split("Traceback (most").nth(1).unwrap();
        let shown = shown.lines().skip(1).take_while(|line| *line != "...");
        let steady: Vec<_> = shown.filter(|line| !line.starts_with("  ...")).collect();
        assert!(steady.len() >= 4, "{steady:?}");
        for line in steady {
            assert!(answer.contains(line), "{line:?} is not in\n{answer}");
        }
    }
    assert!(shop.get("/orders/7").contains("order 7\n"));
}

#[test]
fn the_files_are_served_as_before() {
    for path in [env!("CARGO_BIN_EXE_step1"), env!("CARGO_BIN_EXE_step2")] {
        let shop = Program::start(path);
        assert!(shop.get("/assets/style.css").contains("system-ui"));
        assert!(shop.get("/assets/none.css").starts_with("HTTP/1.1 404 "));
    }
}

#[test]
fn regular_expressions_route_below_a_nest() {
    let shop = Program::start(env!("CARGO_BIN_EXE_step3"));
    let article = shop.get("/archive/2007/getting-started.html");
    assert!(
        article.contains("getting-started, written in 2007\n"),
        "{article}"
    );
    assert!(shop.get("/archive/2007").contains("all of 2007\n"));
    assert!(shop.get("/archive/07").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_blocking_application_is_mounted_with_its_errors_caught() {
    let shop = Program::start(env!("CARGO_BIN_EXE_step4"));
    let export = shop.get("/export?rows=2");
    assert!(export.contains("1;1\n2;4\n"), "{export}");
    let failed = shop.get("/export?rows=x");
    assert!(failed.starts_with("HTTP/1.1 500 "), "{failed}");
    assert!(failed.contains("in export\n"), "{failed}");
}

#[test]
fn the_same_program_answers_over_fastcgi() {
    let shop = Program::start(env!("CARGO_BIN_EXE_step5"));
    for (path, expected) in [
        ("/", "Good day, 192.0.2.7."),
        ("/assets/style.css", "system-ui"),
        ("/archive/2007", "all of 2007\n"),
        ("/export", "1;1\n2;4\n3;9\n"),
        ("/orders/x7", "Status: 500"),
    ] {
        let answer = fastcgi(&shop.address, path);
        assert!(answer.contains(expected), "{path}: {answer}");
    }
}

/// One request by the FastCGI specification, section 3.3: begin, parameters, no input.
fn fastcgi(address: &str, path: &str) -> String {
    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let mut record = vec![1, kind, 0, 1, length[0], length[1], 0, 0];
        record.extend_from_slice(content);
        record
    }
    let parameters = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("REQUEST_URI", path),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "shop.example"),
        ("SERVER_PORT", "80"),
        ("HTTP_HOST", "shop.example"),
        ("REMOTE_ADDR", "192.0.2.7"),
    ];
    let mut pairs = Vec::new();
    for (name, value) in parameters {
        pairs.extend([name.len(), value.len()].map(|length| u8::try_from(length).unwrap()));
        pairs.extend_from_slice(name.as_bytes());
        pairs.extend_from_slice(value.as_bytes());
    }
    let responder = [0, 1, 0, 0, 0, 0, 0, 0];
    let request = [
        record(1, &responder),
        record(4, &pairs),
        record(4, b""),
        record(5, b""),
    ];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&request.concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let (mut rest, mut output) = (answer.as_slice(), Vec::new());
    while let [_, kind, _, _, high, low, padding, _, ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == 6 {
            output.extend_from_slice(&rest[8..8 + length]);
        }
        rest = &rest[8 + length + usize::from(*padding)..];
    }
    String::from_utf8(output).unwrap()
}

/// stderr is not looked at here: what the log has of these, the tests of middleware-exceptions tell.
#[test]
fn errors_and_detached_work_change_nothing_of_what_the_program_answers() {
    let shop = Program::start(env!("CARGO_BIN_EXE_errors"));
    for path in ["/orders/x7", "/prices/x7"] {
        let answer = shop.get(path);
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.ends_with("Sorry.\n"), "{answer}");
    }
    assert!(shop.get("/orders/5000").contains("order 5000\n"));
}

#[test]
fn the_lines_of_the_readme_are_those_of_the_programs() {
    let steps = [
        include_str!("../src/bin/step0.rs"),
        include_str!("../src/bin/step1.rs"),
        include_str!("../src/bin/step2.rs"),
        include_str!("../src/bin/step3.rs"),
        include_str!("../src/bin/step4.rs"),
        include_str!("../src/bin/step5.rs"),
    ];
    let readme = include_str!("../README.md");
    let shown = readme.split("```diff\n").skip(1);
    let shown: Vec<_> = shown
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(shown.len(), steps.len() - 1);
    for (number, (pair, block)) in steps.windows(2).zip(shown).enumerate() {
        let mut expected = changes(pair[0], pair[1]);
        // The first line says which step it is; blank lines and braces belong to no step.
        expected.retain(|line| !line[1..].starts_with("//!") && line.len() > 2);
        let mut block: Vec<_> = block.lines().filter(|line| line.len() > 2).collect();
        expected.sort_unstable();
        block.sort_unstable();
        assert_eq!(block, expected, "step {}", number + 1);
    }
}

/// The lines that are only in one of the two, as a diff shows them.
fn changes(before: &str, after: &str) -> Vec<String> {
    let without = |lines: &str, others: &str, sign: char| {
        let mut others: Vec<_> = others.lines().collect();
        let mut only = Vec::new();
        for line in lines.lines() {
            match others.iter().position(|other| *other == line) {
                Some(at) => drop(others.swap_remove(at)),
                None => only.push(format!("{sign}{line}")),
            }
        }
        only
    };
    let mut changes = without(before, after, '-');
    changes.extend(without(after, before, '+'));
    changes
}
