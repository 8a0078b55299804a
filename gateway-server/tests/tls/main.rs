//! HTTPS, as clients see it.

#[path = "../common/mod.rs"]
mod common;

mod certificates;
mod clients;
mod closing;
mod handshakes;
mod redirect;
mod support;
