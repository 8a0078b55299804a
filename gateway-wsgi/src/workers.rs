/// Whether this process is one of several that serve the same sockets.
pub(crate) fn is_worker() -> bool {
    false
}
