//! The reason for the adapters: many slow clients, of every kind, slow no other client down.
//!
//! Alone in its process, whose threads and memory it measures.

#[path = "adapters/server.rs"]
#[expect(dead_code, reason = "the other tests of adapters use more of it")]
mod server;

use std::io::{BufRead, Write};
use std::net::TcpStream;
use std::time::Duration;

use gateway_core::{Application, Body, Environ, Error, Reply};

use server::Server;

/// 100 MB in pieces of 16 KiB.
fn stream() -> impl Iterator<Item = Vec<u8>> + Send {
    (0..6400).map(|_| vec![b'x'; 16 * 1024])
}

fn everything(environ: &mut Environ) -> Result<Reply, Error> {
    match &*environ.path_str()?.into_owned() {
        "/upload" => {
            let input = environ.input();
            let mut total = 0;
            loop {
                let length = input.fill_buf()?.len();
                if length == 0 {
                    return Ok(Reply::text(format!("{total}")));
                }
                total += length;
                input.consume(length);
            }
        }
        "/download" => Ok(Reply::new(Body::chunks(stream()))),
        "/export" => Ok(Reply::new(Body::from_writer(|out| {
            stream().try_for_each(|piece| out.write_all(&piece))
        }))),
        _ => Ok(Reply::text("here\n")),
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Both ends of some thousand sockets.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn answers(server: &Server) {
    let answer = server.get("/");
    assert!(answer.ends_with("here\n"), "{answer}");
}

#[test]
fn six_hundred_slow_uploads_downloads_and_exports_leave_the_others_their_threads() {
    const EACH: usize = 600;
    allow_many_files();
    // So patient that no slow client is cut off: an answer is none that had to wait for that.
    let patient = Duration::from_secs(24 * 3600);
    let server = Server::of(everything.into_service().stall_timeout(patient));
    answers(&server);
    let (threads_before, memory_before) = (threads(), resident());
    let mut clients: Vec<TcpStream> = Vec::new();
    for number in 0..EACH {
        // Small ones that are awaited, large ones that are read while they arrive, and chunked
        // ones of unknown length.
        let mut upload = server.send(match number % 3 {
            0 => "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n",
            1 => "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 9000000\r\n\r\n",
            _ => "POST /upload HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
        });
        if number % 3 == 1 {
            upload.write_all(&[b'x'; 70 * 1024]).unwrap();
        }
        clients.push(upload);
        clients.push(server.send("GET /download HTTP/1.1\r\nhost: t\r\n\r\n"));
        clients.push(server.send("GET /export HTTP/1.1\r\nhost: t\r\n\r\n"));
    }
    for _ in 0..20 {
        answers(&server);
    }
    // Uploads that drip are still slow, and still slow no other client down.
    for upload in clients.iter_mut().step_by(3) {
        _ = upload.write_all(b"x");
    }
    answers(&server);
    let threads = threads() - threads_before;
    assert!(threads <= 256 + 16, "{threads} threads");
    // The clients' ends of the sockets cost this process nothing but kernel memory.
    let each = (resident() - memory_before) / (3 * EACH);
    assert!(each <= 256 * 1024, "{each} bytes per slow client");
    drop(clients);
    answers(&server);
}
