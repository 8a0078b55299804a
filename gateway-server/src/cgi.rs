//! CGI: one process for one request, environment in, standard output out.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use gateway_core::{Environ, Reply};
//!
//! fn hello(environ: &mut Environ) -> Reply {
//!     let subject = environ.query("subject").unwrap_or("World".into());
//!     Reply::text(format!("Hello {subject}!\n"))
//! }
//!
//! fn main() -> std::io::Result<ExitCode> {
//!     gateway_server::cgi::run(hello)
//! }
//! ```
//!
//! A blocking application runs as it is: no runtime, no thread, one write for a small response.
//! [`run_service`] is for tower services.
//!
//! What is left to save is the start of the process. Link the program statically; in a virtual machine
//! musl's start is a ninth of glibc's (`--target x86_64-unknown-linux-musl`).
//!
//! Of the process's environment the application sees the variables of CGI and nothing else. What
//! it writes to its errors stream goes to standard error, which is the web server's log; standard
//! output is the response, so nothing else may be printed there.

use std::ffi::{OsStr, OsString};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use gateway_core::error::status_of;
use gateway_core::request::GatewayFacts;
use gateway_core::{Application, Body, BoxError, Environ, Input};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tower_service::Service;

use crate::cgi_vars::environ::{Head, Refused, Variables};
use crate::cgi_vars::response::encode_head;
use crate::failure::guard;
use crate::framing::{self, Asked, Content, Framing, Unsent};

/// Answers the request that this process was started for. The exit code is always success.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) where there is none: the program was started by
/// hand. Else what writing fails with, or the response's body: the front end has got less
/// than was promised, and a program that ends with a failure says so.
#[expect(
    clippy::needless_pass_by_value,
    reason = "taken as the other servers take it, and gone with the process"
)]
pub fn run(application: impl Application) -> io::Result<ExitCode> {
    respond(
        &application,
        process_variables()?,
        io::stdin(),
        &mut stdout()?,
    )
    .map(|()| ExitCode::SUCCESS)
}

/// Answers the request that this process was started for by a tower service.
///
/// It is polled where it stands, inside the context of a current-thread runtime, so that it may use
/// timers and sockets; the runtime is run only if the service waits for something.
///
/// # Errors
///
/// As [`run`].
pub fn run_service<S, B>(service: S) -> io::Result<ExitCode>
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let variables = process_variables()?;
    let mut stdout = stdout()?;
    // What is made at the first poll (a timer, a socket, a task) looks for a runtime then, so there
    // is one. It is not entered into until something waits: four system calls, and no thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = respond_by(service, variables, io::stdin(), &mut stdout);
    let mut answer = pin!(answer);
    {
        let _context = runtime.enter();
        if let Poll::Ready(result) = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return result.map(|()| ExitCode::SUCCESS);
        }
    }
    runtime.block_on(answer).map(|()| ExitCode::SUCCESS)
}

/// Answers one request with an application: its variables and input come from wherever you have them
/// from, and the response goes to `output`. [`run`] is this over the process's own.
///
/// # Errors
///
/// As [`run`].
pub fn respond<N, V>(
    application: &impl Application,
    variables: impl IntoIterator<Item = (N, V)>,
    input: impl Read + Send + 'static,
    output: &mut dyn Write,
) -> io::Result<()>
where
    N: AsRef<[u8]>,
    V: Into<Vec<u8>>,
{
    let (method, request, input) = match request(variables, input) {
        Ok(request) => request,
        Err(refused) => return Answer::new(Method::GET, output).bare(refused.status()),
    };
    let mut answer = Answer::new(method, output);
    let (parts, ()) = request.into_parts();
    let mut environ = Environ::new(parts, input.reader());
    let response = guarded(|| application.respond(&mut environ).map_err(BoxError::from));
    // What the application has kept of its input it may still read while it streams.
    if !environ.input().has_arrived() {
        input.drain()?;
    }
    let result = match response {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let exact = http_body::Body::size_hint(&body).exact();
            match answer.head(parts.status, &parts.headers, exact)? {
                Content::Nothing => answer.finish(),
                Content::Exactly(_) | Content::ToTheEnd => {
                    let written = guarded(|| body.write_to(&mut answer));
                    answer.end(written.map(drop))
                }
            }
        }
        Err(failed) => answer.fail(&failed),
    };
    input.drain()?;
    result
}

