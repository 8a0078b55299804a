//! An application of `gateway-core` as a WSGI callable: a Rust site under gunicorn, wsgiref, mod_wsgi and
//! whatever else serves Python.
//!
//! ```no_run
//! use gateway_core::{Environ, Reply};
//! use pyo3::prelude::*;
//!
//! fn hello(_: &mut Environ) -> Reply {
//!     Reply::text("Hello from Rust\n")
//! }
//!
//! #[pymodule(gil_used = false)]
//! fn rust_site(module: &Bound<'_, PyModule>) -> PyResult<()> {
//!     module.add("application", wsgi_callable::Callable::new(hello))
//! }
//! ```
//!
//! `maturin build` makes a wheel of it, for every Python from 3.9 on (the stable interface), and
//! `gunicorn rust_site` serves it.
//!
//! | there | here |
//! |---|---|
//! | `environ` | an `Environ`, by the rules of `gateway_server::cgi_environ`; the server's other variables are its `var`s |
//! | `wsgi.input` | `Environ::input`, to CONTENT_LENGTH, or to its end where the server says `wsgi.input_terminated` |
//! | `wsgi.errors` | `Environ::errors` |
//! | an `Error` of 5xx, a panic | a `RuntimeError`, so that the server logs it and answers 500 |
//! | another `Error` | a bare response with its status |
//!
//! Python's lock is released while the application runs. A runtime for what needs one (tower services, by
//! `gateway_core::adapt::from_service`) is started at the first call and not before: servers fork after they have
//! imported a module.

mod callable;
mod input;
mod request;
mod response;
mod runtime;

pub use callable::Callable;
