//! The program as it is, over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Running {
    child: Child,
    addr: String,
}

impl Running {
    fn start(dir: &Path) -> Self {
        let mut child = program(dir, "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let addr = line
            .trim_end()
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Self { child, addr }
    }

    fn send(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        let (addr, length) = (&self.addr, body.len());
        let request = format!(
            "{head}\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(dir: &Path, bind: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bookshop"));
    command
        .args(["--bind", bind])
        .env("BOOKSHOP_SECRET", "0123456789abcdef0123456789abcdef")
        .current_dir(dir);
    command
}

#[test]
fn books_and_baskets_outlive_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let form = "content-type: application/x-www-form-urlencoded";
    let shop = Running::start(dir.path());
    let book = "title=Emma&author=Jane+Austen&year=1815&cents=980&stock=1";
    let added = shop.send(&format!("POST /books/new HTTP/1.1\r\n{form}"), book);
    assert!(added.starts_with("HTTP/1.1 303"), "{added}");
    let bought = shop.send("POST /books/6/buy HTTP/1.1", "");
    let cookie = bought
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.unwrap().split(';').next().unwrap().to_owned();
    drop(shop);
    let shop = Running::start(dir.path());
    let basket = shop.send(&format!("GET /basket HTTP/1.1\r\ncookie: {cookie}"), "");
    assert!(
        basket.starts_with("HTTP/1.1 200") && basket.contains(">Emma</a>"),
        "{basket}"
    );
}

#[test]
fn another_sites_form_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Running::start(dir.path());
    let head = "POST /books/1/delete HTTP/1.1\r\norigin: http://evil.example";
    let refused = shop.send(head, "");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let own = format!(
        "POST /books/1/delete HTTP/1.1\r\norigin: http://{}",
        shop.addr
    );
    assert!(shop.send(&own, "").starts_with("HTTP/1.1 303"));
}

#[test]
fn a_failure_is_a_page_of_the_shop_that_tells_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Running::start(dir.path());
    let db = rusqlite::Connection::open(dir.path().join("bookshop.db")).unwrap();
    db.execute("DROP TABLE books", []).unwrap();
    let failed = shop.send("GET /books HTTP/1.1", "");
    assert!(
        failed.starts_with("HTTP/1.1 500") && failed.contains("Its log has the failure as <code>"),
        "{failed}"
    );
    assert!(!failed.contains("no such table"), "{failed}");
}

#[test]
fn a_taken_port_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Running::start(dir.path());
    let second = program(dir.path(), &shop.addr).output().unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(
        !second.status.success() && told.contains(&shop.addr),
        "{told}"
    );
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
}
