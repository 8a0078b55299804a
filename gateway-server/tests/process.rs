//! A server as a process of its own: signals, exit codes, descriptors, memory.
#![cfg(target_os = "linux")]
#![expect(
    clippy::print_stdout,
    reason = "the server says where it listens; the tests what they measured"
)]

mod common;

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{PATIENCE, hello, statuses};
use gateway_core::{Body, Environ, Reply};
use gateway_server::http::Server;
use http::{Request, Response};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tower::service_fn;

const KIND: &str = "GATEWAY_SERVER_TEST_KIND";

/// The deadline of a shutdown in milliseconds, where it is not 1500.
const DEADLINE: &str = "GATEWAY_SERVER_TEST_DEADLINE";

/// Set where the program drops its runtime, which waits for blocking threads.
const WAITS: &str = "GATEWAY_SERVER_TEST_WAITS";

/// Not a test: the server that the others start, this program once more with `KIND` set.
#[test]
fn the_server_of_the_other_tests() {
    let Ok(kind) = std::env::var(KIND) else {
        return;
    };
    if let Ok(files) = std::env::var("FILES") {
        allow_files(files.parse().unwrap());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let server = Server::listenfd_or_bind("127.0.0.1:0").unwrap();
        println!("\nLISTENING {}", server.local_addr().unwrap());
        let deadline = std::env::var(DEADLINE).map_or(1500, |text| text.parse().unwrap());
        let server = server
            .shutdown_grace(Duration::from_millis(100))
            .shutdown_deadline(Duration::from_millis(deadline));
        match &*kind {
            "hello" => server.serve(service_fn(hello)).await,
            // The limit is left to the kernel here.
            "unlimited" => {
                server
                    .max_connections(100_000)
                    .serve(service_fn(hello))
                    .await
            }
            "endless" => {
                let endless = service_fn(|_: Request<Body>| async {
                    println!("ASKED");
                    std::future::pending::<()>().await;
                    Ok::<_, Infallible>(Response::new(String::new()))
                });
                server.serve(endless).await
            }
            "blocked" => {
                let blocked = |_: &mut Environ| -> Reply {
                    println!("ASKED");
                    std::thread::sleep(Duration::from_secs(60));
                    Reply::text("")
                };
                server.serve_app(gateway_core::application(blocked)).await
            }
            "starved" => {
                // Nothing of the runtime runs any more, its timers and signals neither.
                let starved = service_fn(|_: Request<Body>| async {
                    println!("ASKED");
                    loop {
                        std::thread::park();
                        if false {
                            return Ok::<_, Infallible>(Response::new(String::new()));
                        }
                    }
                });
                server.serve(starved).await
            }
            "silent" => {
                let silent = |_: &mut Environ| -> Reply {
                    let chunks = (0..).map(|chunk| match chunk {
                        0 => "one",
                        _ => {
                            println!("ASKED");
                            loop {
                                std::thread::park();
                            }
                        }
                    });
                    Reply::text(Body::chunks(chunks))
                };
                server.serve_app(gateway_core::application(silent)).await
            }
            "app" => {
                let app = |environ: &mut Environ| Reply::text(environ.raw_path_info().to_string());
                server.serve_app(gateway_core::application(app)).await
            }
            other => panic!("no such kind: {other}"),
        }
    });
    let outcome = outcome.unwrap();
    if std::env::var_os(WAITS).is_some() {
        drop(runtime);
    } else {
        runtime.shutdown_timeout(outcome.time_left());
    }
    // What returning the outcome from `main` does; the tests' `main` has exit codes of its own.
    std::process::exit(outcome.code().into());
}

