use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use http::{HeaderName, Method, Version, header};

use super::arrival;
use super::view::View;

/// The variables that are not header fields, in the order [`Vars`] gives them.
const META: [&str; 20] = [
    "GATEWAY_INTERFACE",
    "SERVER_SOFTWARE",
    "SERVER_PROTOCOL",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_ADDR",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_USER",
    "AUTH_TYPE",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
];

/// What only a TLS connection has.
const TLS: [&str; 3] = ["HTTPS", "SSL_CLIENT_VERIFY", "SSL_CLIENT_CERT"];

/// What PEP 3333 adds. They describe the contract, so they are the same for every request but one.
const WSGI: [&str; 5] = [
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
];

impl<'a> View<'a> {
    pub(crate) fn var(self, name: &str) -> Option<Cow<'a, [u8]>> {
        if let Some(field) = name.strip_prefix("HTTP_") {
            return self.http_var(field);
        }
        let text = |text: &'a str| Some(Cow::Borrowed(text.as_bytes()));
        match name {
            // What the request itself says is never overruled by a gateway's copy of it.
            "REQUEST_METHOD" => text(self.method.as_str()),
            "SCRIPT_NAME" => Some(self.script_name()),
            "PATH_INFO" => Some(self.path_info()),
            "QUERY_STRING" => text(self.query_string()),
            "CONTENT_TYPE" => self.first(&header::CONTENT_TYPE),
            "CONTENT_LENGTH" => self.first(&header::CONTENT_LENGTH),
            "REQUEST_SCHEME" | "wsgi.url_scheme" => text(self.scheme().as_str()),
            "HTTPS" => (self.scheme().as_str() == "https").then_some(Cow::Borrowed(b"on")),
            "REQUEST_URI" => Some(Cow::Owned(self.origin_form().into_bytes())),
            "REMOTE_ADDR" => match self.conn() {
                Some(conn) => conn.peer().ip().map(owned),
                None => self.gateway_var(name),
            },
            "REMOTE_PORT" => match self.conn() {
                Some(conn) => conn.peer().port().map(owned),
                None => self.gateway_var(name),
            },
            "GATEWAY_INTERFACE" => text("CGI/1.1"),
            "SERVER_PROTOCOL" => text(protocol(self.version)),
            "wsgi.version" => text("(1, 0)"),
            "wsgi.multithread" => text("True"),
            "wsgi.multiprocess" | "wsgi.run_once" => text("False"),
            _ => self.gateway_var(name).or_else(|| self.derived(name)),
        }
    }

    /// What a gateway may know better than the connection shows.
    fn derived(self, name: &str) -> Option<Cow<'a, [u8]>> {
        let text = |text: &'a str| Some(Cow::Borrowed(text.as_bytes()));
        match name {
            "SERVER_SOFTWARE" => Some(Cow::Borrowed(
                concat!("gateway/", env!("CARGO_PKG_VERSION")).as_bytes(),
            )),
            "SERVER_NAME" => Some(match self.server_name() {
                Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
                Cow::Owned(name) => Cow::Owned(name.into_bytes()),
            }),
            "SERVER_PORT" => Some(owned(self.server_port())),
            "SERVER_ADDR" => self.conn()?.local().ip().map(owned),
            // By the names of Apache's mod_ssl, which other servers took over.
            "SSL_CLIENT_CERT" => text(self.conn()?.client_certificate()?.pem()),
            "SSL_CLIENT_VERIFY" => match self.conn()?.client_certificate()?.is_verified() {
                true => text("SUCCESS"),
                false => text("FAILED"),
            },
            "REMOTE_USER" => text(self.conn()?.client_certificate()?.user()?),
            _ => None,
        }
    }

    fn gateway_var(self, name: &str) -> Option<Cow<'a, [u8]>> {
        let gateway = arrival::arrival(self.extensions)?.gateway()?;
        gateway.var(name).map(Cow::Borrowed)
    }

    /// The request target as the client sent it, without scheme and host.
    fn origin_form(self) -> String {
        let mut target = format!("{}{}", self.path.script_name, self.path.path_info);
        if target.is_empty() {
            // `OPTIONS *`, or the authority form of CONNECT.
            return match self.uri.authority() {
                Some(authority) if self.method == Method::CONNECT => authority.to_string(),
                _ => "*".into(),
            };
        }
        if let Some(query) = self.uri.query() {
            target.push('?');
            target.push_str(query);
        }
        target
    }

    fn http_var(self, field: &str) -> Option<Cow<'a, [u8]>> {
        // No variable's name has a lower-case letter or a hyphen.
        if field
            .bytes()
            .any(|byte| byte.is_ascii_lowercase() || byte == b'-')
        {
            return None;
        }
        // RFC 9112 section 3.2.2: the target's authority overrules the field, and in HTTP/2 it is
        // mostly all there is.
        if field == "HOST" {
            return Some(Cow::Borrowed(self.host()?.as_bytes()));
        }
        let mut matching = self.headers.keys().filter(|name| {
            let spelt = name.as_str().bytes().map(cgi_byte);
            spelt.eq(field.bytes())
        });
        let name = matching.find(|name| is_variable(name))?;
        Some(self.joined(name))
    }

    fn first(self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        self.headers
            .get(name)
            .map(|value| Cow::Borrowed(value.as_bytes()))
    }

    /// RFC 3875 section 4.1.18: several fields of one name become one value. RFC 9110 section 5.3
    /// joins with a comma; RFC 6265 section 5.4 gives Cookie a semicolon.
    fn joined(self, name: &HeaderName) -> Cow<'a, [u8]> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map_or(&b""[..], |value| value.as_bytes());
        let Some(second) = values.next() else {
            return Cow::Borrowed(first);
        };
        let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.extend_from_slice(separator);
            joined.extend_from_slice(value.as_bytes());
        }
        Cow::Owned(joined)
    }

    pub(crate) fn vars(self) -> Vars<'a> {
        let mut names: Vec<Cow<'a, str>> = Vec::with_capacity(40);
        let meta = META.iter().chain(&TLS).chain(&WSGI);
        names.extend(meta.map(|name| Cow::Borrowed(*name)));
        names.push(Cow::Borrowed("HTTP_HOST"));
        let fields = self.headers.keys().filter(|name| is_variable(name));
        for name in fields.filter(|name| *name != header::HOST) {
            names.push(Cow::Owned(variable(name)));
        }
        if let Some(gateway) = arrival::arrival(self.extensions).and_then(|it| it.gateway()) {
            let known: HashSet<_> = names.iter().map(|name| name.to_string()).collect();
            let mut seen = HashSet::new();
            for (name, _) in gateway.vars() {
                if !known.contains(name) && !name.starts_with("HTTP_") && seen.insert(name) {
                    names.push(Cow::Borrowed(name));
                }
            }
        }
        Vars {
            view: self,
            names: names.into_iter(),
        }
    }
}

