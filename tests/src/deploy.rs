//! Real web servers, started on free ports from a folder of their own, with the configurations of
//! `examples/deploy`.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Builds the binary `name` of the package `package` and returns its path.
#[must_use]
pub fn binary(package: &str, name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", package, "--bin", name])
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success(), "{package} does not build");
    // This test is target/debug/deps/NAME.
    let deps = std::env::current_exe().unwrap();
    deps.ancestors().nth(2).unwrap().join(name)
}

/// A port that is free now.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A folder that every user may enter, gone at the end.
#[derive(Debug)]
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("deploy").tempdir().unwrap();
        // Started as root, servers change their user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self { folder }
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its own path, as text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Copies a binary, to be run by any user.
    pub fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.path(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        to
    }

    /// The configuration `name` of `examples/deploy`, with its addresses and folders replaced by
    /// ours. Each must occur: the configuration and the test say the same.
    #[must_use]
    pub fn config(&self, name: &str, replace: &[(&str, &str)]) -> String {
        let mut text = fs::read_to_string(root().join("examples/deploy").join(name)).unwrap();
        for (from, to) in replace {
            assert!(text.contains(from), "{name} has no `{from}`");
            text = text.replace(from, to);
        }
        text
    }
}

/// A process and all it has started, ended with this value.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` in a process group of its own.
    pub fn start(command: &mut Command) -> Self {
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        Self {
            child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")),
        }
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, signal);
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::TERM);
        let start = Instant::now();
        while !self.has_ended() && start.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(10));
        }
        // What is left of the group, too: workers outlive a master.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Waits until a server listens on `port`.
pub fn wait_for_port(port: u16) {
    wait_for(&format!("port {port}"), || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}

/// Waits until `done`, ten seconds at most.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, its chunks joined.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Reply {
    /// The body as Latin-1.
    #[must_use]
    pub fn text(&self) -> String {
        self.body.iter().copied().map(char::from).collect()
    }

    /// The first field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter().filter(|(known, _)| known == name);
        fields.next().map(|(_, value)| value.as_str())
    }

    /// All fields of that name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as the JSON of `environ`.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let early = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(early)?;
        let head: String = bytes[..end].iter().copied().map(char::from).collect();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Self {
            status: status.ok_or_else(early)?,
            headers,
            body: vec![],
            complete: true,
        };
        let rest = &bytes[end + 4..];
        if reply.header("transfer-encoding") == Some("chunked") {
            (reply.body, reply.complete) = dechunk(rest);
        } else {
            reply.body = rest.to_vec();
            let length = reply
                .header("content-length")
                .and_then(|length| length.parse().ok());
            reply.complete = length.is_none_or(|length: usize| length == rest.len());
        }
        Ok(reply)
    }
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let size = String::from_utf8_lossy(&rest[..end]);
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            return (body, false);
        };
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(..size) else {
            body.extend_from_slice(rest);
            return (body, false);
        };
        body.extend_from_slice(chunk);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}

/// One request over a connection of its own. `target` goes out as it is, odd bytes and all.
///
/// # Errors
///
/// No connection, or no response.
pub fn request(
    port: u16,
    method: &str,
    target: &[u8],
    fields: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut head = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    if !fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head.extend(format!("Host: 127.0.0.1:{port}\r\n").bytes());
    }
    for (name, value) in fields {
        head.extend(format!("{name}: {value}\r\n").bytes());
    }
    if !body.is_empty() {
        head.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    head.extend(b"Connection: close\r\n\r\n");
    connection.write_all(&head)?;
    let mut writer = connection.try_clone()?;
    let mut answer = Vec::new();
    thread::scope(|scope| {
        // A server that answers before the end of a body must not be deadlocked.
        scope.spawn(move || writer.write_all(body));
        connection.read_to_end(&mut answer)
    })
    .or_else(|error| if answer.is_empty() { Err(error) } else { Ok(0) })?;
    Reply::parse(&answer)
}

/// A GET that is answered.
#[must_use]
pub fn get(port: u16, target: &str) -> Reply {
    request(port, "GET", target.as_bytes(), &[], &[]).unwrap()
}

/// A GET with header fields that is answered.
#[must_use]
pub fn get_with(port: u16, target: &str, fields: &[(&str, &str)]) -> Reply {
    request(port, "GET", target.as_bytes(), fields, &[]).unwrap()
}

/// nginx with the sites of `conf` (the inside of `http`), in `folder`.
#[must_use]
pub fn nginx(folder: &Folder, port: u16, conf: &str) -> Running {
    nginx_as("root", folder, port, conf)
}