/// Raises or lowers how many files this process may open.
fn allow_files(files: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(files, |maximum| files.min(maximum)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

struct Process {
    child: Child,
    addr: SocketAddr,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(kind: &str) -> Self {
        Self::spawn(kind, &mut Command::new(std::env::current_exe().unwrap()))
    }

    fn spawn(kind: &str, command: &mut Command) -> Self {
        let mut child = command
            .args(["--exact", "the_server_of_the_other_tests", "--nocapture"])
            .env(KIND, kind)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let addr = said(&mut stdout, "LISTENING").parse().unwrap();
        Self {
            child,
            addr,
            stdout,
        }
    }

    /// Sends a request, and waits until it has come to the service.
    fn ask(&mut self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(REQUEST).unwrap();
        said(&mut self.stdout, "ASKED");
        stream
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code.
    fn exit(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory in bytes.
    fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024
    }

    /// Processor time in clock ticks (a hundredth of a second).
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

/// What the server says after `word`.
fn said(stdout: &mut BufReader<ChildStdout>, word: &str) -> String {
    let mut line = String::new();
    while stdout.read_line(&mut line).unwrap() > 0 {
        if let Some(rest) = line.strip_prefix(word) {
            return rest.trim().to_owned();
        }
        line.clear();
    }
    panic!("the server did not say {word}")
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const REQUEST: &[u8] = b"GET /path HTTP/1.1\r\nHost: a\r\n\r\n";

/// One answer on a connection that stays; all answers here end in `hello`.
fn get(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(REQUEST)?;
    let mut received = Vec::new();
    let mut piece = [0; 1024];
    while !received.ends_with(b"hello") {
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => received.extend_from_slice(&piece[..read]),
        }
    }
    Ok(())
}

#[test]
fn sigterm_and_sigint_stop_a_server_with_exit_code_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Process::start("hello");
        let mut idle = server.connect();
        get(&mut idle).unwrap();
        server.signal(signal);
        assert_eq!(server.exit(), Some(0));
    }
}

#[test]
fn requests_that_outlast_the_deadline_make_exit_code_1() {
    let mut server = Process::start("endless");
    let _client = server.ask();
    server.signal(Signal::TERM);
    assert_eq!(server.exit(), Some(1));
}

#[test]
fn a_second_signal_ends_the_process_at_once_even_where_a_thread_is_blocked() {
    for (kind, signal, expected) in [
        ("endless", Signal::INT, 130),
        ("blocked", Signal::TERM, 143),
    ] {
        // Longer than this test waits.
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut server = Process::spawn(kind, command.env(DEADLINE, "3600000"));
        let _client = server.ask();
        server.signal(Signal::TERM);
        // One signal after the other: two that wait together are one.
        wait_until(|| TcpStream::connect(server.addr).is_err());
        server.signal(signal);
        assert_eq!(server.exit(), Some(expected), "{kind}");
    }
}

#[test]
fn a_signal_ends_a_process_that_hangs_on_its_way_out() {
    use std::os::unix::process::ExitStatusExt;
    // The deadline has cut the request, but its thread is blocked and the runtime waits for it.
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut server = Process::spawn("blocked", command.env(WAITS, "1"));
    let _client = server.ask();
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(server.child.try_wait().unwrap().is_none(), "not blocked");
    server.signal(Signal::TERM);
    // The signal's default action, as in a program that never heard of signals.
    let status = server.child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_call_that_never_ends_does_not_outlive_the_deadline() {
    // In a call, in an iterator that has given something, and on every worker of the runtime.
    for kind in ["blocked", "silent", "starved"] {
        let mut server = Process::start(kind);
        // As many as would be there for all its workers.
        let most = if kind == "starved" { 2 } else { 8 };
        let _clients: Vec<_> = (0..most).map(|_| server.ask()).collect();
        server.signal(Signal::TERM);
        assert_eq!(server.exit(), Some(1), "{kind}");
    }
}

#[test]
fn an_application_is_served() {
    let server = Process::start("app");
    let mut client = server.connect();
    client
        .write_all(b"GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(
        statuses(&answer) == [200] && answer.ends_with("/path"),
        "{answer}"
    );
}

#[test]
fn a_socket_that_was_handed_over_is_served() {
    // A shell puts the socket where systemd would: at descriptor 3.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let exe = std::env::current_exe().unwrap();
    // Standard input is the one descriptor that std hands down.
    let stdin = Stdio::from(std::os::fd::OwnedFd::from(listener));
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" \"$@\" 3<&0 </dev/null"])
        .arg(exe);
    command.env("LISTEN_FDS", "1").stdin(stdin);
    let server = Process::spawn("hello", &mut command);
    assert_eq!(server.addr, addr);
    get(&mut server.connect()).unwrap();
}

#[test]
fn a_supervisor_is_told_when_the_server_is_ready_and_when_it_stops() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    // Of two kinds: a file, and a name in a space of its own (unix(7)).
    let name = format!("gateway-server-test-{}", std::process::id());
    let abstracted = SocketAddr::from_abstract_name(&name).unwrap();
    for (supervisor, socket) in [
        (UnixDatagram::bind(&path), path.to_str().unwrap()),
        (UnixDatagram::bind_addr(&abstracted), &format!("@{name}")),
    ] {
        let supervisor = supervisor.unwrap();
        supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
        let told = || {
            let mut text = [0; 64];
            let length = supervisor.recv(&mut text).unwrap();
            String::from_utf8_lossy(&text[..length]).trim().to_string()
        };
        let server = Process::spawn(
            "hello",
            Command::new(std::env::current_exe().unwrap()).env("NOTIFY_SOCKET", socket),
        );
        assert_eq!(told(), "READY=1", "{socket}");
        server.signal(Signal::TERM);
        assert_eq!(told(), "STOPPING=1", "{socket}");
    }
}

