//! Panics and errors become responses with a traceback: for axum, hyper and any tower stack.
//!
//! A handler of axum that panics drops the connection: the client sees an empty reply, the log a
//! line on stderr that belongs to no request. One line, and it is a 500 with an id, the log has
//! the traceback under that id, and at your own machine the response *is* the traceback:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use middleware_exceptions::ExceptionsLayer;
//! use tower::ServiceExt as _;
//!
//! async fn show_order() -> String {
//!     let cents: u32 = std::hint::black_box("12.50").parse().unwrap();
//!     format!("{cents}")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let exceptions = ExceptionsLayer::new().silence_default_hook();
//! # /*
//! let exceptions = ExceptionsLayer::new();
//! # */
//! let app = Router::new().route("/orders/7", get(show_order)).layer(exceptions);
//!
//! let response = app.oneshot(Request::get("/orders/7").body(Body::empty())?).await?;
//! assert_eq!(response.status(), 500);
//! let body = axum::body::to_bytes(response.into_body(), 1000).await?;
//! assert!(str::from_utf8(&body)?.contains("Error ID: "));
//! # Ok(())
//! # }
//! ```
//!
//! With [`.development()`](ExceptionsLayer::development), `curl` on the same machine reads
//!
//! ```text
//! Traceback (most recent call last):
//!   ... 3 frames hidden (axum, tower, core)
//!   File "src/main.rs", line 6, in async show_order
//!     let cents: u32 = std::hint::black_box("12.50").parse().unwrap();
//!   ... 2 frames hidden (core)
//! panic: called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }
//! Hint: Return the error in place of `unwrap()`: `?` hands it to the caller, with its causes.
//!
//! Raised at src/main.rs:6:60 on thread 'tokio-rt-worker'
//! While in span request{method=GET path=/orders/7}
//!
//! Request: GET /orders/7 HTTP/1.1
//!   host: 127.0.0.1:8080
//!   authorization: [redacted]
//! Stage: handler future (no response head sent)
//! Error ID: 3f9c1a7be0d24c55
//! ```
//!
//! and a browser gets a page with the source around each of your frames. Which one is by `Accept`:
//! text, HTML, or `application/problem+json` (RFC 9457).
//!
//! # What happens at which stage
//!
//! | what fails, by panic or error | what the client gets |
//! |--|--|
//! | `poll_ready`, `call`, the handler's future; in it the request's body | a 500, or the error's own status |
//! | the response body at its first poll | a 500: it is polled once before the head is sent |
//! | the response body later | what came before, then a visible end: no last chunk, `RST_STREAM` |
//! | `size_hint`, `is_end_stream` | as the body at that point |
//! | the drop of the body or of the handler | the response, whole |
//! | the handler, and it says so in [its response](#errors-of-axums-handlers) | its response |
//! | an observer, a renderer, a `Display` | as if it had not |
//!
//! Each is reported once: one `tracing` event at level ERROR (target `middleware_exceptions`) with id, message,
//! place, stage, request and traceback, and one call of each [observer](ExceptionsLayer::on_report). Errors
//! that say they are no failure (a [`gateway_core::Error`] with 404, a type
//! [mapped](ExceptionsLayer::map_status) to 409) are answered and not reported.
//!
//! A body that fails after the head was sent stays pending for two turns and
//! [a short time](ExceptionsLayer::flush_time) before it ends in a [`BodyError`], so that its chunks are sent: else hyper would
//! drop them, and the head with them (see [`gateway_core::flush`]). With a slow client some of it is still lost; a body cannot see
//! what was flushed. Over HTTP/1.0, where the end of the connection ends the body, the
//! client cannot see that it was cut.
//!
//! # What it cannot catch
//!
//! With `panic = "abort"` nothing (it warns once), and never a second panic while one is unwinding, a
//! panic in a panic hook, a stack overflow, `abort()`: there the language ends the process. Tasks of your own
//! (`tokio::spawn`) are a part of the request if they are awaited, or run [`in_request`]. A panic that `resume_unwind` raises with a fresh
//! payload has no frames to show, nor has one whose hook was replaced after the layer was built: install color-eyre
//! first. Where two panics could be meant, what both have in common is shown: nothing is another request's.
//!
//! # How production stays safe
//!
//! [`ExceptionsLayer::new`] answers a fixed text and an unguessable id: always of one length, always with the same
//! headers, whatever `Accept` says. Details are shown when *all* of these hold:
//! [`.development()`](ExceptionsLayer::development) in a build with debug assertions (or
//! [`.development_in_release()`](ExceptionsLayer::development_in_release)), a loopback peer or one you
//! [trust by name](ExceptionsLayer::trust_peers); on Linux, a client that runs as the user who runs the program, or as one you
//! [trust](ExceptionsLayer::trust_users) (behind a proxy every peer is loopback, but proxies run as users of their own); exactly one
//! Host, a loopback one (DNS rebinding comes with a name); HTTP/1.1 or 2 and no header of a proxy; no page of another site
//! that asks. A program under a service's user shows none. Where development is on and details are
//! withheld, the body says why and which line mends it. [`show_details_if`](ExceptionsLayer::show_details_if) takes the place
//! of all this. **Not seen** is a proxy that adds no header and runs as the same user: a tunnel of your own,
//! another container of the pod. [`gateway_core::developer`] is the rule, and says more of what stays unseen.
//!
//! Never in a page, nor in the log: the value of a header, of a field in a query, a form or a span, of a member of JSON or
//! of what `Debug` writes, whose name says that it is a secret. Such are names with session, token, csrf, secret, passw,
//! cookie, credential, signature, apikey and their like anywhere in them; with auth, key, pass, pw, sid or otp as a word
//! (`user_pw`, `userPw`; not `author`); in queries and forms with code, ticket or sig as well. Nor the userinfo of URLs, what
//! follows `Bearer`, JSON Web Tokens, environment variables, bytes of bodies. This holds for all text that is shown or logged:
//! messages, causes, payloads, paths, headers and the literals in lines of source, however often it is percent-encoded.
//! A text is cut first, to 8 KiB or less, and what the cut leaves open is a secret; then it is read once, in time that grows
//! with its length. Control characters, and characters that hide or reorder text, are escaped: nothing of a message splits a
//! log record. [`redacted`] does all that for what the program logs itself.
//!
//! # With axum
//!
//! `axum::serve(listener, app)` does not say who is asking. On Linux the layer then takes the client for one at this machine if the
//! sockets of the process leave no doubt: all that listen do so at loopback addresses, and all clients run as the user who runs the
//! program. Where there is a doubt ([`Doubt`](gateway_core::developer::Doubt)) and on other systems, details are withheld and the
//! body names the lines that mend it. The client is told by `into_make_service_with_connect_info`, and passed on by
//! `FromAxumLayer` (feature `axum`) around all else:
//!
//! ```no_run
//! # #[cfg(feature = "axum")] mod example {
//! # use {axum::{Router, routing::get}, middleware_exceptions::{ExceptionsLayer, FromAxumLayer}, std::net::SocketAddr};
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = Router::new()
//!     .route("/", get(async || "ok"))
//!     .layer(ExceptionsLayer::new().development())
//!     .layer(FromAxumLayer::new());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! # Ok(()) }
//! # }
//! # fn main() {}
//! ```
//!
//! # Errors of axum's handlers
//!
//! axum makes a response of a handler's error before any layer sees it. One line in the `into_response` that the program has
//! leaves the error in the response for this layer:
//!
//! ```
//! use axum::response::{IntoResponse, Response};
//! use gateway_core::FailedBy;
//! use http::StatusCode;
//!
//! # #[derive(Debug)] struct AppError;
//! # impl std::fmt::Display for AppError { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
//! # impl std::error::Error for AppError {}
//! impl IntoResponse for AppError {
//!     fn into_response(self) -> Response {
//!         let response = (StatusCode::INTERNAL_SERVER_ERROR, "oops").into_response();
//!         FailedBy::new(self).attach(response)
//!     }
//! }
//! ```
//!
//! | response of a handler | what this layer does |
//! |--|--|
//! | 5xx with [`FailedBy`](gateway_core::FailedBy) | reports the error: id, chain, place |
//! | 4xx with it | nothing, unless its type is [mapped](ExceptionsLayer::map_status) to a 5xx; a 5xx that is mapped to a 4xx is not reported |
//! | 5xx without an error | logs the route and the status: 20 at once, then one a second with the number left out |
//! | 503 without an error, or of a component that is full | nothing |
//!
//! In production status, headers and body stay the program's (and the [id's header](ExceptionsLayer::id_header), if the program
//! sets one). Where details are shown, the page takes the place of the body for clients that prefer HTML, and text for all
//! others where the body was empty or [bare](gateway_core::FailedBy::is_bare); the headers of the content follow.
//!
//! An `impl IntoResponse` cannot see where `?` met the error. A handler that returns [`gateway_core::Error`] (its feature
//! `axum`) can: `?` remembers its line. An error of anyhow's or eyre's has the place of its backtrace, if `RUST_BACKTRACE` is set;
//! of all others the report says that the place is not known.
//!
//! Why axum itself refused a request (a missing extension, a body that is no JSON) it logs under the target
//! `axum::rejection` at level TRACE: `RUST_LOG=axum::rejection=trace`.
//!
//! # Tasks
//!
//! A task that panics leaves its awaiter a `JoinError`, which has neither place nor frames. With the feature `tokio`
//! the report has both: the panic is told as the cause, with a traceback of its own ([`Report::tasks`]).
//!
//! | how the task's end reaches the request | how the panic is found |
//! |--|--|
//! | the `JoinError` is returned, alone or among the causes of another error | by `JoinError::id` |
//! | it is unwrapped | by the id in what std's `unwrap` and `expect` write, and by no other text |
//! | `resume_unwind(error.into_panic())`, rayon, `thread::JoinHandle::join` | by the payload, without the feature |
//! | it is not awaited | [`in_request`] and [`in_request_fn`] report it themselves |
//!
//! Of many at once the last [4,096 panics](panic_capture::RING) are kept, and of the oldest the place alone where their frames
//! together are too many; the report says so. In a program without symbols the text of an unwrapped error is believed if it quotes
//! what that task has said.
//!
//! # The log
//!
//! Failures are events of [`tracing`](https://docs.rs/tracing). A program that shows events on stderr, and this crate's
//! whatever `RUST_LOG` says:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tracing_subscriber::EnvFilter;
//!
//! let filter = EnvFilter::from_default_env().add_directive("middleware_exceptions=error".parse()?);
//! tracing_subscriber::fmt()
//!     .with_env_filter(filter)
//!     .with_writer(std::io::stderr)
//!     .init();
//! # Ok(()) }
//! ```
//!
//! Where there is no subscriber, or the filter leaves these events out and there is no observer either, they are written to stderr
//! all the same: an id that a client was given is always to be found.
//!
//! # Bodies that are not `Unpin`
//!
//! The layer polls a body in its place once before the head, so bodies are `Unpin`, as those of axum and hyper are. One that is
//! not (tower-http's time-out for bodies makes such) is boxed in a line between:
//!
//! ```
//! # use {http::{Request, Response}, http_body_util::Full, bytes::Bytes, std::{convert::Infallible, time::Duration}};
//! # async fn answer(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> { Ok(Response::default()) }
//! use middleware_exceptions::ExceptionsLayer;
//! use tower::{ServiceBuilder, service_fn};
//! use tower_http::{map_response_body::MapResponseBodyLayer, timeout::ResponseBodyTimeoutLayer};
//!
//! let service = ServiceBuilder::new()
//!     .layer(ExceptionsLayer::new())
//!     .layer(MapResponseBodyLayer::new(Box::pin))
//!     .layer(ResponseBodyTimeoutLayer::new(Duration::from_secs(30)))
//!     .service(service_fn(answer));
//! # fn is_a_service<B>(_: impl tower::Service<Request<Full<Bytes>>, Response = Response<B>>) {}
//! # is_a_service(service);
//! ```
//!
//! # With anyhow, eyre and tracing
//!
//! A service whose error is `anyhow::Error` or `eyre::Report` shows its chain; with the feature of that name also its
//! backtrace, if `RUST_BACKTRACE` is set. Better: [`gateway_core::Error`] remembers where `?` met the error without any
//! backtrace. With the feature `tracing-error` and its `ErrorLayer` installed, all spans around a failure are listed with
//! their fields; without it, the name of the innermost.
//!
//! # Stripped binaries
//!
//! Place, message, causes and id are compiled in, so a program without symbols (`strip = true` in the profile) still tells them. Its
//! frames are addresses then, on Linux: the program's file, the address in it, and the build id of the linker, as `addr2line` and
//! `llvm-symbolizer` take them. The report says so once.
//!
//! ```text
//! Traceback (most recent call last):
//!   In /srv/shop 0x1af9ac (build id ec62c390cd9a815de8a76bf6ef4fc67fd4315c1c)
//!   In /srv/shop 0x1af747 (build id ec62c390cd9a815de8a76bf6ef4fc67fd4315c1c)
//!   ...
//!   File "src/orders.rs", line 44
//! panic: no price
//! ```
//!
//! Keep the unstripped file of each build. With it and the text, as the client, the log or an observer has it, one of these lines
//! writes the whole traceback, functions that were inlined and all:
//!
//! ```sh
//! addr2line -Cfipe UNSTRIPPED $(sed -n 's/^ *In .* \(0x[0-9a-f]*\).*/\1/p' THIS_TEXT)
//! sed -n 's/^ *In .* \(0x[0-9a-f]*\).*/\1/p' THIS_TEXT | llvm-symbolizer -Cfipe UNSTRIPPED
//! ```
//!
//! What is stripped of its debug information alone (`strip -g`, `debug = false`) has names, and addresses beside them. Whose a
//! function is, its crate says, by the workspace's `Cargo.lock` where the program is in its target folder, and by the names of common
//! crates elsewhere. Crates below `vendor/` are not yours, nor is the C library.
//!
//! # What it costs
//!
//! A request that does not fail allocates nothing, unless path and query are longer than 62 bytes, and takes about 300
//! instructions more than without the layer; a layer that catches at all these stages and remembers nothing takes 170. When the
//! handler has answered, its future is dropped, and the body polled once before the head is sent, without waiting; one
//! that is whole then is dropped at once. Frames are taken as raw
//! addresses and named after the failure, off the async workers, once per address; a storm of failures that need
//! new names gets [the place only](Note::TooMany). Line tables are enough: `debug = "line-tables-only"` in the profile.

mod body;
mod config;
mod failure;
mod frames;
mod future;
mod in_request;
mod layer;
mod pending;
mod recent;
mod record;
mod render;
mod report;
mod request;
mod service;
mod task_panic;
mod text;

pub use body::ResponseBody;
pub use failure::body_error::BodyError;
pub use failure::facts::{ChainLink, Kind, Place, SpanSummary, Stage};
pub use failure::id::ErrorId;
pub use frames::{
    Note, Traceback, folded::Folded, frame::Frame, modules::Offset, names::Origin, source::Excerpt,
};
pub use future::ResponseFuture;
#[cfg(feature = "axum")]
pub use gateway_core::axum::FromAxumLayer;
pub use in_request::{InRequest, in_request, in_request_fn};
pub use layer::ExceptionsLayer;
pub use recent::service::{RecentFailures, RecentFuture};
pub use render::page::{Page, Rendered};
pub use report::Report;
pub use request::accept::Format;
pub use request::summary::RequestSummary;
pub use service::Exceptions;
pub use task_panic::TaskPanic;
pub use text::shown::redacted;
