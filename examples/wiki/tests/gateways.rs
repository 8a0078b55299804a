//! The same binary under the other gateways, and its command line.

mod process;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use process::Process;

#[test]
fn the_first_line_says_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, path) in [
        (&[][..], "/wiki/"),
        (&["--script-name", "/"], "/"),
        (&["--script-name", ""], "/"),
        (&["--script-name", "/docs/wiki/"], "/docs/wiki/"),
        (&["--script-name", "/café? yes"], "/caf%C3%A9%3F%20yes/"),
    ] {
        let wiki = Process::start(dir.path(), arguments);
        assert_eq!(
            wiki.first_line,
            format!("listening on http://{}{path}\n", wiki.addr)
        );
        let page = wiki.connect().get(path);
        assert_eq!(page.status, 200, "{arguments:?}");
        assert!(page.text().contains("Front page"));
        if path != "/" {
            let top = wiki.connect().get("/");
            assert_eq!(top.status, 302);
            assert_eq!(top.header("location"), path.strip_prefix('/'));
        }
    }
}

/// The status of a GET that asks `host`.
fn asked_as(wiki: &Process, host: &str) -> u16 {
    let mut connection = wiki.connect();
    connection.host = host.to_owned();
    connection.get("/wiki/").status
}

/// The names of other sites can be made to lead here (DNS rebinding).
#[test]
fn over_http_it_answers_to_its_own_hosts_alone() {
    let dir = tempfile::tempdir().unwrap();
    let wiki = Process::start(dir.path(), &[]);
    let named = Process::start(
        dir.path(),
        &["--host", "wiki.example", "--host", "192.0.2.7"],
    );
    let everywhere = Process::start(dir.path(), &["--bind", "0.0.0.0:0"]);
    let port = wiki.addr.rsplit(':').next().unwrap();
    for (host, allowed) in [
        (wiki.addr.as_str(), [true, true, true]),
        (&format!("localhost:{port}"), [true, true, true]),
        ("[::1]", [true, true, true]),
        ("evil.example", [false, false, false]),
        (&format!("evil.example:{port}"), [false, false, false]),
        ("localhost.evil.example", [false, false, false]),
        ("WIKI.example:8080", [false, true, false]),
        ("192.0.2.7", [false, true, true]),
        ("192.0.2.8:8080", [false, false, true]),
    ] {
        let statuses = [&wiki, &named, &everywhere].map(|wiki| asked_as(wiki, host));
        let expected = allowed.map(|allowed| if allowed { 200 } else { 421 });
        assert_eq!(statuses, expected, "{host}");
    }
}

#[test]
fn a_page_whose_name_was_made_to_lead_here_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let wiki = Process::start(dir.path(), &[]);
    let mut browser = wiki.connect();
    browser.host = "evil.example".to_owned();
    browser.fields = "origin: http://evil.example\r\nsec-fetch-site: same-origin\r\n".to_owned();
    for (method, path) in [
        ("GET", "/wiki/Tea/edit"),
        ("POST", "/wiki/Tea/edit"),
        ("GET", "/wiki/static/wiki.css"),
        ("GET", "/elsewhere"),
        ("OPTIONS", "/wiki/"),
    ] {
        let answer = browser.try_send(method, path, "").unwrap();
        assert_eq!(answer.status, 421, "{method} {path}");
        let hint = answer.text();
        assert!(hint.contains("--host evil.example"), "{hint}");
    }
}

/// Programs that talk to their children through a pair of sockets are no web servers: node, sshd.
#[cfg(unix)]
#[test]
fn a_connected_socket_as_standard_input_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let wiki = Process::start_with(dir.path(), &[], std::os::fd::OwnedFd::from(theirs));
    assert!(wiki.first_line.ends_with("/wiki/\n"), "{}", wiki.first_line);
    assert_eq!(wiki.connect().get("/wiki/").status, 200);
}

