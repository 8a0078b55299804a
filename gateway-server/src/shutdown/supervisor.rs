/// Tells systemd (`Type=notify`) how far we are; nobody where `NOTIFY_SOCKET` is not set.
pub(crate) fn tell_supervisor(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}
