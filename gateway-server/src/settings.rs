//! What can be set about the connections of a server.

#[cfg(feature = "_wire")]
use std::net::IpAddr;
#[cfg(feature = "_wire")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "_wire")]
use gateway_core::paths::Prefix;

use crate::ServerState;

/// Timeouts and limits, each with its default in the documentation of the method of
/// [`Server`](crate::Server) that changes it. Each protocol has its defaults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    /// Bytes of a request's head.
    pub(crate) head_bytes: usize,
    /// Fields of a request's head.
    pub(crate) head_fields: usize,
    /// Bytes of a request's body.
    pub(crate) body_bytes: Option<u64>,
    /// What counts the requests.
    pub(crate) state: Option<ServerState>,
    /// HTTP/2: streams that a client may have open at a time.
    #[cfg(feature = "http")]
    pub(crate) streams: u32,
    /// HTTP/2: whether clients are told that they may open WebSockets (RFC 8441).
    #[cfg(feature = "http")]
    pub(crate) http2_websockets: bool,
    /// HTTP/1: whether bodies may give ranges of files, which the kernel sends.
    #[cfg(feature = "http")]
    pub(crate) sends_files: bool,
    /// Front ends: where the application stands, whatever SCRIPT_NAME says.
    #[cfg(feature = "_wire")]
    pub(crate) mount: Option<Arc<Prefix>>,
    /// Front ends: those that may connect; `None` for all.
    #[cfg(feature = "_wire")]
    pub(crate) peers: Option<Arc<[IpAddr]>>,
}

/// `None` means no limit.
#[derive(Clone, Debug)]
pub(crate) struct Timeouts {
    /// From the accepted connection to its first byte, or the end of its handshake.
    pub(crate) first_byte: Option<Duration>,
    pub(crate) head: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) body: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) half_close: Option<Duration>,
}

impl Settings {
    /// What HTTP starts from, and from what the other protocols differ.
    pub(crate) const DEFAULTS: Self = Self {
        timeouts: Timeouts {
            first_byte: Some(Duration::from_secs(15)),
            head: Some(Duration::from_secs(15)),
            idle: Some(Duration::from_secs(75)),
            body: Some(Duration::from_secs(30)),
            write: Some(Duration::from_secs(30)),
            half_close: Some(Duration::from_secs(1)),
        },
        head_bytes: 64 * 1024,
        head_fields: 100,
        body_bytes: None,
        state: None,
        #[cfg(feature = "http")]
        streams: 200,
        #[cfg(feature = "http")]
        http2_websockets: false,
        #[cfg(feature = "http")]
        sends_files: false,
        #[cfg(feature = "_wire")]
        mount: None,
        #[cfg(feature = "_wire")]
        peers: None,
    };
}
