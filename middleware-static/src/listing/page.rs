//! The page of a listing: a table that reads well without its styles, works without a script, and says nothing
//! of a file that is not escaped.

use std::fmt::{self, Display, Write as _};

use bytes::Bytes;

use super::calendar::Utc;
use super::question::{Question, Sort};
use super::row::{Counts, Row};

const STYLE: &str = include_str!("page.css");

pub(super) fn render(path: &[u8], rows: &[Row], question: &Question, counts: &Counts) -> Bytes {
    let mut page = String::with_capacity(STYLE.len() + 2048 + rows.len() * 256);
    // Writing to a `String` cannot fail.
    let _ = write(&mut page, path, rows, question, counts);
    page.into()
}

fn write(
    page: &mut String,
    path: &[u8],
    rows: &[Row],
    question: &Question,
    counts: &Counts,
) -> fmt::Result {
    let path = String::from_utf8_lossy(path);
    let title = Text(&format!("/{path}")).to_string();
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n"
    )?;
    crumbs(page, &path)?;
    if counts.total > 0 {
        form(page, question)?;
    }
    page.push_str("</header>\n<main>\n");
    if rows.is_empty() {
        let nothing = if counts.total == 0 {
            "This directory is empty."
        } else {
            "No name contains this."
        };
        writeln!(page, "<p class=\"none\">{nothing}</p>")?;
        if !path.is_empty() {
            page.push_str("<p class=\"none\"><a href=\"../\">Parent directory</a></p>\n");
        }
    } else {
        table(page, &path, rows, question)?;
    }
    page.push_str("</main>\n<footer>");
    summary(page, rows, question, counts)?;
    page.push_str("</footer>\n</body>\n</html>\n");
    Ok(())
}

/// The way here, each step a link. Relative, since what is in front of the root is unknown here.
fn crumbs(page: &mut String, path: &str) -> fmt::Result {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    page.push_str("<h1><span class=\"label\">Index of</span> ");
    let up = |steps: usize| {
        if steps == 0 {
            "./".to_owned()
        } else {
            "../".repeat(steps)
        }
    };
    write!(
        page,
        "<a href=\"{}\" title=\"Top\">/</a>",
        up(segments.len())
    )?;
    for (index, segment) in segments.iter().enumerate() {
        let above = segments.len() - 1 - index;
        if above == 0 {
            write!(page, "<bdi>{}</bdi>/", Text(segment))?;
        } else {
            write!(
                page,
                "<a href=\"{}\"><bdi>{}</bdi></a>/",
                up(above),
                Text(segment)
            )?;
        }
    }
    page.push_str("</h1>\n");
    Ok(())
}

fn form(page: &mut String, question: &Question) -> fmt::Result {
    page.push_str("<form role=\"search\">\n");
    if let Some(sort) = question.sort_value() {
        writeln!(
            page,
            "<input type=\"hidden\" name=\"sort\" value=\"{sort}\">"
        )?;
    }
    write!(
        page,
        "<label for=\"q\">Filter by name</label>\n\
         <input id=\"q\" name=\"q\" type=\"search\" value=\"{}\" placeholder=\"Filter by name\" autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\">\n\
         <button>Filter</button>",
        Text(&question.filter)
    )?;
    if !question.filter.is_empty() {
        page.push_str(" <a href=\"./\">Show all</a>");
    }
    page.push_str("\n</form>\n");
    Ok(())
}

