//! The program as it is, over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Notes {
    child: Child,
    addr: String,
    _dir: tempfile::TempDir,
}

impl Notes {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_notes"))
            .args(["--bind", "127.0.0.1:0"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let addr =
            lines.find_map(|line| Some(line.strip_prefix("listening on http://")?.to_owned()));
        Self {
            child,
            addr: addr.unwrap(),
            _dir: dir,
        }
    }

    fn send(&self, line: &str, fields: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        let length = body.len();
        let form = "application/x-www-form-urlencoded";
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{fields}content-type: {form}\r\ncontent-length: {length}\r\n\r\n{body}",
            self.addr
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_note_is_added_shown_as_typed_and_done() {
    let notes = Notes::start();
    assert!(notes.send("GET /", "", "").contains("Nothing to remember."));
    let added = notes.send("POST /add", "", "text=%3Cb%3Emilk");
    assert!(
        added.starts_with("HTTP/1.1 303") && added.contains("location: ./"),
        "{added}"
    );
    assert!(
        notes
            .send("GET /", "", "")
            .contains("<span>&lt;b&gt;milk</span>")
    );
    let done = notes.send("POST /1/delete", "", "");
    assert!(
        done.starts_with("HTTP/1.1 303") && done.contains("location: ../"),
        "{done}"
    );
    assert!(notes.send("GET /", "", "").contains("Nothing to remember."));
    assert!(
        notes
            .send("POST /1/delete", "", "")
            .starts_with("HTTP/1.1 404")
    );
}

#[test]
fn nothing_is_no_note() {
    let notes = Notes::start();
    let added = notes.send("POST /add", "", "text=+%0D%0A");
    assert!(added.starts_with("HTTP/1.1 303"), "{added}");
    assert!(notes.send("GET /", "", "").contains("Nothing to remember."));
}

#[test]
fn another_sites_form_adds_nothing() {
    let notes = Notes::start();
    let own = &notes.addr;
    for fields in [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        // Over plain HTTP to another machine browsers say no more than this.
        "origin: http://evil.example\r\n",
        "origin: https://evil.example:8080\r\n",
        "origin: http://127.0.0.1:1\r\n",
        "origin: null\r\n",
        &format!("origin: http://{own}.evil.example\r\n"),
        &format!("origin: http://{own}@evil.example\r\n"),
        &format!("sec-fetch-site: cross-site\r\norigin: http://{own}\r\n"),
    ] {
        for line in ["POST /add", "POST /1/delete"] {
            let refused = notes.send(line, fields, "text=spam");
            assert!(refused.starts_with("HTTP/1.1 403"), "{fields}{refused}");
        }
    }
    assert!(notes.send("GET /", "", "").contains("Nothing to remember."));
    for fields in [
        "sec-fetch-site: same-origin\r\n",
        &format!("origin: http://{own}\r\n"),
    ] {
        let added = notes.send("POST /add", fields, "text=ours");
        assert!(added.starts_with("HTTP/1.1 303"), "{fields}{added}");
    }
    // A link from elsewhere is followed.
    let linked = notes.send("GET /", "sec-fetch-site: cross-site\r\n", "");
    assert!(linked.contains("<span>ours</span>"), "{linked}");
}

#[test]
fn styles_are_served_methods_are_told_and_failures_are_shown() {
    let notes = Notes::start();
    let css = notes.send("GET /static/notes.css", "", "");
    assert!(
        css.contains("content-type: text/css; charset=utf-8"),
        "{css}"
    );
    let not_allowed = notes.send("GET /add", "", "");
    assert!(
        not_allowed.starts_with("HTTP/1.1 405") && not_allowed.contains("allow: "),
        "{not_allowed}"
    );
    let failed = notes.send("GET /break", "", "");
    assert!(failed.starts_with("HTTP/1.1 500"), "{failed}");
    assert!(
        failed.contains("no such table: note") && failed.contains("main.rs"),
        "{failed}"
    );
}
