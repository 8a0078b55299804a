//! The bookshop and `docs/bookshop.py`, the same site in Flask, asked the same things: `docs/from-flask.md` shows both.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gateway_web::testing::MultipartForm;
use serde_json::Value;

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "content-type: application/json\r\n";
const WANTS_JSON: &str = "accept: application/json\r\n";
const EMMA: &str = "title=+Emma+%26+%3C%22co%27%3E&author=Jane+Austen&year=1815&cents=980&stock=1";

/// A running program, and the cookies that it set.
struct Site {
    child: Child,
    addr: String,
    cookies: BTreeMap<String, String>,
}

/// What is the same of both sites.
#[derive(Debug, PartialEq)]
struct Seen {
    status: String,
    location: Option<String>,
    content_type: Option<String>,
    allow: Vec<String>,
    content: Content,
}

#[derive(Debug, PartialEq)]
enum Content {
    /// White space and the spelling of entities aside, and without the hashes of assets.
    Page(String),
    Json(Value),
    Bytes(Vec<u8>),
}

impl Site {
    fn start(command: &mut Command, prefix: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let addr = line.trim_end().strip_prefix(prefix).unwrap().to_owned();
        let cookies = BTreeMap::new();
        Self {
            child,
            addr,
            cookies,
        }
    }

    fn ask(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> Seen {
        let cookies: Vec<_> = self.cookies.iter().collect();
        let cookies: Vec<_> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let (addr, cookies, length) = (&self.addr, cookies.join("; "), body.len());
        // HTTP/1.0, so that no answer is chunked.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {addr}\r\ncookie: {cookies}\r\n{head}content-length: {length}\r\n\r\n"
        );
        let mut stream = BufReader::new(TcpStream::connect(addr).unwrap());
        let patience = Duration::from_secs(30);
        stream.get_ref().set_read_timeout(Some(patience)).unwrap();
        // A server may refuse what is too long before it has all of it.
        let _ = stream
            .get_mut()
            .write_all(&[request.as_bytes(), body].concat());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                stream.read_line(&mut head).unwrap(),
                0,
                "{method} {path}: {head}"
            );
        }
        let fields = |name: &str| -> Vec<String> {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let named = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.to_owned()).collect()
        };
        for cookie in fields("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = fields("location").pop();
        let mut allow: Vec<_> = fields("allow")
            .iter()
            .flat_map(|list| words(list))
            .collect();
        allow.sort();
        let length = fields("content-length").pop();
        let length = length
            .filter(|_| method != "HEAD")
            .map_or(0, |length| length.parse().unwrap());
        let mut content = vec![0; length];
        // Not to the end: werkzeug keeps a connection open for what it refused to read.
        stream.read_exact(&mut content).unwrap();
        let content_type = fields("content-type").pop();
        Seen {
            status: head.split(' ').nth(1).unwrap().to_owned(),
            location: location.map(|location| resolved(path, &location)),
            content: Content::of(content_type.as_deref().unwrap_or_default(), &content),
            // The type of nothing says nothing, and a redirect of Flask's has a page that no browser shows.
            content_type: content_type.filter(|_| !content.is_empty()),
            allow,
        }
        .without_the_page_of_a_redirect()
    }
}

impl Seen {
    fn without_the_page_of_a_redirect(mut self) -> Self {
        if self.status == "303" {
            self.content_type = None;
            self.content = Content::Bytes(Vec::new());
        }
        self
    }
}

