//! From the entries of a directory to bytes.

use bytes::Bytes;

use super::format::Format;
use super::json::json;
use super::page;
use super::question::Question;
use super::row::{Counts, Row, row};
use crate::source::Entry;

/// The number of entries on a page. More are of no use to a reader, and take memory for each client.
const PAGE: usize = 10_000;

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
    let pages = matching.div_ceil(PAGE).max(1);
    let page = question.page.clamp(1, pages);
    let rows = rows.chunks(PAGE).nth(page - 1).unwrap_or_default();
    let counts = Counts {
        total,
        matching,
        page,
        pages,
    };
    match format {
        Format::Html => page::render(path, rows, question, &counts),
        Format::Json => json(path, rows, question, &counts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
