//! nginx in front, with the configurations of `examples/deploy/nginx`.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use conformance::deploy::{
    Folder, Running, binary, free_port, get, nginx, wait_for, wait_for_port,
};
use conformance::environ::{Front, check, check_abandoned};
use gateway_core::proxy::ProxyLayer;
use gateway_core::{Application, Environ, application};
use gateway_server::http::Server;
use tower::Layer;

/// `environ` behind nginx.
struct Site {
    folder: Folder,
    port: u16,
    _servers: [Running; 2],
}

const NGINX: Front = Front {
    loses_encoded_slashes: false,
    refuses_odd_bytes: false,
    breaks_cookies: false,
    gathers: false,
    hides_cuts: false,
    hides_cuts_unbuffered: false,
};

fn site(conf: &str, speak: &str, address: &str, listens: &str) -> Site {
    let folder = Folder::new();
    let port = free_port();
    let (own, listen) = match address.strip_prefix("/run/app") {
        Some(name) => (
            format!("{}{name}", folder.text()),
            format!("unix:{}{name}", folder.text()),
        ),
        None => {
            let own = format!("127.0.0.1:{}", free_port());
            (own.clone(), own)
        }
    };
    let backend = Running::start(Command::new(binary("environ", "environ")).args([speak, &listen]));
    match own.rsplit_once(':') {
        Some((_, port)) => wait_for_port(port.parse().unwrap()),
        None => wait_for(&own, || fs::exists(&own).unwrap()),
    }
    let conf = folder.config(
        conf,
        &[
            (address, &own),
            ("listen 80", &format!("listen 127.0.0.1:{port}")),
            (listens, listens),
        ],
    );
    let front = nginx(&folder, port, &conf);
    Site {
        folder,
        port,
        _servers: [backend, front],
    }
}

#[test]
#[ignore = "needs nginx"]
fn fastcgi_over_a_unix_socket_with_kept_connections() {
    let site = site(
        "nginx/fastcgi.conf",
        "fcgi",
        "/run/app/app.sock",
        "fastcgi_keep_conn on",
    );
    // Unbuffered and over a Unix socket, nginx takes a connection that closes for the end.
    check(
        site.port,
        "",
        Front {
            hides_cuts_unbuffered: true,
            ..NGINX
        },
    );
    check_abandoned(site.port, "");
    // What the application writes to its errors stream is in nginx's log.
    let port = site.port;
    let wish = [("X-Demo", "errors=a line for the log")];
    assert_eq!(conformance::deploy::get_with(port, "/", &wish).status, 200);
    let log = || fs::read_to_string(site.folder.path("nginx.log")).unwrap();
    wait_for("the line in nginx's log", || {
        log().contains("FastCGI sent in stderr: \"a line for the log")
    });
}

#[test]
#[ignore = "needs nginx"]
fn fastcgi_split_path_info_mounts_the_application() {
    let site = site(
        "nginx/fastcgi.conf",
        "fcgi",
        "/run/app/app.sock",
        "fastcgi_split_path_info",
    );
    // `environ` moves another /wiki of its own.
    for (path, script, info) in [
        ("/wiki", "/wiki", ""),
        ("/wiki/", "/wiki", "/"),
        ("/wiki/a/b", "/wiki", "/a/b"),
        ("/wiki/a%2Fb", "/wiki", "/a/b"),
        ("/wiki/a%0Ab", "/wiki", "/a\nb"),
        ("/wiki/wiki/x", "/wiki/wiki", "/x"),
        ("/wikipedia", "", "/wikipedia"),
    ] {
        let json = get(site.port, path).json();
        let got = (
            json["SCRIPT_NAME"].as_str().unwrap(),
            json["PATH_INFO"].as_str().unwrap_or_default(),
        );
        assert_eq!(got, (script, info), "{path}");
        assert_eq!(json["REQUEST_URI"], path);
    }
}

#[test]
#[ignore = "needs nginx"]
fn scgi() {
    let site = site(
        "nginx/scgi.conf",
        "scgi",
        "127.0.0.1:4000",
        "include scgi_params",
    );
    check(
        site.port,
        "",
        Front {
            gathers: true,
            ..NGINX
        },
    );
    for (path, info) in [("/wiki/a%2Fb", "/a/b"), ("/wiki/a%0Ab", "/a\nb")] {
        let json = get(site.port, path).json();
        assert_eq!(
            (json["SCRIPT_NAME"].as_str(), json["PATH_INFO"].as_str()),
            (Some("/wiki"), Some(info))
        );
    }
}

