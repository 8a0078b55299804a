//! Whether the present thread may wait.

/// Whether an operation may wait for a device.
///
/// With [`Wait::Never`], on a thread that serves many clients, a source answers from memory or says
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock). It is then asked again, with [`Wait::Allowed`], on a thread that may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Answer at once or say [`WouldBlock`](std::io::ErrorKind::WouldBlock).
    Never,
    /// Wait as long as necessary.
    Allowed,
}
