//! Keep-alive connections that ask, read exactly one answer, and ask again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n";

/// One whole answer: how long it is, as all of them will be.
pub fn answer(address: SocketAddr) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut whole = Vec::new();
    socket.read_to_end(&mut whole).unwrap();
    whole
}

/// The number of requests answered in `time`.
pub fn load(address: SocketAddr, connections: usize, time: Duration) -> usize {
    let length = answer(address).len() - "connection: close\r\n".len();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..connections {
            let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
            clients.push(tokio::spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                socket.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 64 * 1024];
                while !over.load(Ordering::Relaxed) {
                    socket.write_all(REQUEST).await.unwrap();
                    let mut left = length;
                    while left > 0 {
                        let most = left.min(buffer.len());
                        let read = socket.read(&mut buffer[..most]).await.unwrap();
                        assert_ne!(read, 0, "the server closed");
                        left -= read;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        tokio::time::sleep(time).await;
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
    });
    answered.load(Ordering::Relaxed)
}
