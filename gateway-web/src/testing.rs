//! A browser for tests: it keeps cookies, follows redirects, and sends forms, uploads and JSON.
//!
//! ```
//! use gateway_core::testing::Client;
//! use gateway_core::{Environ, Error, Reply};
//! use gateway_web::testing::{Browser, ResponseExt};
//! use gateway_web::{EnvironExt, ReplyExt};
//!
//! fn site(environ: &mut Environ) -> Result<Reply, Error> {
//!     if environ.method() == "POST" {
//!         let name = environ.read_form(1000)?.get("name").unwrap_or_default().to_owned();
//!         return Ok(environ.redirect("./hello").set_cookie(environ.new_cookie("name", name)));
//!     }
//!     Reply::from_json(&environ.cookie("name"))
//! }
//!
//! let browser = Browser::new(Client::new(site));
//! let page = browser.post("/").form(&[("name", "Ada")]).send();
//! page.assert_status(200);
//! assert_eq!(page.json::<String>(), "Ada");
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use cookie::Cookie;
use gateway_core::Body;
use gateway_core::request::{Addr, ConnInfo};
use gateway_core::testing::{Client, TestResponse};
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many redirects are followed one after the other.
const MOST_REDIRECTS: usize = 10;

/// A browser: a client that keeps cookies and follows redirects.
///
/// Cookies are kept by name, path and `Secure`, until `Max-Age` deletes them, or the browser is dropped. There is one host.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    cookies: RefCell<BTreeMap<(String, String), Kept>>,
    https: bool,
    follows: bool,
}

#[derive(Debug)]
struct Kept {
    value: String,
    secure: bool,
}

