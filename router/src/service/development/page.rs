//! The page itself: the routes in the order in which they were tried, and the nearest of them.

use std::fmt;

use gateway_core::escape;
use http::Method;

use crate::error::Shown;
use crate::reverse::distance;
use crate::service::resolve::Shared;
use crate::service::table::{Row, Table};

/// How many routes the page lists. A longer list does not help.
const SHOWN: usize = 500;
/// The longest path that is compared with patterns, in characters. A longer one is no typing error.
const LONGEST: usize = 300;

/// What both pages tell.
pub(super) struct Page<'s> {
    title: String,
    asked: String,
    nearest: Option<usize>,
    table: Table<'s>,
}

const WHY: &str = "This page is shown to requests from this machine because of";

impl<'s> Page<'s> {
    pub(super) fn new(shared: &'s Shared, method: &Method, path: &str) -> Self {
        let text = shared.text(path);
        let first = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let asked = match text.as_deref() {
            Err(reason) => format!("nothing: {reason}"),
            Ok("") => "the empty path".to_owned(),
            Ok(text) => Shown(&first(text)).to_string(),
        };
        Self {
            title: format!("404 Not Found: {method} {}", first(path)),
            asked,
            nearest: nearest(shared, &text.unwrap_or_default()),
            table: Table::new(shared),
        }
    }

    fn rows(&self) -> impl Iterator<Item = &Row<'s>> {
        let routes = self.table.routes.iter().take(SHOWN);
        self.table.mounts.iter().chain(routes)
    }

    fn nearest(&self) -> Option<&Row<'s>> {
        self.table.routes.get(self.nearest?)
    }

    fn more(&self) -> usize {
        self.table.routes.len().saturating_sub(SHOWN)
    }

    pub(super) fn text(&self) -> String {
        let line = |row: &Row<'_>| {
            let host = match row.host {
                "" => String::new(),
                host => format!("{host} "),
            };
            let name = match row.name {
                "" => String::new(),
                name => format!("  ({name})"),
            };
            let mut line = format!("{:<8} {host}{}{name}\n", row.methods, row.pattern);
            if let Some(told) = row.never_wins {
                line += &format!("{:<8}   never wins: {}\n", "", told.takers());
            }
            for warning in &row.warnings {
                line += &format!("{:<8}   {}", "", warning.reason());
                if let Some(example) = warning.example() {
                    line += &format!(": `{example}`");
                }
                line.push('\n');
            }
            line
        };
        let mut out = format!("{}\nRoutes are asked with: {}\n", self.title, self.asked);
        if let Some(nearest) = self.nearest() {
            out += &format!("The nearest is: {}", line(nearest));
        }
        out += "Tried in this order:\n";
        out.extend(self.rows().map(line));
        if self.more() > 0 {
            out += &format!("... and {} more\n", self.more());
        }
        out + WHY + " `.development()`.\n"
    }

    pub(super) fn html(&self) -> String {
        let row = |row: &Row<'_>| {
            let host = if self.table.has_hosts {
                format!("<td><code>{}</code>", escape(row.host))
            } else {
                String::new()
            };
            format!(
                "<tr><td>{}{host}<td><code>{}</code>{}<td>{}\n",
                escape(&row.methods),
                escape(&row.pattern),
                notes(row),
                escape(row.name)
            )
        };
        let title = escape(&self.title);
        let mut out = format!(
            "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n\
             <p>Routes are asked with: <code>{}</code></p>\n",
            escape(&self.asked)
        );
        if let Some(nearest) = self.nearest() {
            out += &format!("<p>The nearest is:</p>\n<table>{}</table>\n", row(nearest));
        }
        out += "<p>Tried in this order:</p>\n<table>";
        out.extend(self.rows().map(row));
        out += "</table>\n";
        if self.more() > 0 {
            out += &format!("<p>... and {} more</p>\n", self.more());
        }
        out + "<p><small>" + WHY + " <code>.development()</code>.</small></p>\n"
    }
}

/// What is said below a pattern: that it never wins, and what else is told of it.
fn notes(row: &Row<'_>) -> String {
    let code = |text: &dyn fmt::Display| format!("<code>{}</code>", escape(&text.to_string()));
    let mut notes = String::new();
    if let Some(told) = row.never_wins {
        let takers = told.by.iter().map(|taker| {
            let (example, rule) = (code(&taker.example), code(&taker.rule.text()));
            format!("{example} goes to {rule}")
        });
        let takers: Vec<String> = takers.collect();
        notes += &format!("<p class=note>never wins: {}", takers.join(", "));
    }
    for warning in &row.warnings {
        notes += &format!("<p class=note>{}", escape(warning.reason()));
        if let Some(example) = warning.example() {
            notes += &format!(": {}", code(example));
        }
    }
    notes
}

/// Long patterns break anywhere: a telephone is narrower than most of them.
const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:1rem/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:60rem;padding:0 1rem}\
    h1{font-size:1.3rem;overflow-wrap:anywhere}\
    code,td:first-child{font:.9rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}\
    table{border-collapse:collapse;width:100%}\
    tr{border-top:1px solid #8886}\
    td{padding:.2rem .8rem .2rem 0;vertical-align:top}\
    td:first-child{width:5rem}\
    .note{margin:0 0 0 1rem;font-size:.9rem;color:#c30}\
    @media(prefers-color-scheme:dark){.note{color:#f96}}";

/// The route that needs the fewest changes to the path, if they are few.
fn nearest(shared: &Shared, text: &str) -> Option<usize> {
    if text.chars().count() > LONGEST {
        return None;
    }
    let most = 2 + text.chars().count() / 4;
    let distances = shared
        .routes
        .iter()
        .take(SHOWN)
        .map(|info| distance(info.entry.form(), text))
        .zip(0..);
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, index)| index)
}
