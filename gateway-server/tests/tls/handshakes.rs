//! From the accepted connection to the first request.

use std::time::Duration;

use gateway_server::tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::service_fn;

use crate::common::{PATIENCE, hello};
use crate::support::{Authority, Running};

#[tokio::test]
async fn a_request_over_tls_knows_that_it_is() {
    let authority = Authority::new();
    let server = Running::start(Tls::files(authority.localhost()).unwrap());
    let answer = server.get("localhost", authority.trusting()).await.unwrap();
    for line in [
        "HTTPS=on",
        "wsgi.url_scheme=https",
        "SERVER_PROTOCOL=HTTP/1.1",
        "REMOTE_ADDR=127.0.0.1",
        "URI=https://localhost/a?b=c",
    ] {
        assert!(answer.lines().any(|it| it == line), "{line} in {answer}");
    }
}

#[tokio::test]
async fn http_in_the_clear_is_answered_400_in_words() {
    let authority = Authority::new();
    let server = Running::start(Tls::files(authority.localhost()).unwrap());
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(9000)
    );
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "G",
        &long,
    ] {
        let mut client = TcpStream::connect(server.addr).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = timeout(PATIENCE, client.read_to_string(&mut answer));
        read.await.unwrap().unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(answer.contains("https://"), "{answer}");
    }
}

#[tokio::test]
async fn a_handshake_has_a_time_limit_of_its_own() {
    let authority = Authority::new();
    let tls = Tls::files(authority.localhost()).unwrap();
    let server = Running::start(tls.handshake_timeout(Duration::from_millis(300)));
    // Nothing, the beginning of a record, plain HTTP that is not read to its end.
    for sent in ["", "\x16\x03\x01\x02", "G"] {
        let mut client = TcpStream::connect(server.addr).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset; not left open.
        let _ = timeout(PATIENCE, client.read_to_end(&mut rest))
            .await
            .unwrap();
    }
    assert!(server.get("localhost", authority.trusting()).await.is_ok());
}

#[tokio::test]
async fn a_flood_of_half_open_handshakes_keeps_nobody_out() {
    let authority = Authority::new();
    // Longer than the test may take: no time limit comes to its help.
    let tls = Tls::files(authority.localhost()).unwrap();
    let tls = tls.handshake_timeout(PATIENCE * 10);
    let server = Running::with(tls, service_fn(hello), |server| server.max_connections(64));
    let mut flood = Vec::new();
    for round in 0..10 {
        for n in 0..50 {
            let mut client = TcpStream::connect(server.addr).await.unwrap();
            if n % 2 == 0 {
                client.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
            }
            flood.push(client);
        }
        let answer = server.get("localhost", authority.trusting()).await.unwrap();
        assert!(answer.ends_with("hello"), "round {round}: {answer}");
    }
    // A quarter of the connections is what a flood can hold; the others were closed.
    let mut open = 0;
    for client in &mut flood {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(5), client.read(&mut byte)).await;
        open += usize::from(read.is_err());
    }
    assert!(open <= 16, "{open} are open");
}

#[tokio::test]
async fn hostile_first_bytes_close_the_connection_and_nothing_else() {
    let authority = Authority::new();
    let server = Running::start(Tls::files(authority.localhost()).unwrap());
    let mut hostile: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte; 4096]).collect();
    // A record that claims to be long, one of length 0, a handshake message of 16 MB.
    hostile.push(b"\x16\x03\x01\xff\xff".repeat(1000));
    hostile.push(b"\x16\x03\x01\x00\x00".repeat(1000));
    hostile.push(
        [
            b"\x16\x03\x01\x40\x00\x01\xff\xff\xff".as_slice(),
            &[0; 20_000],
        ]
        .concat(),
    );
    for bytes in hostile {
        let mut client = TcpStream::connect(server.addr).await.unwrap();
        let _ = client.write_all(&bytes).await;
        let _ = client.shutdown().await;
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, client.read_to_end(&mut rest))
            .await
            .unwrap();
    }
    assert!(server.get("localhost", authority.trusting()).await.is_ok());
    assert!(server.outcome().await.is_clean());
}