fn table(page: &mut String, path: &str, rows: &[Row], question: &Question) -> fmt::Result {
    page.push_str("<table>\n<thead><tr>");
    for (sort, class, label) in [
        (Sort::Name, "name", "Name"),
        (Sort::Size, "size", "Size"),
        (Sort::Modified, "date", "Modified<span> (UTC)</span>"),
    ] {
        let current = question.sort == sort;
        // A second click reverses the order.
        let descending = current && !question.descending;
        let aria = match (current, question.descending) {
            (true, false) => " aria-sort=\"ascending\"",
            (true, true) => " aria-sort=\"descending\"",
            (false, _) => "",
        };
        let sorted = Question {
            sort,
            descending,
            ..question.clone()
        };
        let query = sorted.query(1);
        write!(
            page,
            "<th scope=\"col\" class=\"{class}\"{aria}><a href=\"./{}\">{label}</a></th>",
            Text(&query)
        )?;
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    if !path.is_empty() {
        page.push_str("<tr class=\"dir\"><td class=\"name\"><a href=\"../\">Parent directory</a></td><td class=\"size\"></td><td class=\"date\"></td></tr>\n");
    }
    for row in rows {
        let (class, slash) = if row.entry.is_directory() {
            ("dir", "/")
        } else {
            ("file", "")
        };
        write!(
            page,
            "<tr class=\"{class}\"><td class=\"name\"><a href=\"{}\"><bdi>{}</bdi>{slash}</a></td>",
            Text(&row.href),
            Text(&row.name)
        )?;
        match row.entry.length {
            Some(length) => write!(
                page,
                "<td class=\"size\" title=\"{length} bytes\">{}</td>",
                Size(length)
            )?,
            None => page.push_str("<td class=\"size\"></td>"),
        }
        match row.entry.modified.map(Utc::of) {
            Some(time) => write!(
                page,
                "<td class=\"date\"><time datetime=\"{}\">{} <span>{}</span></time></td>",
                time.rfc3339(),
                time.date(),
                time.minutes()
            )?,
            None => page.push_str("<td class=\"date\"></td>"),
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

fn summary(page: &mut String, rows: &[Row], question: &Question, counts: &Counts) -> fmt::Result {
    let directories = rows.iter().filter(|row| row.entry.is_directory()).count();
    let files = rows.len() - directories;
    let bytes: u64 = rows
        .iter()
        .filter_map(|row| row.entry.length)
        .fold(0, u64::saturating_add);
    let plural = |count: usize, one: &'static str, many: &'static str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    write!(
        page,
        "{}, {}",
        plural(directories, "directory", "directories"),
        plural(files, "file", "files")
    )?;
    if files > 0 {
        write!(page, ", {}", Size(bytes))?;
    }
    if counts.matching < counts.total {
        write!(page, " (of {} entries)", counts.total)?;
    }
    if counts.pages > 1 {
        write!(page, ". Page {} of {}", counts.page, counts.pages)?;
        if counts.matching < counts.total {
            write!(page, " with {} entries", counts.matching)?;
        }
        for (other, label) in [(counts.page - 1, "Previous"), (counts.page + 1, "Next")] {
            if (1..=counts.pages).contains(&other) {
                let rel = if other < counts.page { "prev" } else { "next" };
                let query = question.query(other);
                let href = if query.is_empty() { "./" } else { &query };
                write!(
                    page,
                    ", <a rel=\"{rel}\" href=\"{}\">{label}</a>",
                    Text(href)
                )?;
            }
        }
    }
    page.push('.');
    Ok(())
}

/// Text for a page or an attribute of one. Control characters, which a page cannot have, are shown as their pictures.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\0'..='\x1f' => f.write_char(
                    char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
                )?,
                '\x7f' => f.write_char('\u{2421}')?,
                '\u{80}'..='\u{9f}' => f.write_char('\u{fffd}')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A size as people say it: three digits, and powers of 1000 as their names say.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut unit_size = 1000_u64;
        for unit in ["kB", "MB", "GB", "TB", "PB", "EB"] {
            // Rounded half up, in 128 bits, so that the largest size there is has a name too.
            let rounded =
                |size: u64| (u128::from(self.0) + u128::from(size) / 2) / u128::from(size);
            let tenths = rounded(unit_size / 10);
            if tenths < 100 {
                return write!(f, "{}.{} {unit}", tenths / 10, tenths % 10);
            }
            let whole = rounded(unit_size);
            if whole < 1000 {
                return write!(f, "{whole} {unit}");
            }
            unit_size = unit_size.saturating_mul(1000);
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1550, "1.6 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (99_949, "100 kB"),
            (10_499, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (104_857_600, "105 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text, "{bytes}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let text = Text("<script>'\"&\n\u{7f}").to_string();
        assert_eq!(text, "&lt;script&gt;&#39;&quot;&amp;\u{240a}\u{2421}");
    }
}
