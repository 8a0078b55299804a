//! What can be set about connections from a front end.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::paths::Prefix;

/// Timeouts and limits, each with its default in the documentation of the method that changes it.
///
/// The peer is a front end, not a stranger: it keeps idle connections in a pool of its own, and to
/// close one under its hands costs a request. So there is no idle timeout unless one is set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the application stands, whatever SCRIPT_NAME says.
    pub(crate) mount: Option<Arc<Prefix>>,
    /// Bytes of a request's variables.
    pub(crate) head_bytes: usize,
    /// Header fields of a request.
    pub(crate) head_fields: usize,
    /// Bytes of a request's body.
    pub(crate) body_bytes: Option<u64>,
    pub(crate) head: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) body: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) half_close: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mount: None,
            head_bytes: 128 * 1024,
            head_fields: 100,
            body_bytes: None,
            head: Some(Duration::from_secs(15)),
            idle: None,
            body: Some(Duration::from_secs(30)),
            write: Some(Duration::from_secs(30)),
            half_close: Some(Duration::from_secs(1)),
        }
    }
}
