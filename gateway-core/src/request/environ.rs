use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::io::{self, Write};
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use percent_encoding::percent_decode_str;

use super::arrival::{self, Arrival, ErrorSink};
use super::conn::ConnInfo;
use super::ext::accessors;
use super::form::Form;
use super::input::Input;
use super::view::View;
use crate::paths::script_name::{self, Prefix, ScriptName, Split};
use crate::{Body, Error};

/// One request, as a blocking application sees it: PEP 3333's environ.
///
/// It owns the request's head and its [`Input`]. Middleware keys are types instead of strings:
/// [`insert`](Self::insert) and [`get`](Self::get).
///
/// ```
/// use gateway_core::Environ;
///
/// let mut environ = Environ::builder().uri("/wiki/Front%20Page?action=edit").build();
/// assert_eq!(environ.shift_path_info().as_deref(), Some("wiki"));
/// assert_eq!(environ.script_name(), &b"/wiki"[..]);
/// assert_eq!(environ.path_str().unwrap(), "/Front Page");
/// assert_eq!(environ.query("action").unwrap(), "edit");
/// ```
pub struct Environ {
    parts: Parts,
    // Computed on first use: many handlers never ask for it.
    position: OnceCell<Position>,
    input: Input,
    cancelled: Option<Arc<AtomicBool>>,
}

/// The client's path and where in it SCRIPT_NAME ends.
struct Position {
    // Shared with the recorded `ScriptName`, not copied.
    path: PathAndQuery,
    script_end: usize,
}

impl Position {
    fn of(parts: &Parts) -> Self {
        let recorded = arrival::script_name(&parts.extensions, &parts.uri);
        let split = recorded.split(parts.uri.path());
        let script_end = split.map_or(0, |split| split.script_name.len());
        Self {
            path: recorded.into_recorded(),
            script_end,
        }
    }

    fn split(&self) -> Split<'_> {
        let path = Some(self.path.path()).filter(|path| path.starts_with('/'));
        let halves = path.and_then(|path| path.split_at_checked(self.script_end));
        halves.map_or(Split::unmounted(""), |(script_name, path_info)| Split {
            script_name,
            path_info,
        })
    }
}

impl Environ {
    /// The environ of a request.
    #[must_use]
    #[inline]
    pub fn new(parts: Parts, input: impl Into<Input>) -> Self {
        Self {
            position: OnceCell::new(),
            parts,
            input: input.into(),
            cancelled: None,
        }
    }

    /// A request without a client, for tests and tools.
    pub fn builder() -> EnvironBuilder {
        EnvironBuilder::default()
    }

    accessors!(pub);

    fn position(&self) -> &Position {
        self.position.get_or_init(|| Position::of(&self.parts))
    }

    /// Call [`position`](Self::position) first: it computes what this changes.
    fn move_script_end(&mut self, script_end: usize) {
        if let Some(position) = self.position.get_mut() {
            position.script_end = script_end;
        }
    }

