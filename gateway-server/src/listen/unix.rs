use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use gateway_core::request::Addr;
use socket2::{Domain, SockAddr, Socket, Type};

/// A listening Unix socket and the file it is reached by.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: Option<PathBuf>,
    // Set if this process has to remove the file.
    made: Option<FileId>,
}

/// Device and inode: whether the file is still the one we made.
#[derive(Debug, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

impl UnixSocket {
    pub(crate) fn bind(path: &Path, mode: u32, backlog: i32) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // On Linux the file is made with the mode of the socket less the umask, so there is no
        // moment in which it is open to more than `mode`; elsewhere this is refused or ignored.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(mode));
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(backlog)?;
        let bound = Self {
            listener: socket.into(),
            path: Some(path.to_path_buf()),
            made: Some(FileId::of(path)?),
        };
        // What the umask took away.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        bound.listener.set_nonblocking(true)?;
        Ok(bound)
    }

    pub(crate) fn adopt(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let path = listener.local_addr()?.as_pathname().map(Into::into);
        Ok(Self {
            listener,
            path,
            made: None,
        })
    }

    pub(crate) fn addr(&self) -> Addr {
        Addr::Unix(self.path.clone())
    }

    /// The socket as the present runtime sees it; this value keeps the file.
    pub(crate) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if let (Some(path), Some(made)) = (&self.path, &self.made)
            && FileId::of(path).is_ok_and(|present| present == *made)
        {
            // A failure has no consequence: a stale socket is replaced at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes a socket whose server is gone.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        let text = "it exists and is not a socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A server answers, or is too busy (EAGAIN), or we lack the permission to connect.
        Ok(_) => Err(in_use()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(in_use()),
        Err(error) => Err(error),
    }
}

fn in_use() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "another server does")
}
