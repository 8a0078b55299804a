//! The adapters over real sockets: hyper serves, clients are slow, gone or rude.

#[path = "adapters/server.rs"]
mod server;

#[path = "adapters/slow_clients.rs"]
mod slow_clients;