#[test]
#[ignore = "needs nginx"]
fn http_with_kept_connections() {
    let site = site(
        "nginx/http.conf",
        "http",
        "127.0.0.1:8080",
        "proxy_http_version 1.1",
    );
    let json = get(site.port, "/wiki/a%2Fb?q").json();
    assert_eq!(
        (json["SCRIPT_NAME"].as_str(), json["PATH_INFO"].as_str()),
        (Some("/wiki"), Some("/a/b"))
    );
    // What nginx says of itself; whom the application believes is its own to say.
    assert_eq!(json["HTTP_X_FORWARDED_FOR"], "127.0.0.1");
    let forged = [("X-Forwarded-For", "6.6.6.6")];
    let json = conformance::deploy::get_with(site.port, "/", &forged).json();
    assert_eq!(json["HTTP_X_FORWARDED_FOR"], "127.0.0.1");
    check_abandoned(site.port, "");
}

#[test]
#[ignore = "needs nginx"]
fn what_nginx_says_of_the_client_is_believed_where_nginx_is_trusted() {
    // nginx connects from 127.0.0.1, the address that is trusted; the client comes from another.
    let nets = [("127.0.0.1", "127.0.0.2"), ("192.0.2.1", "127.0.0.1")];
    for (trusted, believed) in nets {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _context = runtime.enter();
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let peer = application(|environ: &mut Environ| {
            let peer = environ.conn().and_then(|conn| conn.peer().ip()).unwrap();
            format!(
                "{peer} {}",
                environ.var("HTTP_HOST").unwrap().escape_ascii()
            )
        });
        let layer =
            ProxyLayer::x_forwarded().trust_peers(trusted.parse::<IpAddr>().unwrap().into());
        runtime.spawn(server.serve(layer.layer(peer.into_service())));
        let folder = Folder::new();
        let port = free_port();
        let conf = folder.config(
            "nginx/http.conf",
            &[
                ("127.0.0.1:8080;", &format!("{address};")),
                ("listen 80", &format!("listen 127.0.0.1:{port}")),
            ],
        );
        let _nginx = nginx(&folder, port, &conf);
        let output = Command::new("curl")
            .args([
                "-s",
                "--interface",
                "127.0.0.2",
                "-H",
                "X-Forwarded-For: 6.6.6.6",
            ])
            .args([
                "-H",
                "Host: example.com",
                &format!("http://127.0.0.1:{port}/"),
            ])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            text,
            format!("{believed} example.com"),
            "where {trusted} is trusted"
        );
    }
}

#[test]
#[ignore = "needs nginx"]
fn below_a_prefix_that_nginx_strips_redirects_and_links_are_right() {
    let folder = Folder::new();
    let (port, backend) = (free_port(), free_port());
    folder.write("files/index.html", "<p>the index</p>");
    folder.write("files/listed/a b.txt", "a file\n");
    let address = format!("127.0.0.1:{backend}");
    let _serve = Running::start(
        Command::new(binary("serve", "serve"))
            .arg(folder.path("files"))
            .args(["--listing", "--bind", &address]),
    );
    wait_for_port(backend);
    let conf = folder.config(
        "nginx/http-below.conf",
        &[
            ("127.0.0.1:8080/;", &format!("{address}/;")),
            ("listen 80", &format!("listen 127.0.0.1:{port}")),
        ],
    );
    let _nginx = nginx(&folder, port, &conf);
    assert_eq!(get(port, "/docs/").text(), "<p>the index</p>");
    // A folder without its slash: wherever the redirect points, it is below /docs/.
    let redirect = get(port, "/docs/listed");
    assert!((301..=308).contains(&redirect.status), "{redirect:?}");
    let location = redirect.header("location").unwrap();
    let target = resolve("/docs/listed", location);
    assert_eq!(target, "/docs/listed/", "{location}");
    let listing = get(port, &target).text();
    let link = listing
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|link| link.contains("b.txt"))
        .unwrap_or_else(|| panic!("{listing}"));
    assert_eq!(
        get(port, &resolve(&target, link)).text(),
        "a file\n",
        "{link}"
    );
}

/// RFC 3986 section 5.2, as far as a listing goes.
fn resolve(base: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let (folder, _) = base.rsplit_once('/').unwrap();
    format!("{folder}/{}", reference.trim_start_matches("./"))
}
