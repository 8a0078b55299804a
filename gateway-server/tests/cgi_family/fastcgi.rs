//! FastCGI over real sockets, with hand-written records.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::fcgi::{
    begin, exchange, get, head, is_closed, next, pairs, post, record, reply, stream,
};
use crate::support::{Running, front_end};
use gateway_server::fastcgi::Server;
use gateway_server::fastcgi::record::{BeginRequest, Header, Kind, Role};

front_end!(Server);

#[test]
fn a_request_is_answered_in_one_write_and_the_connection_closed() {
    let (running, _) = plain();
    let mut connection = running.connect();
    connection.write_all(&get(1, false, "/big/10")).unwrap();
    // One write: whatever the first read gives is all there is.
    let mut bytes = vec![0; 4096];
    let read = connection.read(&mut bytes).unwrap();
    assert_eq!(connection.read(&mut bytes[read..]).unwrap(), 0);
    bytes.truncate(read);
    assert_eq!(&bytes[..8], &[1, 6, 0, 1, 0, 48, 0, 0]);
    assert_eq!(
        &bytes[8..56],
        b"Status: 200 OK\r\ncontent-length: 10\r\n\r\nxxxxxxxxxx"
    );
    assert_eq!(
        &bytes[read - 24..],
        [[1, 6, 0, 1, 0, 0, 0, 0], [1, 3, 0, 1, 0, 8, 0, 0], [0; 8]].concat()
    );
}

#[test]
fn a_kept_connection_takes_one_request_after_another() {
    let (running, _) = plain();
    let mut connection = running.connect();
    for id in [1, 1, 7, 65_535, 1] {
        let reply = exchange(&mut connection, id, &get(id, true, "/big/3"));
        assert_eq!(reply.answer().text(), "xxx", "{id}");
    }
    let reply = exchange(&mut connection, 2, &get(2, false, "/big/3"));
    assert_eq!(reply.answer().text(), "xxx");
    assert!(is_closed(&mut connection));
}