/// The CGI variables of one request, each name once: `(name, value)`.
///
/// `let environ: HashMap<_, _> = request.vars().collect();` is the environ of PEP 3333.
#[derive(Clone, Debug)]
pub struct Vars<'a> {
    view: View<'a>,
    names: std::vec::IntoIter<Cow<'a, str>>,
}

impl<'a> Iterator for Vars<'a> {
    type Item = (Cow<'a, str>, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = self.names.next()?;
            if let Some(value) = self.view.var(&name) {
                return Some((name, value));
            }
        }
    }
}

/// Whether a field becomes HTTP_*.
fn is_variable(name: &HeaderName) -> bool {
    // CONTENT_* have variables of their own (RFC 3875 section 4.1.18).
    let own = name == header::CONTENT_TYPE || name == header::CONTENT_LENGTH;
    // `Proxy:` would become HTTP_PROXY, which HTTP clients obey: httpoxy, CVE-2016-5385.
    let httpoxy = name == "proxy";
    // `X_Auth` and `X-Auth` have one variable name: a client could forge what a proxy sets.
    let ambiguous = name.as_str().contains('_');
    !own && !httpoxy && !ambiguous
}

fn variable(name: &HeaderName) -> String {
    let spelt = name.as_str().bytes().map(|byte| char::from(cgi_byte(byte)));
    "HTTP_".chars().chain(spelt).collect()
}

fn cgi_byte(byte: u8) -> u8 {
    if byte == b'-' {
        b'_'
    } else {
        byte.to_ascii_uppercase()
    }
}

fn owned<'a>(value: impl fmt::Display) -> Cow<'a, [u8]> {
    Cow::Owned(format!("{value}").into_bytes())
}

/// The version as SERVER_PROTOCOL spells it (RFC 3875 section 4.1.16).
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}
