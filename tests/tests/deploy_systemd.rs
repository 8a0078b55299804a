//! systemd's socket activation, by `systemd-socket-activate`, and the unit files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use conformance::deploy::{Folder, Running, binary, free_port, get, nginx, root, wait_for};
use rustix::process::Signal;

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs systemd-socket-activate"]
fn a_socket_that_is_handed_over_is_served_as_http() {
    if !has("systemd-socket-activate") {
        return eprintln!("systemd-socket-activate is not here");
    }
    let port = free_port();
    let application = binary("deploy", "myapplication");
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg("-l")
        .arg(format!("127.0.0.1:{port}"))
        .arg(application)
        .stderr(Stdio::null());
    let mut running = Running::start(&mut command);
    // It is started by the first connection, which waits in its socket.
    wait_for("an answer", || {
        conformance::deploy::request(port, "GET", b"/hello/John", &[], &[]).is_ok()
    });
    assert!(get(port, "/hello/John").text().contains("Hello John!"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
}

#[test]
#[ignore = "needs systemd-socket-activate and nginx"]
fn a_socket_that_is_named_for_it_is_served_as_fastcgi() {
    if !has("systemd-socket-activate") {
        return eprintln!("systemd-socket-activate is not here");
    }
    let folder = Folder::new();
    let (socket, port) = (folder.path("app.sock"), free_port());
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg("-l")
        .arg(&socket)
        .args(["--fdname", "fastcgi"])
        .arg(binary("deploy", "myapplication"));
    let _running = Running::start(command.stderr(Stdio::null()));
    wait_for("the socket", || socket.exists());
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let conf = folder.config(
        "nginx/fastcgi.conf",
        &[
            ("/run/app", folder.text()),
            ("listen 80", &format!("listen 127.0.0.1:{port}")),
        ],
    );
    let _nginx = nginx(&folder, port, &conf);
    assert!(get(port, "/hello/John").text().contains("Hello John!"));
    assert!(
        get(port, "/wiki/environ/x")
            .text()
            .contains("SCRIPT_NAME=/wiki/environ\n")
    );
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_files_are_sound() {
    if !has("systemd-analyze") {
        return eprintln!("systemd-analyze is not here");
    }
    let folder = Folder::new();
    folder.copy(&binary("deploy", "myapplication"), "myapplication");
    for unit in ["app.socket", "app.service"] {
        let text = fs::read_to_string(root().join("examples/deploy/systemd").join(unit)).unwrap();
        folder.write(unit, &text.replace("/srv/app", folder.text()));
    }
    let output = Command::new("systemd-analyze")
        .args([
            "verify",
            "--man=no",
            "--generators=no",
            "--recursive-errors=no",
        ])
        .args([folder.path("app.socket"), folder.path("app.service")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("/app.s") || line.starts_with("app.s"))
        .collect();
    assert!(output.status.success() && about_ours.is_empty(), "{said}");
}

#[test]
#[ignore = "needs systemd-socket-activate"]
fn a_restart_of_the_program_refuses_no_connection() {
    if !has("systemd-socket-activate") {
        return eprintln!("systemd-socket-activate is not here");
    }
    // The socket is another process's: while no program accepts, connections wait in it. Here that is
    // this process; two programs are started one after the other on the same socket.
    let port = free_port();
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg("-l")
        .arg(format!("127.0.0.1:{port}"))
        .arg(binary("deploy", "myapplication"));
    let mut first = Running::start(command.stderr(Stdio::null()));
    wait_for("an answer", || {
        conformance::deploy::request(port, "GET", b"/", &[], &[]).is_ok()
    });
    // A request that has begun is finished before the end.
    let asked = std::thread::spawn(move || get(port, "/hello/during").status);
    std::thread::sleep(Duration::from_millis(5));
    first.signal(Signal::TERM);
    assert_eq!(asked.join().unwrap(), 200);
    assert_eq!(first.wait(), Some(0));
}