#[test]
fn variables_arrive_as_the_front_end_sent_them() {
    let (running, _) = plain();
    let more = [
        ("SCRIPT_NAME", "/app"),
        ("QUERY_STRING", "a=1"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "4000"),
        ("REMOTE_USER", "jo"),
        ("SERVER_NAME", "example.com"),
        ("SERVER_PORT", "443"),
        ("SERVER_ADDR", "192.0.2.1"),
        ("HTTPS", "on"),
        ("DOCUMENT_ROOT", "/srv"),
        ("HTTP_HOST", "example.com"),
        ("HTTP_COOKIE", "a=1"),
        ("HTTP_COOKIE", "b=2"),
        ("HTTP_PROXY", "evil"),
    ];
    let request = [
        head(1, false, "GET", "/x y", &more),
        stream(Kind::STDIN, 1, &[]),
    ]
    .concat();
    let text = exchange(&mut running.connect(), 1, &request)
        .answer()
        .text();
    for line in [
        "SCRIPT_NAME=/app",
        "PATH_INFO=/x y",
        "QUERY_STRING=a=1",
        "REQUEST_URI=/app/x%20y?a=1",
        "REMOTE_ADDR=192.0.2.7",
        "REMOTE_USER=jo",
        "SERVER_NAME=example.com",
        "SERVER_PORT=443",
        "DOCUMENT_ROOT=/srv",
        "HTTP_HOST=example.com",
        "HTTP_COOKIE=a=1; b=2",
        "wsgi.url_scheme=https",
    ] {
        assert!(
            text.lines().any(|got| got == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("PROXY") && !text.contains("PATH="), "{text}");
}

#[test]
fn the_script_name_can_be_set() {
    let (running, _) = server(|server| server.script_name("/app").unwrap());
    let params = [("SCRIPT_NAME", "/app/x"), ("REQUEST_URI", "/app/x")];
    let request = [
        head(1, false, "GET", "", &params),
        stream(Kind::STDIN, 1, &[]),
    ]
    .concat();
    let text = exchange(&mut running.connect(), 1, &request)
        .answer()
        .text();
    assert!(
        text.contains("SCRIPT_NAME=/app\n") && text.contains("PATH_INFO=/x\n"),
        "{text}"
    );
    assert!(
        Server::bind("127.0.0.1:0")
            .unwrap()
            .script_name("app")
            .is_err()
    );
}

#[test]
fn input_of_any_size_goes_through() {
    let (running, _) = plain();
    for size in [0, 1, 8, 32 * 1024, 65_535, 65_536, 1_000_000, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|n: usize| (n % 251) as u8).collect();
        let mut connection = running.connect();
        let mut writer = connection.try_clone().unwrap();
        let request = post(1, false, "/echo", &body);
        let writing = thread::spawn(move || writer.write_all(&request).unwrap());
        let reply = reply(&mut connection, 1);
        writing.join().unwrap();
        assert!(reply.answer().body == body, "{size}");
    }
}

#[test]
fn input_without_a_length_goes_to_the_end_of_its_stream() {
    let (running, _) = plain();
    let request = [
        head(1, false, "POST", "/echo", &[]),
        stream(Kind::STDIN, 1, b"to the end"),
    ]
    .concat();
    assert_eq!(
        exchange(&mut running.connect(), 1, &request)
            .answer()
            .text(),
        "to the end"
    );
}

#[test]
fn input_beyond_its_length_is_not_the_requests_and_less_is_an_error() {
    let (running, _) = plain();
    let length = [("CONTENT_LENGTH", "5")];
    for (sent, status, text) in [
        (&b"12345678"[..], 200, "5"),
        (b"12345", 200, "5"),
        (b"1234", 400, "unexpected end of file"),
    ] {
        let request = [
            head(1, false, "POST", "/count", &length),
            stream(Kind::STDIN, 1, sent),
        ]
        .concat();
        let answer = exchange(&mut running.connect(), 1, &request).answer();
        assert_eq!((answer.status, answer.text().as_str()), (status, text));
    }
}

#[test]
fn input_that_is_not_read_fills_no_memory() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    connection
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    connection
        .write_all(&head(
            1,
            false,
            "POST",
            "/never",
            &[("CONTENT_LENGTH", "1000000000")],
        ))
        .unwrap();
    let piece = record(Kind::STDIN, 1, &[0; 32 * 1024]);
    let mut sent = 0;
    while connection.write_all(&piece).is_ok() {
        sent += piece.len();
        assert!(sent < 64 << 20, "the server takes everything");
    }
    assert_eq!(seen.called.load(Ordering::SeqCst), 1);
}

#[test]
fn input_that_the_service_ignores_does_not_cost_the_response() {
    let (running, _) = plain();
    // Not kept: closing on top of unread input would reset the connection.
    for keep in [false, true] {
        let mut connection = running.connect();
        let mut writer = connection.try_clone().unwrap();
        let request = post(1, keep, "/ignore", &vec![b'x'; 3_000_000]);
        let writing = thread::spawn(move || drop(writer.write_all(&request)));
        assert_eq!(reply(&mut connection, 1).answer().text(), "ignored\n");
        writing.join().unwrap();
        if keep {
            assert_eq!(
                exchange(&mut connection, 2, &get(2, true, "/big/1"))
                    .answer()
                    .text(),
                "x"
            );
        }
    }
}

#[test]
fn large_responses_are_cut_into_records() {
    let (running, _) = plain();
    for size in [65_000, 65_495, 65_496, 65_497, 65_535, 65_536, 1_000_000] {
        let reply = exchange(
            &mut running.connect(),
            1,
            &get(1, false, &format!("/big/{size}")),
        );
        let answer = reply.answer();
        assert_eq!(answer.body.len(), size);
        assert_eq!(answer.header("content-length"), Some(&*size.to_string()));
        for header in &reply.records {
            assert_eq!(
                (usize::from(header.content_length) + usize::from(header.padding_length)) % 8,
                0
            );
        }
    }
}

