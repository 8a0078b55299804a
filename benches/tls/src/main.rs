//! Does HTTPS cost less than with axum-server, on the same rustls; and than nginx in front of the plain server?
//!
//! Each server is a process of its own with one worker thread, so that its processor time is known exactly; this process
//! is the client. Rounds alternate, so that what else the machine does hits all alike. Prints, as ratios to axum-server: processor
//! time of a request over kept connections, of a whole handshake (TLS 1.3, ECDSA P-256, no session resumed), and the memory of an idle
//! connection. nginx (`nginx`, left out where there is none) speaks TLS to the client and plain HTTP to our server over kept connections;
//! its time is that of both.
//!
//! ```text
//! cargo run --release -p bench-tls [ROUNDS [REQUESTS [HANDSHAKES [IDLE]]]]
//! ```
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

const CONNECTIONS: usize = 32;
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, server, dir] = arguments.as_slice()
        && command == "serve"
    {
        return serve(server, dir);
    }
    let number = |at: usize, default: usize| {
        let given = arguments.get(at).and_then(|argument| argument.parse().ok());
        given.unwrap_or(default)
    };
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let dir = dir.path().to_str().unwrap();
    let rounds = number(0, 9);
    let mut servers = vec![
        Server::start("axum-server", dir),
        Server::start("ours", dir),
    ];
    servers.extend(Server::nginx(dir));
    let (requests, handshakes) = (number(1, 40_000), number(2, 2_000));
    for (what, count, measure) in [
        (
            "request",
            requests,
            Server::load as fn(&Server, usize) -> Duration,
        ),
        ("handshake", handshakes, Server::handshakes),
    ] {
        let mut times = vec![Vec::new(); servers.len()];
        let mut ratios = vec![Vec::new(); servers.len()];
        for round in 0..rounds {
            let mut found = vec![Duration::ZERO; servers.len()];
            for turn in 0..servers.len() {
                // Who goes first takes turns as well.
                let which = (turn + round) % servers.len();
                found[which] = measure(&servers[which], count);
            }
            for (which, time) in found.iter().enumerate() {
                times[which].push(time.as_nanos() as f64 / count as f64);
                ratios[which].push(time.as_secs_f64() / found[0].as_secs_f64());
            }
        }
        for (which, server) in servers.iter().enumerate() {
            println!(
                "{}: {:.1} us of processor time a {what}, {:.3} of axum-server's (medians of {rounds})",
                server.name,
                median(&mut times[which]) / 1000.0,
                median(&mut ratios[which]),
            );
        }
    }
    drop(servers);
    let idle = number(3, 10_000);
    for name in ["axum-server", "ours"] {
        let [answered, quiet] = [true, false].map(|asks| Server::start(name, dir).idle(idle, asks));
        println!(
            "{name}: {:.1} KiB for each of {idle} connections that were answered and are idle for 6 s, {:.1} KiB before \
             the first request",
            answered / 1024.0,
            quiet / 1024.0
        );
    }
}

