//! `close()` is `Drop`: exactly once, on every path, on a thread that may block.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use gateway_core::{Application, Body, Environ, Error, Reply, application};

use crate::reading::read_until;
use crate::server::{Server, multi_thread, read_all};
use crate::witness::Witness;

const PAUSE: Duration = Duration::from_millis(20);

/// `?body=..&path=..`: with a guest in the iterator or in the writer's closure.
fn haunted(witness: Witness) -> impl Application {
    application(move |environ: &mut Environ| -> Result<Reply, Error> {
        let guest = witness.guest();
        let body = environ.query("body").unwrap_or_default().into_owned();
        let ends = environ.query("ends").unwrap_or_default().into_owned();
        let count = match &*ends {
            "never" => usize::MAX,
            _ => 3,
        };
        let mut left = count;
        let step = move || match (left, &*ends) {
            (0, "fails") => Some(Err(io::Error::other("failed"))),
            (0, "panics") => panic!("expected: a producer panics"),
            (0, _) => None,
            _ => {
                left -= 1;
                Some(Ok(vec![b'x'; 8 * 1024]))
            }
        };
        let mut pieces = std::iter::from_fn(step);
        if environ.query("slow").is_some() {
            sleep(10 * PAUSE);
        }
        Ok(Reply::new(match &*body {
            "writer" => Body::from_writer(move |out| {
                let _guest = guest;
                pieces.try_for_each(|piece| out.write_all(&piece?))
            }),
            _ => Body::try_chunks(pieces.inspect(move |_| _ = &guest)),
        }))
    })
}

#[test]
fn the_producer_is_dropped_once_where_that_may_block_on_every_path() {
    let witness = Witness::default();
    let server = Server::run(haunted(witness.clone()));
    let mut count = 0;
    for body in ["chunks", "writer"] {
        for ends in ["whole", "fails", "panics"] {
            count += 1;
            let answer = server.get(&format!("/?body={body}&ends={ends}"));
            witness.expect(count, &format!("{body} {ends}: {}", answer.len()));
            assert_eq!(
                answer.ends_with("\r\n0\r\n\r\n"),
                ends == "whole",
                "{body} {ends}"
            );
        }

        count += 1;
        let head = format!("HEAD /?body={body} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
        read_all(server.send(&head));
        witness.expect(count, &format!("{body}, never polled"));

        count += 1;
        let get = format!("GET /?body={body}&ends=never HTTP/1.1\r\nhost: t\r\n\r\n");
        let mut client = server.send(&get);
        read_until(&mut client, "xxx");
        sleep(5 * PAUSE);
        drop(client);
        witness.expect(count, &format!("{body}, client gone midway"));

        count += 1;
        let get = format!("GET /?body={body}&slow=1 HTTP/1.1\r\nhost: t\r\n\r\n");
        let client = server.send(&get);
        while witness.made() < count {
            sleep(PAUSE / 4);
        }
        drop(client);
        witness.expect(count, &format!("{body}, client gone before the head"));
    }
}

#[test]
fn a_client_that_has_seen_the_end_may_count_on_the_close() {
    let witness = Witness::default();
    let server = Server::run(haunted(witness.clone()));
    for round in 1..=200 {
        let body = ["chunks", "writer"][round % 2];
        let answer = server.get(&format!("/?body={body}"));
        assert!(answer.ends_with("\r\n0\r\n\r\n"));
        assert_eq!(witness.dropped(), round);
    }
}

#[test]
fn a_runtime_that_shuts_down_drops_what_is_parked_and_what_waits() {
    for body in ["chunks", "writer"] {
        let witness = Witness::default();
        // One writer runs, the others wait for its place.
        let service = haunted(witness.clone()).into_service().held_threads(1);
        let mut server = Server::of(service);
        let get = format!("GET /?body={body}&ends=never HTTP/1.1\r\nhost: t\r\n\r\n");
        let clients: Vec<_> = (0..20).map(|_| server.send(&get)).collect();
        while witness.made() < 20 {
            sleep(PAUSE);
        }
        sleep(10 * PAUSE);
        assert_eq!(witness.dropped(), 0, "{body}");
        // As a program that ends does.
        drop(server.runtime.take());
        witness.expect(20, body);
        drop(clients);
    }
}

#[test]
fn what_the_environ_holds_is_dropped_there_too() {
    let witness = Witness::default();
    #[derive(Clone)]
    struct Held(
        #[expect(dead_code, reason = "held to be dropped")] std::sync::Arc<crate::witness::Guest>,
    );
    let inner = witness.clone();
    let server = Server::run(application(move |environ: &mut Environ| {
        environ.insert(Held(std::sync::Arc::new(inner.guest())));
        assert!(
            environ.query("panics").is_none(),
            "expected: a handler panics"
        );
        "done\n"
    }));
    assert!(server.get("/").ends_with("done\n"));
    witness.expect(1, "answered");
    assert_eq!(server.get("/?panics=1"), "");
    witness.expect(2, "panicked");
}

#[test]
fn a_body_that_no_service_adapted_writes_and_is_dropped_where_that_may_block() {
    let witness = Witness::default();
    let service = tower::service_fn({
        let witness = witness.clone();
        move |request: http::Request<hyper::body::Incoming>| {
            let guest = witness.guest();
            let forever = request.uri().path() == "/forever";
            let body = Body::from_writer(move |out| {
                let _guest = guest;
                out.write_all(b"begun")?;
                let pieces = if forever { usize::MAX } else { 0 };
                (0..pieces).try_for_each(|_| out.write_all(&[b'x'; 8 * 1024]))
            });
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(body)))
        }
    });
    let server = Server::on(multi_thread(), service);
    assert!(server.get("/").contains("begun"));
    witness.expect(1, "whole");
    let mut client = server.send("GET /forever HTTP/1.1\r\nhost: t\r\n\r\n");
    read_until(&mut client, "begun");
    drop(client);
    witness.expect(2, "gone");
}
