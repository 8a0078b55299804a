//! The page itself: the routes in the order in which they were tried, and the nearest of them.

use std::borrow::Cow;

use gateway_core::escape;
use http::Method;

use crate::error::Shown;
use crate::reverse::distance;
use crate::service::resolve::{Mount, RouteInfo, Shared};

/// How many routes the page lists. A longer list does not help.
const SHOWN: usize = 500;
/// The longest path that is compared with patterns, in characters. A longer one is no typing error.
const LONGEST: usize = 300;

/// What both pages tell.
pub(super) struct Page<'s> {
    title: String,
    asked: String,
    nearest: Option<Line<'s>>,
    lines: Vec<Line<'s>>,
    more: usize,
}

struct Line<'s> {
    methods: String,
    pattern: Cow<'s, str>,
    name: &'s str,
}

impl<'s> Line<'s> {
    fn of_route(info: &'s RouteInfo) -> Self {
        let methods: Vec<&str> = info.methods.iter().map(Method::as_str).collect();
        Self {
            methods: match methods.as_slice() {
                [] => "*".to_owned(),
                methods => methods.join(","),
            },
            pattern: Cow::Borrowed(&info.entry.pattern.source),
            name: info.entry.name.as_deref().unwrap_or_default(),
        }
    }

    fn of_mount(mount: &Mount) -> Self {
        Self {
            methods: "mount".to_owned(),
            pattern: Cow::Owned(format!("{}/", mount.prefix)),
            name: "",
        }
    }
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
        let mounts = shared.mounts.iter().map(Line::of_mount);
        let routes = shared.routes.iter().take(SHOWN).map(Line::of_route);
        Self {
            title: format!("404 Not Found: {method} {}", first(path)),
            asked,
            nearest: nearest(shared, &text.unwrap_or_default()).map(Line::of_route),
            lines: mounts.chain(routes).collect(),
            more: shared.routes.len().saturating_sub(SHOWN),
        }
    }

    pub(super) fn text(&self) -> String {
        let line = |line: &Line<'_>| {
            let name = match line.name {
                "" => String::new(),
                name => format!("  ({name})"),
            };
            format!("{:<8} {}{name}\n", line.methods, line.pattern)
        };
        let mut out = format!("{}\nRoutes are asked with: {}\n", self.title, self.asked);
        if let Some(nearest) = &self.nearest {
            out += &format!("The nearest is: {}", line(nearest));
        }
        out += "Tried in this order:\n";
        out.extend(self.lines.iter().map(line));
        if self.more > 0 {
            out += &format!("... and {} more\n", self.more);
        }
        out + WHY + " `.development()`.\n"
    }

    pub(super) fn html(&self) -> String {
        let row = |line: &Line<'_>| {
            format!(
                "<tr><td>{}<td><code>{}</code><td>{}\n",
                escape(&line.methods),
                escape(&line.pattern),
                escape(line.name)
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
        if let Some(nearest) = &self.nearest {
            out += &format!("<p>The nearest is:</p>\n<table>{}</table>\n", row(nearest));
        }
        out += "<p>Tried in this order:</p>\n<table>";
        out.extend(self.lines.iter().map(row));
        out += "</table>\n";
        if self.more > 0 {
            out += &format!("<p>... and {} more</p>\n", self.more);
        }
        out + "<p><small>" + WHY + " <code>.development()</code>.</small></p>\n"
    }
}

/// Long patterns break anywhere: a telephone is narrower than most of them.
const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:1rem/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:60rem;padding:0 1rem}\
    h1{font-size:1.3rem;overflow-wrap:anywhere}\
    code,td:first-child{font:.9rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}\
    table{border-collapse:collapse;width:100%}\
    tr{border-top:1px solid #8886}\
    td{padding:.2rem .8rem .2rem 0;vertical-align:top}\
    td:first-child{width:5rem}";

/// The route that needs the fewest changes to the path, if they are few.
fn nearest<'s>(shared: &'s Shared, text: &str) -> Option<&'s RouteInfo> {
    if text.chars().count() > LONGEST {
        return None;
    }
    let most = 2 + text.chars().count() / 4;
    let distances = shared
        .routes
        .iter()
        .take(SHOWN)
        .map(|info| (distance(info.entry.form(), text), info));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, info)| info)
}
