//! The program as chapter 5 starts it, and the chapters' claims about it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tutorial");
const EXCEPTIONS: &str = include_str!("../../../docs/03-exceptions.md");
const DEPLOYMENT: &str = include_str!("../../../docs/05-deployment.md");

struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn within_ten_seconds<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no answer");
        sleep(Duration::from_millis(20));
    }
}

fn get(port: u16, path: &str) -> String {
    let mut stream = within_ten_seconds(|| TcpStream::connect(("127.0.0.1", port)).ok());
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The fenced block of a page that contains `words`.
fn block<'a>(page: &'a str, language: &str, words: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let blocks = page.split(&*fence).skip(1);
    let mut blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks.find(|block| block.contains(words)).unwrap()
}

#[test]
fn by_itself_it_serves_pages_files_and_the_traceback_of_chapter_3() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let _program = Running::start(Command::new(PROGRAM).args(["--bind", &address]));
    assert!(get(port, "/").contains("<a href=\"hello/John\">John</a>"));
    assert!(get(port, "/hello").contains("<h1>Hello World!</h1>"));
    assert!(get(port, "/hello/%3Cb%3E").contains("<h1>Hello &lt;b&gt;!</h1>"));
    assert!(get(port, "/static/style.css").contains("color-scheme"));
    assert!(get(port, "/othello").starts_with("HTTP/1.1 404 "));
    assert!(get(port, "/%FF").starts_with("HTTP/1.1 400 "));

    let answer = get(port, "/break");
    let page = block(EXCEPTIONS, "console", "Traceback");
    let steady = [
        "Traceback",
        "  File ",
        "    ",
        "panic: ",
        "Raised at ",
        "Request: ",
        "Stage: ",
    ];
    let lines = page
        .lines()
        .filter(|line| steady.iter().any(|start| line.starts_with(start)));
    let lines: Vec<_> = lines.collect();
    assert!(lines.len() >= 9, "{lines:?}");
    for line in lines {
        assert!(answer.contains(line), "{line:?} is not in\n{answer}");
    }
}

#[test]
fn as_a_cgi_program_it_answers_on_standard_output() {
    let line = block(DEPLOYMENT, "console", "GATEWAY_INTERFACE");
    let command = line
        .trim_start_matches("$ ")
        .split("Status:")
        .next()
        .unwrap();
    let command = command.replace("target/debug/tutorial", PROGRAM);
    let output = Command::new("sh")
        .args(["-c", command.trim()])
        .output()
        .unwrap();
    let answer = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    assert!(
        answer.starts_with("Status: 200 OK\ncontent-type: text/html; charset=utf-8\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\n\n<!doctype html>\n<title>Hello John!</title>\n"),
        "{answer}"
    );
    assert!(output.status.success());
}

#[test]
fn the_layers_of_chapter_5_are_this_programs() {
    let program = include_str!("../src/main.rs").replace("STATIC)", "\"static\")");
    let shown = block(DEPLOYMENT, "rust,no_run", "auto::run_service");
    let layers = shown
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(".layer("));
    for layer in layers {
        assert!(program.contains(layer), "{layer}");
    }
}

/// nginx with a `location` of chapter 5 in it.
fn nginx(folder: &Path, location: &str) -> (Running, u16) {
    let port = free_port();
    let folder_text = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"];
    let temporary: String = kinds
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder_text};\n"))
        .collect();
    // What Debian has in /etc/nginx/fastcgi_params.
    let params = "REQUEST_METHOD $request_method QUERY_STRING $query_string REQUEST_URI $request_uri \
        SERVER_PROTOCOL $server_protocol SERVER_NAME $server_name SERVER_PORT $server_port \
        REMOTE_ADDR $remote_addr CONTENT_TYPE $content_type CONTENT_LENGTH $content_length \
        GATEWAY_INTERFACE CGI/1.1 SCRIPT_NAME $fastcgi_script_name";
    let words: Vec<_> = params.split_whitespace().collect();
    let params: String = words
        .chunks(2)
        .map(|pair| format!("fastcgi_param {} {};\n", pair[0], pair[1]))
        .collect();
    std::fs::write(folder.join("fastcgi_params"), params).unwrap();
    let config = format!(
        "daemon off; master_process off; pid {folder_text}/pid; error_log {folder_text}/log;\n\
         events {{}}\nhttp {{ access_log off;\n{temporary}server {{ listen 127.0.0.1:{port};\n{location}\n}} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
    let mut command = Command::new("nginx");
    let server = Running::start(command.env("PATH", path).arg("-c").arg(file));
    (server, port)
}

#[test]
#[ignore = "needs nginx"]
fn behind_nginx_as_a_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let _program = Running::start(Command::new(PROGRAM).args(["--bind", &address]));
    let location = block(DEPLOYMENT, "nginx", "proxy_pass").replace("127.0.0.1:8080", &address);
    let (_nginx, port) = nginx(folder.path(), &location);
    let answer = within_ten_seconds(|| {
        Some(get(port, "/hello/John")).filter(|answer| answer.contains("200 OK"))
    });
    assert!(answer.contains("<h1>Hello John!</h1>"), "{answer}");
}

#[test]
#[ignore = "needs nginx"]
fn behind_nginx_over_fastcgi_below_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("wiki.sock");
    // As spawn-fcgi does it: the listening socket in place of standard input.
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let stdin = Stdio::from(std::os::fd::OwnedFd::from(listener));
    let _program = Running::start(Command::new(PROGRAM).stdin(stdin));
    let location = block(DEPLOYMENT, "nginx", "fastcgi_pass")
        .replace("/run/wiki/wiki.sock", socket.to_str().unwrap());
    let (_nginx, port) = nginx(folder.path(), &location);
    let answer = get(port, "/wiki/hello/John");
    assert!(answer.contains("<base href=\"/wiki/\">"), "{answer}");
    assert!(answer.contains("<h1>Hello John!</h1>"), "{answer}");
    assert!(get(port, "/wiki").contains("<a href=\"hello/John\">"));
    assert!(get(port, "/wiki/static/style.css").contains("color-scheme"));
}