/// The same with workers of this user, where this process may change users.
#[must_use]
pub fn nginx_as(user: &str, folder: &Folder, port: u16, conf: &str) -> Running {
    let here = folder.text();
    // As Debian has them, whether it is Debian or not.
    let fastcgi_params = "
        fastcgi_param QUERY_STRING $query_string;
        fastcgi_param REQUEST_METHOD $request_method;
        fastcgi_param CONTENT_TYPE $content_type;
        fastcgi_param CONTENT_LENGTH $content_length;
        fastcgi_param SCRIPT_NAME $fastcgi_script_name;
        fastcgi_param REQUEST_URI $request_uri;
        fastcgi_param DOCUMENT_URI $document_uri;
        fastcgi_param DOCUMENT_ROOT $document_root;
        fastcgi_param SERVER_PROTOCOL $server_protocol;
        fastcgi_param REQUEST_SCHEME $scheme;
        fastcgi_param HTTPS $https if_not_empty;
        fastcgi_param GATEWAY_INTERFACE CGI/1.1;
        fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
        fastcgi_param REMOTE_ADDR $remote_addr;
        fastcgi_param REMOTE_PORT $remote_port;
        fastcgi_param REMOTE_USER $remote_user;
        fastcgi_param SERVER_ADDR $server_addr;
        fastcgi_param SERVER_PORT $server_port;
        fastcgi_param SERVER_NAME $server_name;
        fastcgi_param REDIRECT_STATUS 200;
        fastcgi_param HTTP_HOST $host;";
    folder.write("fastcgi_params", fastcgi_params);
    let scgi_params = "
        scgi_param REQUEST_METHOD $request_method;
        scgi_param REQUEST_URI $request_uri;
        scgi_param QUERY_STRING $query_string;
        scgi_param CONTENT_TYPE $content_type;
        scgi_param DOCUMENT_URI $document_uri;
        scgi_param DOCUMENT_ROOT $document_root;
        scgi_param SCGI 1;
        scgi_param SERVER_PROTOCOL $server_protocol;
        scgi_param REQUEST_SCHEME $scheme;
        scgi_param HTTPS $https if_not_empty;
        scgi_param REMOTE_ADDR $remote_addr;
        scgi_param REMOTE_PORT $remote_port;
        scgi_param SERVER_PORT $server_port;
        scgi_param SERVER_NAME $server_name;
        scgi_param HTTP_HOST $host;";
    folder.write("scgi_params", scgi_params);
    let user = if is_root() {
        format!("user {user};")
    } else {
        String::new()
    };
    let main = format!(
        "daemon off; pid {here}/nginx.pid; error_log {here}/nginx.log info; {user} worker_processes 2;
        events {{ worker_connections 1024; }}
        http {{
            access_log off;
            client_body_temp_path {here}/body; proxy_temp_path {here}/proxy;
            fastcgi_temp_path {here}/fastcgi; scgi_temp_path {here}/scgi; uwsgi_temp_path {here}/uwsgi;
            {conf}
        }}"
    );
    let path = folder.write("nginx.conf", &main);
    let running = Running::start(
        Command::new("nginx")
            .arg("-c")
            .arg(&path)
            .env("PATH", search_path()),
    );
    wait_for_port(port);
    running
}

/// Apache with `conf` (a virtual host) and the modules it needs, in `folder`.
#[must_use]
pub fn apache(folder: &Folder, port: u16, modules: &[&str], conf: &str) -> Running {
    let here = folder.text();
    let user = if is_root() {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    let base = ["mpm_event", "authz_core", "alias", "env", "setenvif"];
    let load: String = base
        .iter()
        .chain(modules)
        .map(|module| {
            format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n")
        })
        .collect();
    let main = format!(
        "ServerRoot \"{here}\"\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {here}/apache.pid\n\
         ErrorLog {here}/apache.log\nLogLevel info\nDefaultRuntimeDir {here}\n{load}{user}{conf}"
    );
    let path = folder.write("apache.conf", &main);
    let mut command = Command::new("apache2");
    command
        .arg("-DFOREGROUND")
        .arg("-f")
        .arg(&path)
        .env("PATH", search_path());
    let running = Running::start(&mut command);
    wait_for_port(port);
    running
}

/// lighttpd with `conf`, in `folder`.
#[must_use]
pub fn lighttpd(folder: &Folder, port: u16, conf: &str) -> Running {
    let log = format!("server.errorlog = \"{}/lighttpd.log\"\n", folder.text());
    let path = folder.write("lighttpd.conf", &format!("{log}{conf}"));
    let running = Running::start(
        Command::new("lighttpd")
            .arg("-D")
            .arg("-f")
            .arg(&path)
            .env("PATH", search_path()),
    );
    wait_for_port(port);
    running
}

/// HAProxy as a user of its own, with `conf`: what follows `mode` in its only section.
#[must_use]
pub fn haproxy(folder: &Folder, port: u16, conf: &str) -> Running {
    let listen = format!("listen app\n  bind 127.0.0.1:{port}\n  mode {conf}\n");
    haproxy_with(folder, port, &listen)
}

/// The same with `conf`, all its sections but `global` and `defaults`.
#[must_use]
pub fn haproxy_with(folder: &Folder, port: u16, conf: &str) -> Running {
    let user = if is_root() {
        "user haproxy\n  group haproxy"
    } else {
        ""
    };
    let main = format!(
        "global\n  {user}\ndefaults\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n{conf}"
    );
    let path = folder.write("haproxy.cfg", &main);
    let mut command = Command::new("haproxy");
    command
        .arg("-db")
        .arg("-f")
        .arg(&path)
        .env("PATH", search_path());
    let running = Running::start(&mut command);
    wait_for_port(port);
    running
}

/// Caddy with the sites of `conf`, in `folder`.
#[must_use]
pub fn caddy(folder: &Folder, port: u16, conf: &str) -> Running {
    let options = "{\n\tadmin off\n\tauto_https off\n}\n";
    let path = folder.write("Caddyfile", &format!("{options}{conf}"));
    let mut command = Command::new("caddy");
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(&path)
        // Where it saves its state, and its log of JSON.
        .env("HOME", folder.text())
        .stderr(fs::File::create(folder.path("caddy.log")).unwrap())
        .env("PATH", search_path());
    let running = Running::start(&mut command);
    wait_for_port(port);
    running
}

/// Debian's servers are in `sbin`, which is not in every user's path.
fn search_path() -> String {
    format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

/// Whether this process may change users.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
