//! Times as people read them. In UTC: the server does not know where the reader is.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Year, month (from 1) and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, usize, i64) {
    // Counted in years that begin in March, the leap day is a year's last day. 400 years have
    // 146,097 days; 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March to July and August to December are 153 days each.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

/// `22 November 2026`.
pub(crate) fn day(time: i64) -> String {
    let (year, month, day) = civil(time.div_euclid(86_400));
    let month = MONTHS.get(month - 1).unwrap_or(&"");
    format!("{day} {month} {year}")
}

/// `13:05`.
pub(crate) fn clock(time: i64) -> String {
    let minutes = time.rem_euclid(86_400) / 60;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `2026-11-22T13:05:09Z`, for machines.
pub(crate) fn iso(time: i64) -> String {
    let (year, month, day) = civil(time.div_euclid(86_400));
    let clock = clock(time);
    let seconds = time.rem_euclid(60);
    format!("{year:04}-{month:02}-{day:02}T{clock}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        // Expected values: GNU date -u -d @TIME +%FT%TZ.
        for (time, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(iso(time), expected);
        }
        assert_eq!(
            (day(1_709_164_800), clock(951_827_696)),
            ("29 February 2024".into(), "12:34".into())
        );
    }
}
