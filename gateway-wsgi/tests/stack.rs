//! Python in the middle of a stack: mounts within mounts, axum outside, front ends before it.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use gateway_core::adapt::from_service;
use gateway_core::paths::RecordPathLayer;
use gateway_core::testing::Client;
use gateway_core::{Body, mount};
use http::Request;
use http_body_util::BodyExt;
use middleware_exceptions::ExceptionsLayer;
use support::{app, program};
use tower::{Layer, ServiceExt};

const WHERE: &str = "
from wsgiref.util import application_uri, request_uri
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    body = environ['wsgi.input'].read()
    return [f\"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {environ['QUERY_STRING']} {len(body)}\".encode()]
";

#[tokio::test]
async fn three_mounts_deep_with_axum_outside_the_paths_are_right() {
    let inner = mount("/c", app(WHERE).into_service().answer_errors()).unwrap();
    let middle = mount("/b", inner).unwrap();
    let axum: Router = Router::new().nest_service("/a", middle);
    let site = RecordPathLayer::new().layer(axum);
    let request = Request::get("/a/b/c/x%20y?q=1")
        .body(Body::empty())
        .unwrap();
    let response = site.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "/a/b/c /x y q=1 0");
}

#[test]
fn our_layer_is_around_pythons_own_and_pythons_is_around_an_application_below_it() {
    // The article's middleware answers, so ours has nothing to do.
    let import = gateway_wsgi::Wsgi::import("article:failing_application");
    let article = import.python_path(program("")).load().unwrap();
    let answer = Client::of_service(ExceptionsLayer::new().layer(article.into_service()));
    answer
        .get("/")
        .expecting(500)
        .send()
        .assert_contains("ValueError: the article has one, too");
    // Without it, ours does.
    let import = gateway_wsgi::Wsgi::import("article:failing");
    let failing = import.python_path(program("")).load().unwrap();
    let answer = Client::of_service(ExceptionsLayer::new().layer(failing.into_service()));
    let answer = answer.get("/").expecting(500).send();
    answer.assert_contains("The failure has been logged.");
}

#[test]
fn a_service_around_python_is_an_application_again() {
    let app = from_service(app(WHERE).into_service());
    Client::new(app)
        .post("/x")
        .body("12345")
        .send()
        .assert_text(" /x  5");
}

/// A front end on a free port, until the end of the test.
struct Nginx {
    process: Child,
    port: u16,
    folder: std::path::PathBuf,
}

impl Nginx {
    fn start(locations: impl Fn(&str) -> String) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = std::env::temp_dir().join(format!("wsgi-nginx-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let here = folder.display().to_string();
        let config = format!(
            "daemon off; master_process off; error_log stderr crit; pid {here}/pid;\n\
             events {{}}\nhttp {{ access_log off; client_body_temp_path {here}/body; \
             proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/u; \
             scgi_temp_path {here}/s;\n server {{ listen 127.0.0.1:{port};\n{}\n}} }}\n",
            locations(&here)
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let process = Command::new("/usr/sbin/nginx")
            .args(["-c", &format!("{here}/nginx.conf"), "-p", &here])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            process,
            port,
            folder,
        };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", nginx.port)).is_ok() {
                return nginx;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nginx does not start");
    }

    fn post(&self, path: &str, length: usize) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(&vec![b'x'; length]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
            .split("\r\n\r\n")
            .nth(1)
            .unwrap_or(&answer)
            .to_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx"]
async fn behind_nginx_by_http_and_by_fastcgi() {
    let http = gateway_server::http::Server::bind("127.0.0.1:0").unwrap();
    let port = http.local_addr().unwrap().port();
    let site = mount("/site", app(WHERE).into_service()).unwrap();
    tokio::spawn(http.serve(site));
    let nginx = Nginx::start(|here| {
        format!(
            "location /site {{ proxy_pass http://127.0.0.1:{port}; }}\n\
             location /fast {{ fastcgi_pass unix:{here}/app.sock; fastcgi_split_path_info ^(/fast)(.*)$;\n\
             fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri;\n\
             fastcgi_param SCRIPT_NAME $fastcgi_script_name; fastcgi_param PATH_INFO $fastcgi_path_info;\n\
             fastcgi_param QUERY_STRING $query_string; fastcgi_param CONTENT_LENGTH $content_length;\n\
             fastcgi_param SERVER_PROTOCOL $server_protocol; }}"
        )
    });
    let socket = nginx.folder.join("app.sock");
    let fastcgi = gateway_server::fastcgi::Server::new()
        .and_unix(&socket, 0o666)
        .unwrap();
    tokio::spawn(fastcgi.serve(app(WHERE).into_service()));
    for _ in 0..600 {
        if UnixStream::connect(&socket).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answers = tokio::task::spawn_blocking(move || {
        for length in [0, 5, 200_000] {
            assert_eq!(
                nginx.post("/site/x%20y?q=1", length),
                format!("/site /x y q=1 {length}")
            );
            assert_eq!(
                nginx.post("/fast/x%20y?q=1", length),
                format!("/fast /x y q=1 {length}")
            );
        }
    });
    answers.await.unwrap();
}
