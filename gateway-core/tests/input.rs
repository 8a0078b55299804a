//! Reading a request's body: what fails, stays so, and is answered as it should be.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use bytes::Bytes;
use gateway_core::error::status_of;
use gateway_core::{Body, BoxError, Error, Input};
use http::StatusCode;
use http_body::Frame;
use http_body_util::{Limited, StreamBody};

/// Two pieces, and then what follows.
fn pieces_and(last: impl Into<BoxError>) -> Body {
    Body::try_chunks([Ok("first "), Ok("second "), Err(last.into())])
}

fn stalls() -> Input {
    let first = futures_util::stream::iter([Ok::<_, BoxError>(Frame::data("first ".into()))]);
    let never = futures_util::stream::pending();
    let body = StreamBody::new(futures_util::StreamExt::chain(first, never));
    Input::from_body(body).with_stall_timeout(Duration::from_millis(5))
}

fn limited() -> Input {
    Input::from_body(Limited::new(Body::chunks(["first ", "second "]), 10))
}

fn too_long() -> Input {
    let mut input = Input::from_body(Body::chunks(["first ", "second "]));
    input.read_all(10).unwrap_err();
    input
}

fn too_long_though_it_is_all_there() -> Input {
    let mut input = Input::from(Bytes::from("first second "));
    input.read_all(10).unwrap_err();
    input
}

/// An error of another make, with its cause inside.
#[derive(Debug)]
struct Wrapped<E>(E);

impl<E: fmt::Debug> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl<E: StdError + 'static> StdError for Wrapped<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn of_kind(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "the layer's own words")
}

/// Reads its input in one of the ways there are.
type Reading = fn(&mut Input) -> Result<(), Error>;

const WAYS: [(&str, Reading); 6] = [
    ("read", |input| Ok(input.read_exact(&mut [0; 1000])?)),
    ("read_to_end", |input| {
        input.read_to_end(&mut Vec::new())?;
        Ok(())
    }),
    ("fill_buf", |input| {
        while let length @ 1.. = input.fill_buf()?.len() {
            input.consume(length);
        }
        Ok(())
    }),
    ("read_all", |input| input.read_all(1_000_000).map(drop)),
    ("drain", |input| {
        input.drain(1_000_000).map(drop).map_err(Error::from)
    }),
    ("as a body", |input| {
        let body = Body::from(std::mem::take(input));
        body.into_bytes().map(drop).map_err(Error::from_boxed)
    }),
];

// After its own 408 the rest came as if it were whole, and after 413 nothing, as success.
#[test]
fn an_input_that_has_failed_fails_in_the_same_way_ever_after() {
    type Make = fn() -> Input;
    let made: [(&str, Make, u16); 9] = [
        ("stalled", stalls, 408),
        ("too long", too_long, 413),
        ("too long, all there", too_long_though_it_is_all_there, 413),
        ("broken", || Input::from_body(pieces_and("cut short")), 400),
        // As tower-http's `RequestBodyLimitLayer` does.
        ("limited by a layer", limited, 413),
        (
            "limited further out",
            || {
                let error = Limited::new(Body::from("too long"), 1);
                let error = Body::new(error).into_bytes().unwrap_err();
                Input::from_body(pieces_and(Wrapped(
                    *error
                        .downcast::<http_body_util::LengthLimitError>()
                        .unwrap(),
                )))
            },
            413,
        ),
        (
            "timed out by a layer",
            || Input::from_body(pieces_and(Wrapped(of_kind(io::ErrorKind::TimedOut)))),
            408,
        ),
        (
            "a connection that broke",
            || Input::from_body(pieces_and(of_kind(io::ErrorKind::ConnectionReset))),
            400,
        ),
        (
            "a reader that failed",
            || Input::from_reader(b"first ".chain(Broken)),
            400,
        ),
    ];
    for (name, make, status) in made {
        for (way, read) in WAYS {
            for (again, read_again) in WAYS {
                if way == "as a body" {
                    continue; // it has the input
                }
                let mut input = make();
                let failed = read(&mut input).unwrap_err();
                let and_again = read_again(&mut input).unwrap_err();
                let what = format!("{name}: {way}, then {again}");
                assert_eq!(failed.status().as_u16(), status, "{what}");
                // A body that others poll carries the error, and no status of ours.
                assert_eq!(and_again.status().as_u16(), status, "{what}");
                assert_eq!(failed.to_string(), and_again.to_string(), "{what}");
            }
        }
    }
}

/// Fails once, and then seems to be at its end.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("a reader's own words"))
    }
}

/// Gateways, adapters and the exceptions layer ask [`status_of`]. Without an `Error` around it, such a failure was a 500 once, and
/// an interim status left as the answer.
#[test]
fn the_status_of_an_error_is_the_one_it_carries_or_that_of_the_read_behind_it() {
    let too_long = |_: &str| too_long().read(&mut [0]).unwrap_err();
    let carries = |status: u16| Error::new(StatusCode::from_u16(status).unwrap(), "no").into();
    let errors: [(BoxError, u16); 9] = [
        (carries(404), 404),
        (carries(503), 503),
        (carries(101), 500),
        (carries(100), 500),
        ("no".into(), 500),
        (of_kind(io::ErrorKind::TimedOut).into(), 500),
        (too_long("itself").into(), 413),
        (Wrapped(too_long("behind another")).into(), 413),
        (Error::from(too_long("by `?`")).into(), 413),
    ];
    for (error, status) in errors {
        assert_eq!(status_of(&*error), status, "{error:?}");
    }
}

#[test]
fn a_reader_that_has_nothing_yet_has_not_failed() {
    struct Slow(u8);

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::Interrupted.into()),
                2 => Err(io::ErrorKind::WouldBlock.into()),
                3 => b"late".as_slice().read(into),
                _ => Ok(0),
            }
        }
    }

    let mut input = Input::from_reader(Slow(0));
    let error = input.fill_buf().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(input.read_all(100).unwrap(), "late");
}

#[test]
fn what_fits_exactly_is_not_too_long() {
    let mut input = Input::from_body(Body::chunks(["first ", "second"]));
    assert_eq!(input.read_all(12).unwrap(), "first second");
    assert_eq!(input.read_all(0).unwrap(), "");
    assert_eq!(
        Error::from(io::Error::other("not of an input")).status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}
