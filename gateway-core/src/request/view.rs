use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::uri::Scheme;
use http::{
    Extensions, HeaderMap, Method, Request, StatusCode, Uri, Version, header, request::Parts,
};
use percent_encoding::percent_decode_str;

use crate::paths::script_name::Split;
use crate::request::arrival;
use crate::{ConnInfo, Error};

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

    fn of_request<B>(request: &'a Request<B>) -> Self {
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
            // Without a server to say, an absolute-form target is the best there is.
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
        Pairs(form_urlencoded::parse(self.query_string().as_bytes()))
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
}

pub(crate) fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

fn decoded(raw: &str) -> Cow<'_, [u8]> {
    percent_decode_str(raw).into()
}

/// Decoded `name=value` pairs of a query or a form (`application/x-www-form-urlencoded`), in the
/// order sent. Bytes that are not UTF-8 become U+FFFD.
#[derive(Clone)]
pub struct Pairs<'a>(form_urlencoded::Parse<'a>);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_list()
            .entries(self.clone().map(|(name, _)| name))
            .finish()
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// The accessors that [`RequestExt`] and `Environ` share, written and documented once: as provided
/// methods of the trait, or as inherent methods (with `pub`).
macro_rules! accessors {
    ($($visibility:tt)?) => {
        /// The connection the request came over, if the server said.
        $($visibility)? fn conn(&self) -> Option<&$crate::ConnInfo> {
            self.view().conn()
        }

        /// `http` or `https`: of the connection (or of the trusted proxy's word for it), never of
        /// a header.
        $($visibility)? fn scheme(&self) -> &http::uri::Scheme {
            self.view().scheme()
        }

        /// SCRIPT_NAME, decoded: the path of the present mount. Empty at the root.
        ///
        /// For links use [`raw_script_name`](Self::raw_script_name), which is still encoded.
        $($visibility)? fn script_name(&self) -> std::borrow::Cow<'_, [u8]> {
            self.view().script_name()
        }

        /// PATH_INFO, decoded to the bytes that were meant: the path below the present mount.
        ///
        /// Empty or beginning with `/`. A `%` that two hexadecimal digits do not follow stands
        /// for itself. Empty for `OPTIONS *`.
        $($visibility)? fn path_info(&self) -> std::borrow::Cow<'_, [u8]> {
            self.view().path_info()
        }

        /// PATH_INFO as text.
        ///
        /// # Errors
        ///
        /// The decoded path is not UTF-8; the error is answered with 400.
        $($visibility)? fn path_str(&self) -> Result<std::borrow::Cow<'_, str>, $crate::Error> {
            self.view().path_str()
        }

        /// SCRIPT_NAME as the client encoded it.
        $($visibility)? fn raw_script_name(&self) -> &str {
            self.view().raw_script_name()
        }

        /// PATH_INFO as the client encoded it.
        $($visibility)? fn raw_path_info(&self) -> &str {
            self.view().raw_path_info()
        }

        /// The query as the client encoded it, without the `?`. Empty if there is none.
        $($visibility)? fn query_string(&self) -> &str {
            self.view().query_string()
        }

        /// The decoded `name=value` pairs of the query, in the order sent.
        $($visibility)? fn query_pairs(&self) -> $crate::Pairs<'_> {
            self.view().query_pairs()
        }

        /// The first value of `name` in the query, decoded.
        $($visibility)? fn query(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
            self.view().query(name)
        }

        /// The first header field `name` that is visible ASCII. All of them: `headers()`.
        $($visibility)? fn header(&self, name: &str) -> Option<&str> {
            self.view().header(name)
        }

        /// The whole URL the client asked for, query included (wsgiref's `request_uri`).
        ///
        /// Host and port are the client's word (RFC 9110 section 7.1): fit for links back to that
        /// client, not for mails or caches.
        $($visibility)? fn request_uri(&self) -> String {
            self.view().request_uri()
        }

        /// The URL of the present mount (wsgiref's `application_uri`).
        $($visibility)? fn application_uri(&self) -> String {
            self.view().application_uri()
        }

        /// The CGI variable `name` (RFC 3875 section 4.1, PEP 3333), computed on demand.
        ///
        /// Never from the process environment. `None` where the request has no such thing; see
        /// [the table](crate#the-cgi-view).
        $($visibility)? fn var(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
            self.view().var(name)
        }

        /// Every CGI variable of the request, each name once.
        $($visibility)? fn vars(&self) -> $crate::Vars<'_> {
            self.view().vars()
        }
    };
}
pub(crate) use accessors;

/// The contract's view of a request, for asynchronous code: implemented for
/// [`http::request::Parts`] and [`http::Request`].
///
/// ```
/// use gateway_core::RequestExt;
///
/// let request = http::Request::get("/hello?subject=John%20D").body(()).unwrap();
/// assert_eq!(request.query("subject").unwrap(), "John D");
/// assert_eq!(request.var("PATH_INFO").unwrap(), &b"/hello"[..]);
/// ```
#[expect(private_bounds, reason = "sealed: what a request is, is settled here")]
pub trait RequestExt: Viewed {
    accessors!();
}

impl RequestExt for Parts {}
impl<B> RequestExt for Request<B> {}

trait Viewed {
    fn view(&self) -> View<'_>;
}

impl Viewed for Parts {
    fn view(&self) -> View<'_> {
        View::of_parts(self)
    }
}

impl<B> Viewed for Request<B> {
    fn view(&self) -> View<'_> {
        View::of_request(self)
    }
}

/// A form that was sent as `application/x-www-form-urlencoded`.
#[derive(Clone, Default)]
pub struct Form {
    body: Bytes,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl Form {
    pub(crate) fn new(body: Bytes) -> Self {
        Self { body }
    }

    /// The decoded pairs in the order sent.
    #[must_use]
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(form_urlencoded::parse(&self.body))
    }

    /// The first value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut named = self.pairs().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value)
    }
}
