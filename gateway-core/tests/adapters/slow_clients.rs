use std::io::{BufRead, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use gateway_core::request::Arrival;
use gateway_core::{Application, Body, Environ, Error, Reply, application};
use http::Request;
use hyper::body::Incoming;

use crate::reading::read_until;
use crate::server::Server;

/// 100 MB in pieces of 16 KiB.
fn stream() -> impl Iterator<Item = Vec<u8>> + Send {
    (0..6400).map(|_| vec![b'x'; 16 * 1024])
}

pub(crate) fn everything(environ: &mut Environ) -> Result<Reply, Error> {
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

fn answers(server: &Server) {
    let answer = server.get("/");
    assert!(answer.ends_with("here\n"), "{answer}");
}

#[test]
fn a_slow_upload_that_fits_the_buffer_needs_no_thread() {
    let service = everything.into_service().threads(2);
    let server = Server::of(service);
    let head = "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\n12345";
    let mut uploads: Vec<_> = (0..20).map(|_| server.send(head)).collect();
    for _ in 0..5 {
        answers(&server);
    }
    for upload in &mut uploads {
        upload.write_all(b"67890").unwrap();
        assert!(read_until(upload, "10").contains("\r\n\r\n10"));
    }
}

#[test]
fn one_that_holds_a_thread_and_does_not_move_makes_way_for_one_that_waits() {
    let service = everything
        .into_service()
        .held_threads(1)
        .stall_timeout(Duration::from_secs(9));
    let server = Server::of(service.answer_errors());
    let head = "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 100000\r\n\r\n";
    let begin = || {
        let mut client = server.send(head);
        client.write_all(&[b'x'; 90_000]).unwrap();
        client
    };
    let mut stuck = begin();
    std::thread::sleep(Duration::from_millis(50));
    let mut moving = begin();
    assert!(read_until(&mut stuck, "\r\n\r\n").starts_with("HTTP/1.1 408"));
    // Slow, but moving, with others waiting all the time.
    let waiting = begin();
    for _ in 0..100 {
        moving.write_all(&[b'x'; 100]).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(read_until(&mut moving, "100000").starts_with("HTTP/1.1 200"));
    drop(waiting);
    answers(&server);
}

#[test]
fn a_writer_is_told_that_its_client_takes_nothing_or_is_gone() {
    let (tell, hear) = channel();
    let app = application(move |_: &mut Environ| {
        let tell = tell.clone();
        Reply::new(Body::from_writer(move |out| {
            let written = stream().try_for_each(|piece| out.write_all(&piece));
            tell.send(written.as_ref().unwrap_err().kind()).unwrap();
            written
        }))
    });
    let patient = app.into_service();
    let hasty = patient.clone().stall_timeout(Duration::from_millis(300));
    let told = || hear.recv_timeout(Duration::from_secs(60)).unwrap();
    let get = "GET / HTTP/1.1\r\nhost: t\r\n\r\n";

    let server = Server::of(hasty);
    let stuck = server.send(get);
    assert_eq!(told(), std::io::ErrorKind::TimedOut);
    drop(stuck);

    let server = Server::of(patient);
    let mut gone = server.send(get);
    read_until(&mut gone, "xxx");
    drop(gone);
    assert_eq!(told(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn a_response_that_reads_the_input_while_it_streams_waits_in_a_held_thread() {
    let app =
        application(|environ: &mut Environ| Reply::new(Body::from_reader(environ.take_input())));
    let service = app
        .into_service()
        .threads(8)
        .held_threads(2)
        .input_buffer(0);
    let server = Server::of(service);
    let head = "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let mut echoes: Vec<_> = (0..20).map(|_| server.send(head)).collect();
    std::thread::sleep(Duration::from_millis(100));
    let get = "GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
    for _ in 0..5 {
        let answer = crate::server::read_all(server.send(get));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for echo in &mut echoes {
        echo.write_all(b"1\r\n!\r\n0\r\n\r\n").unwrap();
    }
    for echo in &mut echoes {
        assert!(read_until(echo, "!").contains("hello"));
    }
}

#[test]
fn one_who_waits_to_hold_a_thread_gets_it_when_another_who_waited_goes_away() {
    let patient = Duration::from_secs(24 * 3600);
    let service = everything.into_service();
    let service = service.held_threads(1).stall_timeout(patient);
    let server = Server::of(service);
    let head = "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 100000\r\n\r\n";
    for _ in 0..20 {
        let mut clients: Vec<_> = (0..6).map(|_| server.send(head)).collect();
        for client in &mut clients {
            client.write_all(&[b'x'; 90_000]).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        // All but one; it is not known which of them hold a thread and which wait.
        let mut last = clients.pop().unwrap();
        drop(clients);
        last.write_all(&[b'x'; 10_000]).unwrap();
        assert!(read_until(&mut last, "100000").ends_with("100000"));
    }
}

// A client of 1 KB/s was cut off after 30 seconds, though the server saw that it moved.
#[test]
fn a_writer_leaves_it_to_a_gateway_that_watches_to_give_a_client_up() {
    let stall = Duration::from_millis(80);
    let (tell, told) = channel();
    let export = application(move |_: &mut Environ| {
        let tell = tell.clone();
        Reply::new(Body::from_writer(move |out| {
            let written = stream()
                .take(1000)
                .try_for_each(|piece| out.write_all(&piece));
            _ = tell.send(written.is_ok());
            written
        }))
    });
    let service = export.into_service().stall_timeout(stall);
    let watched = tower::util::MapRequest::new(service, |mut request: Request<Incoming>| {
        request
            .extensions_mut()
            .insert(Arrival::default().watched());
        request
    });
    let server = Server::of(watched);
    let mut client = server.send("GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    read_until(&mut client, "\r\n\r\n");
    std::thread::sleep(10 * stall);
    let read = std::io::copy(&mut client, &mut std::io::sink()).unwrap();
    assert!(read > 1000 * 16 * 1024 - 70_000, "{read}");
    assert!(told.recv().unwrap());
}