#[test]
fn pieces_go_out_when_they_are_made() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    let request = get(1, false, "/stream/3/1000");
    connection.write_all(&request).unwrap();
    for n in 0..3_u32 {
        let (_, mut content) = next(&mut connection).unwrap();
        if content.ends_with(b"\r\n\r\n") {
            content = next(&mut connection).unwrap().1; // the head went out first
        }
        assert!(content.ends_with(format!("chunk-{n}\n").as_bytes()), "{n}");
        // The next is made a second later.
        let pulled = seen.pulled.load(Ordering::SeqCst);
        assert_eq!(pulled, n as usize + 1, "chunk {n} waited for others");
    }
}

#[test]
fn a_front_end_that_does_not_read_is_waited_for_and_not_forever() {
    let (running, seen) = server(|server| server.write_stall_timeout(Duration::from_secs(1)));
    let mut connection = running.connect();
    connection
        .write_all(&get(1, false, "/stream/10000/0"))
        .unwrap();
    // 10,000 pieces of 64 KiB: only as many are made as the sockets and one buffer hold.
    seen.wait(|seen| &seen.dropped, 1);
    let pulled = seen.pulled.load(Ordering::SeqCst);
    assert!(pulled < 200, "{pulled} pieces were made for nobody");
}

#[test]
fn a_second_request_on_the_connection_is_refused_and_the_first_goes_on() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    connection.write_all(&get(1, true, "/sleep/300")).unwrap();
    connection.write_all(&get(2, true, "/big/1")).unwrap();
    let (header, content) = next(&mut connection).unwrap();
    assert_eq!((header.kind, header.id), (Kind::END_REQUEST, 2));
    assert_eq!(content, [0, 0, 0, 0, 1, 0, 0, 0]); // FCGI_CANT_MPX_CONN
    assert_eq!(reply(&mut connection, 1).answer().text(), "slept\n");
    assert_eq!(seen.called.load(Ordering::SeqCst), 1);
    assert_eq!(
        exchange(&mut connection, 3, &get(3, true, "/big/1"))
            .answer()
            .text(),
        "x"
    );
}

#[test]
fn records_of_foreign_ids_are_ignored_wherever_they_stand() {
    let (running, _) = plain();
    let mut connection = running.connect();
    let params = pairs(&[
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/echo"),
        ("CONTENT_LENGTH", "6"),
    ]);
    let (one, two) = params.split_at(9);
    let request = [
        record(Kind::STDIN, 9, b"of nobody"),
        record(Kind::ABORT_REQUEST, 9, &[]),
        begin(1, true),
        record(Kind::PARAMS, 1, one),
        record(Kind::PARAMS, 2, &pairs(&[("PATH_INFO", "/evil")])),
        record(Kind::STDIN, 2, &[]),
        record(Kind(200), 1, b"of no type"),
        record(Kind::DATA, 1, b"of another role"),
        record(Kind::PARAMS, 1, two),
        record(Kind::PARAMS, 1, &[]),
        record(Kind::STDIN, 1, b"abc"),
        record(Kind::STDIN, 2, b"evil"),
        record(Kind::ABORT_REQUEST, 2, &[]),
        record(Kind::PARAMS, 1, b"late"),
        record(Kind::STDIN, 1, b"def"),
        record(Kind::STDIN, 1, &[]),
        record(Kind::STDIN, 1, b"late"),
    ];
    assert_eq!(
        exchange(&mut connection, 1, &request.concat())
            .answer()
            .text(),
        "abcdef"
    );
    assert_eq!(
        exchange(&mut connection, 2, &get(2, true, "/big/1"))
            .answer()
            .text(),
        "x"
    );
}

#[test]
fn an_id_that_begins_again_while_it_runs_closes_the_connection() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    connection.write_all(&get(1, true, "/never")).unwrap();
    seen.wait(|seen| &seen.called, 1);
    connection.write_all(&begin(1, true)).unwrap();
    assert!(is_closed(&mut connection));
    seen.wait(|seen| &seen.dropped, 1);
}

