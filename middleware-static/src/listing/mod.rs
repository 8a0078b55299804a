//! Directory listings: a page for people, JSON for programs.

mod page;

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use percent_encoding::percent_decode;

use crate::lookup::path::{encode_segment, name_bytes};
use crate::source::{Entry, since_epoch};

/// As many entries as are shown at once: a page of more is of no use, and takes memory for each client.
const MOST: usize = 10_000;

/// What a listing is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

impl Format {
    /// JSON for who would rather have it than a page.
    pub(crate) fn of(fields: &HeaderMap) -> Self {
        let weight = |kind: &str| {
            let ranges = fields
                .get_all(header::ACCEPT)
                .iter()
                .flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
            let weights = ranges.filter_map(|range| media_range(range, kind));
            weights
                .max_by_key(|&(exactness, _)| exactness)
                .map_or(0, |(_, weight)| weight)
        };
        if weight("application/json") > weight("text/html") {
            Self::Json
        } else {
            Self::Html
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        })
    }

    /// A page made of names that anybody may have chosen runs nothing and loads nothing, should a name ever slip through.
    pub(crate) fn security_policy(self) -> Option<HeaderValue> {
        const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";
        (self == Self::Html).then_some(HeaderValue::from_static(POLICY))
    }
}

/// How exactly a media range means this type, and its weight in thousandths.
fn media_range(range: &[u8], kind: &str) -> Option<(u8, u16)> {
    let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let family = kind.split('/').next().unwrap_or_default();
    let exactness = if name.eq_ignore_ascii_case(kind.as_bytes()) {
        2
    } else if name
        .strip_suffix(b"/*")
        .is_some_and(|start| start.eq_ignore_ascii_case(family.as_bytes()))
    {
        1
    } else if name == b"*/*" {
        0
    } else {
        return None;
    };
    Some((exactness, crate::protocol::negotiate::quality(parts)))
}

/// What to show first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Name,
    Size,
    Modified,
}

/// The query of a listing: `?q=part+of+a+name&sort=-size`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) filter: String,
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
}

impl Question {
    pub(crate) fn parse(query: &str) -> Self {
        let mut question = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "q" => {
                    let plus: Vec<u8> = value
                        .bytes()
                        .map(|byte| if byte == b'+' { b' ' } else { byte })
                        .collect();
                    question.filter = percent_decode(&plus).decode_utf8_lossy().trim().to_owned();
                }
                "sort" => {
                    let (descending, key) = value
                        .strip_prefix('-')
                        .map_or((false, value), |key| (true, key));
                    question.descending = descending;
                    question.sort = match key {
                        "size" => Sort::Size,
                        "modified" => Sort::Modified,
                        _ => Sort::Name,
                    };
                }
                _ => {}
            }
        }
        question
    }

    /// Directories first; what is equal is in the order of names.
    fn order(&self, a: &Row, b: &Row) -> Ordering {
        let by_name = || {
            a.sort_name
                .cmp(&b.sort_name)
                .then_with(|| a.entry.name.cmp(&b.entry.name))
        };
        let key = match self.sort {
            Sort::Name => by_name(),
            Sort::Size => a.entry.length.cmp(&b.entry.length),
            Sort::Modified => a.entry.modified.cmp(&b.entry.modified),
        };
        let key = if self.descending { key.reverse() } else { key };
        b.entry
            .is_directory()
            .cmp(&a.entry.is_directory())
            .then(key)
            .then_with(by_name)
    }
}

/// One line.
#[derive(Debug)]
struct Row {
    entry: Entry,
    /// For people: what is no UTF-8 is replaced.
    name: String,
    /// Small letters, so that `b` stands between `A` and `C`.
    sort_name: String,
    /// A relative reference, exact for every name.
    href: String,
}

/// Writes a listing.
pub(crate) fn render(
    format: Format,
    path: &[u8],
    entries: Vec<Entry>,
    question: &Question,
) -> Bytes {
    let total = entries.len();
    let wanted = question.filter.to_lowercase();
    let mut rows: Vec<Row> = entries
        .into_iter()
        .map(row)
        .filter(|row| row.sort_name.contains(&wanted))
        .collect();
    let matching = rows.len();
    rows.sort_by(|a, b| question.order(a, b));
    rows.truncate(MOST);
    match format {
        Format::Html => page::render(path, &rows, question, &page::Counts { total, matching }),
        Format::Json => json(path, &rows, matching),
    }
}

