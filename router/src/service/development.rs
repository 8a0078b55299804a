//! The page for what is not found, while a program is being written: the routes
//! in the order in which they were tried, and the nearest of them.

use std::net::IpAddr;

use bytes::Bytes;
use gateway_core::{Addr, ConnInfo, escape};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, VARY};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::resolve::{RouteInfo, Shared};
use super::service::text;
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
    let page = write(shared, method, path, html);
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

fn write(shared: &Shared, method: &Method, path: &str, html: bool) -> String {
    let text = shared.text(path).unwrap_or_default();
    let shown: String = path.chars().take(LONGEST).collect();
    let nearest = nearest(shared, &text);
    let line = |info: &RouteInfo| {
        let methods = match info.methods.as_ref() {
            [] => "*".to_owned(),
            methods => methods
                .iter()
                .map(Method::as_str)
                .collect::<Vec<_>>()
                .join(","),
        };
        let name = info
            .entry
            .name
            .as_deref()
            .map(|name| format!("  ({name})"))
            .unwrap_or_default();
        format!("{methods:<8} {}{name}", info.entry.pattern.source)
    };
    let mut out = String::new();
    let mut push = |text: &str, before: &str, after: &str| {
        if html {
            out.push_str(&format!("{before}{}{after}\n", escape(text)));
        } else {
            out.push_str(text);
            out.push('\n');
        }
    };
    if html {
        push(
            "",
            "<!doctype html><meta charset=utf-8><title>404 Not Found</title><style>body{font:16px/1.5 system-ui;margin:2rem}code,pre{font:14px/1.5 ui-monospace,monospace}</style>",
            "",
        );
    }
    push(&format!("404 Not Found: {method} {shown}"), "<h1>", "</h1>");
    if text.is_empty() && shared.text(path).is_some() {
        push("Routes are asked with the empty path.", "<p>", "</p>");
    } else {
        let asked: String = text.chars().take(LONGEST).collect();
        push(&format!("Routes are asked with: {asked}"), "<p>", "</p>");
    }
    if let Some(nearest) = nearest {
        push(&format!("The nearest is: {}", line(nearest)), "<p>", "</p>");
    }
    push("Tried in this order:", "<p>", "</p><pre>");
    for prefix in &shared.mounts {
        push(&format!("mount    {prefix}/"), "", "");
    }
    for info in shared.routes.iter().take(SHOWN) {
        push(&line(info), "", "");
    }
    if shared.routes.len() > SHOWN {
        push(
            &format!("... and {} more", shared.routes.len() - SHOWN),
            "",
            "",
        );
    }
    if html {
        push("", "</pre>", "");
    }
    push(
        "This page is shown to requests from this machine because of `.development()`.",
        "<p><small>",
        "</small></p>",
    );
    out
}

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
        .map(|info| (distance(info.entry.shapes(), text), info));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, info)| info)
}
