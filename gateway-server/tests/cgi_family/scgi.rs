//! SCGI over real sockets, with hand-written netstrings.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;

use crate::support::{Answer, Running, front_end};
use gateway_server::scgi::Server;

front_end!(Server);

pub(crate) fn netstring(variables: &[(&str, &str)]) -> Vec<u8> {
    let headers: Vec<u8> = variables
        .iter()
        .flat_map(|(name, value)| format!("{name}\0{value}\0").into_bytes())
        .collect();
    [format!("{}:", headers.len()).as_bytes(), &headers, b","].concat()
}

fn request(method: &str, path: &str, body: &[u8], more: &[(&str, &str)]) -> Vec<u8> {
    let length = body.len().to_string();
    let mut variables = vec![
        ("CONTENT_LENGTH", &*length),
        ("SCGI", "1"),
        ("REQUEST_METHOD", method),
    ];
    variables.extend([("REQUEST_URI", path), ("SERVER_PROTOCOL", "HTTP/1.1")]);
    variables.extend(more);
    [netstring(&variables), body.to_vec()].concat()
}

fn rest(connection: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    bytes
}

fn exchange(running: &Running, request: &[u8]) -> Answer {
    let mut connection = running.connect();
    connection.write_all(request).unwrap();
    Answer::parse(&rest(&mut connection))
}

#[test]
fn the_example_of_the_specification_is_answered() {
    // https://python.ca/scgi/protocol.txt, section 4.
    let (running, _) = plain();
    let request = b"70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,\
        What is the answer to life?";
    let text = exchange(&running, request).text();
    assert!(
        text.contains("PATH_INFO=/deepthought\n") && text.contains("CONTENT_LENGTH=27\n"),
        "{text}"
    );
}

#[test]
fn a_request_is_answered_in_one_write_and_the_connection_closed() {
    let (running, _) = plain();
    let mut connection = running.connect();
    connection
        .write_all(&request("GET", "/big/10", b"", &[]))
        .unwrap();
    let mut bytes = [0; 4096];
    let read = connection.read(&mut bytes).unwrap();
    assert_eq!(
        &bytes[..read],
        b"Status: 200 OK\r\ncontent-length: 10\r\n\r\nxxxxxxxxxx"
    );
    assert_eq!(connection.read(&mut bytes).unwrap(), 0);
}

#[test]
fn input_of_any_size_goes_through() {
    let (running, _) = plain();
    for size in [0, 1, 65_535, 65_536, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|n: usize| (n % 251) as u8).collect();
        let mut connection = running.connect();
        let mut writer = connection.try_clone().unwrap();
        let sent = request("POST", "/echo", &body, &[]);
        let writing = thread::spawn(move || writer.write_all(&sent).unwrap());
        let answer = Answer::parse(&rest(&mut connection));
        writing.join().unwrap();
        assert!(answer.body == body, "{size}");
    }
}

#[test]
fn input_that_the_service_ignores_does_not_cost_the_response() {
    let (running, _) = plain();
    let mut connection = running.connect();
    let mut writer = connection.try_clone().unwrap();
    let sent = request("POST", "/ignore", &vec![b'x'; 3_000_000], &[]);
    let writing = thread::spawn(move || drop(writer.write_all(&sent)));
    assert_eq!(Answer::parse(&rest(&mut connection)).text(), "ignored\n");
    writing.join().unwrap();
}