fn config(dir: &str) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(format!("{dir}/cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{dir}/key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// The same router and the same rustls under either server.
fn serve(server: &str, dir: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let router = Router::new().route("/", get(|| async { "Hello World!" }));
    runtime.block_on(async {
        match server {
            "axum-server" => {
                use axum_server::tls_rustls::RustlsConfig;
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                listener.set_nonblocking(true).unwrap();
                println!("{}", listener.local_addr().unwrap());
                let config = RustlsConfig::from_config(Arc::new(config(dir)));
                let server = axum_server::from_tcp_rustls(listener, config).unwrap();
                server.serve(router.into_make_service()).await.unwrap();
            }
            "ours" => {
                let tls = gateway_server::tls::Tls::own(config(dir));
                let server = gateway_server::http::Server::bind("127.0.0.1:0").unwrap();
                println!("{}", server.local_addr().unwrap());
                server.tls(tls).serve(router).await.unwrap();
            }
            "plain" => {
                let server = gateway_server::http::Server::bind("127.0.0.1:0").unwrap();
                println!("{}", server.local_addr().unwrap());
                server.serve(router).await.unwrap();
            }
            other => panic!("no server called {other}"),
        }
    });
}

struct Server {
    name: &'static str,
    // The last is ours where there are two.
    children: Vec<Child>,
    addr: String,
    client: Arc<ClientConfig>,
}

impl Server {
    fn start(name: &'static str, dir: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", name, dir])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut addr = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut addr)
            .unwrap();
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(format!("{dir}/cert.pem")).unwrap();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let client = client.with_safe_default_protocol_versions().unwrap();
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.resumption = Resumption::disabled();
        let server = Self {
            name,
            children: vec![child],
            addr: addr.trim().to_string(),
            client: Arc::new(client),
        };
        if name != "plain" {
            // The answer before the time.
            assert!(server.connect().ask().ends_with("Hello World!"));
        }
        server
    }

    /// nginx that speaks TLS in front of our plain server, with one worker; `None` where there is no nginx.
    fn nginx(dir: &str) -> Option<Self> {
        let mut server = Self::start("plain", dir);
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
            listener.local_addr().ok()?.port()
        };
        let plain = &server.addr;
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log {dir}/log;\n\
             events {{ worker_connections 20000; }}\n\
             http {{ access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;\n\
             uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e; keepalive_requests 100000000;\n\
             upstream app {{ server {plain}; keepalive 64; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;\n\
             ssl_protocols TLSv1.3; ssl_session_tickets on;\n\
             location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}"
        );
        std::fs::write(format!("{dir}/nginx.conf"), config).ok()?;
        let nginx = Command::new("nginx")
            .args(["-c", &format!("{dir}/nginx.conf"), "-p", dir])
            .stderr(Stdio::null())
            .spawn();
        server.children.insert(0, nginx.ok()?);
        server.name = "nginx and ours behind it";
        server.addr = format!("127.0.0.1:{port}");
        for _ in 0..100 {
            if TcpStream::connect(&server.addr).is_ok() {
                assert!(server.connect().ask().ends_with("Hello World!"));
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        let name = "localhost".try_into().unwrap();
        let client = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut stream = StreamOwned::new(client, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        Connection { stream }
    }

    /// Processor time of all threads so far.
    fn processor(&self) -> Duration {
        let of = |child: &Child| -> u64 {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
            let nanos = tasks.filter_map(|task| {
                let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
                stat.split(' ').next()?.parse::<u64>().ok()
            });
            nanos.sum()
        };
        Duration::from_nanos(self.children.iter().map(of).sum())
    }

    fn memory(&self) -> f64 {
        let child = self.children.last().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<f64>().unwrap() * 1024.0
    }

    /// Processor time of `requests` over `CONNECTIONS`.
    fn load(&self, requests: usize) -> Duration {
        let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| self.connect()).collect();
        for connection in &mut connections {
            connection.ask();
        }
        let before = self.processor();
        for _ in 0..requests / CONNECTIONS {
            // All ask, then all read: the server has many to do at a time.
            for connection in &mut connections {
                connection.stream.write_all(REQUEST).unwrap();
            }
            for connection in &mut connections {
                connection.read();
            }
        }
        self.processor() - before
    }

    /// Processor time of `count` connections that shake hands, and close.
    fn handshakes(&self, count: usize) -> Duration {
        let before = self.processor();
        for _ in 0..count {
            drop(self.connect());
        }
        // What is still to do for the last of them.
        std::thread::sleep(Duration::from_millis(20));
        self.processor() - before
    }

    /// Bytes of a connection that has shaken hands and is quiet since: before its first request, or behind it.
    fn idle(&self, count: usize, asks: bool) -> f64 {
        let before = self.memory();
        let held: Vec<_> = (0..count)
            .map(|_| {
                let mut connection = self.connect();
                if asks {
                    connection.ask();
                }
                // Without the client's own state: this process has memory too.
                connection.stream.sock
            })
            .collect();
        std::thread::sleep(Duration::from_secs(6));
        let each = (self.memory() - before) / count as f64;
        drop(held);
        each
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Connection {
    fn ask(&mut self) -> String {
        self.stream.write_all(REQUEST).unwrap();
        self.read()
    }

    fn read(&mut self) -> String {
        let mut answer = String::new();
        let mut piece = [0; 4096];
        while !answer.ends_with("Hello World!") {
            let read = self.stream.read(&mut piece).unwrap();
            assert!(read > 0, "closed after {answer}");
            answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        answer
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
