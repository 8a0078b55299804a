//! Clients that set the pace while a thread waits for them.

mod common;

use std::io::Write;
use std::time::Duration;

use common::{Client, Running, statuses};
use gateway_core::{Application, Body, Environ, Error, Reply, application};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

/// Reads all of a POST; a GET writes far more than the kernel takes ahead.
fn app() -> impl Application {
    application(|environ: &mut Environ| {
        if environ.method() == http::Method::GET {
            let body = Body::from_writer(|out| {
                let piece = [b'x'; 64 * 1024];
                (0..512).try_for_each(|_| out.write_all(&piece))
            });
            return Ok::<_, Error>(Reply::text(body));
        }
        let read = std::io::copy(environ.input(), &mut std::io::sink())?;
        Ok(Reply::text(read.to_string()))
    })
}

fn server() -> Running {
    // Two threads may wait for clients that send, and two for clients that take.
    let service = app().into_service().threads(8).held_threads(2);
    Running::start(service.stall_timeout(Duration::from_secs(3)))
}

const LARGE: usize = 500_000;

fn upload(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn uploads_that_drip_keep_no_other_upload_waiting() {
    let server = server();
    let mut dripping = Vec::new();
    for _ in 0..10 {
        let mut client = server.client().await;
        client.send(upload(LARGE)).await;
        client.send(vec![b'x'; 100_000]).await;
        dripping.push(client);
    }
    let drip = async {
        loop {
            for client in &mut dripping {
                // Those that were cut off cannot be sent to.
                let _ = client.stream.write_all(b"x").await;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let others = async {
        for _ in 0..3 {
            let mut client = Client::connect(server.addr).await;
            client.send(upload(LARGE)).await;
            client.send(vec![b'y'; LARGE]).await;
            let answer = client.rest().await;
            assert!(answer.ends_with(&LARGE.to_string()), "{answer}");
        }
    };
    tokio::select! {
        _ = timeout(common::PATIENCE * 2, drip) => panic!("the others wait for ever"),
        () = others => {}
    }
}

#[tokio::test]
async fn downloads_that_drip_keep_no_other_download_waiting() {
    use tokio::io::AsyncReadExt;
    let server = server();
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut dripping = Vec::new();
    for _ in 0..10 {
        let mut client = server.client().await;
        client.send(get).await;
        dripping.push(client);
    }
    let drip = async {
        loop {
            for client in &mut dripping {
                let mut byte = [0];
                let _ = timeout(Duration::from_millis(1), client.stream.read(&mut byte)).await;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let others = async {
        for _ in 0..3 {
            let mut client = Client::connect(server.addr).await;
            client.send(get).await;
            let answer = client.rest().await;
            assert_eq!(statuses(&answer), [200]);
            assert!(answer.ends_with("\r\n0\r\n\r\n"), "cut off");
        }
    };
    tokio::select! {
        _ = timeout(common::PATIENCE * 2, drip) => panic!("the others wait for ever"),
        () = others => {}
    }
}
