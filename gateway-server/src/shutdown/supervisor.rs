use std::io;

/// What a supervisor hears of: systemd (`Type=notify`), or another that sets `NOTIFY_SOCKET`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    Ready,
    Stopping,
}

/// Tells the supervisor, if there is one, as sd_notify(3) does.
pub(crate) fn tell_supervisor(notice: Notice) {
    let text: &[u8] = match notice {
        Notice::Ready => b"READY=1\n",
        Notice::Stopping => b"STOPPING=1\n",
    };
    if let Err(error) = notify(text) {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}

#[cfg(unix)]
fn notify(text: &[u8]) -> io::Result<()> {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let sender = UnixDatagram::unbound()?;
    // One that does not listen must not keep us from serving.
    sender.set_write_timeout(Some(Duration::from_secs(1)))?;
    #[cfg(target_os = "linux")]
    if let [b'@', name @ ..] = socket.as_encoded_bytes() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let supervisor = SocketAddr::from_abstract_name(name)?;
        return sender.send_to_addr(text, &supervisor).map(drop);
    }
    sender.send_to(text, socket).map(drop)
}

#[cfg(not(unix))]
fn notify(_: &[u8]) -> io::Result<()> {
    Ok(())
}