impl Content {
    fn of(content_type: &str, content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        if content.is_empty() {
            Self::Bytes(Vec::new())
        } else if content_type.starts_with("text/html") {
            let mut page = text.into_owned();
            for (spelling, other) in [
                ("&#34;", "&quot;"),
                // What 413 was called until RFC 7231.
                ("Request Entity Too Large", "Payload Too Large"),
            ] {
                page = page.replace(spelling, other);
            }
            let words = page.split_whitespace().map(|word| {
                let asset = word
                    .split_once("/static/")
                    .filter(|_| word.contains("href="));
                match asset.and_then(|(start, name)| Some((start, name.split_once('.')?.0))) {
                    Some((start, name)) => format!("{start}/static/{name}"),
                    None => word.to_owned(),
                }
            });
            // Between tags white space is of no account here.
            let page = words.collect::<Vec<_>>().join(" ");
            Self::Page(page.replace("> <", "><"))
        } else if content_type.contains("json") {
            Self::Json(serde_json::from_slice(content).unwrap())
        } else {
            Self::Bytes(content.to_vec())
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

/// The path that a browser at `path` goes to.
fn resolved(path: &str, location: &str) -> String {
    let base: http::Uri = path.parse().unwrap();
    let mut segments: Vec<&str> = match location.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => base.path().split('/').skip(1).collect(),
    };
    segments.pop();
    for segment in location.trim_start_matches('/').split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
#[ignore = "needs flask"]
fn the_shop_answers_as_its_flask_version_does() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ours = Command::new(env!("CARGO_BIN_EXE_bookshop"));
    ours.args(["--bind", "127.0.0.1:0"]).current_dir(&here);
    let mut ours = Site::start(&mut ours, "listening on http://");
    let python = std::env::var("FLASK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let serve = "
import bookshop
from werkzeug.serving import make_server
server = make_server('127.0.0.1', 0, bookshop.app)
print(f'127.0.0.1:{server.port}', flush=True)
server.serve_forever()";
    let mut flask = Command::new(python);
    let flask = flask.args(["-c", serve]).current_dir(&there);
    let flask = flask.env("PYTHONPATH", format!("{root}/docs"));
    let flask = flask.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut flask = Site::start(flask.stderr(Stdio::null()), "");

    let cover = |content: &[u8]| {
        let form = MultipartForm::new().file("cover", "c.png", "image/png", content);
        let (content_type, body) = form.finish();
        (format!("content-type: {content_type}\r\n"), body)
    };
    let (largest_type, largest) = cover(&[b"\x89PNG", &vec![0; (1 << 20) - 4][..]].concat());
    let (png_type, png) = cover(b"\x89PNG\r\n\x1a\nand more");
    let (svg_type, svg) = cover(b"<svg onload=alert(1)>");
    let (large_type, large) = cover(&vec![0; (1 << 20) + 1]);
    let long = format!("{EMMA}{}", "x".repeat(20_000));
    let json = r#"{"title": "Sanditon", "author": "Jane Austen", "year": 1817, "cents": 700}"#;
    let foreign = "origin: http://evil.example\r\n";
    let steps: Vec<(&str, &str, &str, &[u8])> = vec![
        ("GET", "/", "", b""),
        ("GET", "/about", "", b""),
        ("GET", "/bargains", "", b""),
        ("GET", "/sold-out", "", b""),
        ("GET", "/authors", "", b""),
        ("GET", "/years/1851", "", b""),
        ("GET", "/years/9999999999", "", b""),
        ("GET", "/years/-1", "", b""),
        ("GET", "/books", "", b""),
        ("GET", "/books/", "", b""),
        ("GET", "/books?words=AUSTEN", "", b""),
        ("GET", "/books?words=%3Cb%3E%27%22", "", b""),
        ("GET", "/books?words=%E5%9D%8A", "", b""),
        ("GET", "/books/1", "", b""),
        ("HEAD", "/books/1", "", b""),
        ("GET", "/books/9", "", b""),
        ("GET", "/books/9", WANTS_JSON, b""),
        ("GET", "/books/99999999999999999999", "", b""),
        ("GET", "/books/9/edit", "", b""),
        ("GET", "/books/one", "", b""),
        ("GET", "/nothing", "", b""),
        ("PUT", "/books", "", b""),
        ("GET", "/books/new", "", b""),
        (
            "POST",
            "/books/new",
            FORM,
            b"title=+&year=soon&cents=1.5&stock=-1",
        ),
        ("POST", "/books/new", FORM, b""),
        ("POST", "/books/new", FORM, long.as_bytes()),
        ("POST", "/books/new", "", EMMA.as_bytes()),
        ("POST", "/books/new", foreign, EMMA.as_bytes()),
        ("POST", "/books/new", "sec-fetch-site: cross-site\r\n", b""),
        ("POST", "/books/new", FORM, EMMA.as_bytes()),
        ("GET", "/books/6", "", b""),
        ("GET", "/books/6", "", b""),
        ("GET", "/books/6/edit", "", b""),
        (
            "POST",
            "/books/6/edit",
            FORM,
            b"title=Emma&author=&year=1&cents=1&stock=1",
        ),
        (
            "POST",
            "/books/6/edit",
            FORM,
            b"title=Emma&author=J.+A.&year=1815&cents=%2B7&stock=0",
        ),
        ("GET", "/books/6", "", b""),
        ("POST", "/books/9/edit", FORM, EMMA.as_bytes()),
        ("POST", "/books/6/delete", "", b""),
        ("POST", "/books/6/delete", "", b""),
        ("GET", "/books", "", b""),
        ("GET", "/books/1/cover", "", b""),
        ("POST", "/books/1/cover", &svg_type, &svg),
        ("POST", "/books/1/cover", &png_type, &png),
        ("POST", "/books/1/cover", &large_type, &large),
        ("POST", "/books/2/cover", &largest_type, &largest),
        ("POST", "/books/1/cover", FORM, b"cover=x"),
        ("POST", "/books/9/cover", &png_type, &png),
        ("GET", "/books/1/cover", "", b""),
        ("GET", "/books/1/cover", "range: bytes=1-3\r\n", b""),
        ("GET", "/books/1", "", b""),
        ("GET", "/basket", "", b""),
        ("POST", "/books/1/buy", "", b""),
        ("POST", "/books/5/buy", "", b""),
        ("POST", "/books/3/buy", "", b""),
        ("POST", "/books/9/buy", "", b""),
        ("GET", "/basket", "", b""),
        ("POST", "/basket/1/remove", "", b""),
        ("GET", "/basket", "", b""),
        ("GET", "/books.csv", "", b""),
        ("GET", "/books.csv", "range: bytes=0-1\r\n", b""),
        ("GET", "/api/books", "", b""),
        ("GET", "/api/books/1", "", b""),
        ("GET", "/api/books/9", WANTS_JSON, b""),
        ("GET", "/api/authors", "", b""),
        ("POST", "/api/books", JSON, json.as_bytes()),
        ("POST", "/api/books", JSON, b"{\"year\": 0}"),
        ("POST", "/api/books", JSON, b"{\"year\": \"soon\"}"),
        ("POST", "/api/books", JSON, b"\"Emma\""),
        ("POST", "/api/books", JSON, b"{"),
        ("POST", "/api/books", FORM, b"{}"),
        ("GET", "/api/books", "", b""),
        ("DELETE", "/api/books/1", "", b""),
    ];
    let mut differences = Vec::new();
    for (method, path, head, body) in steps {
        let told = format!("{method} {path} {head}");
        let (ours, flask) = (
            ours.ask(method, path, head, body),
            flask.ask(method, path, head, body),
        );
        if ours != flask {
            differences.push(format!("{told}\n  ours: {ours:?}\n flask: {flask:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for site in [&mut ours, &mut flask] {
        let own = format!("origin: http://{}\r\n", site.addr);
        for (origin, status) in [
            (foreign, "403"),
            (&own, "303"),
            ("sec-fetch-site: none\r\n", "404"),
        ] {
            let seen = site.ask("POST", "/books/2/delete", origin, b"");
            assert_eq!(seen.status, status, "{origin}");
        }
    }
    // What comes by chance: the same page, about one book.
    for site in [&mut ours, &mut flask] {
        let Content::Page(page) = site.ask("GET", "/surprise", "", b"").content else {
            panic!("no page");
        };
        assert_eq!(page.matches("<li>").count(), 1, "{page}");
    }
}