#[test]
fn variables_arrive_as_the_front_end_sent_them_the_later_one_where_there_are_two() {
    let (running, _) = plain();
    let more = [
        ("REMOTE_USER", "jo"),
        ("X", "1"),
        ("X", "2"),
        ("HTTP_PROXY", "evil"),
        ("HTTP_ACCEPT", "*/*"),
    ];
    let text = exchange(&running, &request("GET", "/a%2Fb?q=1", b"", &more)).text();
    for line in [
        "PATH_INFO=/a/b",
        "REQUEST_URI=/a%2Fb?q=1",
        "QUERY_STRING=q=1",
        "REMOTE_USER=jo",
        "X=2",
        "HTTP_ACCEPT=*/*",
    ] {
        assert!(
            text.lines().any(|got| got == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("PROXY"), "{text}");
}

#[test]
fn what_is_no_netstring_closes_the_connection() {
    let (running, seen) = plain();
    let cases: [&[u8]; 10] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b":,",
        b"-1:,",
        b"007:abcdefg,",
        b"9999999999:",
        b"99999999999999999999999999:",
        b"5 :abcde,",
        b"3:a\0b,",
        b"4:a\0b\0;",
        b"6:a\0b\0c\0,",
    ];
    for case in cases {
        let mut connection = running.connect();
        connection.write_all(case).unwrap();
        assert!(
            rest(&mut connection).is_empty(),
            "{}",
            String::from_utf8_lossy(case)
        );
    }
    assert_eq!(seen.called.load(Ordering::SeqCst), 0);
}

#[test]
fn variables_that_make_no_request_are_refused_with_a_status() {
    let (running, seen) = server(|server| server.max_header_size(1000));
    let mut connection = running.connect();
    connection.write_all(b"1001:CONTENT_LENGTH").unwrap();
    assert_eq!(Answer::parse(&rest(&mut connection)).status, 431);
    assert_eq!(exchange(&running, b"0:,").status, 400);
    assert_eq!(
        exchange(
            &running,
            &netstring(&[("CONTENT_LENGTH", "x"), ("REQUEST_METHOD", "GET")])
        )
        .status,
        400
    );
    assert_eq!(seen.called.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_cut_anywhere_does_not_hang() {
    let (running, seen) = plain();
    let whole = request("POST", "/count", b"12345", &[]);
    for end in 0..whole.len() {
        let mut connection = running.connect();
        connection.write_all(&whole[..end]).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let answer = rest(&mut connection);
        if end < whole.len() - 5 {
            assert!(answer.is_empty(), "{end}");
        } else {
            assert_eq!(
                Answer::parse(&answer).text(),
                "unexpected end of file",
                "{end}"
            );
        }
    }
    assert_eq!(seen.called.load(Ordering::SeqCst), 5);
}

#[test]
fn a_request_may_come_byte_by_byte_and_with_more_behind_it() {
    let (running, _) = plain();
    let mut connection = running.connect();
    for byte in request("POST", "/echo", b"slow", &[]) {
        connection.write_all(&[byte]).unwrap();
    }
    assert_eq!(Answer::parse(&rest(&mut connection)).text(), "slow");
    let more = [request("POST", "/echo", b"body", &[]), b"and more".to_vec()].concat();
    assert_eq!(exchange(&running, &more).text(), "body");
}

#[test]
fn a_front_end_that_goes_away_cancels_the_service() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    connection
        .write_all(&request("GET", "/never", b"", &[]))
        .unwrap();
    seen.wait(|seen| &seen.called, 1);
    drop(connection);
    seen.wait(|seen| &seen.dropped, 1);
}

#[test]
fn failures_are_a_bare_500() {
    let (running, _) = plain();
    for path in ["/error", "/panic", "/status/101"] {
        let answer = exchange(&running, &request("GET", path, b"", &[]));
        assert_eq!((answer.status, answer.text().as_str()), (500, ""), "{path}");
    }
}

#[test]
fn a_body_whose_length_nobody_knows_is_answered_411() {
    // The protocol has no other end of it.
    let (running, seen) = plain();
    let variables = [
        ("SCGI", "1"),
        ("REQUEST_METHOD", "POST"),
        ("HTTP_TRANSFER_ENCODING", "chunked"),
    ];
    assert_eq!(exchange(&running, &netstring(&variables)).status, 411);
    assert_eq!(seen.called.load(Ordering::SeqCst), 0);
}
