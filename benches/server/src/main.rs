//! Does our server cost less than `axum::serve`, with all its timeouts on?
//!
//! Each server is a process of its own with one worker thread, so that its processor time is known
//! exactly; this process is the client. Rounds alternate, so that what else the machine does hits
//! both alike. Prints requests per second, processor time and, where `perf` counts them,
//! instructions per request, and the memory of an idle connection, each as a ratio to axum's.
//!
//! ```text
//! cargo run --release -p bench-server [ROUNDS [REQUESTS]]
//! ```
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use gateway_core::{Application, Environ, Reply};

/// `router` is the router of `axum` under our server; `hello` is what one would write for ours alone.
const SERVERS: [&str; 3] = ["axum", "router", "hello"];
const CONNECTIONS: usize = 32;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, server] = arguments.as_slice()
        && command == "serve"
    {
        return serve(server);
    }
    let number = |at: usize| arguments.get(at).and_then(|argument| argument.parse().ok());
    let rounds: usize = number(0).unwrap_or(9);
    let requests: usize = number(1).unwrap_or(60_000);
    compare(rounds, requests);
    idle(2000);
}

/// The same router under either server.
fn serve(server: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let router = Router::new().route("/", get(|| async { "Hello World!" }));
    runtime.block_on(async {
        match server {
            "axum" => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                println!("{}", listener.local_addr().unwrap());
                axum::serve(listener, router).await.unwrap();
            }
            "hello" => {
                let hello = |_: &mut Environ| Reply::text("Hello World!");
                let server = gateway_server::http::Server::bind("127.0.0.1:0").unwrap();
                println!("{}", server.local_addr().unwrap());
                let service = gateway_core::application(hello).into_inline_service();
                server.serve(service).await.unwrap();
            }
            "router" => {
                let server = gateway_server::http::Server::bind("127.0.0.1:0").unwrap();
                println!("{}", server.local_addr().unwrap());
                server.serve(router).await.unwrap();
            }
            other => panic!("no server called {other}"),
        }
    });
}

struct Server {
    child: Child,
    addr: String,
}

impl Server {
    fn start(name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", name])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut addr = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut addr)
            .unwrap();
        let server = Self {
            child,
            addr: addr.trim().to_string(),
        };
        // The answer before the time.
        assert!(server.connect().ask().ends_with("Hello World!"));
        server
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream }
    }

    /// Processor time of all threads so far.
    fn processor(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = tasks.filter_map(|task| {
            let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim()
            .trim_end_matches(" kB")
            .parse::<usize>()
            .unwrap()
            * 1024
    }

    /// Wall time and processor time of `requests` over `CONNECTIONS`.
    fn load(&self, requests: usize) -> (Duration, Duration) {
        let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| self.connect()).collect();
        for connection in &mut connections {
            connection.ask();
        }
        let (before, began) = (self.processor(), Instant::now());
        for _ in 0..requests / CONNECTIONS {
            // All ask, then all read: the server has many to do at a time.
            for connection in &mut connections {
                connection.stream.write_all(REQUEST).unwrap();
            }
            for connection in &mut connections {
                connection.read();
            }
        }
        (began.elapsed(), self.processor() - before)
    }

    /// Instructions in user space, if `perf` can count them.
    fn instructions(&self, requests: usize) -> Option<f64> {
        let mut perf = Command::new("perf")
            .args([
                "stat",
                "-x,",
                "-e",
                "instructions:u",
                "-p",
                &self.child.id().to_string(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        std::thread::sleep(Duration::from_millis(300));
        self.load(requests);
        Command::new("kill")
            .args(["-INT", &perf.id().to_string()])
            .status()
            .ok()?;
        let mut text = String::new();
        perf.stderr.take()?.read_to_string(&mut text).ok()?;
        perf.wait().ok()?;
        let count: f64 = text.split(',').next()?.trim().parse().ok()?;
        Some(count / requests as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";

struct Connection {
    stream: TcpStream,
}

impl Connection {
    fn ask(&mut self) -> String {
        self.stream.write_all(REQUEST).unwrap();
        self.read()
    }

    fn read(&mut self) -> String {
        let mut piece = [0; 1024];
        let read = self.stream.read(&mut piece).unwrap();
        assert!(
            read > 0 && piece[..read].ends_with(b"!"),
            "a whole answer in one piece"
        );
        String::from_utf8_lossy(&piece[..read]).into_owned()
    }
}

fn compare(rounds: usize, requests: usize) {
    let servers = SERVERS.map(Server::start);
    let mut walls: [Vec<f64>; SERVERS.len()] = Default::default();
    let mut processors: [Vec<f64>; SERVERS.len()] = Default::default();
    for round in 0..rounds {
        let mut found = [(Duration::ZERO, Duration::ZERO); SERVERS.len()];
        for turn in 0..SERVERS.len() {
            // Who goes first takes turns as well.
            let which = (turn + round) % SERVERS.len();
            found[which] = servers[which].load(requests);
        }
        for (which, name) in SERVERS.iter().enumerate() {
            let (wall, processor) = found[which];
            let per = |time: Duration| time.as_nanos() as f64 / requests as f64;
            print!("{name} {:.0} ns, cpu {:.0} ns; ", per(wall), per(processor));
            walls[which].push(found[0].0.as_secs_f64() / wall.as_secs_f64());
            processors[which].push(processor.as_secs_f64() / found[0].1.as_secs_f64());
        }
        println!();
    }
    let counts = servers
        .each_ref()
        .map(|server| server.instructions(requests));
    for (which, name) in SERVERS.iter().enumerate().skip(1) {
        println!(
            "{name} / axum, medians of {rounds}: requests/s {:.3}, cpu per request {:.3}",
            median(&mut walls[which]),
            median(&mut processors[which])
        );
        if let (Some(axum), Some(ours)) = (counts[0], counts[which]) {
            println!("  instructions: {ours:.0} / {axum:.0} = {:.3}", ours / axum);
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a connection costs that has been answered and is quiet since.
fn idle(count: usize) {
    let each = SERVERS.map(|name| {
        let server = Server::start(name);
        let before = server.memory();
        let mut connections: Vec<_> = (0..count).map(|_| server.connect()).collect();
        for connection in &mut connections {
            connection.ask();
        }
        let answered = (server.memory() - before) / count;
        let before = server.memory();
        let quiet: Vec<_> = (0..count).map(|_| server.connect()).collect();
        std::thread::sleep(Duration::from_millis(500));
        let silent = (server.memory() - before) / count;
        drop((connections, quiet));
        (answered, silent)
    });
    for (name, (answered, silent)) in SERVERS.iter().zip(each) {
        println!("{name}: {answered} bytes per idle connection, {silent} before its first request");
    }
}