#[test]
fn a_server_out_of_descriptors_waits_without_spinning_and_recovers() {
    let server = Process::spawn(
        "unlimited",
        Command::new(std::env::current_exe().unwrap()).env("FILES", "60"),
    );
    let mut inside = server.connect();
    get(&mut inside).unwrap();
    let crowd: Vec<_> = (0..150).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(300));
    let before = server.ticks();
    std::thread::sleep(Duration::from_secs(1));
    let spent = server.ticks() - before;
    assert!(spent <= 10, "{spent} of 100 ticks spent on waiting");
    get(&mut inside).expect("those inside are served");
    drop(crowd);
    let mut late = server.connect();
    get(&mut late).expect("accepting goes on");
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_others_are_served() {
    const MOST: usize = 10_000;
    allow_files(MOST as u64 + 1000);
    let allowed = getrlimit(Resource::Nofile)
        .current
        .map_or(MOST, |files| files as usize);
    let count = MOST.min(allowed - 500);
    let server = Process::spawn(
        "hello",
        Command::new(std::env::current_exe().unwrap()).env("FILES", (MOST + MOST / 4).to_string()),
    );
    get(&mut server.connect()).unwrap();
    let before = server.memory();
    // As in life, they come over time: the buffers of those that have become idle serve the next.
    let mut clients = Vec::new();
    for _ in 0..20 {
        let from = clients.len();
        clients.extend((0..count / 20).map(|_| server.connect()));
        for client in &mut clients[from..] {
            get(client).unwrap();
        }
        std::thread::sleep(Duration::from_millis(700));
    }
    let each = (server.memory() - before) / clients.len();
    println!("{} idle connections of {each} bytes", clients.len());
    assert!(each < 8 * 1024, "{each}");
    get(&mut server.connect()).unwrap();
    // All of them are still there.
    for client in clients.iter_mut().step_by(100) {
        get(client).unwrap();
    }
}

#[test]
fn memory_is_flat_over_two_hundred_thousand_requests() {
    let server = Process::start("hello");
    let round = |requests: usize| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut stream = server.connect();
                    for _ in 0..requests / 4 {
                        get(&mut stream).unwrap();
                    }
                });
            }
        });
    };
    round(20_000);
    let before = server.memory();
    round(180_000);
    let after = server.memory();
    let grown = after.saturating_sub(before);
    println!("{before} bytes after 20,000 requests, {after} after 200,000");
    assert!(grown < 1024 * 1024, "grown by {grown} bytes");
}
