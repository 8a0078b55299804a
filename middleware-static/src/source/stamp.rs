//! The state of a file, and times as file systems write them.

use std::time::SystemTime;

/// What tells one state of a file from another: another file in its place, other bytes, another mode, and
/// unlinking each change it (the last three by way of ctime, which no program can set).
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

/// By how much a time of modification may differ from the change time that vouches for it. Less than
/// [`SETTLES_AFTER_NANOS`] by a second, which is what dates in HTTP are counted in: see [`Stamp::vouches_for_date`].
const VOUCHES_WITHIN_NANOS: i128 = 1_000_000_000;

fn nanos((seconds, nanos): (i64, u32)) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

impl Stamp {
    /// Whether no later state of the file can have this stamp. No program can set ctime, so that decides.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        nanos(since_epoch(now)) - nanos(self.changed) >= SETTLES_AFTER_NANOS
    }

    /// Whether the time of modification is that of the last write.
    ///
    /// A time of modification can be set by anyone, and often is: to a constant (npm, zip, Nix), to that of another
    /// file (`cp -p`, `rsync -t`). Then it says nothing of the content. Where the change time is the same, it was written
    /// at that time, and any state that is served once that one [is settled](Self::is_settled) was written at least two
    /// seconds later: with the same date, its change time would be more than a second behind it.
    pub(crate) fn vouches_for_date(&self) -> bool {
        (0..=VOUCHES_WITHIN_NANOS).contains(&(nanos(self.changed) - nanos(self.modified)))
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

/// The inverse of [`since_epoch`].
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_counts_where_the_change_time_vouches_for_it() {
        let stamp = |modified, changed| Stamp {
            device: 1,
            inode: 1,
            length: 1,
            modified,
            changed,
        };
        for (modified, changed, vouches) in [
            ((100, 5), (100, 5), true),
            ((100, 0), (101, 0), true),
            ((100, 0), (101, 1), false),
            ((100, 1), (100, 0), false),
            ((0, 0), (100, 0), false),
            ((499_162_500, 0), (1_700_000_000, 0), false),
            ((2_000_000_000, 0), (1_700_000_000, 0), false),
        ] {
            assert_eq!(
                stamp(modified, changed).vouches_for_date(),
                vouches,
                "{modified:?} {changed:?}"
            );
        }
    }
}
