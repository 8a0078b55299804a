//! The program as it is, with a certificate from an authority of its own: Debian's `pebble`.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free now. The programs are told it by number.
fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn fetched(dir: &Path, arguments: &[&str]) -> Option<String> {
    let mut curl = Command::new("curl");
    let output = curl.current_dir(dir).arg("-sS").args(arguments).output();
    let output = output.unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(answer)
}

/// Asks until there is an answer.
fn awaited(dir: &Path, arguments: &[&str]) -> String {
    let began = Instant::now();
    loop {
        if let Some(answer) = fetched(dir, arguments) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "no answer to {arguments:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "needs pebble and curl"]
fn the_server_gets_a_certificate_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(dir.join("pebble.pem"), made.cert.pem()).unwrap();
    fs::write(dir.join("pebble.key"), made.signing_key.serialize_pem()).unwrap();
    let (authority, management, names, app) = (port(), port(), port(), port());
    let config = format!(
        r#"{{"pebble": {{"listenAddress": "127.0.0.1:{authority}", "managementListenAddress": "127.0.0.1:{management}",
            "certificate": "pebble.pem", "privateKey": "pebble.key", "httpPort": {app}, "tlsPort": {app}}}}}"#
    );
    fs::write(dir.join("pebble.json"), config).unwrap();
    // Every name is this machine.
    let _names = Running::start(
        Command::new("pebble-challtestsrv")
            .args([
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-http01",
                "",
            ])
            .args(["-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &format!("127.0.0.1:{names}")])
            .args(["-management", &format!("127.0.0.1:{}", port())])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let _pebble = Running::start(
        Command::new("pebble")
            .current_dir(dir)
            .args(["-config", "pebble.json"])
            .args(["-dnsserver", &format!("127.0.0.1:{names}")])
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let directory = format!("https://localhost:{authority}/dir");
    awaited(dir, &["--cacert", "pebble.pem", &directory]);
    let roots = format!("https://localhost:{management}/roots/0");
    let root = awaited(dir, &["--cacert", "pebble.pem", &roots]);
    fs::write(dir.join("root.pem"), root).unwrap();

    let mut acme = Command::new(env!("CARGO_BIN_EXE_acme"));
    acme.current_dir(dir)
        .args(["--domain", "app.test", "--directory", &directory])
        .args([
            "--root",
            "pebble.pem",
            "--bind",
            &format!("127.0.0.1:{app}"),
        ])
        .stdout(Stdio::piped());
    let mut acme = Running::start(&mut acme);
    let mut lines = BufReader::new(acme.0.stdout.take().unwrap()).lines();
    let deployed = lines.find(|line| line.as_ref().is_ok_and(|it| it.contains("Deployed")));
    assert!(deployed.is_some(), "the program has ended");
    std::thread::spawn(move || lines.for_each(drop));
    let resolve = format!("app.test:{app}:127.0.0.1");
    let url = format!("https://app.test:{app}/");
    let answer = awaited(dir, &["--cacert", "root.pem", "--resolve", &resolve, &url]);
    assert_eq!(answer, "Hello over https!\n");
}
