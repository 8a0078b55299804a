//! Processes that come and go, and requests that do not notice.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

const APP: &str = "
import os, time
VERSION = 1
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    if environ['PATH_INFO'] == '/slow':
        time.sleep(0.02)
    return [f'{os.getpid()} {VERSION} {environ[\"wsgi.multiprocess\"]}'.encode()]
";

struct Site {
    server: Child,
    addr: String,
    folder: PathBuf,
}

impl Site {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("workers-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("app.py"), APP).unwrap();
        let mut server = Command::new(env!("CARGO_BIN_EXE_serve-wsgi"))
            .args(["--bind", "127.0.0.1:0", "app:application"])
            .args(arguments)
            .current_dir(&folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        thread::spawn(move || lines.for_each(|line| eprintln!("{}", line.unwrap())));
        let addr = line
            .strip_prefix("listening on http://")
            .expect(&line)
            .to_owned();
        Self {
            server,
            addr,
            folder,
        }
    }

    fn kill(&self, signal: &str, pid: &str) {
        let done = Command::new("kill").args([signal, pid]).status().unwrap();
        assert!(done.success());
    }

    fn signal(&self, signal: &str) {
        self.kill(signal, &self.server.id().to_string());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        _ = self.server.kill();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// `pid version`, or why there is no answer.
fn get(addr: &str, path: &str) -> Result<(String, String), String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    let text = answer
        .strip_prefix("HTTP/1.1 200 OK\r\n")
        .ok_or(answer.clone())?;
    let body = text.split("\r\n\r\n").nth(1).ok_or(answer.clone())?;
    let mut words = body.split(' ').map(str::to_owned);
    Ok((words.next().unwrap(), words.next().ok_or(answer)?))
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

fn pids(addr: &str) -> Vec<String> {
    let threads: Vec<_> = (0..40)
        .map(|_| {
            let addr = addr.to_owned();
            thread::spawn(move || get(&addr, "/slow"))
        })
        .collect();
    let answers = threads.into_iter().filter_map(|it| it.join().unwrap().ok());
    let mut pids: Vec<String> = answers.map(|(pid, _)| pid).collect();
    pids.sort();
    pids.dedup();
    pids
}

/// Which processes answer, once there are two of them.
fn both(addr: &str) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..1200 {
        found = pids(addr);
        if found.len() == 2 {
            return found;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("never two: {found:?}");
}

#[test]
fn a_restart_loses_no_request_and_a_worker_that_dies_is_replaced() {
    let mut site = Site::start("restart", &["--workers", "2"]);
    let addr = site.addr.clone();
    let before = both(&addr);
    // Requests all the while.
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..4)
        .map(|n| {
            let (stop, asked, addr) = (Arc::clone(&stop), Arc::clone(&asked), addr.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    get(&addr, if n % 2 == 0 { "/" } else { "/slow" })?;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    fs::write(
        site.folder.join("app.py"),
        APP.replace("VERSION = 1", "VERSION = 2"),
    )
    .unwrap();
    for _ in 0..3 {
        let sofar = both(&addr);
        site.signal("-HUP");
        eventually("others serve", || {
            let now = pids(&addr);
            now.len() == 2 && now.iter().all(|pid| !sofar.contains(pid))
        });
    }
    assert_eq!(get(&addr, "/").unwrap().1, "2");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap().expect("no request is lost");
    }
    assert!(asked.load(Ordering::Relaxed) > 0);
    let now = both(&addr);
    assert!(now.iter().all(|pid| !before.contains(pid)));
    site.kill("-KILL", &now[0]);
    eventually("it is replaced", || {
        let after = pids(&addr);
        after.len() == 2 && !after.contains(&now[0]) && after.contains(&now[1])
    });
    site.signal("-TERM");
    assert!(site.server.wait().unwrap().success());
    assert!(get(&addr, "/").is_err());
}

#[test]
fn a_file_that_changes_is_seen_and_one_that_breaks_takes_nothing_down() {
    let site = Site::start("reload", &["--reload"]);
    eventually("it serves", || get(&site.addr, "/").is_ok());
    let write = |text: &str| {
        // Of another second, for file systems that know no smaller.
        thread::sleep(Duration::from_millis(1100));
        fs::write(site.folder.join("app.py"), text).unwrap();
    };
    write("raise ValueError('broken')");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(get(&site.addr, "/").unwrap().1, "1");
    write(&APP.replace("VERSION = 1", "VERSION = 3"));
    eventually("the new version serves", || {
        get(&site.addr, "/").is_ok_and(|(_, version)| version == "3")
    });
}

#[test]
fn a_module_that_cannot_be_imported_ends_with_1_and_pythons_traceback() {
    for arguments in [
        &["nowhere.at.all:app"][..],
        &["--workers", "2", "nowhere.at.all:app"],
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_serve-wsgi"))
            .args(["--bind", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(1));
        let text = String::from_utf8_lossy(&done.stderr);
        assert!(
            text.contains("Traceback (most recent call last):"),
            "{text}"
        );
        assert!(
            text.contains("ModuleNotFoundError: No module named 'nowhere'"),
            "{text}"
        );
    }
}

#[test]
fn what_python_leaves_to_its_end_is_done_at_the_end() {
    let mut site = Site::start("end", &["--workers", "1"]);
    eventually("it serves", || get(&site.addr, "/").is_ok());
    let app = format!(
        "{APP}
import atexit, threading, time
def at_exit():
    with open('ended', 'w') as f:
        f.write('atexit')
atexit.register(at_exit)
def forever():
    while True:
        time.sleep(0.001)
threading.Thread(target=forever, daemon=True).start()
"
    );
    fs::write(
        site.folder.join("app.py"),
        app.replace("VERSION = 1", "VERSION = 2"),
    )
    .unwrap();
    site.signal("-HUP");
    eventually("the new version serves", || {
        get(&site.addr, "/").is_ok_and(|(_, version)| version == "2")
    });
    site.signal("-TERM");
    assert!(site.server.wait().unwrap().success());
    assert_eq!(
        fs::read_to_string(site.folder.join("ended")).unwrap(),
        "atexit"
    );
}