/// Answers one request with a service.
async fn respond_by<S, B>(
    mut service: S,
    variables: impl IntoIterator<Item = (impl AsRef<[u8]>, impl Into<Vec<u8>>)>,
    input: impl Read + Send + 'static,
    output: &mut dyn Write,
) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (method, request, input) = match request(variables, input) {
        Ok(request) => request,
        Err(refused) => return Answer::new(Method::GET, output).bare(refused.status()),
    };
    let mut answer = Answer::new(method, output);
    let request = request.map(|()| input.body());
    let response = async {
        poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(request).await
    };
    let response = catch(response).await;
    // What the service still has of its body it may stream back.
    if input.is_let_go() {
        input.drain()?;
    }
    let result = match response {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            match answer.head(parts.status, &parts.headers, body.size_hint().exact())? {
                Content::Nothing => answer.finish(),
                Content::Exactly(_) | Content::ToTheEnd => {
                    let written = catch(write_body(body, &mut answer)).await;
                    answer.end(written)
                }
            }
        }
        Err(failed) => answer.fail(&failed),
    };
    input.drain()?;
    result
}

async fn write_body<B>(body: B, answer: &mut Answer<'_>) -> Result<(), BoxError>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(mut data) = frame.map_err(Into::into)?.into_data() {
            answer.write_all(&data.copy_to_bytes(data.remaining()))?;
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(())
}

/// Runs code of the application. A panic is answered too, and must not leave the input unread.
fn guarded<T>(run: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    guard(run).unwrap_or_else(|panicked| Err(panicked.into()))
}

async fn catch<T, E: Into<BoxError>>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    let mut future = pin!(future);
    poll_fn(|cx| match guard(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map_err(Into::into),
        Err(panicked) => Poll::Ready(Err(panicked.into())),
    })
    .await
}

/// The request, and where its input comes from.
fn request<R: Read + Send + 'static>(
    variables: impl IntoIterator<Item = (impl AsRef<[u8]>, impl Into<Vec<u8>>)>,
    input: R,
) -> Result<(Method, Request<()>, Source<R>), Refused> {
    let variables: Vec<(_, Vec<u8>)> = variables
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    let head = match head(&variables) {
        Ok(head) => head,
        Err(refused) => {
            // Whatever comes of it: the answer is known.
            let _ = Source::new(input, Some(said_length(&variables))).drain();
            return Err(refused);
        }
    };
    let named = variables.into_iter().filter_map(|(name, value)| {
        let name = str::from_utf8(name.as_ref()).ok()?.to_owned();
        // Empty is absent (PEP 3333).
        (!value.is_empty()).then_some((name, value))
    });
    // The errors stream is standard error, as it is unless a gateway says otherwise.
    let facts = GatewayFacts::new(named.collect::<Vec<_>>());
    let source = Source::of(&head, input);
    let method = head.method.clone();
    Ok((
        method,
        head.into_request(Body::empty(), facts).map(drop),
        source,
    ))
}

fn head(variables: &[(impl AsRef<[u8]>, Vec<u8>)]) -> Result<Head, Refused> {
    let mut collected = Variables::new();
    for (name, value) in variables {
        collected.set(name.as_ref(), value)?;
    }
    collected.into_head(None)
}

