//! The contract between gateways and applications: a gateway calls an application with an
//! environ, and sends what it returns.
//!
//! An application is plain blocking code. It is called on a thread that may block, once per
//! request, and answers with a value:
//!
//! ```
//! use gateway_core::{Environ, Reply, escape};
//!
//! fn hello_world(environ: &mut Environ) -> Reply {
//!     let subject = environ.query("subject").unwrap_or("World".into());
//!     Reply::html(format!("<h1>Hello {0}</h1><p>Hello {0}!</p>", escape(&subject)))
//! }
//!
//! let client = gateway_core::testing::Client::new(hello_world);
//! let response = client.get("/?subject=%3CJohn%3E").send();
//! response.assert_status(200).assert_contains("<h1>Hello &lt;John&gt;</h1>");
//! ```
//!
//! `hello_world.into_service()` is a [`tower::Service`](tower_service::Service): it goes into
//! axum, hyper and tonic servers as it is, under any tower middleware, and `gateway-server` runs
//! it over HTTP, FastCGI, SCGI and CGI.
//!
//! # The contract
//!
//! | WSGI (PEP 3333) | here |
//! |---|---|
//! | `application(environ, start_response)` | [`Application`]: `fn(&mut Environ) -> impl IntoReply` |
//! | `environ` | [`Environ`], and [`RequestExt`] for asynchronous code |
//! | `environ['HTTP_USER_AGENT']` | [`environ.var("HTTP_USER_AGENT")`](Environ::var), or `environ.header("user-agent")` |
//! | `environ['myapp.key']` | [`environ.insert(value)`](Environ::insert), [`environ.get::<T>()`](Environ::get): keys are types |
//! | `environ['wsgi.input']` | [`environ.input()`](Environ::input), [`environ.take_input()`](Environ::take_input) |
//! | `environ['wsgi.errors']` | [`environ.errors()`](Environ::errors) |
//! | `wsgiref.util.shift_path_info` | [`environ.shift_path_info()`](Environ::shift_path_info) |
//! | `start_response(status, headers)`, then an iterable | a [`Reply`], or any [`http::Response`]: the order of calls is a matter of types |
//! | the iterable | [`Body::chunks`] |
//! | `write()` | [`Body::from_writer`] |
//! | `close()` | `Drop`: exactly once, on every path, on a thread that may block |
//! | `wsgi.file_wrapper` | [`Body::from_reader`] |
//! | raising | `?`: [`Error`] takes every error and remembers the line |
//! | `wsgiref.validate` | [`validator`] |
//! | the literal calling convention | [`compat`] |
//!
//! A middleware is an application that wraps one, or any tower layer.
//!
//! # Paths
//!
//! `request.uri().path()` is the path *below the present mount*, as tower services expect. The
//! client's own path is recorded once, and SCRIPT_NAME and PATH_INFO are derived from the two:
//! see [`ScriptName`]. Mounts of ours ([`mount()`], [`MountLayer`]) and axum's `nest` may be stacked
//! in any order. Below an axum `nest` that `axum::serve` runs, put a [`RecordPathLayer`] outermost,
//! or the `axum::FromAxumLayer` of the feature `axum`, which tells the peer as well.
//!
//! A mount compares the segments of its own prefix after decoding, and judges nothing below it. The
//! service that *consumes* the path has to be strict about how it is spelled, or a guard in front
//! of it is passed by another spelling: see [`Spelling`]. Our middleware-static and router are
//! strict; put a [`CanonicalPathLayer`] in front of axum's routes and `ServeDir`.
//!
//! Links and redirects are best relative references (`./page`, `../`): right below any prefix,
//! ours, axum's or a proxy's that strips one, with nothing configured.
//!
//! # The CGI view
//!
//! [`Environ::var`] and [`RequestExt::var`] tell every variable of RFC 3875 section 4.1 and of PEP 3333.
//! They are computed on demand and never come from the process environment.
//!
//! | variable | value |
//! |---|---|
//! | `REQUEST_METHOD`, `QUERY_STRING`, `SERVER_PROTOCOL` | of the request line |
//! | `SCRIPT_NAME`, `PATH_INFO` | decoded; see above |
//! | `REQUEST_URI` | the target as the client encoded it |
//! | `CONTENT_TYPE`, `CONTENT_LENGTH` | of the fields, absent if they are |
//! | `HTTP_*` | of all other fields. Several of one name are joined with `, ` and Cookie with `; `. Never `HTTP_PROXY` (httpoxy), nor names with an underscore, which could pass for names with a hyphen |
//! | `HTTP_HOST` | the target's authority before the Host field (RFC 9112 section 3.2.2), so HTTP/2 has it too |
//! | `SERVER_NAME`, `SERVER_PORT` | the host asked for, and the port it was received on |
//! | `SERVER_ADDR`, `REMOTE_ADDR`, `REMOTE_PORT` | of the connection |
//! | `REQUEST_SCHEME`, `HTTPS`, `wsgi.url_scheme` | of the connection, never of a header |
//! | `GATEWAY_INTERFACE`, `SERVER_SOFTWARE` | `CGI/1.1`; the gateway's name |
//! | `SSL_CLIENT_CERT`, `SSL_CLIENT_VERIFY` | of the [certificate](request::ClientCertificate) that a client showed: PEM; `SUCCESS`, or `FAILED` where no authority vouches for it |
//! | `REMOTE_USER` | as a front end sent it; or whom a client's certificate names |
//! | `AUTH_TYPE`, `DOCUMENT_ROOT`, ... | as a CGI, FastCGI or SCGI front end sent them |
//!
//! # Slow clients
//!
//! A thread of the blocking pool is precious, so a client holds none where that can be avoided: a
//! request body of up to 64 KiB is awaited before a thread is taken, and the iterator of a
//! response is *parked* while the client is slow. Where it cannot be avoided (larger uploads, and
//! [`Body::from_writer`]) at most a quarter of the threads is lent to the one and a quarter to the
//! other, one connection has a quarter of those at most, and a client that stands still or drips
//! is cut off after 30 seconds. So other clients are always served.
//!
//! # Behind a proxy
//!
//! No peer is trusted by default: [`ConnInfo`] says who really connected, and `X-Forwarded-For` is
//! a header like any other. The feature `proxy` has a layer that takes the word of peers you name,
//! in one family of headers that you name.
//!
//! # Bad input
//!
//! | what came | what happens |
//! |---|---|
//! | invalid percent-encoding (`/100%`, `/%zz`) | stands for itself |
//! | a path that is not UTF-8 | [`path_info()`](Environ::path_info) has its bytes; [`path_str()`](Environ::path_str) is an error answered with 400 |
//! | a query or form that is not UTF-8 | U+FFFD in place of what is not |
//! | `//`, `.`, `..`, empty names | left as they came, by mounts; [`shift_path_info`](Environ::shift_path_info) passes over empty and `.` segments; [`CanonicalPathLayer`]: 404 |
//! | `%2F` | a byte of its segment, never an edge; [`CanonicalPathLayer`]: 404 |
//! | the absolute form | scheme and host are no part of the path; the host overrules Host |
//! | `*`, and CONNECT's authority form | SCRIPT_NAME and PATH_INFO are empty; below no mount |
//! | a path of 64 KiB | like any other (`http::Uri` holds 65,534 bytes) |
//! | a header value that cannot be, in a [`Reply`] | an error answered with 500; nothing is split |
//! | a body larger than the limit of [`Input::read_all`], or of a layer such as tower-http's `RequestBodyLimitLayer` | 413; cut short or malformed: 400; stalled: 408; and so again however often it is read |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tokio` (default) | `into_service`, which runs an application on tokio's blocking pool |
//! | `proxy` | the layer that trusts named proxies |
//! | `axum` | `axum::FromAxumLayer`, which tells our crates what axum knows: the peer, the path before `nest`; and an [`Error`] is a response of axum's |
//!
//! Without features the types alone remain, on `http`, `http-body` and `bytes`.
//!
//! # Modules
//!
//! What an application needs stands here. The rest has modules: [`paths`] for mounts and spellings,
//! [`request`] for what a server says of a request, [`error`] for what middlewares do with failures.
//!
//! [`CanonicalPathLayer`]: paths::CanonicalPathLayer
//! [`ConnInfo`]: request::ConnInfo
//! [`MountLayer`]: paths::MountLayer
//! [`RecordPathLayer`]: paths::RecordPathLayer
//! [`ScriptName`]: paths::ScriptName
//! [`Spelling`]: paths::Spelling

#[cfg(feature = "tokio")]
pub mod adapt;
mod application;
#[cfg(feature = "axum")]
pub mod axum;
#[doc(hidden)]
pub mod bare_answer;
pub mod body;
pub mod compat;
pub mod developer;
pub mod error;
mod escape;
mod failed_by;
pub mod flush;
mod inner;
pub mod paths;
#[cfg(feature = "proxy")]
pub mod proxy;
mod reply;
pub mod request;
#[doc(hidden)]
pub mod secrets;
mod stream;
pub mod testing;
mod threads;
pub mod validator;
#[doc(hidden)]
pub mod waker_slot;

pub use application::{AnyApplication, Application, application};
#[doc(inline)]
pub use body::Body;
#[doc(inline)]
pub use error::{BoxError, Error};
pub use escape::escape;
pub use failed_by::FailedBy;
#[doc(inline)]
pub use paths::mount;
pub use reply::{IntoReply, Reply, Response};
#[doc(inline)]
pub use request::{Environ, Form, Input, RequestExt};
