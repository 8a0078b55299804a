//! Servers side by side, and what drives them.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Answers a second.
    pub rate: f64,
    /// CPU of the backend in microseconds an answer.
    pub cpu: f64,
}

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // The group, workers and all; by its id, which is ours.
        let _ = Command::new("kill")
            .args(["-TERM", "--", &format!("-{}", self.0.id())])
            .status();
        thread::sleep(Duration::from_millis(100));
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.0.id())])
            .stderr(Stdio::null())
            .status();
        let _ = self.0.wait();
    }
}

fn spawn(command: &mut Command) -> Process {
    Process(
        command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}")),
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn wait_for(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("nobody listens on {port}");
}

/// User and system time of a process so far, in seconds.
fn cpu(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    // utime and stime, in ticks of 10 ms.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

pub struct Backend {
    pub name: &'static str,
    port: u16,
    process: Process,
    _folder: Option<tempfile::TempDir>,
}

impl Backend {
    pub fn start(name: &'static str) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let process = spawn(command.args(["backend", name, &port.to_string()]));
        wait_for(port);
        Self {
            name,
            port,
            process,
            _folder: None,
        }
    }

    /// Go's own FastCGI, where Go is installed.
    pub fn go(source: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.go"), source).unwrap();
        let built = Command::new("go")
            .args(["build", "-o", "backend", "main.go"])
            .current_dir(folder.path())
            .env("GOFLAGS", "-mod=mod")
            .status();
        if !built.is_ok_and(|status| status.success()) {
            println!("Go is not here");
            return None;
        }
        let port = free_port();
        let process =
            spawn(Command::new(folder.path().join("backend")).arg(format!("127.0.0.1:{port}")));
        wait_for(port);
        Some(Self {
            name: "go",
            port,
            process,
            _folder: Some(folder),
        })
    }

    fn cpu(&self) -> f64 {
        cpu(self.process.0.id())
    }
}

pub struct Front {
    port: u16,
    _process: Process,
    folder: tempfile::TempDir,
    ports: Vec<(&'static str, u16)>,
}

impl Front {
    /// A port of nginx for each backend, kept connections behind it.
    pub fn nginx(backends: &[Backend]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display();
        let mut ports = Vec::new();
        let mut sites = String::new();
        for Backend {
            name,
            port: backend,
            ..
        } in backends
        {
            let port = free_port();
            ports.push((*name, port));
            let pass = match *name {
                "axum" | "ours-http" => format!(
                    "proxy_pass http://{name}; proxy_http_version 1.1; proxy_set_header Connection \"\";
                     proxy_set_header Host $http_host; proxy_request_buffering off; proxy_buffering off;"
                ),
                "scgi" => format!(
                    "scgi_pass {name}; scgi_param REQUEST_METHOD $request_method; scgi_param REQUEST_URI $request_uri;
                     scgi_param CONTENT_LENGTH $content_length; scgi_param QUERY_STRING $query_string;
                     scgi_param SERVER_PROTOCOL $server_protocol; scgi_param REMOTE_ADDR $remote_addr;
                     scgi_request_buffering off; scgi_buffering off;"
                ),
                _ => format!(
                    "fastcgi_pass {name}; fastcgi_keep_conn on; include {here}/fastcgi_params;
                     fastcgi_param SCRIPT_NAME \"\"; fastcgi_param PATH_INFO $document_uri;
                     fastcgi_request_buffering off; fastcgi_buffering off;"
                ),
            };
            sites += &format!(
                "upstream {name} {{ server 127.0.0.1:{backend}; keepalive 32; keepalive_requests 100000000; }}
                 server {{ listen 127.0.0.1:{port}; client_max_body_size 0; keepalive_requests 100000000;
                 location / {{ {pass} }} }}\n"
            );
        }
        let params = fs::read_to_string("/etc/nginx/fastcgi_params").unwrap();
        fs::write(folder.path().join("fastcgi_params"), params).unwrap();
        let user = if fs::metadata("/proc/self").unwrap().is_dir() {
            "user root;"
        } else {
            ""
        };
        let conf = format!(
            "daemon off; pid {here}/pid; error_log {here}/log; {user} worker_processes 1;
             events {{ worker_connections 1024; }}
             http {{ access_log off; client_body_temp_path {here}/b; proxy_temp_path {here}/p;
             fastcgi_temp_path {here}/f; scgi_temp_path {here}/s; uwsgi_temp_path {here}/u; {sites} }}"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, conf).unwrap();
        let process = spawn(Command::new("/usr/sbin/nginx").arg("-c").arg(&path));
        for (_, port) in &ports {
            wait_for(*port);
        }
        Self {
            port: 0,
            _process: process,
            folder,
            ports,
        }
    }

    /// Apache with scripts, and our CGI program as `ours` (musl, where its target can be had) and
    /// `ours-glibc`.
    pub fn apache_cgi(scripts: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let here = folder.path().display();
        let cgi = folder.path().join("cgi");
        fs::create_dir(&cgi).unwrap();
        let executable =
            |path: &PathBuf| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in scripts {
            fs::write(cgi.join(name), text).unwrap();
            executable(&cgi.join(name));
        }
        for (name, program) in static_programs() {
            fs::copy(program, cgi.join(name)).unwrap();
            executable(&cgi.join(name));
        }
        if let Some(floor) = floor(folder.path()) {
            fs::copy(floor, cgi.join("floor")).unwrap();
            executable(&cgi.join("floor"));
        }
        let port = free_port();
        let load: String = ["mpm_event", "authz_core", "alias", "cgid"]
            .iter()
            .map(|module| {
                format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n")
            })
            .collect();
        let conf = format!(
            "ServerRoot {here}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {here}/pid\nErrorLog {here}/log\n\
             DefaultRuntimeDir {here}\n{load}User www-data\nGroup www-data\nKeepAlive On\nMaxKeepAliveRequests 0\n\
             ScriptAlias / {here}/cgi/\n<Directory {here}/cgi>\nRequire all granted\nOptions +ExecCGI\n</Directory>\n"
        );
        let path = folder.path().join("apache.conf");
        fs::write(&path, conf).unwrap();
        let process = spawn(
            Command::new("/usr/sbin/apache2")
                .arg("-DFOREGROUND")
                .arg("-f")
                .arg(&path),
        );
        wait_for(port);
        Self {
            port,
            _process: process,
            folder,
            ports: vec![],
        }
    }

    /// Whether there is such a program: not every machine has a compiler for each.
    pub fn has(&self, program: &str) -> bool {
        self.folder.path().join("cgi").join(program).exists()
    }

    /// User instructions and page faults of one run of a CGI program.
    pub fn start_up(&self, program: &str) -> (u64, u64) {
        let mut callgrind = Command::new("valgrind");
        callgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(self.folder.path().join("cgi").join(program));
        let output = callgrind.env_clear().envs(REQUEST).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let instructions = said
            .lines()
            .find_map(|line| line.split_once("Collected : "))
            .unwrap_or_else(|| panic!("{said}"))
            .1;
        let faults = self.perf(program, "page-faults", 1);
        (instructions.trim().parse().unwrap(), faults as u64)
    }

    /// The mean of an event over some runs of a CGI program.
    fn perf(&self, program: &str, event: &str, runs: u32) -> f64 {
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x,", "-e", event, "-r", &runs.to_string()])
            .arg(self.folder.path().join("cgi").join(program))
            .env_clear()
            .envs(REQUEST)
            .stdin(Stdio::null());
        let output = perf.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines()
            .find_map(|line| line.split(',').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{said}"))
    }

    fn port_of(&self, backend: &Backend) -> u16 {
        self.ports
            .iter()
            .find(|(name, _)| *name == backend.name)
            .unwrap()
            .1
    }

    pub fn get(&self, backend: &Backend, path: &str) -> String {
        fetch(self.port_of(backend), path)
    }

    pub fn get_path(&self, path: &str) -> String {
        fetch(self.port, path)
    }

    /// Three seconds of small requests.
    pub fn wrk(&self, backend: &Backend) -> Sample {
        let before = backend.cpu();
        let (rate, count) = wrk(self.port_of(backend), "/", 16);
        Sample {
            rate,
            cpu: (backend.cpu() - before) / count * 1e6,
        }
    }

    /// Three seconds of processes under Apache, and what one costs by itself: Apache's cgid forgets
    /// the CPU time of what it starts.
    pub fn processes(&self, program: &str) -> Sample {
        let (rate, _) = wrk(self.port, &format!("/{program}?subject=John"), 4);
        let cpu = self.perf(program, "task-clock", 20) * 1e3;
        Sample { rate, cpu }
    }

    /// Ten bodies, one after another.
    pub fn transfer(&self, backend: &Backend, path: &str) -> Sample {
        const COUNT: usize = 10;
        let upload = path == "/upload";
        let before = backend.cpu();
        let start = Instant::now();
        for _ in 0..COUNT {
            let mut connection = TcpStream::connect(("127.0.0.1", self.port_of(backend))).unwrap();
            let size = crate::backends::SIZE;
            if upload {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
                );
                connection.write_all(head.as_bytes()).unwrap();
                let piece = vec![b'x'; 256 * 1024];
                for _ in 0..size / piece.len() {
                    connection.write_all(&piece).unwrap();
                }
            } else {
                connection
                    .write_all(
                        format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                            .as_bytes(),
                    )
                    .unwrap();
            }
            let mut answer = Vec::with_capacity(11 << 20);
            connection.read_to_end(&mut answer).unwrap();
            if upload {
                assert!(
                    answer.windows(8).any(|eight| eight == b"10485760"),
                    "{}",
                    backend.name
                );
            } else {
                assert!(answer.len() > size, "{}", backend.name);
            }
        }
        let took = start.elapsed().as_secs_f64();
        Sample {
            rate: COUNT as f64 / took,
            cpu: (backend.cpu() - before) / COUNT as f64 * 1e6,
        }
    }
}

/// What a web server says to a CGI program.
const REQUEST: [(&str, &str); 5] = [
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("REQUEST_METHOD", "GET"),
    ("SCRIPT_NAME", "/x"),
    ("QUERY_STRING", "subject=John"),
    ("PATH", "/usr/bin:/bin"),
];

/// Our program linked statically, as one deploys it: half of a small program's start is its
/// libraries. With glibc most of the rest is glibc's own: it asks the processor for its caches with
/// some seventy `cpuid`, and in a virtual machine each of them is a trap. musl asks nothing.
fn static_programs() -> Vec<(&'static str, PathBuf)> {
    let programs = [
        ("ours", "x86_64-unknown-linux-musl"),
        ("ours-glibc", "x86_64-unknown-linux-gnu"),
    ];
    // Where there is neither a rustup nor a network, what is installed has to do.
    for (_, triple) in programs {
        let mut add = Command::new("rustup");
        add.args(["target", "add", triple]).stderr(Stdio::null());
        let _ = add.status();
    }
    let built = programs.into_iter().filter_map(|(name, triple)| {
        let target = std::env::current_exe().unwrap().with_file_name("static");
        let built = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--locked"])
            .args(["--package", "bench-cgi", "--bin", "cgi-program"])
            .args(["--target", triple])
            .env(
                "RUSTFLAGS",
                "-C target-feature=+crt-static -C relocation-model=static",
            )
            .env("CARGO_TARGET_DIR", &target)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status();
        let program = target.join(triple).join("release/cgi-program");
        built.unwrap().success().then_some((name, program))
    });
    let built: Vec<_> = built.collect();
    assert!(!built.is_empty(), "no target to link statically for");
    built
}

/// What a process costs that does nothing but answer: no library, not even C's.
fn floor(folder: &Path) -> Option<PathBuf> {
    let (source, program) = (folder.join("floor.c"), folder.join("floor"));
    fs::write(&source, crate::backends::FLOOR).unwrap();
    let built = Command::new("cc")
        .args(["-O2", "-static", "-nostdlib", "-o"])
        .args([&program, &source])
        .status();
    built
        .is_ok_and(|status| status.success())
        .then_some(program)
}

fn fetch(port: u16, path: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection
        .write_all(format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
        .split_once("\r\n\r\n")
        .map_or(answer.clone(), |(_, body)| body.to_owned())
}

/// Requests a second, and requests.
fn wrk(port: u16, path: &str, clients: u32) -> (f64, f64) {
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("wrk")
        .args(["-t1", "-d3s", &format!("-c{clients}"), &url])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = |end: &str| {
        text.lines()
            .find(|line| line.contains(end))
            .unwrap_or_else(|| panic!("{text}"))
    };
    let rate = line("Requests/sec:")
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let count = line("requests in")
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    (rate, count)
}