#[test]
fn input_in_front_of_the_end_of_the_variables_is_kept() {
    let (running, _) = plain();
    let params = pairs(&[("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")]);
    for ended in [false, true] {
        let request = [
            begin(1, false),
            record(Kind::STDIN, 1, b"early "),
            record(Kind::STDIN, 1, if ended { b"" } else { b"and " }),
            record(Kind::PARAMS, 1, &params),
            record(Kind::PARAMS, 1, &[]),
            record(Kind::STDIN, 1, b"late"),
            record(Kind::STDIN, 1, &[]),
        ];
        let text = exchange(&mut running.connect(), 1, &request.concat())
            .answer()
            .text();
        assert_eq!(text, if ended { "early " } else { "early and late" });
    }
}

#[test]
fn abort_cancels_the_service_and_ends_the_request() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    for (n, keep) in [(1, true), (2, false)] {
        connection.write_all(&get(1, keep, "/never")).unwrap();
        seen.wait(|seen| &seen.called, n);
        connection
            .write_all(&record(Kind::ABORT_REQUEST, 1, &[]))
            .unwrap();
        assert_eq!(reply(&mut connection, 1).end, Some((0, 0)));
        seen.wait(|seen| &seen.dropped, n);
    }
    assert!(is_closed(&mut connection));
}

#[test]
fn a_request_that_is_aborted_while_it_waits_leaves_its_turn_to_the_next() {
    // Its clone of the service stayed in the queue for the one thread: what was woken for it woke nobody,
    // until another connection moved.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (began, begun) = std::sync::mpsc::channel();
    let released = std::sync::Mutex::new(released);
    let app = gateway_core::application(move |environ: &mut gateway_core::Environ| {
        if environ.raw_path_info() == "/long" {
            began.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        gateway_core::Reply::text("done")
    });
    let server = Server::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let running = Running::start(addr, |stopped| async move {
        let server = server.with_graceful_shutdown(async { drop(stopped.await) });
        let server = server.shutdown_grace(Duration::ZERO);
        let service = gateway_core::Application::into_service(app).threads(1);
        server.serve(service).await.unwrap();
    });
    let mut long = running.connect();
    long.write_all(&get(1, true, "/long")).unwrap();
    begun.recv().unwrap();
    let mut aborted = running.connect();
    aborted.write_all(&get(1, true, "/")).unwrap();
    thread::sleep(Duration::from_millis(100));
    let abort = record(Kind::ABORT_REQUEST, 1, &[]);
    assert_eq!(exchange(&mut aborted, 1, &abort).end, Some((0, 0)));
    let mut next = running.connect();
    next.write_all(&get(1, true, "/")).unwrap();
    thread::sleep(Duration::from_millis(100));
    release.send(()).unwrap();
    assert_eq!(reply(&mut next, 1).answer().text(), "done");
    assert_eq!(reply(&mut long, 1).answer().text(), "done");
    // And the connection of the one that was aborted goes on.
    let again = exchange(&mut aborted, 1, &get(1, true, "/"));
    assert_eq!(again.answer().text(), "done");
}

#[test]
fn abort_in_front_of_the_end_of_the_variables_ends_the_request_too() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    let request = [
        begin(1, true),
        record(Kind::PARAMS, 1, b"\x01"),
        record(Kind::ABORT_REQUEST, 1, &[]),
    ];
    assert_eq!(
        exchange(&mut connection, 1, &request.concat()).end,
        Some((0, 0))
    );
    assert_eq!(
        exchange(&mut connection, 1, &get(1, true, "/big/1"))
            .answer()
            .text(),
        "x"
    );
    assert_eq!(seen.called.load(Ordering::SeqCst), 1);
}

#[test]
fn a_front_end_that_goes_away_cancels_the_service() {
    let (running, seen) = plain();
    let mut connection = running.connect();
    connection.write_all(&get(1, false, "/never")).unwrap();
    seen.wait(|seen| &seen.called, 1);
    drop(connection);
    seen.wait(|seen| &seen.dropped, 1);
    // Half way through a response, too.
    let mut connection = running.connect();
    connection
        .write_all(&get(1, false, "/stream/1000/20"))
        .unwrap();
    next(&mut connection).unwrap();
    drop(connection);
    seen.wait(|seen| &seen.dropped, 2);
    assert!(seen.pulled.load(Ordering::SeqCst) < 100);
}

