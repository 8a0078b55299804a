use std::os::fd::AsFd;

use rustix::ioctl::{Getter, ioctl};

/// `SIOCOUTQ` of linux/sockios.h, the same number as `TIOCOUTQ`.
const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;

/// Bytes in the send queue of a socket that its peer has not acknowledged (tcp(7), unix(7)).
pub(crate) fn outq(socket: &impl AsFd) -> Option<usize> {
    // SAFETY: SIOCOUTQ writes one C int through its argument and reads nothing (tcp(7)), which is
    // what `Getter` of that type makes room for.
    #[expect(unsafe_code, reason = "an ioctl that no safe wrapper exists for")]
    let queued = unsafe { ioctl(socket, Getter::<SIOCOUTQ, std::ffi::c_int>::new()) };
    queued.ok().and_then(|queued| usize::try_from(queued).ok())
}
