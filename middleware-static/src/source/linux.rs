//! The Linux path: the kernel keeps every name below the root, and says at once what it has in memory.

use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{OnceLock, RwLock};

use rustix::fs::{self, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::links::{Listed, Symlinks};
use super::opened::Opened;
use super::{Entry, Stamp, Wait, from_epoch};

/// What this kernel supports, probed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// `openat2` with `RESOLVE_CACHED`: 5.12 and later.
    Cached,
    /// `openat2`: 5.6 and later. Every open may wait.
    Contained,
    /// No `openat2`, or a sandbox that refuses it.
    Old,
}

/// Asks the kernel about itself, never about a file of the user's: one file's EPERM must not switch containment off.
pub(super) fn kernel() -> Kernel {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    *KERNEL.get_or_init(|| {
        let probe = |resolve| {
            fs::openat2(
                CWD,
                "/",
                OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
                resolve,
            )
        };
        match probe(ResolveFlags::CACHED) {
            Ok(_) | Err(Errno::AGAIN) => Kernel::Cached,
            Err(_) if probe(ResolveFlags::NO_MAGICLINKS).is_ok() => Kernel::Contained,
            Err(_) => Kernel::Old,
        }
    })
}

/// Opens the root by any path: the program chose it, not a client.
pub(super) fn open_root(path: &Path, wait: Wait) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match wait {
        Wait::Never if kernel() == Kernel::Cached => {
            fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)
        }
        Wait::Never => Err(Errno::AGAIN),
        Wait::Allowed => fs::open(path, flags, Mode::empty()),
    }
}

/// Opens a name below the root.
pub(super) fn open(
    root: BorrowedFd<'_>,
    path: &Path,
    symlinks: Symlinks,
    wait: Wait,
) -> Result<Opened<Handle>, Errno> {
    regular(open_beneath(root, path, READ, symlinks, wait)?)
}

/// Opens a path that the program chose, wherever it leads.
pub(super) fn open_anywhere(path: &Path, wait: Wait) -> Result<Opened<Handle>, Errno> {
    regular(match wait {
        Wait::Never if kernel() == Kernel::Cached => {
            fs::openat2(CWD, path, READ, Mode::empty(), ResolveFlags::CACHED)
        }
        Wait::Never => Err(Errno::AGAIN),
        Wait::Allowed => fs::open(path, READ, Mode::empty()),
    }?)
}

/// NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: nor may a terminal become ours.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// Accepts a regular file or a directory; anything else counts as not found.
fn regular(descriptor: OwnedFd) -> Result<Opened<Handle>, Errno> {
    let stat = fs::fstat(&descriptor)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let stamp = Stamp::of_stat(&stat);
            let mode = AtomicU8::new(devices().mode(stamp.device) as u8);
            Ok(Opened::File(
                Handle {
                    descriptor,
                    device: stamp.device,
                    mode,
                },
                stamp,
            ))
        }
        FileType::Directory => Ok(Opened::Directory),
        _ => Err(Errno::NOENT),
    }
}