/// The length of a refused request's input, as far as it makes sense.
fn said_length(variables: &[(impl AsRef<[u8]>, Vec<u8>)]) -> u64 {
    let mut values = variables.iter().rev();
    values
        .find(|(name, _)| name.as_ref() == b"CONTENT_LENGTH")
        .and_then(|(_, value)| str::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
}

/// The input: shared between the application, who may or may not read it, and the end of the
/// request, where it is read in any case. Apache's mod_cgid loses the response of a program that
/// leaves its input unread.
struct Source<R> {
    shared: Arc<Mutex<Counted<R>>>,
    length: Option<u64>,
}

struct Counted<R> {
    input: R,
    /// Bytes still to come; `None` for all there are.
    left: Option<u64>,
}

impl<R: Read + Send + 'static> Source<R> {
    fn of(head: &Head, input: R) -> Self {
        // RFC 3875 4.2: without CONTENT_LENGTH there is nothing to read, and a server need not close
        // its end. A chunked request has none, though, and goes to the end (Apache).
        let left = match head.content_length {
            None if head.chunked => None,
            length => Some(length.unwrap_or(0)),
        };
        Self::new(input, left)
    }

    fn new(input: R, length: Option<u64>) -> Self {
        let left = length;
        Self {
            shared: Arc::new(Mutex::new(Counted { input, left })),
            length,
        }
    }

    fn reader(&self) -> Input {
        match self.length {
            Some(0) => Input::empty(),
            _ => Input::from_reader(Shared(Arc::clone(&self.shared))),
        }
    }

    fn body(&self) -> Body {
        match self.length {
            Some(0) => Body::empty(),
            _ => Body::from_reader(Shared(Arc::clone(&self.shared))),
        }
    }

    /// Whether the service has dropped the body.
    fn is_let_go(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// Reads what the service has left. A body that is cut short is no error here: a service that read it was told.
    fn drain(&self) -> io::Result<()> {
        let mut rest = Shared(Arc::clone(&self.shared));
        match io::copy(&mut rest, &mut io::sink()) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            result => result.map(drop),
        }
    }
}

struct Shared<R>(Arc<Mutex<Counted<R>>>);

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { input, left } = &mut *counted;
        let Some(left) = left else {
            return input.read(into);
        };
        let room = usize::try_from(*left).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..room).filter(|into| !into.is_empty()) else {
            return Ok(0);
        };
        let read = input.read(into)?;
        if read == 0 {
            // Said once: further reads are at the end.
            *left = 0;
            return Err(ErrorKind::UnexpectedEof.into());
        }
        *left -= read as u64;
        Ok(read)
    }
}

/// The response on its way out: the head waits for the first piece of the body, so that a small
/// response is one write.
struct Answer<'a> {
    method: Method,
    output: &'a mut dyn Write,
    head: Vec<u8>,
    unsent: Unsent,
}

impl<'a> Answer<'a> {
    fn new(method: Method, output: &'a mut dyn Write) -> Self {
        Self {
            method,
            output,
            head: Vec::with_capacity(512),
            unsent: Unsent::of(Content::ToTheEnd),
        }
    }

    fn head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        exact: Option<u64>,
    ) -> io::Result<Content> {
        let asked = Asked::from(&self.method);
        let framing = match framing::judge(asked, false, status, headers, exact) {
            Ok(framing) => framing,
            Err(unsendable) => {
                report(&format_args!(
                    "a response that cannot be sent: {unsendable}"
                ));
                self.bare(StatusCode::INTERNAL_SERVER_ERROR)?;
                return Ok(Content::Nothing);
            }
        };
        if framing.is_coded {
            report(
                &"the Transfer-Encoding of a response is left out: it is the front end's to say",
            );
        }
        self.unsent = Unsent::of(framing.content);
        encode_head(status, headers, framing, &mut self.head);
        Ok(framing.content)
    }

    /// A status and nothing else.
    fn bare(&mut self, status: StatusCode) -> io::Result<()> {
        let framing = Framing::of_bare(Asked::from(&self.method), status);
        encode_head(status, &HeaderMap::new(), framing, &mut self.head);
        self.finish()
    }

    /// The application failed before its response began.
    fn fail(&mut self, error: &BoxError) -> io::Result<()> {
        report(error);
        self.bare(status_of(&**error))
    }

    /// The body is at its end, or failed.
    fn end(&mut self, body: Result<(), BoxError>) -> io::Result<()> {
        self.finish()?;
        body.map_err(io::Error::other)?;
        let ended = self.unsent.end();
        ended.map_err(|short| io::Error::new(ErrorKind::UnexpectedEof, short))
    }

    /// Writes the head, if no piece of a body has taken it along.
    fn finish(&mut self) -> io::Result<()> {
        if !self.head.is_empty() {
            self.output.write_all(&self.head)?;
            self.head.clear();
        }
        self.output.flush()
    }
}

