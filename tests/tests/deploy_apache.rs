//! Apache in front, with the configurations of `examples/deploy/apache`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use conformance::deploy::{
    Folder, Reply, Running, apache, binary, free_port, get, get_with, request, wait_for_port,
};
use conformance::environ::{Front, check, check_abandoned};

const APACHE: Front = Front {
    loses_encoded_slashes: false,
    refuses_odd_bytes: false,
    breaks_cookies: true,
    gathers: false,
    hides_cuts: false,
    hides_cuts_unbuffered: false,
};

fn site(conf: &str, modules: &[&str], replace: &[(&str, &str)]) -> (Folder, u16, Running) {
    let folder = Folder::new();
    let port = free_port();
    let here = folder.text().to_owned();
    folder.write("public/file.txt", "a file\n");
    folder.copy(&binary("deploy", "myapplication"), "myapplication.fcgi");
    let mut replacements = vec![(":80>", format!(":{port}>"))];
    replacements.extend(
        replace
            .iter()
            .map(|(from, to)| (*from, (*to).replace("HERE", &here))),
    );
    let replacements: Vec<_> = replacements
        .iter()
        .map(|(from, to)| (*from, to.as_str()))
        .collect();
    let conf = folder.config(conf, &replacements);
    let running = apache(&folder, port, modules, &conf);
    (folder, port, running)
}

/// The lines of `myapplication`'s `/environ`.
fn variables(reply: &Reply) -> BTreeMap<String, String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn is(reply: &Reply, expected: &[(&str, &str)]) {
    let variables = variables(reply);
    for (name, value) in expected {
        let got = variables.get(*name).map_or("", String::as_str);
        assert_eq!(got, *value, "{name} in {variables:#?}");
    }
}

#[test]
#[ignore = "needs apache2"]
fn mod_proxy_fcgi() {
    let backend = free_port();
    let address = format!("127.0.0.1:{backend}");
    let _environ =
        Running::start(Command::new(binary("environ", "environ")).args(["fcgi", &address]));
    wait_for_port(backend);
    let (_folder, port, _apache) = site(
        "apache/proxy_fcgi.conf",
        &["proxy", "proxy_fcgi"],
        &[("127.0.0.1:9000", &address)],
    );
    check(port, "", APACHE);
    check_abandoned(port, "");
    // Mounted by Apache, below what `environ` mounts of its own.
    for (path, script, info) in [
        ("/wiki", "/wiki", ""),
        ("/wiki/a%20b", "/wiki", "/a b"),
        ("/wiki/wiki/x", "/wiki/wiki", "/x"),
    ] {
        let json = get(port, path).json();
        let got = (
            json["SCRIPT_NAME"].as_str().unwrap(),
            json["PATH_INFO"].as_str().unwrap_or_default(),
        );
        assert_eq!(got, (script, info), "{path}: {json:#}");
    }
}

#[test]
#[ignore = "needs apache2"]
fn mod_proxy_fcgis_whole_path_is_split_by_the_setting() {
    // The other recipe: nothing in Apache, `.script_name("")` in the program. Here the program is
    // `environ`, which does not set it: what Apache says of its own is what the setting is for.
    let backend = free_port();
    let address = format!("127.0.0.1:{backend}");
    let _environ =
        Running::start(Command::new(binary("environ", "environ")).args(["fcgi", &address]));
    wait_for_port(backend);
    let folder = Folder::new();
    let port = free_port();
    let conf =
        format!("<VirtualHost *:{port}>\nProxyPass \"/\" \"fcgi://{address}/\"\n</VirtualHost>\n");
    let _apache = apache(&folder, port, &["proxy", "proxy_fcgi"], &conf);
    let json = get(port, "/hello/John").json();
    assert_eq!(
        (json["SCRIPT_NAME"].as_str(), json["PATH_INFO"].as_str()),
        (Some("/hello/John"), Some(""))
    );
}