    fn view(&self) -> View<'_> {
        View {
            method: &self.parts.method,
            uri: &self.parts.uri,
            version: self.parts.version,
            headers: &self.parts.headers,
            extensions: &self.parts.extensions,
            path: self.position().split(),
        }
    }

    /// The method. HEAD reaches the application as HEAD; the gateway sends no body for it.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The version of the protocol.
    #[must_use]
    pub fn version(&self) -> Version {
        self.parts.version
    }

    /// The head of the request. Its URI keeps the whole path, even where a part of it was moved to SCRIPT_NAME.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The header fields, to change: for middleware.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.parts.headers
    }

    /// The value of type `T` that a middleware or [`insert`](Self::insert) stored.
    #[must_use]
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.parts.extensions.get()
    }

    /// As [`get`](Self::get), to change.
    pub fn get_mut<T: Clone + Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.parts.extensions.get_mut()
    }

    /// Stores `value` under its type. Returns the value that it replaces.
    pub fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        self.parts.extensions.insert(value)
    }

    /// All values that were stored.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// Moves the next segment of PATH_INFO to the end of SCRIPT_NAME and returns it: how an
    /// application dispatches to another, as wsgiref's `shift_path_info` does.
    ///
    /// SCRIPT_NAME + PATH_INFO stays the client's path, byte for byte. Empty and `.` segments in
    /// front of another are passed over (`//a` and `/./a` give `a`); a trailing slash gives an
    /// empty name; `None` when nothing is left. Allocates nothing unless the name is encoded.
    ///
    /// A guard in front that compares paths sees `//a` and `/./a` as they are. Where one stands
    /// there, refuse such paths first: see [`Spelling`](crate::paths::Spelling).
    pub fn shift_path_info(&mut self) -> Option<Segment> {
        let Split {
            script_name,
            path_info,
        } = self.position().split();
        let mut start = script_name.len();
        let mut rest = path_info.strip_prefix('/')?;
        loop {
            start += 1;
            let (name, further) = match rest.split_once('/') {
                Some((name, further)) => (name, Some(further)),
                None => (rest, None),
            };
            match further {
                Some(further) if name.is_empty() || name == "." => {
                    start += name.len();
                    rest = further;
                }
                _ => {
                    let end = start + name.len();
                    self.move_script_end(end);
                    return Some(Segment::new(self.position().path.clone(), start..end));
                }
            }
        }
    }

    /// Moves `prefix` from PATH_INFO to the end of SCRIPT_NAME, if PATH_INFO begins with it: a
    /// mount inside an application. Says whether it did; where not, nothing changed.
    ///
    /// ```
    /// use gateway_core::paths::Prefix;
    /// use gateway_core::Environ;
    ///
    /// let mut environ = Environ::builder().uri("/wiki/Page").build();
    /// assert!(environ.shift_prefix(&Prefix::new("/wiki").unwrap()));
    /// assert_eq!((environ.raw_script_name(), environ.raw_path_info()), ("/wiki", "/Page"));
    /// ```
    pub fn shift_prefix(&mut self, prefix: &Prefix) -> bool {
        let Split {
            script_name,
            path_info,
        } = self.position().split();
        let Some(length) = prefix.matched_in(path_info) else {
            return false;
        };
        let script_end = script_name.len() + length;
        self.move_script_end(script_end);
        true
    }

    /// The request's body, to read.
    #[inline]
    pub fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// The request's body, to keep: a response that streams may go on reading it. What is left
    /// here is empty.
    pub fn take_input(&mut self) -> Input {
        std::mem::take(&mut self.input)
    }

    /// The fields of a form that was posted as `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    ///
    /// Another Content-Type (answered with 415), more than `limit` bytes (413), or what
    /// [`Input::read_all`] says.
    pub fn form(&mut self, limit: usize) -> Result<Form, Error> {
        let content_type = self.header("content-type").unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = "the form is not application/x-www-form-urlencoded";
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        self.input.read_all(limit).map(Form::new)
    }

    /// Where to write what the operator should read: FastCGI's error stream, or the process's
    /// standard error.
    pub fn errors(&self) -> Errors<'_> {
        let gateway = arrival::arrival(&self.parts.extensions).and_then(Arrival::gateway);
        Errors {
            sink: gateway.and_then(|gateway| gateway.errors()),
        }
    }

    /// Whether the client has gone away, so that the answer has no reader. Long work should ask
    /// now and then, and stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let cancelled = self.cancelled.as_ref();
        cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed))
    }

    /// A handle that tells the same as [`is_cancelled`](Self::is_cancelled), for an iterator that
    /// outlives the environ.
    #[must_use]
    pub fn cancellation(&self) -> Cancellation {
        Cancellation {
            flag: self.cancelled.clone(),
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn set_cancelled_flag(&mut self, flag: Arc<AtomicBool>) {
        self.cancelled = Some(flag);
    }

    /// The request for a tower service: its `uri` is rewritten to what
    /// [`shift_path_info`](Self::shift_path_info) left, and the input becomes the body. What is
    /// left here is an empty `GET /`.
    #[must_use]
    pub fn take_request(&mut self) -> Request<Body> {
        let input = self.take_input();
        self.position();
        let position = self.position.take();
        let fresh = Request::new(()).into_parts().0;
        let mut parts = std::mem::replace(&mut self.parts, fresh);
        let split = position.as_ref().map(Position::split);
        let path_info = split.map_or("", |split| split.path_info);
        if path_info != script_name::path_of(&parts.uri) {
            arrival::record_path(&mut parts.extensions, &parts.uri);
            parts.uri = script_name::below(&parts.uri, path_info);
        }
        Request::from_parts(parts, input.into())
    }
}

impl fmt::Debug for Environ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold secrets, so a program that wants them in a log must ask for them.
        f.debug_struct("Environ")
            .field("method", self.method())
            .field("script_name", &self.raw_script_name())
            .field("path_info", &self.raw_path_info())
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

/// Tells whether the client has gone away.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    flag: Option<Arc<AtomicBool>>,
}

