//! From the variables of a CGI-like front end to a request head: what FastCGI, SCGI and CGI share.
//!
//! Pure: bytes in, values out, no socket and no process environment. A front end hands over
//! what the client sent nearly as it came, so every byte here is the client's.
//!
//! ```
//! use gateway_server::cgi_environ::Variables;
//!
//! let mut variables = Variables::new();
//! for (name, value) in [
//!     ("REQUEST_METHOD", "GET"),
//!     ("SCRIPT_NAME", "/wiki"),
//!     ("PATH_INFO", "/Main Page"),
//!     ("REQUEST_URI", "/wiki/Main%20Page?action=edit"),
//!     ("QUERY_STRING", "action=edit"),
//!     ("HTTP_USER_AGENT", "curl"),
//!     ("HTTP_PROXY", "http://evil.example"), // httpoxy
//! ] {
//!     variables.set(name.as_bytes(), value.as_bytes())?;
//! }
//! let head = variables.into_head(None)?;
//! assert_eq!(head.script_name(), "/wiki");
//! assert_eq!(head.uri, "/Main%20Page?action=edit");
//! assert_eq!(head.headers["user-agent"], "curl");
//! assert!(!head.headers.contains_key("proxy"));
//! # Ok::<(), gateway_server::cgi_environ::Refused>(())
//! ```
//!
//! # What becomes of a variable
//!
//! | variable | becomes |
//! |---|---|
//! | `HTTP_*` | the header; said twice, two lines of it (`Host`: the later one) |
//! | `HTTP_PROXY` | nothing: it would configure HTTP clients ([httpoxy](https://httpoxy.org)) |
//! | `HTTP_CONTENT_TYPE`, `HTTP_CONTENT_LENGTH` | nothing: `CONTENT_TYPE` and `CONTENT_LENGTH` are the ones |
//! | `HTTP_TRANSFER_ENCODING` | nothing: the input is what the front end delivers, already decoded |
//! | `HTTP_x-Y`, `HTTP_a b` | nothing: no front end writes a header so, and it might shadow one |
//! | `REQUEST_URI`, `SCRIPT_NAME`, `PATH_INFO`, `QUERY_STRING` | the URI and the script name, see [`Head`] |
//! | `SERVER_NAME`, `REMOTE_USER`, `DOCUMENT_ROOT`, your own | kept: `RequestExt::var` and `Environ::var` tell them |
//! | `PATH`, `LD_LIBRARY_PATH` | nothing: Apache's own, from its process's environment |
//! | `REMOTE_ADDR`, `REMOTE_PORT` | the peer; absent or not an address, an unknown peer, never the front end's own address |
//! | any of these twice | the later one, as nginx's `fastcgi_param` lines override an included file |

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use gateway_core::paths::Prefix;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH,
    CONTENT_TYPE, COOKIE, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, ORIGIN, REFERER,
    UPGRADE_INSECURE_REQUESTS, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

use super::path::{self, Said, SplitPath};

/// The variables of one request, collected one by one.
#[derive(Debug, Default)]
pub struct Variables<'a> {
    headers: HeaderMap,
    // What header values are slices of, so that they need not be copied.
    shared: Option<&'a Bytes>,
    method: &'a [u8],
    request_uri: Option<&'a [u8]>,
    script_name: &'a [u8],
    path_info: &'a [u8],
    document_uri: &'a [u8],
    query_string: Option<&'a [u8]>,
    protocol: &'a [u8],
    content_type: &'a [u8],
    content_length: &'a [u8],
    remote_addr: &'a [u8],
    remote_port: &'a [u8],
    server_addr: &'a [u8],
    server_port: &'a [u8],
    https: &'a [u8],
    scheme: &'a [u8],
    chunked: bool,
}

