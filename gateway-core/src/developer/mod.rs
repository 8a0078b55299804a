//! Who may see details of a program: tracebacks, lists of routes.
//!
//! One rule for all pages that show them, as a function from facts to a verdict: [`judge`]. Details
//! are for the developer who sits at this machine, so all of this must hold:
//!
//! - the peer is a loopback address, or one that the program trusts by name;
//! - on Linux, the client's end of the connection belongs to the user who runs this program, or to
//!   one that the program trusts. The workers of nginx, Apache and HAProxy run as users of their own, so
//!   a proxy that adds no header is seen all the same. A program that runs as a service's user (1 to
//!   999, or 65534) shows nothing;
//! - there is exactly one Host or authority, and it is a loopback name or address: a site whose name was
//!   made to point at this machine (DNS rebinding) comes with that name;
//! - the request is HTTP/1.1 or later, and has no header that a known proxy or tunnel adds;
//! - no page of another site asks: no foreign `Origin`, no `Sec-Fetch-Site: cross-site`.
//!
//! # Where nothing names the peer
//!
//! `axum::serve(listener, router)` tells a service nothing of the client. On Linux the sockets of the process tell enough:
//! the peer is at this machine if every listening socket of the process is a TCP socket at a loopback address, and the client's
//! end of **every** connection to them belongs to the user who runs this program, or to one that the program trusts. Which
//! connection the request came over stays unknown, so one that is another user's withholds details from all. If a
//! [`Doubt`] is left, and on other systems, details are withheld, and the reason names the lines that tell the peer.
//!
//! # What stays unseen
//!
//! A proxy that adds no header and **runs as the same user as this program**: nginx started by hand, a
//! tunnel (`ssh -R`, a tunnel client) that the developer started, another container of the same pod
//! that shares the network and the user's number (often 0), the port that a rootless container
//! publishes. On systems other than Linux, and under a WSL kernel (where relays own the connections
//! of browsers on Windows, and which containers of Docker Desktop on Windows have as well), owners are not
//! asked at all. Where nothing names the peer: a listener at another address that the program has closed while its
//! connections are still served, and a tunnel that the program itself opened. Let proxies set `X-Forwarded-For`, and leave development off where others can reach one.
//!
//! A Unix socket is never enough: what speaks over one is mostly a proxy, and the kernel's word on who
//! that is (`SO_PEERCRED`) would name the proxy's user, who is often the developer.
//!
//! # How to ask
//!
//! The owner is one of the facts, and the only one that takes a look-up which may block. So a page judges
//! twice: what it knows at once, and, if nothing but the owner is missing, again with the owner. Code that must
//! not block awaits an [`OwnerLookUp`] in place of [`Facts::look_up`].
//!
//! ```
//! use gateway_core::developer::{Facts, Reason, judge};
//!
//! # let (parts, ()) = http::Request::new(()).into_parts();
//! let facts = Facts::of(&parts);
//! let verdict = match judge(&facts) {
//!     // On a thread that may block.
//!     Err(Reason::Unasked) => judge(&facts.look_up()),
//!     verdict => verdict,
//! };
//! if let Err(reason) = verdict {
//!     println!("No details here: {reason}");
//! }
//! ```

#[cfg(target_os = "linux")]
mod clients;
mod doubt;
mod facts;
mod host;
mod judge;
mod look_up;
mod owner;
mod proxies;
mod reason;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod table;

pub use doubt::Doubt;
pub use facts::{Facts, head_of};
pub use judge::judge;
pub use look_up::OwnerLookUp;
pub use owner::Owner;
pub use reason::Reason;
