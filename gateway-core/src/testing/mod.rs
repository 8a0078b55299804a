//! A client without sockets, for tests of applications and of tower services.
//!
//! ```
//! use gateway_core::testing::Client;
//! use gateway_core::{Environ, Reply, escape};
//!
//! fn hello(environ: &mut Environ) -> Reply {
//!     let subject = environ.query("subject").unwrap_or("World".into());
//!     Reply::html(format!("Hello {}!", escape(&subject)))
//! }
//!
//! let client = Client::new(hello);
//! client.get("/?subject=John").send().assert_status(200).assert_text("Hello John!");
//! ```
//!
//! Nothing has to run: an application is called on the test's own thread, a tower service on a
//! thread with a small runtime of its own. So the same call works in `#[test]` and in
//! `#[tokio::test]`.
//!
//! A 5xx that the test did not [expect](RequestBuilder::expecting) is printed with the failure
//! behind it, so that a failing test shows the reason: the error with its place, or what
//! `middleware-exceptions` reports.

mod client;
mod request;
mod response;

pub use client::Client;
pub use request::RequestBuilder;
pub use response::TestResponse;
