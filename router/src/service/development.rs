//! The page for what is not found, while a program is being written: the routes
//! in the order in which they were tried, and the nearest of them.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use gateway_core::{Addr, ConnInfo, escape};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, VARY};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::plain::text;
use super::resolve::{Mount, RouteInfo, Shared};
use crate::error::Shown;
use crate::reverse::distance;

/// The page, if it is wanted and this request may see it.
pub(crate) fn page(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    extensions: &Extensions,
    conn: Option<&ConnInfo>,
) -> Option<Response<Bytes>> {
    if !shared.settings.development || !is_direct(headers) {
        return None;
    }
    match is_loopback_peer(conn, extensions) {
        Some(true) => {}
        Some(false) => return None,
        None => return Some(text(StatusCode::NOT_FOUND, NO_PEER)),
    }
    let html = wants_html(headers);
    let page = Page::new(shared, method, path);
    let page = if html { page.html() } else { page.text() };
    let mut response = Response::new(Bytes::from(page));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let kind = if html {
        "text/html; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    };
    let fields = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ];
    for (name, value) in fields {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

const NO_PEER: &str = "Not Found\n\n\
    The routes are not listed, because nobody told the address of the peer. In an axum program that takes\n\
    `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())` and router's feature `axum`.\n";

/// Whether the peer is this very machine; `None` if nobody told.
fn is_loopback_peer(conn: Option<&ConnInfo>, extensions: &Extensions) -> Option<bool> {
    if let Some(conn) = conn.filter(|conn| *conn.peer() != Addr::Unknown) {
        return Some(conn.peer().is_loopback() && conn.proxy().is_none());
    }
    peer_told_by_axum(extensions).map(|ip| ip.to_canonical().is_loopback())
}

#[cfg(feature = "axum")]
fn peer_told_by_axum(extensions: &Extensions) -> Option<IpAddr> {
    let axum::extract::ConnectInfo(addr) =
        extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()?;
    Some(addr.ip())
}

#[cfg(not(feature = "axum"))]
fn peer_told_by_axum(_: &Extensions) -> Option<IpAddr> {
    None
}

/// Whether a loopback host is named (or a page elsewhere could ask through DNS
/// rebinding), and no proxy was in between, behind which every peer is loopback.
fn is_direct(headers: &HeaderMap) -> bool {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .is_some_and(is_loopback_host);
    let proxied = headers.keys().any(|name: &HeaderName| {
        let name = name.as_str();
        name == "forwarded"
            || name.starts_with("x-forwarded-")
            || name == "x-real-ip"
            || name == "via"
    });
    host && !proxied
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A browser says that it takes HTML; curl does not.
fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

/// A list that is longer helps nobody, and a path that is longer is no typing error.
const SHOWN: usize = 500;
const LONGEST: usize = 300;

/// What both pages tell.
struct Page<'s> {
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
    fn new(shared: &'s Shared, method: &Method, path: &str) -> Self {
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

    fn text(&self) -> String {
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

    fn html(&self) -> String {
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
