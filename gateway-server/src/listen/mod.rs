//! Where connections come from: sockets, the trait over them, and the loop that accepts.

pub(crate) mod accept;
pub(crate) mod listener;
#[cfg(target_os = "linux")]
mod outq;
#[cfg(target_os = "linux")]
mod send_file;
pub(crate) mod sockets;
pub(crate) mod to_sockets;
#[cfg(unix)]
mod unix;
