//! The program from outside: its command line, its first line, its signals, and what it does when descriptors run out.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Serve {
    child: Child,
    address: String,
}

impl Serve {
    fn start(root: &std::path::Path, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
        command
            .arg(root)
            .args(["--bind", "127.0.0.1:0"])
            .args(options);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .strip_prefix("listening on http://")
            .expect("the first line")
            .trim()
            .to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// The whole answer, as text.
    fn ask(&self, path: &str, fields: &str) -> String {
        let mut stream = self.connect();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn status(&self, path: &str) -> String {
        self.ask(path, "")
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

#[test]
fn files_are_served_by_default_and_nothing_else() {
    let root = root(&[
        ("index.html", "index"),
        ("a.txt", "a"),
        ("a.txt.gz", "zip"),
        (".env", "secret"),
        ("d/x", "x"),
    ]);
    let serve = Serve::start(root.path(), &[]);
    assert!(serve.ask("/", "").ends_with("index"));
    assert!(
        serve
            .ask("/a.txt", "Accept-Encoding: gzip\r\n")
            .ends_with("\r\n\r\na")
    );
    for path in ["/.env", "/d/", "/missing", "/../a.txt"] {
        assert_eq!(serve.status(path), "404", "{path}");
    }
    assert_eq!(serve.status("/d"), "301");
}

#[test]
fn every_option_does_what_it_says() {
    let root = root(&[
        ("app.html", "application"),
        ("a.txt", "a"),
        ("a.txt.gz", "zip"),
        ("d/x", "x"),
    ]);
    let serve = Serve::start(
        root.path(),
        &[
            "--listing",
            "--no-cache",
            "--spa",
            "app.html",
            "--precompressed",
            "--log",
        ],
    );
    assert!(serve.ask("/d/", "").contains("href=\"./x\""));
    assert!(
        serve
            .ask("/users/1", "Accept: text/html\r\n")
            .ends_with("application")
    );
    assert_eq!(serve.status("/users/1.js"), "404");
    assert!(
        serve
            .ask("/a.txt", "Accept-Encoding: gzip\r\n")
            .ends_with("zip")
    );
    // U+009B makes a terminal do things; the URL is whole, as over HTTP/2.
    assert_eq!(serve.status("http://localhost/a\u{9b}31m?b"), "200");
    let mut serve = serve;
    let lines: Vec<_> = BufReader::new(serve.child.stderr.as_mut().unwrap())
        .lines()
        .take(5)
        .map(Result::unwrap)
        .collect();
    assert!(lines[0].starts_with("GET /d/ 200 "), "{lines:?}");
    assert!(lines[4].starts_with("GET /a%C2%9B31m?b 200 "), "{lines:?}");
}

#[test]
fn a_release_of_a_bundle_is_served_beside_those_before_and_after() {
    let releases = root(&[
        ("1/assets/a-1.js", "one"),
        (
            "2/.vite/manifest.json",
            r#"{ "b.js": { "file": "built/b-2.js" } }"#,
        ),
        ("2/index.html", "page"),
        ("2/built/b-2.js", "b"),
        ("2/assets/a-2.js", "two"),
        ("2/a.css", "p {}"),
        ("3/assets/a-3.js", "three"),
        ("3/a.txt", "three"),
    ]);
    let builds = releases.path().join("*");
    let serve = Serve::start(
        &releases.path().join("2"),
        &[
            "--immutable=assets/",
            "--vite",
            "--previous-builds",
            builds.to_str().unwrap(),
            "--cache-control=*.css=max-age=60",
        ],
    );
    for (path, status, caching) in [
        ("/assets/a-1.js", "200", "immutable"),
        ("/assets/a-2.js", "200", "immutable"),
        ("/assets/a-3.js", "200", "immutable"),
        ("/built/b-2.js", "200", "immutable"),
        ("/a.css", "200", "max-age=60"),
        ("/", "200", "no-cache"),
        ("/a.txt", "404", ""),
        ("/assets/a-4.js", "404", "no-cache"),
    ] {
        assert_eq!(serve.status(path), status, "{path}");
        let answer = serve.ask(path, "");
        assert!(answer.contains(caching), "{path}: {answer}");
    }
}

#[test]
fn what_is_wrong_with_the_command_line_is_said() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_serve"))
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            output.stdout,
        )
    };
    let (code, text, stdout) = run(&["--nonsense"]);
    assert!(
        code == Some(2)
            && text.contains("--nonsense")
            && text.contains("usage")
            && stdout.is_empty()
    );
    let (code, text, _) = run(&["/no/such/directory"]);
    assert!(
        code == Some(1) && text.contains("/no/such/directory"),
        "{text}"
    );
    let (code, text, _) = run(&[".", "--bind", "127.0.0.1:nonsense"]);
    assert!(
        code == Some(1) && text.contains("127.0.0.1:nonsense"),
        "{text}"
    );
}

#[test]
fn sigterm_lets_what_has_begun_finish() {
    let root = root(&[]);
    fs::write(root.path().join("big"), vec![b'x'; 32 << 20]).unwrap();
    let mut serve = Serve::start(root.path(), &[]);
    let mut client = serve.connect();
    client
        .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    client.read_exact(&mut [0; 1000]).unwrap();
    Command::new("kill")
        .arg(serve.child.id().to_string())
        .status()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.len() + 1000 > 32 << 20, "{} bytes", rest.len());
    assert!(serve.child.wait().unwrap().success());
}