impl Cancellation {
    /// Whether the client has gone away.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let flag = self.flag.as_ref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// One segment of a path, as [`Environ::shift_path_info`] returns it.
///
/// Compares and prints as its decoded text. Where that is not UTF-8, the text is the segment as
/// the client encoded it; the bytes are [`as_bytes`](Self::as_bytes).
#[derive(Clone)]
pub struct Segment {
    path: PathAndQuery,
    range: Range<usize>,
    // Only where decoding changes something.
    decoded: Option<Vec<u8>>,
}

impl Segment {
    fn new(path: PathAndQuery, range: Range<usize>) -> Self {
        let mut segment = Self {
            path,
            range,
            decoded: None,
        };
        if let Cow::Owned(decoded) = percent_decode_str(segment.raw()).into() {
            segment.decoded = Some(decoded);
        }
        segment
    }

    /// The segment as the client encoded it.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.path.path().get(self.range.clone()).unwrap_or("")
    }

    /// The decoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.decoded.as_deref().unwrap_or(self.raw().as_bytes())
    }
}

impl Deref for Segment {
    type Target = str;

    fn deref(&self) -> &str {
        let decoded = self.decoded.as_deref().map(str::from_utf8);
        decoded.and_then(Result::ok).unwrap_or(self.raw())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq<str> for Segment {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Segment {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

/// The errors stream of one request (`wsgi.errors`): text for the operator.
pub struct Errors<'a> {
    sink: Option<&'a dyn ErrorSink>,
}

impl Write for Errors<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match self.sink {
            Some(sink) => {
                sink.write(text);
                Ok(text.len())
            }
            None => io::stderr().write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.sink {
            Some(_) => Ok(()),
            None => io::stderr().flush(),
        }
    }
}

impl fmt::Debug for Errors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errors")
    }
}

/// Makes an [`Environ`] without a client.
///
/// Everything has a default: `GET / HTTP/1.1` with no header, no body and no connection. Texts
/// that no request could hold panic in [`build`](Self::build): this is for tests and tools, which
/// write them themselves.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct EnvironBuilder {
    request: http::request::Builder,
    script_name: String,
    arrival: Arrival,
    body: Body,
}

impl EnvironBuilder {
    /// The method. Default: GET.
    pub fn method(mut self, method: impl TryInto<Method, Error: Into<http::Error>>) -> Self {
        self.request = self.request.method(method);
        self
    }

    /// Path and query below the mount, or an absolute URI. Default: `/`.
    pub fn uri(mut self, uri: impl TryInto<Uri, Error: Into<http::Error>>) -> Self {
        self.request = self.request.uri(uri);
        self
    }

    /// The raw SCRIPT_NAME: the application is mounted below it. Default: empty.
    pub fn script_name(mut self, script_name: impl Into<String>) -> Self {
        self.script_name = script_name.into();
        self
    }

    /// One more header field.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName, Error: Into<http::Error>>,
        value: impl TryInto<HeaderValue, Error: Into<http::Error>>,
    ) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// A middleware key.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request = self.request.extension(value);
        self
    }

    /// The connection. Default: unknown.
    pub fn conn(mut self, conn: ConnInfo) -> Self {
        self.arrival = self.arrival.with_conn(conn);
        self
    }

    /// The request's body. Default: empty. Its length is not declared; add the header where the
    /// application looks at it.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The environ.
    ///
    /// # Panics
    ///
    /// A method, URI, header or script name that no request could hold.
    #[must_use]
    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "for tests and tools, which say what they build"
    )]
    pub fn build(self) -> Environ {
        let request = match self.request.body(self.body) {
            Ok(request) => request,
            Err(error) => panic!("not a request: {error}"),
        };
        let (mut parts, body) = request.into_parts();
        let script_name = match ScriptName::below(&self.script_name, &parts.uri) {
            Ok(script_name) => script_name,
            Err(error) => panic!("`{}`: {error}", self.script_name),
        };
        parts
            .extensions
            .insert(self.arrival.with_script_name(script_name));
        Environ::new(parts, body)
    }
}