/// `openat2`, which does not leave the root by any means: not by `..`, a symbolic link or a magic link of `/proc`.
pub(super) fn open_beneath(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    symlinks: Symlinks,
    wait: Wait,
) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if symlinks == Symlinks::Refuse {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    if wait == Wait::Never {
        if kernel() != Kernel::Cached {
            return Err(Errno::AGAIN);
        }
        resolve |= ResolveFlags::CACHED;
    }
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    // A rename anywhere on the machine may disturb a walk that has `..` in a link: the kernel then asks to be
    // asked again. A few times suffice; after that it is another reason (see `patiently`).
    for _ in 0..64 {
        match fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if wait == Wait::Allowed => {}
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// What is in a directory: files and directories with their sizes and times, links by name.
pub(super) fn list(
    root: BorrowedFd<'_>,
    path: &Path,
    symlinks: Symlinks,
) -> io::Result<Vec<Listed>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let descriptor = open_beneath(root, path, flags, symlinks, Wait::Allowed)?;
    let mut found = Vec::new();
    for entry in fs::Dir::read_from(&descriptor)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        // Removed since the directory was read.
        let Ok(stat) = fs::statat(&descriptor, name, fs::AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let stamp = Stamp::of_stat(&stat);
        let name = OsString::from_vec(name.to_bytes().to_vec());
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => found.push(Listed::Entry(Entry::file(
                name,
                stamp.length,
                from_epoch(stamp.modified),
            ))),
            FileType::Directory => found.push(Listed::Entry(Entry::directory(
                name,
                from_epoch(stamp.modified),
            ))),
            FileType::Symlink if symlinks == Symlinks::Inside => found.push(Listed::Link(name)),
            _ => {}
        }
    }
    Ok(found)
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct Handle {
    descriptor: OwnedFd,
    device: u64,
    mode: AtomicU8,
}

impl Handle {
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of_stat(&fs::fstat(&self.descriptor)?))
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        let mode = ReadMode::from_raw(self.mode.load(Ordering::Relaxed));
        loop {
            let read = match (wait, mode) {
                (Wait::Never, ReadMode::Pool) => return Err(io::ErrorKind::WouldBlock.into()),
                (Wait::Never, ReadMode::FileRequest) => {
                    let mut slices = [IoSliceMut::new(buffer)];
                    rustix::io::preadv2(
                        &self.descriptor,
                        &mut slices,
                        offset,
                        ReadWriteFlags::NOWAIT,
                    )
                }
                (Wait::Allowed, _) | (Wait::Never, ReadMode::Memory) => {
                    rustix::io::pread(&self.descriptor, &mut *buffer, offset)
                }
            };
            return match read {
                Err(Errno::INTR) => continue,
                // EOPNOTSUPP, and ENOSYS or EINVAL of kernels that know no flags.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL)
                    if wait == Wait::Never && mode == ReadMode::FileRequest =>
                {
                    let learnt = devices().learn(self.device, self.descriptor.as_fd());
                    self.mode.store(learnt as u8, Ordering::Relaxed);
                    return self.read_at(buffer, offset, wait);
                }
                result => Ok(result?),
            };
        }
    }
}

impl Handle {
    /// Whether `length` bytes from `offset` on are in memory, as far as a few looks tell: the kernel reads ahead and forgets
    /// in longer stretches than lie between them.
    pub(super) fn is_in_memory(&self, offset: u64, length: usize) -> bool {
        const STRIDE: usize = 256 * 1024;
        let mut byte = [0];
        let mut is_there = |at: usize| {
            let read = self.read_at(&mut byte, offset + at as u64, Wait::Never);
            // The file has become shorter. Sending it will fail and say so.
            read.is_ok()
        };
        let last = length.saturating_sub(1);
        (0..last).step_by(STRIDE).all(&mut is_there) && is_there(last)
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// How to read from a device without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum ReadMode {
    /// `RWF_NOWAIT`: the kernel knows whether it has the bytes. Assumed until it says that it does not.
    FileRequest,
    /// Files of this device are memory: an ordinary read never waits.
    Memory,
    /// The kernel cannot tell (overlayfs, network file systems): always on a thread that may block.
    Pool,
}

impl ReadMode {
    fn from_raw(raw: u8) -> Self {
        match raw {
            0 => Self::FileRequest,
            1 => Self::Memory,
            _ => Self::Pool,
        }
    }
}

/// How files are read on each device, found out by trying. Few machines serve files from more than two devices.
struct Devices {
    any: AtomicBool,
    learnt: RwLock<Vec<(u64, ReadMode)>>,
}

fn devices() -> &'static Devices {
    static DEVICES: Devices = Devices {
        any: AtomicBool::new(false),
        learnt: RwLock::new(Vec::new()),
    };
    &DEVICES
}

impl Devices {
    fn mode(&self, device: u64) -> ReadMode {
        if !self.any.load(Ordering::Relaxed) {
            return ReadMode::FileRequest;
        }
        let learnt = self
            .learnt
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        learnt
            .iter()
            .find(|(known, _)| *known == device)
            .map_or(ReadMode::FileRequest, |&(_, mode)| mode)
    }

    fn learn(&self, device: u64, file: BorrowedFd<'_>) -> ReadMode {
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58f6;
        let memory = fs::fstatfs(file)
            .is_ok_and(|system| matches!(system.f_type as u64 & 0xffff_ffff, TMPFS | RAMFS));
        let mode = if memory {
            ReadMode::Memory
        } else {
            ReadMode::Pool
        };
        let mut learnt = self
            .learnt
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Bounded: numbers of unmounted devices are never forgotten one by one.
        if learnt.len() >= 256 {
            learnt.clear();
        }
        if !learnt.iter().any(|(known, _)| *known == device) {
            learnt.push((device, mode));
        }
        self.any.store(true, Ordering::Relaxed);
        mode
    }
}