#[test]
fn without_descriptors_it_says_so_and_recovers() {
    let root = root(&[("a.txt", "a")]);
    // More than the buffers of a socket take, or the file would be closed while the client waits.
    fs::File::create(root.path().join("big"))
        .unwrap()
        .set_len(256 << 20)
        .unwrap();
    // The hard limit, which the program cannot raise. Each client below costs a socket and a file.
    let mut command = Command::new("sh");
    let script = "ulimit -n 64 && exec \"$0\" \"$@\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_serve")])
        .arg(root.path())
        .args(["--bind", "127.0.0.1:0", "--no-cache"]);
    let serve = Serve::spawn(command);
    // Connections first: without a descriptor for the next one the server would not even accept it.
    let mut clients: Vec<TcpStream> = (0..40).map(|_| serve.connect()).collect();
    let mut refused = 0;
    for client in &mut clients {
        let mut answer = |path: &str| {
            write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut begin = [0; 1024];
            let length = client.read(&mut begin).unwrap();
            String::from_utf8_lossy(&begin[..length]).into_owned()
        };
        let begin = answer("/big");
        if begin.starts_with("HTTP/1.1 503") {
            refused += 1;
            assert!(begin.contains("retry-after: 1"), "{begin}");
        } else {
            assert!(begin.starts_with("HTTP/1.1 200"), "{begin}");
        }
    }
    assert!(refused > 0, "some are told to come again");
    drop(clients);
    let start = Instant::now();
    while serve.status("/a.txt") != "200" {
        assert!(start.elapsed() < Duration::from_secs(60), "it recovers");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn clients_that_go_away_leave_nothing_open() {
    let root = root(&[]);
    fs::File::create(root.path().join("big"))
        .unwrap()
        .set_len(256 << 20)
        .unwrap();
    let serve = Serve::start(root.path(), &["--no-cache"]);
    assert_eq!(serve.status("/missing"), "404");
    let before = serve.descriptors();
    let mut clients: Vec<TcpStream> = (0..50).map(|_| serve.connect()).collect();
    for client in &mut clients {
        client
            .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        client.read_exact(&mut [0; 100]).unwrap();
    }
    assert!(serve.descriptors() >= before + 90);
    drop(clients);
    let start = Instant::now();
    // The root itself is opened again now and then.
    while serve.descriptors() > before + 2 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{} of {before}",
            serve.descriptors()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn many_pipelined_requests_leave_it_small() {
    let root = root(&[("a.txt", "a")]);
    let serve = Serve::start(root.path(), &[]);
    let mut client = serve.connect();
    let request = b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut answers = vec![0; 1 << 16];
    for _ in 0..200 {
        client.write_all(&request).unwrap();
        let mut seen = 0;
        // The end of what was read, for an answer that begins in one piece and goes on in the next.
        let mut kept = 0;
        while seen < 100 {
            let length = client.read(&mut answers[kept..]).unwrap();
            assert!(length > 0);
            let read = kept + length;
            seen += answers[..read]
                .windows(9)
                .filter(|window| window == b"HTTP/1.1 ")
                .count();
            kept = read.min(8);
            answers.copy_within(read - kept..read, 0);
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", serve.child.id())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB");
    assert!(
        resident.parse::<u64>().unwrap() < 64 * 1024,
        "{resident} KiB"
    );
}

#[test]
fn what_the_root_does_not_have_comes_from_the_overlays_in_their_order() {
    let [root, first, second] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let write = |directory: &tempfile::TempDir, name: &str, content: &str| {
        fs::write(directory.path().join(name), content).unwrap();
    };
    write(&root, "a.js", "of the root");
    write(&first, "a.js", "of the first");
    write(&first, "a.js.br", "of the first, brotli");
    write(&first, "b.js", "of the first");
    write(&second, "b.js", "of the second");
    write(&second, "c.js", "of the second");
    let paths = [&first, &second].map(|directory| directory.path().to_str().unwrap());
    let options = [
        "--overlay",
        paths[0],
        "--precompressed",
        "--overlay",
        paths[1],
    ];
    let serve = Serve::start(root.path(), &options);
    for (path, content) in [
        ("/a.js", "of the root"),
        ("/b.js", "of the first"),
        ("/c.js", "of the second"),
    ] {
        let answer = serve.ask(path, "Accept-Encoding: br\r\n");
        assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{answer}");
    }
}

#[test]
#[ignore = "needs curl"]
fn a_certificate_makes_it_https_and_another_is_taken_at_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let write = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    };
    write();
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
    command
        .current_dir(dir.path())
        .args([
            ".",
            "--bind=127.0.0.1:0",
            "--tls-cert=cert.pem",
            "--tls-key=key.pem",
        ])
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line.trim().strip_prefix("listening on https://127.0.0.1:");
    let url = format!(
        "https://localhost:{}/cert.pem",
        port.expect("the first line")
    );
    // The file is what it is verified by, too.
    let fetched = || {
        let mut curl = Command::new("curl");
        curl.current_dir(dir.path()).args([
            "-sS",
            "--retry",
            "9",
            "--retry-all-errors",
            "--cacert",
            "cert.pem",
            &url,
        ]);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    for _ in 0..2 {
        assert_eq!(
            fetched(),
            fs::read_to_string(dir.path().join("cert.pem")).unwrap()
        );
        write();
        let pid = child.id().to_string();
        Command::new("kill").args(["-HUP", &pid]).status().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