#[test]
fn a_front_end_that_only_closes_its_side_is_answered() {
    let (running, _) = plain();
    let mut connection = running.connect();
    connection.write_all(&get(1, true, "/sleep/200")).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reply(&mut connection, 1).answer().text(), "slept\n");
    assert!(is_closed(&mut connection));
}

#[test]
fn other_roles_and_unknown_management_records_are_answered_by_the_specification() {
    let (running, _) = plain();
    let mut connection = running.connect();
    for role in [Role::AUTHORIZER, Role::FILTER, Role(77)] {
        let begin = BeginRequest {
            role,
            keep_connection: true,
        }
        .encode();
        let reply = exchange(&mut connection, 5, &record(Kind::BEGIN_REQUEST, 5, &begin));
        assert_eq!(reply.end, Some((0, 3)), "{role:?}"); // FCGI_UNKNOWN_ROLE
    }
    for kind in [
        Kind(12),
        Kind(0),
        Kind(255),
        Kind::BEGIN_REQUEST,
        Kind::PARAMS,
        Kind::STDIN,
        Kind::STDOUT,
    ] {
        connection.write_all(&record(kind, 0, b"12345678")).unwrap();
        let (header, content) = next(&mut connection).unwrap();
        assert_eq!(
            (header.kind, header.id, content),
            (Kind::UNKNOWN_TYPE, 0, vec![kind.0, 0, 0, 0, 0, 0, 0, 0])
        );
    }
    let begin = BeginRequest {
        role: Role::FILTER,
        keep_connection: false,
    }
    .encode();
    assert_eq!(
        exchange(&mut connection, 5, &record(Kind::BEGIN_REQUEST, 5, &begin)).end,
        Some((0, 3))
    );
    assert!(is_closed(&mut connection));
}

#[test]
fn values_are_told_as_far_as_they_are_asked_for() {
    let (running, _) = server(|server| server.max_connections(7));
    let mut connection = running.connect();
    let ask = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name, "")).collect();
        record(Kind::GET_VALUES, 0, &pairs(&names))
    };
    let told = [
        (
            ask(&["FCGI_MPXS_CONNS"]),
            pairs(&[("FCGI_MPXS_CONNS", "0")]),
        ),
        (
            ask(&["FCGI_MAX_REQS", "FCGI_MAX_CONNS", "FCGI_MAX_CONNS", "X"]),
            pairs(&[("FCGI_MAX_CONNS", "7"), ("FCGI_MAX_REQS", "7")]),
        ),
        (ask(&[]), vec![]),
    ];
    for (question, answer) in told {
        connection.write_all(&question).unwrap();
        let (header, content) = next(&mut connection).unwrap();
        assert_eq!((header.kind, header.id), (Kind::GET_VALUES_RESULT, 0));
        assert_eq!(content, answer);
    }
    // In the middle of a request as well.
    connection
        .write_all(&[get(1, true, "/sleep/100"), ask(&[])].concat())
        .unwrap();
    assert_eq!(
        next(&mut connection).unwrap().0.kind,
        Kind::GET_VALUES_RESULT
    );
    assert_eq!(reply(&mut connection, 1).answer().text(), "slept\n");
}

#[test]
fn what_is_malformed_closes_that_connection_and_no_other() {
    let (running, seen) = plain();
    let mut bystander = running.connect();
    bystander.write_all(&get(1, true, "/sleep/500")).unwrap();
    let begun = begin(1, true);
    let long = |length: u32| {
        [
            begun.clone(),
            stream(
                Kind::PARAMS,
                1,
                &[&(length | 1 << 31).to_be_bytes()[..], b"\x00abc"].concat(),
            ),
        ]
        .concat()
    };
    let cases: [(&str, Vec<u8>); 8] = [
        ("another version", vec![2, 1, 0, 1, 0, 0, 0, 0]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "a short BEGIN",
            [
                record(Kind::BEGIN_REQUEST, 1, b"1234567"),
                get(1, true, "/"),
            ]
            .concat(),
        ),
        ("a long BEGIN", record(Kind::BEGIN_REQUEST, 1, &[0; 16])),
        ("a name of 2 GiB", long(0x7FFF_FFFF)),
        ("a name one byte too long", long(4)),
        (
            "values that are no pairs",
            record(Kind::GET_VALUES, 0, b"\x05\x00abc"),
        ),
        (
            "100 KiB of input in front of PARAMS",
            [&begun[..], &record(Kind::STDIN, 1, &[0; 60_000]).repeat(2)].concat(),
        ),
    ];
    for (case, bytes) in cases {
        let mut connection = running.connect();
        connection.write_all(&bytes).unwrap();
        assert!(is_closed(&mut connection), "{case}");
    }
    assert_eq!(reply(&mut bystander, 1).answer().text(), "slept\n");
    assert_eq!(seen.called.load(Ordering::SeqCst), 1);
}