impl Browser {
    /// A browser without cookies.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            cookies: RefCell::default(),
            https: false,
            follows: true,
        }
    }

    /// Asks over https. Default: http.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Returns redirects as they are. Default: they are followed, up to 10 of them.
    #[must_use]
    pub fn without_redirects(mut self) -> Self {
        self.follows = false;
        self
    }

    /// The value of a cookie, as it was sent.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.borrow();
        let mut named = cookies.iter().filter(|((own, _), _)| own == name);
        named.next().map(|(_, kept)| kept.value.clone())
    }

    /// Sets a cookie of the whole host, as a script or another page may.
    pub fn set_cookie(&self, name: impl Into<String>, value: impl Into<String>) {
        let kept = Kept {
            value: value.into(),
            secure: false,
        };
        let key = (name.into(), "/".to_owned());
        self.cookies.borrow_mut().insert(key, kept);
    }

    /// Forgets all cookies.
    pub fn forget_cookies(&self) {
        self.cookies.borrow_mut().clear();
    }

    /// A GET request for a path with a query.
    pub fn get(&self, uri: &str) -> BrowserRequest<'_> {
        self.request(Method::GET, uri)
    }

    /// A POST request.
    pub fn post(&self, uri: &str) -> BrowserRequest<'_> {
        self.request(Method::POST, uri)
    }

    /// A request with any method.
    pub fn request(&self, method: Method, uri: &str) -> BrowserRequest<'_> {
        BrowserRequest {
            browser: self,
            method,
            uri: uri.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            expected: None,
        }
    }

    /// The `Cookie` field for a path.
    fn cookies_for(&self, path: &str) -> Option<String> {
        let cookies = self.cookies.borrow();
        let mut sent: Vec<_> = cookies
            .iter()
            .filter(|((_, own), kept)| covers(own, path) && (self.https || !kept.secure))
            .collect();
        // RFC 6265 section 5.4: longer paths first.
        sent.sort_by_key(|((_, path), _)| std::cmp::Reverse(path.len()));
        let pairs: Vec<_> = sent
            .iter()
            .map(|((name, _), kept)| format!("{name}={}", kept.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep(&self, path: &str, response: &TestResponse) {
        let fields = response.headers().get_all(SET_COOKIE);
        for field in fields.iter().filter_map(|field| field.to_str().ok()) {
            let Ok(cookie) = Cookie::parse(field) else {
                continue;
            };
            let secure = cookie.secure().unwrap_or(false);
            if secure && !self.https {
                continue;
            }
            // RFC 6265 section 5.1.4.
            let default = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let own = cookie.path().filter(|path| path.starts_with('/'));
            let own = own.unwrap_or(if default.is_empty() { "/" } else { default });
            let key = (cookie.name().to_owned(), own.to_owned());
            let mut cookies = self.cookies.borrow_mut();
            if cookie.max_age().is_some_and(|age| age.whole_seconds() <= 0) {
                cookies.remove(&key);
            } else {
                let value = cookie.value().to_owned();
                cookies.insert(key, Kept { value, secure });
            }
        }
    }
}

/// Whether a cookie of the path `own` is sent with `path` (RFC 6265 section 5.1.4).
fn covers(own: &str, path: &str) -> bool {
    let rest = path.strip_prefix(own);
    rest.is_some_and(|rest| own.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// A request of a [`Browser`], in the making.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct BrowserRequest<'b> {
    browser: &'b Browser,
    method: Method,
    uri: String,
    headers: HeaderMap,
    body: Vec<u8>,
    expected: Option<u16>,
}

impl BrowserRequest<'_> {
    /// One more header field.
    ///
    /// # Panics
    ///
    /// It can be none.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failing test is what this is for")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let field = (HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(name), Ok(value)) = field else {
            panic!("`{name}: {value}` is no header field");
        };
        self.headers.append(name, value);
        self
    }

    /// A body of a type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        if let Ok(content_type) = HeaderValue::try_from(content_type) {
            self.headers.insert(CONTENT_TYPE, content_type);
        }
        self.body = body.into();
        self
    }

    /// A form, `application/x-www-form-urlencoded`, of a struct, a map, or pairs. Lists repeat their name.
    ///
    /// # Panics
    ///
    /// The value is no form.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failing test is what this is for")]
    pub fn form(self, fields: &(impl Serialize + ?Sized)) -> Self {
        match serde_html_form::to_string(fields) {
            Ok(form) => self.body("application/x-www-form-urlencoded", form),
            Err(error) => panic!("not a form: {error}"),
        }
    }

    /// A body of JSON.
    ///
    /// # Panics
    ///
    /// The value cannot be written as JSON.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failing test is what this is for")]
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(error) => panic!("not JSON: {error}"),
        }
    }

    /// An upload, `multipart/form-data`.
    pub fn multipart(self, form: MultipartForm) -> Self {
        let (content_type, body) = form.finish();
        self.body(&content_type, body)
    }

    /// Says that the answer, after redirects, is to be `status`: another one fails the test, and a 5xx that was expected is
    /// not printed.
    pub fn expecting(mut self, status: u16) -> Self {
        self.expected = Some(status);
        self
    }

    /// Sends it, and what it leads to: 301, 302 and 303 by GET, 307 and 308 as it was (RFC 9110 section 15.4). A redirect to
    /// another host than the request's `Host`, or `localhost`, is returned as it is: it leaves the site.
    ///
    /// # Panics
    ///
    /// As [`RequestBuilder::send`](gateway_core::testing::RequestBuilder::send); or more than 10 redirects follow each
    /// other.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failing test is what this is for")]
    pub fn send(mut self) -> TestResponse {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_once();
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let (true, Some(location)) = (self.browser.follows && is_redirect(&response), location)
            else {
                if let Some(expected) = self.expected {
                    response.assert_status(expected);
                }
                return response;
            };
            let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
            let Some(location) = on_host(location, host.unwrap_or("localhost")) else {
                if let Some(expected) = self.expected {
                    response.assert_status(expected);
                }
                return response;
            };
            self.uri = resolved(&self.uri, &location);
            let keeps_method = matches!(
                response.status(),
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            );
            if !keeps_method && self.method != Method::HEAD {
                self.method = Method::GET;
                self.headers.remove(CONTENT_TYPE);
                self.body.clear();
            }
        }
        panic!(
            "more than {MOST_REDIRECTS} redirects, the last to {}",
            self.uri
        );
    }

    #[track_caller]
    fn send_once(&self) -> TestResponse {
        let browser = self.browser;
        let path = self.uri.split('?').next().unwrap_or_default();
        let mut request = browser.client.request(self.method.clone(), &self.uri);
        for (name, value) in &self.headers {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(cookies) = browser.cookies_for(path) {
            request = request.header(COOKIE, cookies);
        }
        if browser.https {
            let conn = ConnInfo::new(Addr::Unknown, Addr::Unknown).with_scheme(Scheme::HTTPS);
            request = request.conn(conn);
        }
        if let Some(expected) = self.expected.filter(|status| *status >= 500) {
            request = request.expecting(expected);
        }
        let response = request.body(Body::from(self.body.clone())).send();
        browser.keep(path, &response);
        response
    }
}

