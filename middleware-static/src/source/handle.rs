//! An open file, by the handle of the platform that opened it.

use std::io;

#[cfg(target_os = "linux")]
use super::linux;
use super::stamp::Stamp;
use super::{Wait, portable};

/// An open file of the file system.
#[derive(Debug)]
pub(crate) enum Handle {
    #[cfg(target_os = "linux")]
    Linux(linux::Handle),
    Portable(portable::Handle),
}

impl Handle {
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(handle) => handle.read_at(buffer, offset, wait),
            Self::Portable(handle) => handle.read_at(buffer, offset, wait),
        }
    }

    /// Whether `length` bytes from `offset` on can be sent without waiting for a device.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_in_memory(&self, offset: u64, length: usize) -> bool {
        match self {
            Self::Linux(handle) => handle.is_in_memory(offset, length),
            Self::Portable(_) => false,
        }
    }

    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(handle) => handle.stamp(),
            Self::Portable(handle) => handle.stamp(),
        }
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for Handle {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Linux(handle) => handle.as_fd(),
            Self::Portable(handle) => handle.as_fd(),
        }
    }
}