#[test]
fn a_command_line_that_is_none_is_said_to_be() {
    for arguments in [
        &["--bind"][..],
        &["--nonsense"],
        &["--host"],
        &["--host", "http://wiki.example/"],
        &["x"],
        &["--script-name", "wiki"],
        &["--script-name", "//"],
        &["--script-name", "/a/../b"],
        &["--data", "/dev/null/pages"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_wiki"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("wiki: "), "{said}");
        let wrong = arguments.last().unwrap();
        assert!(said.contains(wrong), "{said} does not name {wrong}");
    }
}

/// One request by CGI (RFC 3875).
fn cgi(data: &std::path::Path, variables: &[(&str, &str)], body: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wiki"))
        .env_clear()
        .env("WIKI_DATA", data)
        .envs([
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "example.org"),
            ("SERVER_PORT", "80"),
            ("SERVER_SOFTWARE", "Server/7"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("HTTP_HOST", "example.org"),
            ("SCRIPT_NAME", "/cgi-bin/wiki"),
            ("QUERY_STRING", ""),
        ])
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn under_cgi_the_arguments_are_the_clients_and_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    // What Apache makes of `/cgi-bin/wiki?--data+DIR`.
    let chosen = dir.path().join("chosen");
    let output = Command::new(env!("CARGO_BIN_EXE_wiki"))
        .env_clear()
        .env("WIKI_DATA", dir.path().join("data"))
        .envs([
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "example.org"),
            ("SERVER_PORT", "80"),
            ("SCRIPT_NAME", "/cgi-bin/wiki"),
            ("PATH_INFO", "/Keyboard"),
        ])
        .arg("--data")
        .arg(&chosen)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.starts_with("Status: 200 "), "{answer}");
    assert!(!chosen.exists());
}

#[test]
fn under_cgi_it_is_where_the_server_says() {
    let dir = tempfile::tempdir().unwrap();
    let page = cgi(dir.path(), &[("PATH_INFO", "/Keyboard")], "");
    assert!(
        page.contains("<h1>Keyboard</h1>") && page.contains("href=\"./recent\""),
        "{page}"
    );
    let served = cgi(
        dir.path(),
        &[("PATH_INFO", "/How this page was served")],
        "",
    );
    for piece in [
        "<code id=\"script-name\">/cgi-bin/wiki</code>",
        "CGI under Server/7",
    ] {
        assert!(served.contains(piece), "{served}");
    }
    // A page may be called as the mount is called elsewhere.
    let page = cgi(dir.path(), &[("PATH_INFO", "/wiki")], "");
    assert!(page.contains("Nobody has written this page yet"), "{page}");
    let bare = cgi(dir.path(), &[("PATH_INFO", "")], "");
    assert!(bare.to_lowercase().contains("location: wiki/"), "{bare}");
}

#[test]
fn under_cgi_a_page_is_edited_with_the_users_name() {
    let dir = tempfile::tempdir().unwrap();
    let form = cgi(dir.path(), &[("PATH_INFO", "/Tea/edit")], "");
    let between = |start: &str, end: char| {
        let (_, rest) = form.split_once(start).unwrap();
        rest.split(end).next().unwrap().to_owned()
    };
    let body = format!(
        "token={}&base=0&text=by+CGI&comment=x",
        between("name=\"token\" value=\"", '"')
    );
    let length = body.len().to_string();
    let variables = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/Tea/edit"),
        ("CONTENT_TYPE", "application/x-www-form-urlencoded"),
        ("CONTENT_LENGTH", length.as_str()),
        (
            "HTTP_COOKIE",
            &format!("wiki_token={}", between("wiki_token=", ';')),
        ),
        ("REMOTE_USER", "mallory <i>"),
    ];
    let saved = cgi(dir.path(), &variables, &body);
    assert!(
        saved.contains("303") && saved.to_lowercase().contains("location: ../tea"),
        "{saved}"
    );
    let history = cgi(dir.path(), &[("PATH_INFO", "/Tea/history")], "");
    assert!(history.contains("by <bdi>mallory &lt;i&gt;"), "{history}");
}

#[test]
fn stopped_as_soon_as_it_has_said_where_it_listens_it_ends_as_it_should() {
    for _ in 0..5 {
        let data = tempfile::tempdir().unwrap();
        let mut wiki = Command::new(env!("CARGO_BIN_EXE_wiki"))
            .args(["--bind", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(wiki.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        let id = wiki.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert_eq!(wiki.wait().unwrap().code(), Some(0));
    }
}