#[test]
fn a_request_cut_anywhere_never_reaches_the_service_before_its_variables_are_complete() {
    let (running, seen) = plain();
    let request = get(1, false, "/big/1");
    let variables = request.len() - 8;
    for end in (0..variables).step_by(5) {
        let mut connection = running.connect();
        connection.write_all(&request[..end]).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        assert!(is_closed(&mut connection), "{end}");
    }
    assert_eq!(seen.called.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (running, _) = plain();
    let mut connection = running.connect();
    for byte in post(1, false, "/echo", b"slow") {
        connection.write_all(&[byte]).unwrap();
    }
    assert_eq!(reply(&mut connection, 1).answer().text(), "slow");
}

#[test]
fn variables_may_be_long_and_many_and_cut_anywhere() {
    let (running, _) = plain();
    let long = "v".repeat(65_000);
    let name = format!("X_{}", "N".repeat(300));
    let more = [
        ("LONG", &*long),
        (&*name, "four length bytes"),
        ("TWICE", "1"),
        ("TWICE", "2"),
        ("EMPTY", ""),
    ];
    let mut params = pairs(&[("REQUEST_METHOD", "GET"), ("PATH_INFO", "/vars")]);
    params.extend(pairs(&more));
    for size in [1, 7, 127, 128, 65_535] {
        let records: Vec<u8> = params
            .chunks(size)
            .flat_map(|chunk| record(Kind::PARAMS, 1, chunk))
            .collect();
        let request = [
            begin(1, false),
            records,
            record(Kind::PARAMS, 1, &[]),
            record(Kind::STDIN, 1, &[]),
        ];
        let mut connection = running.connect();
        let mut writer = connection.try_clone().unwrap();
        let writing = thread::spawn(move || writer.write_all(&request.concat()).unwrap());
        let text = reply(&mut connection, 1).answer().text();
        writing.join().unwrap();
        for line in [
            &*format!("LONG={long}"),
            &*format!("{name}=four length bytes"),
            "TWICE=2",
        ] {
            assert!(text.lines().any(|got| got == line), "{size}");
        }
        assert!(!text.contains("EMPTY"));
    }
}

#[test]
fn variables_that_make_no_request_are_refused_with_a_status() {
    let (running, seen) = server(|server| server.max_header_size(70_000));
    let big = "b".repeat(40_000);
    let long = format!("/{}", "l".repeat(65_536));
    for (status, more) in [
        (400, vec![("CONTENT_LENGTH", "x")]),
        (400, vec![("REQUEST_METHOD", "")]),
        (414, vec![("PATH_INFO", &*long)]),
        (431, vec![("HTTP_A", &*big), ("HTTP_B", &*big)]),
    ] {
        let mut connection = running.connect();
        let request = [
            head(1, true, "GET", "/", &more),
            stream(Kind::STDIN, 1, b""),
        ]
        .concat();
        assert_eq!(
            exchange(&mut connection, 1, &request).answer().status,
            status
        );
        assert_eq!(
            exchange(&mut connection, 2, &get(2, true, "/big/1"))
                .answer()
                .text(),
            "x",
            "{status}"
        );
    }
    assert_eq!(seen.called.load(Ordering::SeqCst), 4);
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let (running, seen) = server(|server| server.max_body(10));
    let answer = exchange(
        &mut running.connect(),
        1,
        &post(1, false, "/count", &[0; 11]),
    )
    .answer();
    assert_eq!(
        (answer.status, seen.called.load(Ordering::SeqCst)),
        (413, 0)
    );
    assert_eq!(
        exchange(
            &mut running.connect(),
            1,
            &post(1, false, "/count", &[0; 10])
        )
        .answer()
        .text(),
        "10"
    );
    let request = [
        head(1, false, "POST", "/count", &[]),
        stream(Kind::STDIN, 1, &[0; 11]),
    ]
    .concat();
    let answer = exchange(&mut running.connect(), 1, &request).answer();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (400, "the body is longer than 10 bytes")
    );
}

