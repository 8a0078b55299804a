//! Behind a real nginx: FastCGI below a prefix, and HTTP behind a prefix that is stripped.
//!
//! `cargo test -p wiki --test nginx -- --ignored`
#![cfg(unix)]

mod process;

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use process::{Connection, Process};

/// Killed when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An nginx with these locations; its address.
fn nginx(dir: &Path, locations: &str) -> (Running, String) {
    let addr = format!("127.0.0.1:{}", free_port());
    let at = dir.display();
    let config = format!(
        "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/error.log;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
             fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
             server {{ listen {addr}; {locations} }}
         }}"
    );
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let child = Command::new("nginx")
        .args(["-p".as_ref(), dir.as_os_str(), "-e".as_ref()])
        .arg(dir.join("error.log"))
        .arg("-c")
        .arg(dir.join("nginx.conf"))
        .spawn()
        .expect("nginx (Debian: apt-get install nginx-light)");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(&addr).is_err() {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            std::fs::read_to_string(dir.join("error.log"))
        );
        thread::sleep(Duration::from_millis(20));
    }
    (Running(child), addr)
}

/// What a person does, by links alone.
fn visit(addr: &str, prefix: &str, script_name: &str, gateway: &str) {
    let mut connection = Connection::to(addr);
    let front = connection.get(&format!("{prefix}/"));
    assert_eq!(front.status, 200, "{}", front.text());
    let text = front.text();
    let style = text
        .split("href=\"./")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let style = connection.get(&format!("{prefix}/{style}"));
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );

    let page = format!("{prefix}/%C3%9Cber%20tea");
    assert_eq!(connection.get(&page).status, 404);
    let saved = connection.try_edit(&page, "Tea & [[Keyboard]]").unwrap();
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, Some("../%C3%9Cber%20tea"))
    );
    assert_eq!(
        connection.get(&format!("{page}/raw")).text(),
        "Tea & [[Keyboard]]"
    );
    assert!(connection.get(&page).text().contains("href=\"./Keyboard\""));

    let served = connection
        .get(&format!("{prefix}/How%20this%20page%20was%20served"))
        .text();
    let told = format!("<code id=\"script-name\">{script_name}</code>");
    assert!(served.contains(&told), "{served}");
    assert!(
        served.contains(&format!("<span id=\"gateway\">{gateway}")),
        "{served}"
    );

    let archive = connection.get(&format!("{prefix}/export"));
    assert!(archive.body.len() > 8 * 1024 && archive.status == 200);
    let broken = connection.get(&format!("{prefix}/break"));
    assert_eq!(broken.status, 500);
    // Over HTTP every visitor seems to be on this machine, so none of them is shown anything.
    // FastCGI says who it really is: the test, which is.
    let shown = broken.text().contains("broken.rs");
    assert_eq!(shown, gateway.starts_with("FastCGI"), "{}", broken.text());
}

#[test]
#[ignore = "needs nginx"]
fn fastcgi_below_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("wiki.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let wiki = Command::new(env!("CARGO_BIN_EXE_wiki"))
        .args(["--development", "--data"])
        .arg(dir.path().join("data"))
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()
        .unwrap();
    let _wiki = Running(wiki);
    let locations = format!(
        "location /docs/wiki/ {{
             fastcgi_pass unix:{};
             fastcgi_split_path_info ^(/docs/wiki)(/.*)$;
             fastcgi_param SCRIPT_NAME $fastcgi_script_name;
             fastcgi_param PATH_INFO $fastcgi_path_info;
             fastcgi_param REQUEST_URI $request_uri;
             fastcgi_param QUERY_STRING $query_string;
             fastcgi_param REQUEST_METHOD $request_method;
             fastcgi_param CONTENT_TYPE $content_type;
             fastcgi_param CONTENT_LENGTH $content_length;
             fastcgi_param SERVER_PROTOCOL $server_protocol;
             fastcgi_param SERVER_NAME $server_name;
             fastcgi_param SERVER_PORT $server_port;
             fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
             fastcgi_param GATEWAY_INTERFACE CGI/1.1;
             fastcgi_param REMOTE_ADDR $remote_addr;
             fastcgi_param REMOTE_PORT $remote_port;
         }}",
        socket.display()
    );
    let (_nginx, addr) = nginx(dir.path(), &locations);
    visit(&addr, "/docs/wiki", "/docs/wiki", "FastCGI behind nginx/");
    // Which names are its own, nginx has decided.
    let mut connection = Connection::to(&addr);
    connection.host = "wiki.example".to_owned();
    assert_eq!(connection.get("/docs/wiki/").status, 200);
}

#[test]
#[ignore = "needs nginx"]
fn http_behind_a_prefix_that_the_wiki_never_hears_of() {
    let dir = tempfile::tempdir().unwrap();
    let wiki = Process::start(&dir.path().join("data"), &["--development"]);
    let locations = format!(
        "location /strip/ {{ proxy_pass http://{}/wiki/; }}",
        wiki.addr
    );
    let (_nginx, addr) = nginx(dir.path(), &locations);
    visit(&addr, "/strip", "/wiki", "HTTP by");
}
