//! Points in time as HTTP and access logs write them: in UTC, after the Gregorian calendar.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u64,
    /// `Jan` to `Dec`.
    pub(crate) month: &'static str,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
    weekday: &'static str,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// From the weekday of 1 January 1970.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

impl Date {
    pub(crate) fn at(time: SystemTime) -> Self {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let weekday = usize::try_from(days % 7).unwrap_or_default();
        Self {
            year,
            month: MONTHS.get(month).copied().unwrap_or("Jan"),
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: WEEKDAYS.get(weekday).copied().unwrap_or("Thu"),
        }
    }
}

/// IMF-fixdate, as in the Date field (RFC 9110 section 5.6.7).
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            weekday,
        } = self;
        write!(
            f,
            "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

/// Year, month from 0, and day of a number of days since 1970, in the Gregorian calendar. Counted
/// from a first of March, so that the day that comes and goes is the last of a year.
fn civil(days: u64) -> (u64, usize, u64) {
    const FOUR_CENTURIES: u64 = 146_097;
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 2, 0)
    } else {
        (month - 10, 1)
    };
    let month = usize::try_from(month).unwrap_or_default();
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_written_as_http_has_them() {
        // Expected values: date -u -R -d @N; the first but one is the example of RFC 9110.
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        ] {
            let date = Date::at(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(date.to_string(), expected);
        }
    }
}