#[test]
#[ignore = "needs apache2 and mod_fcgid"]
fn mod_fcgid() {
    let (folder, port, _apache) = site("apache/fcgid.conf", &["fcgid"], &[("/srv/app", "HERE")]);
    article(port);
    is(
        &get(port, "/environ/a%20b?q=1"),
        &[
            ("SCRIPT_NAME", "/environ"),
            ("PATH_INFO", "/a b"),
            ("QUERY_STRING", "q=1"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ],
    );
    is(
        &get(port, "/wiki/environ/x"),
        &[("SCRIPT_NAME", "/wiki/environ"), ("PATH_INFO", "/x")],
    );
    httpoxy_is_closed(port);
    let large = vec![b'x'; 2_000_000];
    let reply = request(port, "POST", b"/hello/upload", &[], &large).unwrap();
    assert_eq!(
        (reply.status, reply.text().contains("Hello upload!")),
        (200, true)
    );
    drop(folder);
}

#[test]
#[ignore = "needs apache2"]
fn the_articles_apache_example_runs_as_cgi() {
    let (_folder, port, _apache) = site("apache/cgi.conf", &["cgid"], &[("/srv/app", "HERE")]);
    article(port);
    assert_eq!(get(port, "/public/file.txt").text(), "a file\n");
    is(
        &get(port, "/environ/a%20b?q=1"),
        &[
            ("SCRIPT_NAME", "/environ"),
            ("PATH_INFO", "/a b"),
            ("QUERY_STRING", "q=1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REQUEST_URI", "/environ/a%20b?q=1"),
        ],
    );
    httpoxy_is_closed(port);
    // The application does not read it; the response arrives all the same.
    let large = vec![b'x'; 2_000_000];
    let reply = request(port, "POST", b"/hello/upload", &[], &large).unwrap();
    assert_eq!(
        (reply.status, reply.text().contains("Hello upload!")),
        (200, true)
    );
    // Content-Length survives, as it is trusted.
    assert!(get(port, "/hello/x").header("content-length").is_some());
}

#[test]
#[ignore = "needs apache2"]
fn environ_runs_as_cgi() {
    let folder = Folder::new();
    let port = free_port();
    let here = folder.text();
    folder.copy(&binary("environ", "environ"), "environ");
    // ScriptAlias passes no arguments.
    let script = folder.write(
        "environ.cgi",
        &format!("#!/bin/sh\nexec {here}/environ cgi\n"),
    );
    folder.copy(&script, "app/environ.cgi");
    let conf = format!(
        "<VirtualHost *:{port}>\nScriptAlias \"/\" \"{here}/app/environ.cgi/\"\n\
         AllowEncodedSlashes NoDecode\nSetEnv ap_trust_cgilike_cl 1\n\
         <Directory \"{here}/app\">\nRequire all granted\nOptions +ExecCGI\n</Directory>\n</VirtualHost>\n"
    );
    let _apache = apache(&folder, port, &["cgid"], &conf);
    // Apache joins the pieces of a CGI program, and has no way to know that one is missing.
    check(
        port,
        "",
        Front {
            gathers: true,
            hides_cuts: true,
            hides_cuts_unbuffered: true,
            ..APACHE
        },
    );
    let log = fs::read_to_string(folder.path("apache.log")).unwrap();
    assert!(log.contains("X-Demo asked to fail"), "{log}");
}

/// The site with the slash at both ends of its ScriptAlias.
fn article(port: u16) {
    assert!(get(port, "/").text().contains("<a href=\"hello/John\">"));
    assert!(get(port, "/hello").text().contains("<p>Hello World!</p>"));
    assert!(
        get(port, "/hello/John")
            .text()
            .contains("<p>Hello John!</p>")
    );
    assert!(
        get(port, "/hello/%3Cb%3E")
            .text()
            .contains("Hello &lt;b&gt;!")
    );
    assert_eq!(get(port, "/nowhere").status, 404);
    is(
        &get(port, "/environ/a%2Fb"),
        &[
            ("PATH_INFO", "/a/b"),
            ("REQUEST_URI", "/environ/a%2Fb"),
            ("SCRIPT_NAME", "/environ"),
        ],
    );
}

fn httpoxy_is_closed(port: u16) {
    let variables = variables(&get_with(
        port,
        "/environ",
        &[("Proxy", "http://evil.example")],
    ));
    for name in ["HTTP_PROXY", "PATH", "APACHE_RUN_DIR"] {
        assert!(!variables.contains_key(name), "{name}");
    }
}