fn is_redirect(response: &TestResponse) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// What of a reference is below `host`: all of it, or what follows the host in an absolute one. `None` where it leads to
/// another host, or to no host at all (`mailto:`). As in browsers `\` is `/` (WHATWG URL, section 4.4).
fn on_host(reference: &str, host: &str) -> Option<String> {
    let reference = reference.replace('\\', "/");
    let end_of = |text: &str| text.find(['/', '?', '#']).unwrap_or(text.len());
    let (scheme, rest) = reference.split_at(end_of(&reference));
    let has_scheme = scheme.contains(':');
    let is_web = ["http:", "https:"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let authority = rest
        .strip_prefix("//")
        .filter(|_| scheme.is_empty() || is_web);
    let Some(authority) = authority else {
        return (!has_scheme).then_some(reference);
    };
    let (authority, path) = authority.split_at(end_of(authority));
    let slash = if path.starts_with('/') { "" } else { "/" };
    authority
        .eq_ignore_ascii_case(host)
        .then(|| format!("{slash}{path}"))
}

/// A reference from one path to another (RFC 3986 section 5.2), for the references that sites make.
fn resolved(base: &str, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    let (base_path, base_query) = match base.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (base, None),
    };
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let whole = match path {
        "" => base_path.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => {
            let directory = base_path
                .rsplit_once('/')
                .map_or("", |(directory, _)| directory);
            format!("{directory}/{path}")
        }
    };
    let mut segments: Vec<&str> = Vec::new();
    let mut last_is_directory = false;
    for segment in whole.split('/').skip(1) {
        last_is_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => _ = segments.pop(),
            segment => segments.push(segment),
        }
    }
    if last_is_directory {
        segments.push("");
    }
    let query = if reference.is_empty() {
        base_query
    } else {
        query
    };
    match query {
        Some(query) => format!("/{}?{query}", segments.join("/")),
        None => format!("/{}", segments.join("/")),
    }
}

/// An upload for a test: `multipart/form-data`, as a browser writes it.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is sent before `send`"]
pub struct MultipartForm {
    body: Vec<u8>,
}

/// 32 digits that no test writes.
const BOUNDARY: &str = "------------------------5b1c4f9d7e2a8063f1d94c7be05a6283";

impl MultipartForm {
    /// Without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more field.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"", escaped(name));
        self.part(&head, value.as_bytes());
        self
    }

    /// One more file.
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {content_type}",
            escaped(name),
            escaped(file_name),
        );
        self.part(&head, content.as_ref());
        self
    }

    fn part(&mut self, head: &str, content: &[u8]) {
        let head = format!("--{BOUNDARY}\r\n{head}\r\n\r\n");
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
    }

    /// The Content-Type and the body.
    #[must_use]
    pub fn finish(mut self) -> (String, Vec<u8>) {
        let end = format!("--{BOUNDARY}--\r\n");
        self.body.extend_from_slice(end.as_bytes());
        (
            format!("multipart/form-data; boundary={BOUNDARY}"),
            self.body,
        )
    }
}

/// WHATWG HTML, "multipart form data".
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// What this module adds to a [`TestResponse`].
#[expect(
    private_bounds,
    reason = "sealed: a test's response is the one implementor"
)]
pub trait ResponseExt: Sealed {
    /// The body, which is JSON.
    ///
    /// # Panics
    ///
    /// It is no JSON, or does not fit.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failing test is what this is for")]
    fn json<T: DeserializeOwned>(&self) -> T {
        let response = self.this();
        match crate::json::parse(response.bytes()) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {response}"),
        }
    }
}

trait Sealed {
    fn this(&self) -> &TestResponse;
}

impl Sealed for TestResponse {
    fn this(&self) -> &TestResponse {
        self
    }
}

impl ResponseExt for TestResponse {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_browsers_do() {
        for (base, reference, resolved_to) in [
            ("/a/b", "./c", "/a/c"),
            ("/a/b", "../c", "/c"),
            ("/a/b/", "./c/", "/a/b/c/"),
            ("/a/b/c", "../../", "/"),
            ("/a/b", "./", "/a/"),
            ("/a", "../../x", "/x"),
            ("/a/b?q", "", "/a/b?q"),
            ("/a/b?q", "?r", "/a/b?r"),
            ("/a/b", "/x?y#z", "/x?y"),
        ] {
            assert_eq!(resolved(base, reference), resolved_to, "{base} {reference}");
        }
    }

    #[test]
    fn another_host_is_not_this_one() {
        for (reference, here) in [
            ("http://shop.example/x?y", Some("/x?y")),
            ("HTTPS://Shop.Example?y", Some("/?y")),
            ("//shop.example", Some("/")),
            ("./a:b", Some("./a:b")),
            ("x/y", Some("x/y")),
            (
                "?next=http://evil.example/",
                Some("?next=http://evil.example/"),
            ),
            ("https://evil.example/x", None),
            ("http://shop.example:81/x", None),
            ("http://shop.example@evil.example/", None),
            ("//evil.example/x", None),
            ("/\\evil.example/x", None),
            ("mailto:a@shop.example", None),
            ("javascript:alert(1)//", None),
        ] {
            assert_eq!(
                on_host(reference, "shop.example").as_deref(),
                here,
                "{reference}"
            );
        }
    }

    #[test]
    fn a_cookie_goes_where_its_path_leads() {
        for (own, path, goes) in [
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/", "/a", false),
        ] {
            assert_eq!(covers(own, path), goes, "{own} {path}");
        }
    }
}
