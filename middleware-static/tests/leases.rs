//! Files that another program holds under a write lease, as Samba and kernel NFS servers do.
#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use common::{Site, get};

/// Holds a lease on a file until it is told to go, or gives it back when it is asked to.
struct Holder(Child);

impl Holder {
    /// `None` where there is no Python, or no lease to be had on this file system.
    fn of(path: &std::path::Path, gives_back: bool) -> Option<Self> {
        const PROGRAM: &str = r#"
import fcntl, os, signal, sys
file = os.open(sys.argv[1], os.O_RDWR)
give_back = lambda *_: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
signal.signal(signal.SIGIO, give_back if sys.argv[2] == "True" else lambda *_: None)
try:
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
except OSError:
    sys.exit()
print("held", flush=True)
sys.stdin.readline()
"#;
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM]).arg(path);
        command.arg(if gives_back { "True" } else { "False" });
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut holder = Self(child.ok()?);
        let mut line = String::new();
        let output = holder.0.stdout.take()?;
        BufReader::new(output).read_line(&mut line).ok()?;
        (line == "held\n").then_some(holder)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.stdin.take().map(|mut input| input.write_all(b"\n"));
        let _ = self.0.wait();
    }
}

// The kernel says EAGAIN to a caller that will not wait, and that was a 404.
#[tokio::test]
async fn a_file_under_a_lease_is_waited_for_or_busy() {
    let site = Site::with(&[("held", "content"), ("given", "content")]);
    for (way, files) in site.every_way() {
        let files = files.no_cache();
        let Some(_holder) = Holder::of(&site.path("held"), false) else {
            return;
        };
        let answer = get(&files, "/held").await;
        assert_eq!(
            (answer.status.as_u16(), answer.field("retry-after")),
            (503, "1"),
            "{way}"
        );
        // The holder is told by a signal; on a busy machine that may take longer than one request waits.
        let Some(_holder) = Holder::of(&site.path("given"), true) else {
            return;
        };
        let mut answer = get(&files, "/given").await;
        for _ in 0..100 {
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.status, 503, "{way}");
            answer = get(&files, "/given").await;
        }
        assert_eq!(answer.text(), "content", "{way}");
    }
}