#[test]
fn a_length_that_the_front_end_does_not_know_is_none() {
    // Caddy 2.6 says -1 where its client sends chunks; STDIN has an end of its own.
    let (running, _) = plain();
    let unknown = [("CONTENT_LENGTH", "-1")];
    let request = |path: &str| {
        let head = head(1, false, "POST", path, &unknown);
        let input = [
            stream(Kind::STDIN, 1, &[b'x'; 70_000]),
            stream(Kind::STDIN, 1, &[]),
        ];
        [head, input.concat()].concat()
    };
    let answer = exchange(&mut running.connect(), 1, &request("/count")).answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "70000"));
    let variables = exchange(&mut running.connect(), 1, &request("/")).answer();
    assert!(
        !variables.text().contains("CONTENT_LENGTH"),
        "{variables:?}"
    );
    let other = head(1, false, "POST", "/count", &[("CONTENT_LENGTH", "-2")]);
    let request = [other, stream(Kind::STDIN, 1, &[])].concat();
    assert_eq!(
        exchange(&mut running.connect(), 1, &request)
            .answer()
            .status,
        400
    );
}

#[test]
fn head_and_some_statuses_have_no_body() {
    let (running, _) = plain();
    let head = [
        head(1, false, "HEAD", "/big/10", &[]),
        stream(Kind::STDIN, 1, &[]),
    ]
    .concat();
    let answer = exchange(&mut running.connect(), 1, &head).answer();
    assert_eq!(
        (answer.header("content-length"), answer.body.len()),
        (Some("10"), 0)
    );
    for (status, length) in [(204, None), (304, None), (201, Some("4"))] {
        let answer = exchange(
            &mut running.connect(),
            1,
            &get(1, false, &format!("/status/{status}")),
        )
        .answer();
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (status, length)
        );
        assert_eq!(answer.body.is_empty(), length.is_none(), "{status}");
        assert_eq!(answer.header("etag"), Some("\"x\""));
    }
    // 101 cannot be: there is no connection to switch.
    assert_eq!(
        exchange(&mut running.connect(), 1, &get(1, false, "/status/101"))
            .answer()
            .status,
        500
    );
}

