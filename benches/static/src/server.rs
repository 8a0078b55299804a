//! A server process: started, found, measured, stopped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// ServeDir first: it is what the others are compared with.
pub const NAMES: [&str; 5] = [
    "servedir",
    "hyper-staticfile",
    "serve --no-cache",
    "serve",
    "nginx",
];

pub struct Server {
    child: Child,
    pub address: String,
    _configuration: Option<tempfile::TempDir>,
}

impl Server {
    /// `None`, and a word about it, where it is not installed.
    pub fn start(name: &str, root: &Path) -> Option<Self> {
        if name == "nginx" {
            return Self::nginx(root);
        }
        let mut command = match name {
            "serve" | "serve --no-cache" => {
                let mut command = Command::new(serve_binary()?);
                command
                    .arg(root)
                    .args(["--bind", "127.0.0.1:0"])
                    .args(name.split(' ').skip(1));
                command
            }
            peer => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg(peer).arg(root);
                command
            }
        };
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Some(Self {
            child,
            address,
            _configuration: None,
        })
    }

    fn nginx(root: &Path) -> Option<Self> {
        let binary = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(binary) = binary else {
            eprintln!("nginx is not installed: no column for it");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let place = tempfile::tempdir().unwrap();
        let (here, root) = (place.path().display(), root.display());
        let configuration = format!(
            "daemon off; worker_processes 2; worker_rlimit_nofile 65536; pid {here}/pid; error_log {here}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; etag on;\n\
             types {{ text/plain txt; }} default_type application/octet-stream;\n\
             client_body_temp_path {here}/a; proxy_temp_path {here}/b; fastcgi_temp_path {here}/c; uwsgi_temp_path {here}/d; scgi_temp_path {here}/e;\n\
             open_file_cache max=20000 inactive=60s; open_file_cache_valid 30s; open_file_cache_min_uses 1;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        let file = place.path().join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let child = Command::new(binary)
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(place.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let start = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "nginx did not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            child,
            address,
            _configuration: Some(place),
        })
    }

    /// The process and its children (nginx's workers).
    fn processes(&self) -> Vec<u32> {
        let parent = self.child.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))
            .unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|process| process.parse().ok());
        std::iter::once(parent).chain(children).collect()
    }

    /// Seconds that its threads have spent on a processor.
    pub fn cpu_seconds(&self) -> f64 {
        let tasks = self.processes().into_iter().flat_map(|process| {
            fs::read_dir(format!("/proc/{process}/task"))
                .into_iter()
                .flatten()
                .flatten()
        });
        let nanos = tasks.filter_map(|task| {
            let line = fs::read_to_string(task.path().join("schedstat")).ok()?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanos.sum::<f64>() / 1e9
    }

    /// The most memory it ever had, in MiB, its processes together.
    pub fn peak_memory(&self) -> f64 {
        let kib = self.processes().into_iter().filter_map(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?
                .to_owned();
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        kib.sum::<f64>() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's workers end with their master only if it is asked.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

fn serve_binary() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target =
        std::env::var_os("SERVE_TARGET").map_or_else(|| root.join("target"), PathBuf::from);
    let binary = target.join("release/serve");
    if !binary.exists() {
        eprintln!(
            "{} is not there: cargo build --release -p serve",
            binary.display()
        );
        return None;
    }
    Some(binary)
}
