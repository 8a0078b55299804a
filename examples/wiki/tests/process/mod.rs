//! The real binary, and HTTP/1.1 by hand.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test uses its own part"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running wiki. Killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    /// `HOST:PORT`.
    pub(crate) addr: String,
    /// What it printed first.
    pub(crate) first_line: String,
}

impl Process {
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, Stdio::null())
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str], stdin: impl Into<Stdio>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wiki"))
            // As fast as the tests go, this is a flood.
            .args(["--edits", "0", "--bind", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first_line).unwrap();
        // The rest is not read, which must not stop it.
        let rest = first_line.trim_end().strip_prefix("listening on http://");
        let rest = rest.unwrap_or_else(|| panic!("{first_line:?}"));
        let addr = rest.split('/').next().unwrap().to_owned();
        Self {
            child,
            addr,
            first_line,
        }
    }

    /// SIGKILL: no chance to say goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(&self.addr)
    }

    /// The most memory it has ever held, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory it holds now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept, as a browser's.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// What Host says: where it connected to, if no test says otherwise.
    pub(crate) host: String,
    /// `name=value` of the one cookie the wiki sets.
    pub(crate) cookie: String,
    /// Further fields, each with its line end.
    pub(crate) fields: String,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Connection {
    pub(crate) fn to(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            stream: BufReader::new(stream),
            host: addr.to_owned(),
            cookie: String::new(),
            fields: String::new(),
        }
    }

    /// `None` when the other side is gone before the response is whole.
    pub(crate) fn try_send(&mut self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n{}{}content-length: {}\r\n\r\n{body}",
            self.host,
            self.cookie,
            self.fields,
            if body.is_empty() { "" } else { form },
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let mut head = String::new();
        loop {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if head.ends_with("\r\n\r\n") {
                break;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().ok()?];
            self.stream.read_exact(&mut answer.body).ok()?;
        } else if answer.header("transfer-encoding").is_some() {
            self.read_chunks(|chunk| answer.body.extend_from_slice(chunk))?;
        }
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next()?.to_owned();
        }
        Some(answer)
    }

    /// RFC 9112 section 7.1.
    fn read_chunks(&mut self, mut take: impl FnMut(&[u8])) -> Option<()> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk).ok()?;
            if length == 0 {
                return Some(());
            }
            take(&chunk[..length]);
        }
    }

    /// GET whose body is counted and thrown away.
    pub(crate) fn count(&mut self, path: &str) -> Option<u64> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).ok()?;
        }
        let mut count = 0;
        self.read_chunks(|chunk| count += chunk.len() as u64)?;
        Some(count)
    }

    /// Asks, reads the first `bytes` and goes away.
    pub(crate) fn abandon(mut self, path: &str, bytes: usize) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.stream.read_exact(&mut vec![0; bytes]).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.try_send("GET", path, "").unwrap()
    }

    /// Opens the form and saves; `None` when the other side is gone.
    pub(crate) fn try_edit(&mut self, page: &str, text: &str) -> Option<Answer> {
        let form = self.try_send("GET", &format!("{page}/edit"), "")?.text();
        let field = |name: &str| {
            let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\""))?;
            rest.split('"').next()
        };
        let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let body = format!(
            "token={}&base={}&text={text}&comment=",
            field("token")?,
            field("base")?
        );
        self.try_send("POST", &format!("{page}/edit"), &body)
    }
}