/// The head of a request.
///
/// `uri` is what tower services expect below a mount: the path from PATH_INFO on (`/` where
/// PATH_INFO is empty), with the query. The rest of the client's path is [`script_name`](Self::script_name).
#[derive(Debug)]
#[non_exhaustive]
pub struct Head {
    /// REQUEST_METHOD.
    pub method: Method,
    /// PATH_INFO and QUERY_STRING, raw; `*` for a request about the server itself.
    pub uri: Uri,
    /// SERVER_PROTOCOL; HTTP/1.1 where it says nothing known.
    pub version: Version,
    /// The client's header fields, Content-Type and Content-Length among them.
    pub headers: HeaderMap,
    /// CONTENT_LENGTH in bytes; `None` where it is absent or empty.
    pub content_length: Option<u64>,
    /// The client sent its body chunked: without a CONTENT_LENGTH it goes to the end of the input.
    pub chunked: bool,
    /// REMOTE_ADDR and REMOTE_PORT (0 where it is not given); `None` if that is no IP address.
    pub remote: Option<SocketAddr>,
    /// SERVER_ADDR and SERVER_PORT; `None` if that is no IP address.
    pub local: Option<SocketAddr>,
    /// HTTPS is `on` or `1`, or REQUEST_SCHEME is `https`.
    pub secure: bool,
    path: Bytes,
    pub(super) split: usize,
}

/// Why a set of variables was refused as a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// REQUEST_METHOD is missing or no token.
    Method,
    /// CONTENT_LENGTH is not a number.
    ContentLength,
    /// A header's value has control characters in it.
    HeaderValue,
    /// Path and query together are longer than 65,534 bytes, the most that [`Uri`] holds.
    UriTooLong,
    /// There are more header fields than [`HeaderMap`] holds.
    TooManyHeaders,
}

impl Refused {
    /// The answer to such a request: 400, 414 or 431.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::ContentLength | Self::HeaderValue => StatusCode::BAD_REQUEST,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "REQUEST_METHOD is missing or not a method",
            Self::ContentLength => "CONTENT_LENGTH is not a number",
            Self::HeaderValue => "a header value has control characters",
            Self::UriTooLong => "path and query are longer than 65534 bytes",
            Self::TooManyHeaders => "too many header fields",
        })
    }
}

impl Error for Refused {}

impl<'a> Variables<'a> {
    /// No variables yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new), for values that are all slices of `whole`, with a map of headers that
    /// has been used before and is empty.
    #[cfg(feature = "_wire")]
    pub(crate) fn sharing(whole: &'a Bytes, headers: HeaderMap) -> Self {
        Self {
            headers,
            shared: Some(whole),
            ..Self::default()
        }
    }

