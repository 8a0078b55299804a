//! Nothing but the layer and `axum::serve`: who is asking is read from the sockets of the process. So each situation
//! has a process of its own, a child that prints what its client got.
#![cfg(target_os = "linux")]
#![expect(clippy::panic, reason = "panics are what is tested")]
#![expect(clippy::print_stdout, reason = "children print for their parents")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use axum::{Router, routing::get};
use middleware_exceptions::ExceptionsLayer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, ToSocketAddrs},
};

/// What the child prints.
#[track_caller]
fn printed_by(child: &str) -> String {
    printed(&mut command(child))
}

fn command(child: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", child, "--ignored", "--nocapture"]);
    command.env("GATEWAY_TEST_ALONE", "1");
    command
}

#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let [text, errors] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{text}{errors}");
    text
}

#[track_caller]
fn assert_shown(text: &str) {
    assert!(text.contains("panic: a tell-tale"), "{text}");
    assert!(text.contains("tests/plain_axum.rs"), "{text}");
}

#[track_caller]
fn assert_withheld(text: &str, why: &str) {
    assert!(
        text.contains("No details here: it is not known who is asking, and"),
        "{text}"
    );
    assert!(text.contains(why), "{text}");
    assert!(
        text.contains("into_make_service_with_connect_info"),
        "{text}"
    );
    assert!(!text.contains("tell-tale"), "{text}");
}

async fn fails() -> &'static str {
    panic!("a tell-tale")
}

/// What a program has: the layer, in one line.
async fn serve(addr: impl ToSocketAddrs) -> std::net::SocketAddr {
    let layer = ExceptionsLayer::new().development_in_release();
    let app = Router::new().route("/", get(fails)).layer(layer);
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

/// Prints the answer to the child's own client.
async fn ask(addr: impl ToSocketAddrs) {
    let mut client = TcpStream::connect(addr).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    println!("{answer}");
}

#[tokio::test]
#[ignore = "a child"]
async fn plain() {
    let addr = serve("127.0.0.1:0").await;
    ask(addr).await;
}

#[tokio::test]
#[ignore = "a child"]
async fn plain_over_ipv6() {
    let addr = serve("[::1]:0").await;
    ask(addr).await;
}

#[test]
fn the_developer_is_shown_details_over_a_loopback_listener() {
    assert_shown(&printed_by("plain"));
    // Where there is IPv6.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert_shown(&printed_by("plain_over_ipv6"));
    }
}

#[tokio::test]
#[ignore = "a child"]
async fn at_all_addresses() {
    let addr = serve("0.0.0.0:0").await;
    ask(("127.0.0.1", addr.port())).await;
}

#[tokio::test]
#[ignore = "a child"]
async fn next_to_a_listener_elsewhere() {
    let addr = serve("127.0.0.1:0").await;
    let _metrics = TcpListener::bind("0.0.0.0:0").await.unwrap();
    ask(addr).await;
}

#[tokio::test]
#[ignore = "a child"]
async fn next_to_a_unix_listener() {
    let addr = serve("127.0.0.1:0").await;
    let folder = tempfile::tempdir().unwrap();
    let _socket = tokio::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    ask(addr).await;
}

#[test]
fn a_listener_that_others_may_reach_withholds_details() {
    assert_withheld(&printed_by("at_all_addresses"), "listens at 0.0.0.0:");
    assert_withheld(
        &printed_by("next_to_a_listener_elsewhere"),
        "listens at 0.0.0.0:",
    );
    assert_withheld(&printed_by("next_to_a_unix_listener"), "a Unix socket");
}

#[tokio::test]
#[ignore = "a child"]
async fn with_sockets_of_its_own() {
    let _udp = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let _pair = std::os::unix::net::UnixStream::pair().unwrap();
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to_itself = std::net::TcpStream::connect(elsewhere.local_addr().unwrap()).unwrap();
    let addr = serve("127.0.0.1:0").await;
    ask(addr).await;
    drop(to_itself);
}

#[test]
fn sockets_that_take_no_requests_do_not_count() {
    assert_shown(&printed_by("with_sockets_of_its_own"));
}

/// The program in the child serves until its input ends.
#[test]
#[ignore = "a child"]
fn until_the_input_ends() {
    // `--ignored` runs all children, without a parent.
    if std::env::var_os("GATEWAY_TEST_ALONE").is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let addr = runtime.block_on(serve("127.0.0.1:0"));
    println!("at {addr}");
    _ = std::io::stdin().read_line(&mut String::new());
}

/// Prints what the program answers this user.
fn curl(addr: &str, user: u32) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--noproxy", "*", &format!("http://{addr}/")]);
    curl.uid(user);
    printed(&mut curl)
}

#[test]
#[ignore = "needs root, to run clients as other users, and curl"]
fn real_one_client_of_another_user_withholds_details_from_all() {
    let mut program = command("until_the_input_ends")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut addresses = lines.filter_map(|line| Some(line.ok()?.split_once("at ")?.1.to_owned()));
    let addr = addresses.next().unwrap();

    assert_shown(&curl(&addr, 0));
    let why = "belongs to user 33 (www-data), while it runs as 0";
    assert_withheld(&curl(&addr, 33), why);
    assert_shown(&curl(&addr, 0));

    // A connection that says nothing is enough: a proxy keeps some open.
    let (host, port) = addr.split_once(':').unwrap();
    let mut idle = Command::new("bash")
        .args([
            "-c",
            &format!("exec 3<>/dev/tcp/{host}/{port}; echo open; read"),
        ])
        .uid(33)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(idle.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert_eq!(said, "open\n");
    assert_withheld(&curl(&addr, 0), why);
    idle.stdin.take().unwrap().write_all(b"\n").unwrap();
    idle.wait().unwrap();
    assert_shown(&curl(&addr, 0));

    drop(program.stdin.take());
    program.wait().unwrap();
}

#[test]
#[ignore = "needs root, to hide /proc from a child"]
fn real_without_proc_details_are_withheld() {
    let mut child = Command::new("unshare");
    let hide = "mount -t tmpfs none /proc && exec \"$0\" --exact plain --ignored --nocapture";
    child.args(["--mount", "sh", "-c", hide]);
    child.arg(std::env::current_exe().unwrap());
    assert_withheld(&printed(&mut child), "it cannot be read in /proc");
}

#[tokio::test]
#[ignore = "a child"]
async fn in_process() {
    use tower::ServiceExt as _;
    let layer = ExceptionsLayer::new().development_in_release();
    let app = Router::new().route("/", get(fails)).layer(layer);
    let request = http::Request::get("/").header("host", "localhost");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let body = app.oneshot(request).await.unwrap().into_body();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    println!("{}", str::from_utf8(&body).unwrap());
}

#[test]
fn a_request_that_came_over_no_socket_is_shown_nothing() {
    assert_withheld(
        &printed_by("in_process"),
        "no TCP socket of this program listens",
    );
}
