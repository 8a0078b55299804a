//! The adapters over real sockets: hyper serves, clients are slow, gone or rude.

#[path = "adapters/bodies.rs"]
mod bodies;
#[path = "adapters/calls.rs"]
mod calls;
#[path = "adapters/drops.rs"]
mod drops;
#[path = "adapters/failures.rs"]
mod failures;
#[path = "adapters/greedy.rs"]
mod greedy;
#[path = "adapters/reading.rs"]
mod reading;
#[path = "adapters/server.rs"]
mod server;
#[path = "adapters/slow_clients.rs"]
mod slow_clients;
#[path = "adapters/threads.rs"]
mod threads;
#[path = "adapters/waiting.rs"]
mod waiting;
#[path = "adapters/witness.rs"]
mod witness;