#[test]
fn hop_by_hop_fields_stay_and_others_go_line_by_line() {
    let (running, _) = plain();
    let answer = exchange(&mut running.connect(), 1, &get(1, false, "/hop")).answer();
    let mut names: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["content-length: 3", "set-cookie: a=1", "set-cookie: b=2"]
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn failures_are_a_bare_500_and_are_told_on_the_errors_stream() {
    let (running, _) = plain();
    let reply = exchange(&mut running.connect(), 1, &get(1, false, "/error"));
    assert_eq!(
        (reply.answer().status, reply.answer().text().as_str()),
        (500, "")
    );
    assert_eq!(reply.stderr, b"it did not work\n");
    // The connection outlives a panic.
    let mut connection = running.connect();
    let reply = exchange(&mut connection, 1, &get(1, true, "/panic"));
    assert_eq!(
        (reply.answer().status, reply.answer().text().as_str()),
        (500, "")
    );
    assert_eq!(
        exchange(&mut connection, 1, &get(1, true, "/big/1"))
            .answer()
            .text(),
        "x"
    );
}

#[test]
fn the_errors_stream_of_the_application_is_the_front_ends() {
    let (running, _) = plain();
    let mut connection = running.connect();
    let reply = exchange(&mut connection, 1, &get(1, true, "/errors"));
    assert_eq!(
        (&*reply.answer().text(), &*reply.stderr),
        ("logged\n", &b"a line for the log\n"[..])
    );
    // Section 5.3: a stream that was used is ended.
    let last = reply
        .records
        .iter()
        .rfind(|header| header.kind == Kind::STDERR)
        .unwrap();
    assert_eq!(last.content_length, 0);
    assert!(
        exchange(&mut connection, 1, &get(1, true, "/big/1"))
            .stderr
            .is_empty()
    );
}

#[test]
fn a_body_that_fails_half_way_leaves_the_request_without_its_end() {
    let (running, _) = plain();
    for path in ["/failat", "/short"] {
        let reply = exchange(&mut running.connect(), 1, &get(1, true, path));
        assert_eq!(reply.end, None, "{path}");
        assert!(
            String::from_utf8_lossy(&reply.stderr).contains("cut short"),
            "{path}"
        );
    }
    let reply = exchange(&mut running.connect(), 1, &get(1, true, "/failat"));
    assert!(reply.stdout.ends_with(b"piece 0\npiece 1\n"));
}

#[test]
fn what_never_comes_is_not_waited_for_forever() {
    let (running, _) = server(|server| {
        let soon = Duration::from_millis(300);
        server
            .header_read_timeout(soon)
            .body_read_timeout(soon)
            .keep_alive_timeout(soon)
    });
    let mut idle = running.connect();
    let mut half = running.connect();
    half.write_all(&begin(1, true)).unwrap();
    let mut some = running.connect();
    some.write_all(&[1, 1]).unwrap();
    for connection in [&mut idle, &mut half, &mut some] {
        assert!(is_closed_quietly(connection));
    }
    let request = head(1, true, "POST", "/count", &[("CONTENT_LENGTH", "5")]);
    let answer = exchange(&mut running.connect(), 1, &request).answer();
    assert_eq!((answer.status, answer.text().as_str()), (400, "timed out"));
}

fn is_closed_quietly(connection: &mut TcpStream) -> bool {
    matches!(connection.read(&mut [0; 8]), Ok(0))
}

#[test]
fn a_client_that_is_slow_but_moves_is_served() {
    let (running, _) = server(|server| server.body_read_timeout(Duration::from_millis(400)));
    let mut connection = running.connect();
    connection
        .write_all(&head(1, true, "POST", "/count", &[("CONTENT_LENGTH", "8")]))
        .unwrap();
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(100));
        connection.write_all(&record(Kind::STDIN, 1, b"x")).unwrap();
    }
    assert_eq!(reply(&mut connection, 1).answer().text(), "8");
}

#[test]
fn whoever_asks_and_does_not_read_is_not_answered_without_end() {
    let (running, _) = plain();
    let mut connection = running.connect();
    connection
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let questions = Header::new(Kind(99), 0, 0).encode().repeat(8 * 1024);
    let mut sent = 0_usize;
    while connection.write_all(&questions).is_ok() {
        sent += questions.len();
        assert!(sent < 64 << 20, "answers pile up");
    }
}

#[test]
fn shutdown_finishes_what_runs_and_closes_the_connection_with_it() {
    let (mut running, seen) = plain();
    let mut busy = running.connect();
    busy.write_all(&get(1, true, "/sleep/500")).unwrap();
    let mut idle = running.connect();
    assert_eq!(
        exchange(&mut idle, 1, &get(1, true, "/big/1"))
            .answer()
            .text(),
        "x"
    );
    seen.wait(|seen| &seen.called, 2);
    running.stop();
    assert!(is_closed(&mut idle));
    assert_eq!(reply(&mut busy, 1).answer().text(), "slept\n");
    // In the same moment: a front end that hears of the end of the response first may send the next
    // request, and one that it must not send twice is lost then.
    #[cfg(target_os = "linux")]
    {
        busy.set_nonblocking(true).unwrap();
        assert_eq!(busy.read(&mut [0]).unwrap(), 0);
    }
    assert!(is_closed(&mut busy));
    assert!(TcpStream::connect(running.addr).is_err());
    running.join();
}
