//! Several replicas behind nginx's upstream, with `examples/deploy/nginx/replicas.conf`: what a
//! restart costs, counted.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use conformance::deploy::{
    Folder, Running, binary, free_port, get_with, nginx, request, wait_for_port,
};
use rustix::process::Signal;

struct Replicas {
    ports: [u16; 3],
    running: Vec<Running>,
    front: u16,
    _nginx: Running,
    _folder: Folder,
}

fn start(port: u16) -> Running {
    let mut command = Command::new(binary("environ", "environ"));
    command
        .args(["fcgi", &format!("127.0.0.1:{port}")])
        .stdout(Stdio::null());
    let running = Running::start(&mut command);
    wait_for_port(port);
    running
}

fn replicas() -> Replicas {
    let folder = Folder::new();
    let ports = [free_port(), free_port(), free_port()];
    let front = free_port();
    let running = ports.map(start).into();
    let addresses = ports.map(|port| format!("server 127.0.0.1:{port}"));
    let conf = folder.config(
        "nginx/replicas.conf",
        &[
            ("server 127.0.0.1:9001", &addresses[0]),
            ("server 127.0.0.1:9002", &addresses[1]),
            ("server 127.0.0.1:9003", &addresses[2]),
            ("listen 80", &format!("listen 127.0.0.1:{front}")),
        ],
    );
    let nginx = nginx(&folder, front, &conf);
    Replicas {
        ports,
        running,
        front,
        _nginx: nginx,
        _folder: folder,
    }
}

/// Clients that ask without a pause, and count.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(front: u16, method: &'static str) -> Self {
        let load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            lost: Arc::default(),
            threads: vec![],
        };
        let threads = (0..8).map(|n| {
            let (stop, answered, lost) = (
                Arc::clone(&load.stop),
                Arc::clone(&load.answered),
                Arc::clone(&load.lost),
            );
            thread::spawn(move || {
                // Some quick, some that are running when the signal comes.
                let wish = if n % 2 == 0 {
                    "status=200"
                } else {
                    "stream=3,10"
                };
                while !stop.load(Ordering::Relaxed) {
                    let body: &[u8] = if method == "POST" { b"hello" } else { b"" };
                    let reply = request(front, method, b"/", &[("X-Demo", wish)], body);
                    let counter = match reply {
                        Ok(reply) if reply.status == 200 && reply.complete => &answered,
                        _ => &lost,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let threads = threads.collect();
        Self { threads, ..load }
    }

    fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        (
            self.answered.load(Ordering::Relaxed),
            self.lost.load(Ordering::Relaxed),
        )
    }
}

#[test]
#[ignore = "needs nginx"]
fn rolling_restarts_lose_no_request() {
    for method in ["GET", "POST"] {
        let mut replicas = replicas();
        let load = Load::start(replicas.front, method);
        thread::sleep(Duration::from_millis(300));
        for round in 0..2 {
            for (running, port) in replicas.running.iter_mut().zip(replicas.ports) {
                running.signal(Signal::TERM);
                assert_eq!(running.wait(), Some(0), "round {round}");
                *running = start(port);
                thread::sleep(Duration::from_millis(200));
            }
        }
        let (answered, lost) = load.end();
        eprintln!("{method}: {answered} answered, {lost} lost over 6 restarts");
        assert!(answered > 100);
        assert_eq!(lost, 0, "of {answered} {method} requests");
    }
}

#[test]
#[ignore = "needs nginx"]
fn a_replica_that_is_killed_costs_at_most_what_it_had_begun() {
    let mut replicas = replicas();
    let load = Load::start(replicas.front, "GET");
    thread::sleep(Duration::from_millis(300));
    const KILLS: usize = 10;
    for _ in 0..KILLS {
        replicas.running[1].signal(Signal::KILL);
        replicas.running[1].wait();
        thread::sleep(Duration::from_millis(50));
        replicas.running[1] = start(replicas.ports[1]);
        thread::sleep(Duration::from_millis(150));
    }
    let (answered, lost) = load.end();
    eprintln!("{answered} answered, {lost} lost over {KILLS} kills");
    // Eight clients: what is lost had begun on the replica that died, its head gone out to the client.
    assert!(lost <= KILLS * 8, "{lost} of {answered}");
    assert!(answered > 20 * lost.max(10), "{lost} of {answered}");
}

#[test]
#[ignore = "needs nginx"]
fn etags_agree_across_replicas() {
    let replicas = replicas();
    // Each answers in turn; what one says, another confirms.
    let tags: Vec<_> = (0..6)
        .map(|_| {
            let reply = get_with(replicas.front, "/", &[("X-Demo", "status=304")]);
            reply.header("etag").unwrap().to_owned()
        })
        .collect();
    assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
    drop(replicas);

    // Files: the tag is of the content's place and time, not of the process.
    let folder = Folder::new();
    folder.write("files/app.js", "let a");
    let serve = || {
        let port = free_port();
        let mut command = Command::new(binary("serve", "serve"));
        command
            .arg(folder.path("files"))
            .args(["--bind", &format!("127.0.0.1:{port}")]);
        let running = Running::start(command.stdout(Stdio::null()));
        wait_for_port(port);
        (running, port)
    };
    let (_one, first) = serve();
    let (_two, second) = serve();
    let tag = conformance::deploy::get(first, "/app.js")
        .header("etag")
        .unwrap()
        .to_owned();
    let reply = get_with(second, "/app.js", &[("If-None-Match", &tag)]);
    assert_eq!(reply.status, 304, "{tag}");
}
