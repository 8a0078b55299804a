//! A listing for programs.

use std::fmt::Write as _;

use bytes::Bytes;

use super::calendar::Utc;
use super::question::Question;
use super::row::{Counts, Row};

/// `next` is a reference to the next page, where there is one.
pub(super) fn json(path: &[u8], rows: &[Row], question: &Question, counts: &Counts) -> Bytes {
    let mut text = String::with_capacity(128 * rows.len() + 64);
    text.push_str("{\"path\":");
    json_string(&mut text, &format!("/{}", String::from_utf8_lossy(path)));
    let _ = write!(text, ",\"count\":{}", counts.matching);
    if counts.page < counts.pages {
        text.push_str(",\"next\":");
        json_string(&mut text, &format!("./{}", question.query(counts.page + 1)));
    }
    text.push_str(",\"entries\":[");
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

/// A string of RFC 8259; `<` is escaped too, for programs that put JSON into a page.
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
