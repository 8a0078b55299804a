//! What is asked for, and what it cost.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::server::Server;

/// Files of all sizes, older than any cache's doubts about fresh ones.
pub struct Site(tempfile::TempDir);

impl Site {
    pub fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        for (name, size) in [
            ("1k", 1 << 10),
            ("16k", 16 << 10),
            ("128k", 128 << 10),
            ("1m", 1 << 20),
            ("100m", 100 << 20),
        ] {
            site.file(&format!("{name}.bin"), size);
        }
        fs::create_dir(site.root().join("many")).unwrap();
        for number in 0..10_000 {
            site.file(&format!("many/{number}.txt"), 1 << 10);
        }
        // ctime cannot be set: wait until no file is younger than two seconds.
        std::thread::sleep(Duration::from_millis(2500));
        site
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, size: usize) {
        let path = self.root().join(name);
        fs::write(&path, vec![b'x'; size]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .unwrap();
    }
}

const MANY: &str = "request = function() return wrk.format('GET', '/many/' .. math.random(0, 9999) .. '.txt') end\n";

pub struct Scenario {
    pub name: &'static str,
    path: &'static str,
    seconds: u32,
    revalidate: bool,
    many: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub requests: f64,
    pub seconds: f64,
    pub cpu_seconds: f64,
}

impl Scenario {
    pub fn all() -> Vec<Self> {
        let get = |name, path, seconds| Self {
            name,
            path,
            seconds,
            revalidate: false,
            many: false,
        };
        vec![
            get("1k", "/1k.bin", 2),
            get("16k", "/16k.bin", 2),
            get("128k", "/128k.bin", 2),
            get("1m", "/1m.bin", 2),
            get("100m", "/100m.bin", 3),
            Self {
                revalidate: true,
                ..get("304", "/1k.bin", 2)
            },
            Self {
                many: true,
                ..get("many", "/many/0.txt", 3)
            },
        ]
    }

    pub fn run(&self, server: &Server) -> Cost {
        // The answer first: a wrong one is fast in vain.
        let head = head(&server.address, self.path, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let field = |name: &str| {
            let line = head
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with(name));
            line.map(|line| line.split_at(name.len()).1.trim().to_owned())
        };
        // As browsers do: both, of which RFC 9110 lets only the tag count. hyper-staticfile knows only the date.
        let conditions = [
            ("etag:", "If-None-Match"),
            ("last-modified:", "If-Modified-Since"),
        ];
        let conditions: Vec<String> = conditions
            .into_iter()
            .filter_map(|(of, name)| Some(format!("{name}: {}", field(of)?)))
            .collect();
        if self.revalidate {
            let head = self::head(
                &server.address,
                self.path,
                &format!("{}\r\n", conditions.join("\r\n")),
            );
            assert!(head.starts_with("HTTP/1.1 304"), "{head}");
        }
        let before = server.cpu_seconds();
        let (requests, seconds) = self.load(server, self.seconds, &conditions);
        Cost {
            requests,
            seconds,
            cpu_seconds: server.cpu_seconds() - before,
        }
    }

    fn load(&self, server: &Server, seconds: u32, conditions: &[String]) -> (f64, f64) {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t", "1", "-c", "16", "-d", &format!("{seconds}s")]);
        if self.revalidate {
            wrk.args(conditions.iter().flat_map(|condition| ["-H", condition]));
        }
        if self.many {
            let script = std::env::temp_dir().join("bench-static-many.lua");
            fs::write(&script, MANY).unwrap();
            wrk.arg("-s").arg(script);
        }
        let output = wrk
            .arg(format!("http://{}{}", server.address, self.path))
            .output()
            .expect("wrk is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("Non-2xx"), "{text}");
        let line = text
            .lines()
            .find(|line| line.contains("requests in"))
            .unwrap_or_else(|| panic!("{text}"));
        let mut words = line.split_whitespace();
        let requests = words.next().unwrap().parse().unwrap();
        let took = words.nth(2).unwrap().trim_end_matches(',');
        (
            requests,
            took.strip_suffix("s")
                .and_then(|took| took.parse().ok())
                .unwrap_or(f64::from(seconds)),
        )
    }
}

fn head(address: &str, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