    /// Takes one variable. Names that are none of a request's are left out.
    ///
    /// # Errors
    ///
    /// [`Refused::HeaderValue`], [`Refused::TooManyHeaders`].
    pub fn set(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Refused> {
        // Told apart by their first letter: a front end sends two dozen, and most are none of these.
        match name {
            [b'H', b'T', b'T', b'P', b'_', header @ ..] => return self.set_header(header, value),
            b"HTTPS" => self.https = value,
            [b'R', ..] => match name {
                b"REQUEST_METHOD" => self.method = value,
                b"REQUEST_URI" => self.request_uri = Some(value),
                b"REQUEST_SCHEME" => self.scheme = value,
                b"REMOTE_ADDR" => self.remote_addr = value,
                b"REMOTE_PORT" => self.remote_port = value,
                _ => {}
            },
            [b'S', ..] => match name {
                b"SCRIPT_NAME" => self.script_name = value,
                b"SERVER_PROTOCOL" => self.protocol = value,
                b"SERVER_ADDR" => self.server_addr = value,
                b"SERVER_PORT" => self.server_port = value,
                _ => {}
            },
            b"PATH_INFO" => self.path_info = value,
            b"DOCUMENT_URI" => self.document_uri = value,
            b"QUERY_STRING" => self.query_string = Some(value),
            b"CONTENT_TYPE" => self.content_type = value,
            b"CONTENT_LENGTH" => self.content_length = value,
            _ => {}
        }
        Ok(())
    }

    fn set_header(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Refused> {
        match name {
            b"PROXY" | b"CONTENT_TYPE" | b"CONTENT_LENGTH" => return Ok(()),
            b"TRANSFER_ENCODING" => {
                self.chunked = true;
                return Ok(());
            }
            _ => {}
        }
        let Some(name) = header_name(name) else {
            return Ok(());
        };
        let value = self.header_value(value)?;
        if name == HOST {
            self.headers.try_insert(name, value).map(drop)
        } else {
            self.headers.try_append(name, value).map(drop)
        }
        .map_err(|_| Refused::TooManyHeaders)
    }

    fn header_value(&self, value: &[u8]) -> Result<HeaderValue, Refused> {
        match self.shared {
            Some(whole) => HeaderValue::from_maybe_shared(whole.slice_ref(value)),
            None => HeaderValue::from_bytes(value),
        }
        .map_err(|_| Refused::HeaderValue)
    }

    fn bytes(&self, value: &[u8]) -> Bytes {
        match self.shared {
            Some(whole) => whole.slice_ref(value),
            None => Bytes::copy_from_slice(value),
        }
    }

    /// Turns what was collected into the head of a request.
    ///
    /// `mount` says where the application stands,
    /// whatever SCRIPT_NAME says: some front ends put the whole path there.
    /// A path that is not below it becomes PATH_INFO whole.
    ///
    /// # Errors
    ///
    /// As [`Refused`] lists them.
    pub fn into_head(mut self, mount: Option<&Prefix>) -> Result<Head, Refused> {
        let method = Method::from_bytes(self.method).map_err(|_| Refused::Method)?;
        let content_length = parse_content_length(self.content_length)?;

        let request_uri = self.request_uri.map(|uri| self.bytes(uri));
        let (target, target_query) = match &request_uri {
            Some(uri) => {
                let (path, query) = path::target(uri);
                (Some(path), query)
            }
            None => (None, None),
        };
        let SplitPath { raw, split } = path::split(
            Said {
                target: target.as_ref(),
                script_name: self.script_name,
                path_info: self.path_info,
                document_uri: self.document_uri,
            },
            mount,
        );
        // QUERY_STRING is from after a rewrite. RFC 3875 4.1.7 has it always there;
        // where it is not, the client's own.
        let query = match self.query_string {
            Some(query) => path::acceptable_query(query),
            None => path::acceptable_query(target_query.as_deref().unwrap_or_default()),
        };
        let uri = uri(request_uri.as_ref(), &raw, split, &query)?;

        if !self.content_type.is_empty() {
            let value = self.header_value(self.content_type)?;
            self.headers
                .try_insert(CONTENT_TYPE, value)
                .map_err(|_| Refused::TooManyHeaders)?;
        }
        if let Some(length) = content_length {
            self.headers
                .try_insert(CONTENT_LENGTH, length.into())
                .map_err(|_| Refused::TooManyHeaders)?;
        }
        Ok(Head {
            method,
            uri,
            version: version(self.protocol),
            headers: self.headers,
            content_length,
            chunked: self.chunked,
            remote: address(self.remote_addr, self.remote_port),
            local: address(self.server_addr, self.server_port),
            secure: self.https.eq_ignore_ascii_case(b"on")
                || self.https == b"1"
                || self.scheme.eq_ignore_ascii_case(b"https"),
            path: raw,
            split,
        })
    }
}

impl Head {
    /// The client's whole path: raw (percent-encoded), ASCII, without the query.
    pub fn client_path(&self) -> &str {
        ascii(&self.path)
    }

    /// SCRIPT_NAME, raw: the part of the client's path in front of the application's own.
    pub fn script_name(&self) -> &str {
        ascii(self.path.get(..self.split).unwrap_or_default())
    }

    /// PATH_INFO, raw; may be empty.
    pub fn path_info(&self) -> &str {
        ascii(self.path.get(self.split..).unwrap_or_default())
    }
}

/// Paths are made ASCII by `path`, whatever came in.
fn ascii(bytes: &[u8]) -> &str {
    debug_assert!(bytes.is_ascii());
    str::from_utf8(bytes).unwrap_or_default()
}

/// `USER_AGENT` is `user-agent`; what is no header name is none.
fn header_name(name: &[u8]) -> Option<HeaderName> {
    // What browsers send with every request: one comparison, where the rest is rewritten and looked up.
    Some(match name {
        b"HOST" => HOST,
        b"USER_AGENT" => USER_AGENT,
        b"ACCEPT" => ACCEPT,
        b"ACCEPT_ENCODING" => ACCEPT_ENCODING,
        b"ACCEPT_LANGUAGE" => ACCEPT_LANGUAGE,
        b"CONNECTION" => CONNECTION,
        b"COOKIE" => COOKIE,
        b"REFERER" => REFERER,
        b"ORIGIN" => ORIGIN,
        b"CACHE_CONTROL" => CACHE_CONTROL,
        b"IF_NONE_MATCH" => IF_NONE_MATCH,
        b"IF_MODIFIED_SINCE" => IF_MODIFIED_SINCE,
        b"UPGRADE_INSECURE_REQUESTS" => UPGRADE_INSECURE_REQUESTS,
        _ => return dashed_name(name),
    })
}

fn dashed_name(name: &[u8]) -> Option<HeaderName> {
    // No front end writes these, and one of them might shadow a header that it does write.
    if name
        .iter()
        .any(|byte| *byte == b'-' || byte.is_ascii_lowercase())
    {
        return None;
    }
    // Standard names are recognised without an allocation, so the dashes are put in on the stack.
    let mut short = [0; 64];
    let long;
    let dashed = match short.get_mut(..name.len()) {
        Some(dashed) => {
            dashed.copy_from_slice(name);
            dashed
                .iter_mut()
                .filter(|byte| **byte == b'_')
                .for_each(|byte| *byte = b'-');
            &*dashed
        }
        None => {
            long = name
                .iter()
                .map(|&byte| if byte == b'_' { b'-' } else { byte })
                .collect::<Vec<_>>();
            &*long
        }
    };
    HeaderName::from_bytes(dashed).ok()
}

/// Digits only, as RFC 9110 8.6 has it: no sign, no list, no spaces.
fn parse_content_length(value: &[u8]) -> Result<Option<u64>, Refused> {
    if value.is_empty() {
        return Ok(None);
    }
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(Refused::ContentLength);
    }
    ascii(value)
        .parse()
        .map(Some)
        .map_err(|_| Refused::ContentLength)
}

fn version(protocol: &[u8]) -> Version {
    match protocol {
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2.0" | b"HTTP/2" => Version::HTTP_2,
        b"HTTP/3.0" | b"HTTP/3" => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

fn address(ip: &[u8], port: &[u8]) -> Option<SocketAddr> {
    let port = str::from_utf8(port)
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    Some(SocketAddr::new(ip_address(str::from_utf8(ip).ok()?)?, port))
}

fn ip_address(text: &str) -> Option<IpAddr> {
    if let Ok(plain) = text.parse() {
        return Some(plain);
    }
    let text = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let text = text.split_once('%').map_or(text, |(text, _zone)| text);
    text.parse().ok()
}

/// PATH_INFO and the query; where both stand together in REQUEST_URI, a slice of it.
fn uri(
    request_uri: Option<&Bytes>,
    path: &Bytes,
    split: usize,
    query: &[u8],
) -> Result<Uri, Refused> {
    let path_info = path.get(split..).unwrap_or_default();
    let said = request_uri.and_then(|uri| {
        let rest = uri.get(split..)?.strip_prefix(path_info)?;
        // A `?` with nothing behind it is the client's to keep.
        let same = match rest.split_first() {
            None => query.is_empty(),
            Some((b'?', rest)) => rest == query,
            Some(_) => false,
        };
        // Equal bytes are not enough: the path must be in front of them too.
        (same && !path_info.is_empty() && uri.get(..split) == path.get(..split))
            .then(|| uri.slice(split..))
    });
    let target = said.unwrap_or_else(|| {
        let mut target = BytesMut::with_capacity(path_info.len() + query.len() + 2);
        target.put_slice(if path_info.is_empty() {
            b"/"
        } else {
            path_info
        });
        if !query.is_empty() {
            target.put_u8(b'?');
            target.put_slice(query);
        }
        target.freeze()
    });
    // Every byte was made acceptable above: what is left to refuse is the length.
    Uri::from_maybe_shared(target).map_err(|_| Refused::UriTooLong)
}
