//! What holds over TCP holds over TLS: the tests that write bytes, through a tunnel. Those of `limits` and `shutdown` count
//! connections, of which a tunnel has its own; `tls/` has theirs.

#![expect(
    clippy::duplicate_mod,
    reason = "each file is a test of its own too, with its own `common`"
)]

#[path = "framing.rs"]
mod framing;
#[path = "pacing.rs"]
mod pacing;
#[path = "requests.rs"]
mod requests;
#[path = "timeouts.rs"]
mod timeouts;
#[path = "upgrades.rs"]
mod upgrades;
