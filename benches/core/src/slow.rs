//! Clients that stop reading or drip: what does each cost, and does anybody else notice?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::process::Server;

const CLIENTS: usize = 600;

pub fn measure() {
    println!("\n{CLIENTS} slow clients at once");
    println!("| | memory each | threads | another request, median | slowest of 40 |");
    println!("|---|---|---|---|---|");
    for name in ["iterators", "writers", "uploads"] {
        let server = Server::start(name);
        hello(&server);
        let before = server.resident();
        let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| slow(&server)).collect();
        std::thread::sleep(Duration::from_secs(2));
        let mut times: Vec<Duration> = (0..40).map(|_| hello(&server)).collect();
        times.sort();
        println!(
            "| {name} | {} KiB | {} | {:.1} ms | {:.1} ms |",
            (server.resident() - before) / CLIENTS / 1024,
            server.threads(),
            times[20].as_secs_f64() * 1e3,
            times[39].as_secs_f64() * 1e3,
        );
        drop(clients);
    }
}

fn slow(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    let upload = server.name == "uploads";
    let method = if upload { "POST" } else { "GET" };
    let length = if upload {
        "content-length: 10000000\r\n"
    } else {
        ""
    };
    write!(socket, "{method} / HTTP/1.1\r\nhost: bench\r\n{length}\r\n").unwrap();
    if upload {
        // More than is awaited: the application is called, and waits.
        socket.write_all(&[b'x'; 80 * 1024]).unwrap();
    }
    socket
}

fn hello(server: &Server) -> Duration {
    let start = Instant::now();
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket
        .write_all(b"GET /hello HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut whole = String::new();
    socket.read_to_string(&mut whole).unwrap();
    assert!(whole.ends_with("hello\n"), "{whole}");
    start.elapsed()
}
