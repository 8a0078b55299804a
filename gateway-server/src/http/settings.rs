use std::time::Duration;

/// Timeouts and limits of HTTP connections, each with its default in the documentation of the
/// method on [`Server`](crate::http::Server) that changes it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    /// Bytes of a request's head.
    pub(crate) head_bytes: usize,
    /// Fields of a request's head.
    pub(crate) head_fields: usize,
    /// Bytes of a request's body.
    pub(crate) body_bytes: Option<u64>,
    /// Bytes of a response that are gathered before the client has taken any.
    pub(crate) write_buffer: usize,
    /// Streams that an HTTP/2 client may have open at a time.
    pub(crate) streams: u32,
    /// Whether HTTP/2 clients are told that they may open WebSockets (RFC 8441).
    pub(crate) http2_websockets: bool,
}

/// `None` is for ever.
#[derive(Clone, Debug)]
pub(crate) struct Timeouts {
    pub(crate) first_byte: Option<Duration>,
    pub(crate) head: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) body: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) half_close: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            head_bytes: 64 * 1024,
            head_fields: 100,
            body_bytes: None,
            write_buffer: 64 * 1024,
            streams: 200,
            http2_websockets: false,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Some(Duration::from_secs(15)),
            head: Some(Duration::from_secs(15)),
            idle: Some(Duration::from_secs(75)),
            body: Some(Duration::from_secs(30)),
            write: Some(Duration::from_secs(30)),
            half_close: Some(Duration::from_secs(1)),
        }
    }
}

impl Timeouts {
    /// How often a connection that is busy with one request after the other looks about: whether
    /// it has become idle, and could give back its buffers. A quarter of the idle timeout, as that
    /// is counted from there, and every two seconds at least.
    pub(crate) fn look(&self) -> Duration {
        let most = Duration::from_secs(2);
        let look = self.idle.map_or(most, |idle| (idle / 4).min(most));
        // A timeout of nothing at all must not make a connection spin.
        look.max(Duration::from_millis(5))
    }
}
