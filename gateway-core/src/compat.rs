//! PEP 3333's own calling convention, to type the programs of 2007 in as they stand.
//!
//! ```
//! use gateway_core::compat::{StartResponse, wsgi};
//! use gateway_core::testing::Client;
//! use gateway_core::{Body, Environ};
//!
//! fn application(_: &mut Environ, start_response: &mut StartResponse) -> Body {
//!     start_response.start("200 OK", &[("Content-Type", "text/plain")]);
//!     Body::chunks(["Hello ", "World!"])
//! }
//!
//! Client::new(wsgi(application)).get("/").send().assert_status(200).assert_text("Hello World!");
//! ```
//!
//! Nothing else is built on it: an application that returns a [`Reply`](crate::Reply) cannot get
//! the order of calls wrong.

use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::body::Kind;
use crate::{Application, Body, BoxError, Environ, Error, IntoReply, Response};

/// An [`Application`] from a function in PEP 3333's style: it calls
/// [`StartResponse::start`] and returns the body, or a `Result` of one.
pub fn wsgi<F, R>(f: F) -> Wsgi<F>
where
    F: Fn(&mut Environ, &mut StartResponse) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    Wsgi { f }
}

/// The application that [`wsgi`] makes.
#[derive(Clone, Copy)]
pub struct Wsgi<F> {
    f: F,
}

impl<F> fmt::Debug for Wsgi<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wsgi")
    }
}

impl<F, R> Application for Wsgi<F>
where
    F: Fn(&mut Environ, &mut StartResponse) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let mut start = StartResponse::default();
        let body = (self.f)(environ, &mut start).into_reply()?.into_body();
        start.finish(body)
    }
}

/// PEP 3333's `start_response`.
///
/// The rules that the PEP leaves to discipline are kept here: once before the body, a second time
/// only with an error and only before output. A breach is the application's failure, answered
/// with 500.
#[derive(Debug, Default)]
pub struct StartResponse {
    head: Option<(StatusCode, HeaderMap)>,
    written: Vec<u8>,
    breach: Option<Error>,
}

impl StartResponse {
    /// Sets status and headers, and returns what the PEP calls `write`: bytes that go in front
    /// of the returned body. They are kept in memory until the application returns.
    ///
    /// `status` is a code with or without its phrase: `"200 OK"`, `"404"`.
    #[track_caller]
    pub fn start(&mut self, status: &str, headers: &[(&str, &str)]) -> impl Write {
        if self.head.is_some() {
            self.fail(Error::msg(
                "start_response was called a second time without an error",
            ));
        } else {
            self.set(status, headers);
        }
        Output { start: self }
    }

    /// Replaces status and headers after `error` (the PEP's `exc_info`), as long as nothing was
    /// written. When something was, the error itself becomes the application's failure, as the
    /// PEP has it re-raised.
    #[track_caller]
    pub fn start_again(
        &mut self,
        status: &str,
        headers: &[(&str, &str)],
        error: impl Into<BoxError>,
    ) -> impl Write {
        if self.written.is_empty() {
            self.set(status, headers);
        } else {
            self.fail(Error::new(StatusCode::INTERNAL_SERVER_ERROR, error));
        }
        Output { start: self }
    }

    #[track_caller]
    fn set(&mut self, status: &str, headers: &[(&str, &str)]) {
        match head(status, headers) {
            Ok(head) => self.head = Some(head),
            Err(error) => self.fail(Error::new(StatusCode::INTERNAL_SERVER_ERROR, error)),
        }
    }

    fn fail(&mut self, error: Error) {
        // The first breach explains the others.
        self.breach.get_or_insert(error);
    }

    fn finish(self, body: Body) -> Result<Response, Error> {
        if let Some(breach) = self.breach {
            return Err(breach);
        }
        let (status, headers) = self
            .head
            .ok_or_else(|| Error::msg("the application returned without calling start_response"))?;
        let mut response = Response::new(preceded(self.written, body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn head(status: &str, headers: &[(&str, &str)]) -> Result<(StatusCode, HeaderMap), BoxError> {
    let code = status.split(' ').next().unwrap_or(status);
    let status = StatusCode::from_bytes(code.as_bytes())?;
    let mut fields = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        fields.append(HeaderName::try_from(*name)?, HeaderValue::try_from(*value)?);
    }
    Ok((status, fields))
}

fn preceded(written: Vec<u8>, mut body: Body) -> Body {
    if written.is_empty() {
        return body;
    }
    let written = Bytes::from(written);
    if let Kind::Empty = body.kind {
        return written.into();
    }
    let rest = std::iter::from_fn(move || body.next_chunk());
    Body::try_chunks(std::iter::once(Ok::<_, BoxError>(written)).chain(rest))
}

/// The `write` of PEP 3333.
struct Output<'a> {
    start: &'a mut StartResponse,
}

impl Write for Output<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.start.written.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