/// Pieces of the body, each on its way at once; the one that would exceed Content-Length is an error.
impl Write for Answer<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let length = piece.len();
        let taken = self.unsent.take(length);
        taken.map_err(|long| io::Error::new(ErrorKind::InvalidData, long))?;
        if self.head.is_empty() {
            self.output.write_all(piece)?;
        } else {
            write_both(self.output, &self.head, piece)?;
            self.head.clear();
        }
        self.output.flush()?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn write_both(output: &mut dyn Write, head: &[u8], piece: &[u8]) -> io::Result<()> {
    let wrote = output.write_vectored(&[IoSlice::new(head), IoSlice::new(piece)])?;
    match head.get(wrote..) {
        Some(rest) => {
            output.write_all(rest)?;
            output.write_all(piece)
        }
        None => output.write_all(piece.get(wrote - head.len()..).unwrap_or_default()),
    }
}

/// For the web server's log.
fn report(error: &dyn std::fmt::Display) {
    // If that fails, there is nowhere left to report it.
    let _ = writeln!(io::stderr(), "{error}");
}

/// The variables of CGI among those of the process.
fn process_variables() -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut variables = Vec::with_capacity(40);
    let mut method = false;
    for (name, value) in std::env::vars_os() {
        if is_of_cgi(name.as_encoded_bytes()) {
            method |= name == OsStr::new("REQUEST_METHOD");
            variables.push((
                OsString::into_encoded_bytes(name),
                OsString::into_encoded_bytes(value),
            ));
        }
    }
    if !method {
        let text =
            "REQUEST_METHOD is not set: this is a CGI program, to be started by a web server";
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(variables)
}

/// Whether a variable is the request's and not the process's: RFC 3875 4.1, and what Apache, nginx
/// and lighttpd add of their own. PATH, LD_PRELOAD and the administrator's secrets are not.
fn is_of_cgi(name: &[u8]) -> bool {
    name.starts_with(b"HTTP_")
        || name.starts_with(b"SSL_")
        || name.starts_with(b"REDIRECT_")
        || matches!(
            name,
            b"AUTH_TYPE"
                | b"CONTENT_LENGTH"
                | b"CONTENT_TYPE"
                | b"CONTEXT_DOCUMENT_ROOT"
                | b"CONTEXT_PREFIX"
                | b"DOCUMENT_ROOT"
                | b"GATEWAY_INTERFACE"
                | b"HTTPS"
                | b"PATH_INFO"
                | b"PATH_TRANSLATED"
                | b"QUERY_STRING"
                | b"REMOTE_ADDR"
                | b"REMOTE_HOST"
                | b"REMOTE_IDENT"
                | b"REMOTE_PORT"
                | b"REMOTE_USER"
                | b"REQUEST_METHOD"
                | b"REQUEST_SCHEME"
                | b"REQUEST_URI"
                | b"SCRIPT_FILENAME"
                | b"SCRIPT_NAME"
                | b"SERVER_ADDR"
                | b"SERVER_ADMIN"
                | b"SERVER_NAME"
                | b"SERVER_PORT"
                | b"SERVER_PROTOCOL"
                | b"SERVER_SOFTWARE"
                | b"UNIQUE_ID"
        )
}

/// Standard output without std's line buffering, which would cut a response into lines.
#[cfg(unix)]
fn stdout() -> io::Result<impl Write> {
    use std::os::fd::AsFd;
    io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(std::fs::File::from)
}

#[cfg(not(unix))]
fn stdout() -> io::Result<impl Write> {
    Ok(io::stdout())
}
