//! Several processes on one socket, started anew and never forked.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Set for workers, to the number of theirs.
const WORKER: &str = "GATEWAY_WORKER";

/// How long a new worker may take until it listens.
const START: Duration = Duration::from_secs(60);

/// How long a slot rests whose worker died young: a module that cannot be imported must not keep a
/// processor busy.
const REST: Duration = Duration::from_secs(1);

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Whether this process is one of several that serve the same sockets.
pub(crate) fn is_worker() -> bool {
    env::var_os(WORKER).is_some()
}

/// What [`Workers::start`] came to.
#[derive(Debug)]
pub enum Role {
    /// This process serves: with `Server::listenfd_or_bind`, since it has the socket already.
    Worker,
    /// This process has looked after the workers, and they have ended.
    Supervisor(ExitCode),
}

/// Several processes of this program on one socket.
///
/// Python runs on one processor at a time in a process, so several make use of more. Each is this very
/// executable, started anew with the same arguments and the socket (`LISTEN_FDS`): nothing is forked that has
/// threads. One that dies is replaced. On SIGHUP, or when a file has changed, new ones take the place of the
/// old, each when it listens; the old one answers what it has begun, and no request is lost.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use gateway_wsgi::{Role, Workers, Wsgi};
///
/// fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
///     if let Role::Supervisor(code) = Workers::new(4).start("127.0.0.1:8080")? {
///         return Ok(code);
///     }
///     let app = Wsgi::import("mysite.wsgi").venv("venv").load()?;
///     # async fn served(_: gateway_wsgi::WsgiService) {}
///     // Server::listenfd_or_bind("127.0.0.1:8080")?.serve(app.into_service())
///     # drop(served(app.into_service()));
///     Ok(ExitCode::SUCCESS)
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is started until `start`"]
pub struct Workers {
    count: usize,
    watched: Vec<PathBuf>,
}

impl Workers {
    /// So many processes, at least 1.
    pub fn new(count: usize) -> Self {
        Self {
            count: count.max(1),
            watched: Vec::new(),
        }
    }

    /// Starts them anew when a `.py` file below `folder` changes: for development. May be repeated.
    /// Default: no file is watched.
    pub fn reload(mut self, folder: impl AsRef<Path>) -> Self {
        self.watched.push(folder.as_ref().into());
        self
    }

    /// Listens on `addr` and looks after the workers until SIGTERM or SIGINT; in a worker, returns at
    /// once. Call it first: before there are threads, and before Python.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or signals cannot be received.
    pub fn start(self, addr: impl ToSocketAddrs) -> io::Result<Role> {
        if is_worker() {
            // Not to go on without the one that would end it.
            set_parent_process_death_signal(Some(Signal::TERM))?;
            return Ok(Role::Worker);
        }
        let listener = TcpListener::bind(addr)?;
        // Where port 0 was asked for, it is known now.
        tell(&format!("listening on http://{}", listener.local_addr()?));
        let folder = env::temp_dir().join(format!("gateway-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (events, received) = mpsc::channel();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let told = events.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    _ = told.send(Event::Signal(signal));
                }
            })?;
        let mut supervisor = Supervisor {
            count: self.count,
            seen: newest(&self.watched),
            watched: self.watched,
            listener: listener.into(),
            folder: folder.clone(),
            events,
            workers: BTreeMap::new(),
            started: 0,
            has_served: false,
            ending: false,
            code: ExitCode::SUCCESS,
        };
        let ran = supervisor.run(&received);
        _ = fs::remove_dir_all(folder);
        ran.map(|()| Role::Supervisor(supervisor.code))
    }
}

enum Event {
    Signal(i32),
    /// The worker of this number listens.
    Ready(u64),
    Exited(u64, io::Result<ExitStatus>),
}

struct Worker {
    slot: usize,
    pid: Option<Pid>,
    begun: Instant,
    /// The worker whose place it takes once it listens.
    replaces: Option<u64>,
    /// It was told to end.
    is_leaving: bool,
}

struct Supervisor {
    count: usize,
    watched: Vec<PathBuf>,
    seen: Option<SystemTime>,
    listener: OwnedFd,
    folder: PathBuf,
    events: Sender<Event>,
    workers: BTreeMap<u64, Worker>,
    started: u64,
    has_served: bool,
    ending: bool,
    code: ExitCode,
}

