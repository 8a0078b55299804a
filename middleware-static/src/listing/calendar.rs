//! Times as people and programs write them.

use std::time::SystemTime;

use crate::source::since_epoch;

/// A time on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Utc {
    year: i64,
    month: i64,
    day: i64,
    second: i64,
}

impl Utc {
    /// Days since 1970 to a date of the Gregorian calendar, in eras of 400 years that begin in March.
    pub(super) fn of(time: SystemTime) -> Self {
        let (seconds, _) = since_epoch(time);
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            second: seconds.rem_euclid(86_400),
        }
    }

    pub(super) fn rfc3339(self) -> String {
        format!(
            "{}T{:02}:{:02}:{:02}Z",
            self.date(),
            self.second / 3600,
            self.second / 60 % 60,
            self.second % 60
        )
    }

    pub(super) fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    pub(super) fn minutes(self) -> String {
        format!("{:02}:{:02}", self.second / 3600, self.second / 60 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (784_111_777, "1994-11-06T08:49:37Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Utc::of(time).rfc3339(), text);
        }
        assert_eq!(
            Utc::of(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).rfc3339(),
            "1969-12-31T23:59:59Z"
        );
    }
}
