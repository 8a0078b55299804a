//! The state of a file, and times as file systems write them.

use std::time::SystemTime;

/// What tells one state of a file from another: another file in its place, other bytes, another mode, and
/// unlinking each change it (the last three by way of ctime, which nobody can set).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) length: u64,
    pub(crate) modified: (i64, u32),
    pub(crate) changed: (i64, u32),
}

/// A file system that counts whole ticks cannot tell two changes in one tick apart, and clocks differ by a little.
const SETTLES_AFTER_NANOS: i128 = 2_000_000_000;

/// Whether a change made now is certain to get another time than this one.
pub(crate) fn is_past(time: (i64, u32), now: SystemTime) -> bool {
    let nanos =
        |(seconds, nanos): (i64, u32)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    nanos(since_epoch(now)) - nanos(time) >= SETTLES_AFTER_NANOS
}

impl Stamp {
    /// Whether no later state of the file can have this stamp. Nobody can set ctime, so that decides.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        is_past(self.changed, now)
    }

    #[cfg(unix)]
    #[expect(
        clippy::unnecessary_cast,
        reason = "the widths differ between platforms"
    )]
    pub(super) fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            length: stat.st_size.try_into().unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }
}

/// A time as seconds and nanoseconds since 1970, either side of it.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

/// The other way.
pub(crate) fn from_epoch((seconds, nanos): (i64, u32)) -> Option<SystemTime> {
    use std::time::Duration;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    base?.checked_add(Duration::from_nanos(u64::from(nanos)))
}
