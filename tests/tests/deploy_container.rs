//! The container file, as far as it goes without an engine: its binary, built as it says, alone in
//! an empty read-only root, as user `nobody`, as PID 1.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conformance::deploy::{Folder, Running, free_port, get, is_root, root, wait_for_port};
use rustix::process::Signal;

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn static_binary() -> std::path::PathBuf {
    let file = fs::read_to_string(root().join("examples/deploy/container/Containerfile")).unwrap();
    let flags = "-C target-feature=+crt-static";
    assert!(
        file.contains(&format!("RUSTFLAGS=\"{flags}\"")) && file.contains(TARGET),
        "{file}"
    );
    let deps = std::env::current_exe().unwrap();
    // target/debug/deps/NAME: beside the others, in a folder of its own, as its flags are.
    let target = deps.ancestors().nth(3).unwrap().join("static");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "deploy",
            "--target",
            TARGET,
        ])
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success());
    target.join(TARGET).join("debug/myapplication")
}

#[test]
#[ignore = "needs a static C library, unshare and root"]
fn the_binary_runs_alone_as_nobody_in_a_read_only_root_as_pid_1() {
    let binary = static_binary();
    let kind = Command::new("ldd").arg(&binary).output().unwrap();
    let said = String::from_utf8_lossy(&[kind.stdout, kind.stderr].concat()).into_owned();
    assert!(
        said.contains("statically linked") || said.contains("not a dynamic executable"),
        "{said}"
    );
    let namespaces = Command::new("unshare")
        .args(["--pid", "--fork", "--mount", "true"])
        .status();
    if !is_root() || !namespaces.is_ok_and(|status| status.success()) {
        return eprintln!("no namespaces here");
    }
    let folder = Folder::new();
    folder.copy(&binary, "root/myapplication");
    let port = free_port();
    let inside = folder.path("root");
    // What `FROM scratch`, `USER`, `--read-only` come to.
    let script = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} && \
         exec chroot --userspec=65534:65534 {0} /myapplication",
        inside.display()
    );
    let mut command = Command::new("unshare");
    command.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "sh",
        "-c",
        &script,
    ]);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("ADDRESS", format!("127.0.0.1:{port}"));
    let mut running = Running::start(command.stdout(Stdio::inherit()));
    wait_for_port(port);
    assert!(get(port, "/hello/John").text().contains("Hello John!"));

    // The program itself is the child of `unshare`.
    let children = format!("/proc/{0}/task/{0}/children", running.id());
    let child: i32 = fs::read_to_string(children)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let line = |name: &str| {
        status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(line("Uid:").contains("65534\t65534"), "{status}");
    assert!(line("NSpid:").ends_with("\t1"), "{status}");
    // PID 1 is sent nothing that it does not handle: a SIGTERM that ends it is one that it takes.
    let start = Instant::now();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, Signal::TERM).unwrap();
    assert_eq!(running.wait(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
}
