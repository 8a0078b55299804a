//! CGI: variables in, a response on standard output, through pipes made by hand.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::Answer;
use gateway_core::{Body, Environ, Error, Reply, Response, application};
use gateway_server::cgi::respond;

/// Standard output that remembers each write.
#[derive(Default)]
struct Stdout {
    writes: Vec<Vec<u8>>,
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.write(
            &slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect::<Vec<_>>(),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard input that counts what is read from it.
#[derive(Clone, Default)]
struct Stdin {
    bytes: Arc<Mutex<io::Cursor<Vec<u8>>>>,
    read: Arc<AtomicUsize>,
}

impl Stdin {
    fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: Arc::new(Mutex::new(io::Cursor::new(bytes.to_vec()))),
            read: Arc::default(),
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.lock().unwrap().read(into)?;
        self.read.fetch_add(read, Ordering::SeqCst);
        Ok(read)
    }
}

fn variables(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let own = [
        ("REQUEST_METHOD", method),
        ("SCRIPT_NAME", "/app.cgi"),
        ("PATH_INFO", path),
    ];
    own.iter()
        .chain(more)
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

fn get(app: &impl gateway_core::Application) -> (io::Result<()>, Stdout) {
    let mut stdout = Stdout::default();
    let result = respond(app, variables("GET", "/", &[]), io::empty(), &mut stdout);
    (result, stdout)
}

fn answer(stdout: &Stdout) -> Answer {
    Answer::parse(&stdout.writes.concat())
}

#[test]
fn a_small_response_is_one_write() {
    let (result, stdout) = get(&application(|environ: &mut Environ| {
        Reply::text(format!(
            "{}{}",
            environ.raw_script_name(),
            environ.raw_path_info()
        ))
    }));
    result.unwrap();
    assert_eq!(stdout.writes.len(), 1);
    assert!(stdout.writes[0].starts_with(b"Status: 200 OK\r\n"));
    assert_eq!(answer(&stdout).text(), "/app.cgi/");
}

#[test]
fn pieces_are_written_as_they_are_made() {
    let (result, stdout) = get(&application(|_: &mut Environ| {
        Ok::<_, Error>(Response::new(Body::chunks(
            (0..3).map(|n| format!("{n}\n")),
        )))
    }));
    result.unwrap();
    assert_eq!(stdout.writes.len(), 3);
    assert_eq!(stdout.writes[1..], [b"1\n".to_vec(), b"2\n".to_vec()]);
    let (_, stdout) = get(&application(|_: &mut Environ| {
        Ok::<_, Error>(Response::new(Body::from_writer(|out| {
            write!(out, "pushed")
        })))
    }));
    assert_eq!(answer(&stdout).text(), "pushed");
}

#[test]
fn input_ends_at_its_length_and_short_input_is_an_error() {
    let echo = application(|environ: &mut Environ| {
        let mut text = String::new();
        match environ.input().read_to_string(&mut text) {
            Ok(_) => text,
            Err(error) => format!("{text} and then {:?}", error.kind()),
        }
    });
    for (length, sent, expected) in [
        (Some("4"), "body", "body"),
        (Some("4"), "body and more", "body"),
        (Some("9"), "body", "body and then UnexpectedEof"),
        (Some("0"), "body", ""),
        (Some(""), "body", ""),
        (None, "body", ""),
    ] {
        let more: Vec<_> = length
            .map(|length| ("CONTENT_LENGTH", length))
            .into_iter()
            .collect();
        let mut stdout = Stdout::default();
        respond(
            &echo,
            variables("POST", "/", &more),
            Stdin::new(sent.as_bytes()),
            &mut stdout,
        )
        .unwrap();
        assert_eq!(answer(&stdout).text(), expected, "{length:?} {sent}");
    }
    // Apache sends a chunked request without a length, to the end.
    let mut stdout = Stdout::default();
    let chunked = variables("POST", "/", &[("HTTP_TRANSFER_ENCODING", "chunked")]);
    respond(&echo, chunked, Stdin::new(b"to the end"), &mut stdout).unwrap();
    assert_eq!(answer(&stdout).text(), "to the end");
}

#[test]
fn input_that_nobody_reads_is_read_before_the_response_is_written() {
    // Apache's mod_cgid writes all of the input before it reads any output.
    struct AfterInput(Stdin);
    impl Write for AfterInput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert_eq!(self.0.read.load(Ordering::SeqCst), 100_000);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let ignoring = application(|_: &mut Environ| Reply::text("x".repeat(200_000)));
    let failing = application(|_: &mut Environ| -> Result<Reply, Error> { Err(Error::msg("no")) });
    let panicking = application(|_: &mut Environ| -> Reply { panic!("as asked for") });
    let some = application(|environ: &mut Environ| {
        environ.input().read_exact(&mut [0; 10]).unwrap();
        "some"
    });
    let sent = || {
        let stdin = Stdin::new(&[b'x'; 100_000]);
        (
            variables("POST", "/", &[("CONTENT_LENGTH", "100000")]),
            stdin.clone(),
            AfterInput(stdin),
        )
    };
    let (variables, stdin, mut stdout) = sent();
    respond(&ignoring, variables, stdin, &mut stdout).unwrap();
    let (variables, stdin, mut stdout) = sent();
    respond(&failing, variables, stdin, &mut stdout).unwrap();
    let (variables, stdin, mut stdout) = sent();
    respond(&panicking, variables, stdin, &mut stdout).unwrap();
    let (variables, stdin, mut stdout) = sent();
    respond(&some, variables, stdin, &mut stdout).unwrap();
    // A request that reaches no application has input, too.
    let (mut variables, stdin, mut stdout) = sent();
    variables.push(("HTTP_X".to_owned(), b"a\nb".to_vec()));
    respond(&some, variables, stdin, &mut stdout).unwrap();
}

#[test]
fn input_that_the_response_streams_back_is_read_by_the_response() {
    let echo = application(|environ: &mut Environ| {
        Ok::<_, Error>(Response::new(Body::from_reader(environ.take_input())))
    });
    let sent = [b'x'; 200_000];
    let mut stdout = Stdout::default();
    let length = variables("POST", "/", &[("CONTENT_LENGTH", "200000")]);
    respond(&echo, length, Stdin::new(&sent), &mut stdout).unwrap();
    assert!(answer(&stdout).body == sent);
    assert!(stdout.writes.len() > 2, "it was gathered first");
}

#[test]
fn failures_are_a_bare_status() {
    let (result, stdout) = get(&application(|_: &mut Environ| -> Result<Reply, Error> {
        Err(Error::msg("no"))
    }));
    result.unwrap();
    assert_eq!(
        (answer(&stdout).status, answer(&stdout).text().as_str()),
        (500, "")
    );
    let (_, stdout) = get(&application(|_: &mut Environ| -> Result<Reply, Error> {
        Err(Error::new(http::StatusCode::CONFLICT, "edited meanwhile"))
    }));
    assert_eq!(answer(&stdout).status, 409);
    let (_, stdout) = get(&application(|_: &mut Environ| -> Reply {
        panic!("as asked for")
    }));
    assert_eq!(
        (answer(&stdout).status, answer(&stdout).text().as_str()),
        (500, "")
    );
    let mut stdout = Stdout::default();
    respond(
        &application(|_: &mut Environ| "never"),
        [("REQUEST_METHOD", "")],
        io::empty(),
        &mut stdout,
    )
    .unwrap();
    assert_eq!(answer(&stdout).status, 400);
}

#[test]
fn a_body_that_fails_half_way_is_an_error_of_the_program() {
    let (result, stdout) = get(&application(|_: &mut Environ| {
        Ok::<_, Error>(Response::new(Body::try_chunks([
            Ok("some"),
            Err(io::Error::other("no more")),
        ])))
    }));
    assert_eq!(result.unwrap_err().to_string(), "no more");
    assert_eq!(answer(&stdout).text(), "some");
}

#[test]
fn head_and_not_modified_write_no_body_and_run_none() {
    for (method, status) in [("HEAD", 200), ("GET", 304), ("GET", 204)] {
        let pulled = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&pulled);
        let app = application(move |_: &mut Environ| {
            let counter = Arc::clone(&counter);
            let chunks = (0..3).map(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
                "chunk"
            });
            Ok::<_, Error>(
                http::Response::builder()
                    .status(status)
                    .body(Body::chunks(chunks))?,
            )
        });
        let mut stdout = Stdout::default();
        respond(&app, variables(method, "/", &[]), io::empty(), &mut stdout).unwrap();
        assert_eq!(
            (answer(&stdout).status, answer(&stdout).body.len()),
            (status, 0),
            "{method}"
        );
        assert_eq!(pulled.load(Ordering::SeqCst), 0);
    }
}
