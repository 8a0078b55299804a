//! Python's WSGI applications, as applications of `gateway-core`.

mod ahead;
mod call;
mod crew;
mod environ;
mod error;
mod errors;
mod exception;
mod file_body;
mod file_wrapper;
mod host;
mod input;
mod iterable;
mod python;
mod service;
mod start_response;
mod stream;
mod workers;
mod wsgi;

pub use error::ImportError;
pub use service::{WsgiFuture, WsgiService};
pub use workers::{Role, Workers};
pub use wsgi::{Import, Wsgi};
