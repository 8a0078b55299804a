//! What holds over TCP holds over TLS: the tests that write bytes, through a tunnel.

#[path = "framing.rs"]
mod framing;
#[path = "limits.rs"]
mod limits;
#[path = "pacing.rs"]
mod pacing;
#[path = "requests.rs"]
mod requests;
#[path = "shutdown.rs"]
mod shutdown;
#[path = "timeouts.rs"]
mod timeouts;
#[path = "upgrades.rs"]
mod upgrades;
