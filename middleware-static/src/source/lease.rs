//! Files that another program holds under a lease.

use std::io;
use std::thread;
use std::time::Duration;

use super::Wait;

/// In milliseconds, one after the other. Samba and kernel NFS servers give a lease back within a few; a program that
/// does not may take the kernel's 45 seconds, for which no thread should be kept.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

/// Opens a file, which is tried again where the kernel says so though waiting is allowed: the first try has asked the
/// program that holds a write lease on the file to give it back.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] where it does not.
pub(super) fn patiently<T>(wait: Wait, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let is_told_to_wait = |result: &io::Result<T>| {
        wait == Wait::Allowed
            && matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    };
    let mut result = open();
    for pause in PAUSES {
        if !is_told_to_wait(&result) {
            return result;
        }
        thread::sleep(Duration::from_millis(pause));
        result = open();
    }
    if is_told_to_wait(&result) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    result
}
