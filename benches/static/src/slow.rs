//! Many clients that take their time over a large file: what does the server hold for them?

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::Server;

const CLIENTS: usize = 256;

/// MiB at the most, over some seconds in which each client reads 4 KiB now and then.
pub fn peak_memory(server: &Server) -> f64 {
    let mut clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            write!(stream, "GET /100m.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    let mut buffer = vec![0; 4096];
    while start.elapsed() < Duration::from_secs(6) {
        for client in &mut clients {
            match client.read(&mut buffer) {
                Ok(0) => panic!("the server gave up"),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    server.peak_memory()
}