impl Supervisor {
    fn run(&mut self, events: &Receiver<Event>) -> io::Result<()> {
        for slot in 0..self.count {
            self.spawn(slot, None)?;
        }
        loop {
            match events.recv_timeout(LOOK) {
                Ok(Event::Signal(SIGHUP)) => self.reload()?,
                Ok(Event::Signal(_)) => self.end(),
                Ok(Event::Ready(number)) => self.ready(number),
                Ok(Event::Exited(number, status)) => self.exited(number, status)?,
                Err(RecvTimeoutError::Timeout) => self.look()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.ending && self.workers.is_empty() {
                return Ok(());
            }
        }
    }

    /// Starts this executable anew, with the socket.
    fn spawn(&mut self, slot: usize, replaces: Option<u64>) -> io::Result<()> {
        self.started += 1;
        let number = self.started;
        let notify = self.folder.join(format!("{number}.sock"));
        let socket = UnixDatagram::bind(&notify)?;
        socket.set_read_timeout(Some(START))?;
        // LISTEN_PID is the process's own number, which the shell knows before it becomes the program,
        // and descriptor 3 is where the protocol has the first socket.
        let shell = "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$0\" \"$@\"";
        let mut arguments = env::args_os();
        let program = env::current_exe()
            .ok()
            .map(Into::into)
            .or_else(|| arguments.next());
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg(shell)
            .args(program)
            .args(env::args_os().skip(1))
            .stdin(Stdio::from(self.listener.try_clone()?))
            .env("LISTEN_FDS", "1")
            .env_remove("LISTEN_FDNAMES")
            .env("NOTIFY_SOCKET", &notify)
            .env(WORKER, slot.to_string())
            .spawn()?;
        let pid = Pid::from_child(&child);
        let (ready, exited) = (self.events.clone(), self.events.clone());
        thread::Builder::new().spawn(move || wait_for_start(&socket, &notify, number, &ready))?;
        thread::Builder::new().spawn(move || wait_for_end(child, number, &exited))?;
        self.workers.insert(
            number,
            Worker {
                slot,
                pid: Some(pid),
                begun: Instant::now(),
                replaces,
                is_leaving: false,
            },
        );
        Ok(())
    }

    fn reload(&mut self) -> io::Result<()> {
        if self.ending {
            return Ok(());
        }
        let settled = self
            .workers
            .iter()
            .filter(|(_, it)| !it.is_leaving && it.replaces.is_none());
        let old: Vec<(u64, usize)> = settled.map(|(number, it)| (*number, it.slot)).collect();
        for (number, slot) in old {
            let coming = self.workers.values().any(|it| it.replaces == Some(number));
            if !coming {
                self.spawn(slot, Some(number))?;
            }
        }
        Ok(())
    }

    fn ready(&mut self, number: u64) {
        let Some(worker) = self.workers.get_mut(&number) else {
            return;
        };
        self.has_served = true;
        if let Some(old) = worker.replaces.take() {
            self.dismiss(old);
        }
    }

    fn dismiss(&mut self, number: u64) {
        if let Some(worker) = self.workers.get_mut(&number)
            && !worker.is_leaving
        {
            worker.is_leaving = true;
            if let Some(pid) = worker.pid {
                // It may have ended: then that is told soon.
                _ = kill_process(pid, Signal::TERM);
            }
        }
    }

    fn end(&mut self) {
        self.ending = true;
        let all: Vec<u64> = self.workers.keys().copied().collect();
        for number in all {
            self.dismiss(number);
        }
    }

    fn exited(&mut self, number: u64, status: io::Result<ExitStatus>) -> io::Result<()> {
        let Some(worker) = self.workers.remove(&number) else {
            return Ok(());
        };
        let clean = status.as_ref().is_ok_and(ExitStatus::success);
        if worker.is_leaving || self.ending {
            if !clean {
                self.code = ExitCode::FAILURE;
            }
            return Ok(());
        }
        let shown = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        tell(&format!("worker {} ended: {shown}", worker.slot));
        // One that was to take another's place leaves it where it is.
        let replaced = worker
            .replaces
            .is_some_and(|old| self.workers.contains_key(&old));
        if replaced {
            return Ok(());
        }
        if !self.has_served {
            // None has ever listened: nothing will get better.
            self.code = ExitCode::FAILURE;
            self.end();
            return Ok(());
        }
        if worker.begun.elapsed() < REST {
            thread::sleep(REST);
        }
        self.spawn(worker.slot, None)
    }

    fn look(&mut self) -> io::Result<()> {
        if self.watched.is_empty() {
            return Ok(());
        }
        let newest = newest(&self.watched);
        if newest > self.seen {
            self.seen = newest;
            tell("a file has changed: starting anew");
            self.reload()?;
        }
        Ok(())
    }
}

fn wait_for_start(socket: &UnixDatagram, path: &Path, number: u64, events: &Sender<Event>) {
    let mut text = [0; 4096];
    let ready = loop {
        match socket.recv(&mut text) {
            Ok(length) => {
                let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
                if text.lines().any(|line| line == "READY=1") {
                    break true;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break false,
        }
    };
    _ = fs::remove_file(path);
    if ready {
        _ = events.send(Event::Ready(number));
    }
}

fn wait_for_end(mut child: Child, number: u64, events: &Sender<Event>) {
    _ = events.send(Event::Exited(number, child.wait()));
}

/// When a `.py` file below the folders was changed last.
fn newest(folders: &[PathBuf]) -> Option<SystemTime> {
    let mut newest = None;
    let mut folders: Vec<PathBuf> = folders.to_vec();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            // Links are not followed: they may lead round in a circle.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) if path.extension().is_some_and(|it| it == "py") => {
                    newest = newest.max(entry.metadata().and_then(|it| it.modified()).ok());
                }
                _ => {}
            }
        }
    }
    newest
}

/// What the operator should know of the processes.
fn tell(text: &str) {
    eprintln!("{text}");
}
