use std::borrow::Cow;

use http::uri::Scheme;
use http::{
    Extensions, HeaderMap, Method, Request, StatusCode, Uri, Version, header, request::Parts,
};
use percent_encoding::percent_decode_str;

use super::arrival;
use super::conn::ConnInfo;
use super::form::Pairs;
use crate::Error;
use crate::paths::script_name::Split;

/// A request seen through the contract: the accessors stand here once, for [`RequestExt`] and for
/// [`Environ`](crate::Environ).
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) extensions: &'a Extensions,
    pub(crate) path: Split<'a>,
}

impl<'a> View<'a> {
    pub(crate) fn of_parts(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            extensions: &parts.extensions,
            path: arrival::split(&parts.extensions, &parts.uri),
        }
    }

    pub(super) fn of_request<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
            path: arrival::split(request.extensions(), request.uri()),
        }
    }

    pub(crate) fn conn(self) -> Option<&'a ConnInfo> {
        arrival::conn(self.extensions)
    }

    pub(crate) fn scheme(self) -> &'a Scheme {
        match self.conn() {
            Some(conn) => conn.scheme(),
            // No server recorded the scheme; that of an absolute-form target is the best source left.
            None => self.uri.scheme().unwrap_or(const { &Scheme::HTTP }),
        }
    }

    pub(crate) fn raw_script_name(self) -> &'a str {
        self.path.script_name
    }

    pub(crate) fn raw_path_info(self) -> &'a str {
        self.path.path_info
    }

    pub(crate) fn script_name(self) -> Cow<'a, [u8]> {
        decoded(self.path.script_name)
    }

    pub(crate) fn path_info(self) -> Cow<'a, [u8]> {
        decoded(self.path.path_info)
    }

    pub(crate) fn path_str(self) -> Result<Cow<'a, str>, Error> {
        let decoded = percent_decode_str(self.path.path_info).decode_utf8();
        decoded.map_err(|error| Error::new(StatusCode::BAD_REQUEST, error))
    }

    pub(crate) fn query_string(self) -> &'a str {
        self.uri.query().unwrap_or("")
    }

    pub(crate) fn query_pairs(self) -> Pairs<'a> {
        Pairs::of(self.query_string().as_bytes())
    }

    pub(crate) fn query(self, name: &str) -> Option<Cow<'a, str>> {
        let mut named = self.query_pairs().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value)
    }

    pub(crate) fn header(self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Host and port as the client wrote them, by RFC 9110 section 7.1: the target's authority
    /// before the Host field.
    pub(crate) fn host(self) -> Option<&'a str> {
        match self.uri.authority() {
            // Userinfo is no part of it (RFC 9110 section 4.2.4).
            Some(authority) => authority.as_str().rsplit('@').next(),
            None => self.header(header::HOST.as_str()),
        }
    }

    pub(crate) fn application_uri(self) -> String {
        let mut uri = self.origin();
        match self.path.script_name {
            "" => uri.push('/'),
            script_name => uri.push_str(script_name),
        }
        uri
    }

    pub(crate) fn request_uri(self) -> String {
        let mut uri = self.origin();
        uri.push_str(self.path.script_name);
        uri.push_str(self.path.path_info);
        if self.path.script_name.is_empty() && self.path.path_info.is_empty() {
            uri.push('/');
        }
        if let Some(query) = self.uri.query() {
            uri.push('?');
            uri.push_str(query);
        }
        uri
    }

    /// `scheme://host:port`, the port left out where it is the scheme's own (PEP 3333, "URL
    /// Reconstruction").
    fn origin(self) -> String {
        let scheme = self.scheme().as_str();
        let host = match self.host() {
            Some(host) if !host.is_empty() => Cow::Borrowed(host),
            _ => {
                let name = self.server_name();
                match self.server_port() {
                    port if port == default_port(scheme) => name,
                    port => Cow::Owned(format!("{name}:{port}")),
                }
            }
        };
        format!("{scheme}://{host}")
    }

    /// RFC 3875 section 4.1.14: the host name of the Script-URI, else our own address.
    pub(crate) fn server_name(self) -> Cow<'a, str> {
        let host = self.host().map(|host| split_port(host).0);
        match host {
            Some(name) if !name.is_empty() => Cow::Borrowed(name),
            _ => match self.conn().and_then(|conn| conn.local().ip()) {
                Some(ip) if ip.is_ipv6() => Cow::Owned(format!("[{ip}]")),
                Some(ip) => Cow::Owned(ip.to_string()),
                None => Cow::Borrowed("localhost"),
            },
        }
    }

    /// RFC 3875 section 4.1.15: the port the request was received on.
    pub(crate) fn server_port(self) -> u16 {
        let local = self.conn().and_then(|conn| conn.local().port());
        local
            .or_else(|| split_port(self.host()?).1)
            .unwrap_or_else(|| default_port(self.scheme().as_str()))
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

fn decoded(raw: &str) -> Cow<'_, [u8]> {
    percent_decode_str(raw).into()
}

/// `host:port` apart; an IPv6 address keeps its brackets.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.starts_with('[') || name.ends_with(']') => {
            (name, port.parse().ok())
        }
        _ => (host, None),
    }
}