fn row(entry: Entry) -> Row {
    let bytes = name_bytes(&entry.name);
    let name = String::from_utf8_lossy(&bytes).into_owned();
    let slash = if entry.is_directory() { "/" } else { "" };
    // `./` keeps a colon from being a scheme, were it not encoded, and two slashes from being a host.
    let href = format!("./{}{slash}", encode_segment(&bytes));
    Row {
        sort_name: name.to_lowercase(),
        name,
        href,
        entry,
    }
}

fn json(path: &[u8], rows: &[Row], matching: usize) -> Bytes {
    let mut text = String::with_capacity(128 * rows.len() + 64);
    text.push_str("{\"path\":");
    json_string(&mut text, &format!("/{}", String::from_utf8_lossy(path)));
    let _ = write!(text, ",\"count\":{matching},\"entries\":[");
    for (index, row) in rows.iter().enumerate() {
        text.push_str(if index == 0 {
            "\n{\"name\":"
        } else {
            ",\n{\"name\":"
        });
        json_string(&mut text, &row.name);
        text.push_str(",\"href\":");
        json_string(&mut text, &row.href);
        match row.entry.length {
            Some(length) => {
                let _ = write!(text, ",\"type\":\"file\",\"size\":{length}");
            }
            None => text.push_str(",\"type\":\"directory\""),
        }
        if let Some(modified) = row.entry.modified {
            let _ = write!(text, ",\"modified\":\"{}\"", Utc::of(modified).rfc3339());
        }
        text.push('}');
    }
    text.push_str("\n]}\n");
    text.into()
}

/// A string of RFC 8259; `<` is escaped too, for who puts JSON into a page.
fn json_string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\0'..='\x1f' | '<' | '\x7f' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// A time on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Utc {
    year: i64,
    month: i64,
    day: i64,
    second: i64,
}

impl Utc {
    /// Days since 1970 to a date of the Gregorian calendar, in eras of 400 years that begin in March.
    fn of(time: SystemTime) -> Self {
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

    fn rfc3339(self) -> String {
        format!(
            "{}T{:02}:{:02}:{:02}Z",
            self.date(),
            self.second / 3600,
            self.second / 60 % 60,
            self.second % 60
        )
    }

    fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn minutes(self) -> String {
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

    #[test]
    fn json_is_for_who_would_rather_have_it() {
        for (accept, format) in [
            ("", Format::Html),
            ("*/*", Format::Html),
            ("application/json", Format::Json),
            ("application/json, text/html", Format::Html),
            ("application/json, text/html;q=0.5", Format::Json),
            ("application/json, */*;q=0.1", Format::Json),
            ("application/*", Format::Json),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Format::Html,
            ),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Format::of(&fields), format, "{accept}");
        }
    }

    #[test]
    fn a_query_filters_and_sorts() {
        let entry = |name: &str, length| Entry::file(name.into(), length, None);
        let entries = vec![
            entry("b.txt", 1),
            entry("A.txt", 3),
            entry("c d.md", 2),
            Entry::directory("z.txt.d".into(), None),
        ];
        let names = |query: &str| {
            let json = render(Format::Json, b"", entries.clone(), &Question::parse(query));
            let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let names: Vec<&str> = json["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["name"].as_str().unwrap())
                .collect();
            names.join(" ")
        };
        assert_eq!(names(""), "z.txt.d A.txt b.txt c d.md");
        assert_eq!(names("q=TXT"), "z.txt.d A.txt b.txt");
        assert_eq!(names("q=c+d"), "c d.md");
        assert_eq!(names("q=c%20D"), "c d.md");
        assert_eq!(names("sort=-name"), "z.txt.d c d.md b.txt A.txt");
        assert_eq!(names("sort=size&q=."), "z.txt.d b.txt c d.md A.txt");
        assert_eq!(names("sort=nonsense&x&=&%"), "z.txt.d A.txt b.txt c d.md");
    }
}
