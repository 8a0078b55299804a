//! Pages that answer 304 and 412 (RFC 9110 section 13).

use std::time::{SystemTime, UNIX_EPOCH};

use gateway_core::{Body, Environ, Error, Reply, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use middleware_static::EntityTag;
use middleware_static::conditional::{Decision, Validators, evaluate};
use twox_hash::XxHash3_128;

/// What a page is known by, before it is made: for [`conditional`](crate::EnvironExt::conditional).
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, Reply};
/// use gateway_web::{EnvironExt, Version};
///
/// fn book(environ: &mut Environ) -> Result<Reply, Error> {
///     let revision = 7; // from the database, without making the page
///     environ.conditional(Version::of(&format!("book-{revision}")), |_| Ok(Reply::html("<h1>A book</h1>")))
/// }
///
/// let client = Client::new(book);
/// let etag = client.get("/").send().header("etag").unwrap().to_owned();
/// client.get("/").header("if-none-match", &etag[..]).send().assert_status(304).assert_header("etag", &etag);
/// client.request(http::Method::PUT, "/").header("if-match", "\"book-6\"").send().assert_status(412);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a version does nothing until a reply is made conditional"]
pub struct Version {
    etag: Option<EntityTag>,
    last_modified: Option<SystemTime>,
    also: Vec<(HeaderName, HeaderValue)>,
}

impl Version {
    /// Another tag for every change of the page: a strong `ETag`, so that `If-Match` (no lost updates) and ranges work.
    /// What is not visible ASCII, and `"`, is percent-encoded.
    pub fn of(tag: &str) -> Self {
        Self {
            etag: EntityTag::strong(&tag_text(tag)),
            ..Self::default()
        }
    }

    /// A tag that may stay where the bytes differ a little: a weak `ETag`, for pages that a layer further out
    /// compresses.
    pub fn weak(tag: &str) -> Self {
        Self {
            etag: EntityTag::weak(&tag_text(tag)),
            ..Self::default()
        }
    }

    /// When the page was last changed: `Last-Modified`, in whole seconds. A time to come is not sent.
    pub fn modified(time: SystemTime) -> Self {
        Self::default().and_modified(time)
    }

    /// As [`modified`](Self::modified), besides a tag, which is worth more: clients that send both are judged by it.
    pub fn and_modified(mut self, time: SystemTime) -> Self {
        // RFC 9110 section 8.8.2.1: never later than now.
        self.last_modified = Some(time).filter(|time| *time <= SystemTime::now());
        self
    }

    /// A field of the page that its 304 has to have as well: `Cache-Control`, `Vary`, `Content-Location`, `Expires`
    /// (RFC 9110 section 15.4.5).
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.also.push((name, value));
        self
    }

    pub(crate) fn answer(
        &self,
        environ: &mut Environ,
        page: impl FnOnce(&mut Environ) -> Result<Reply, Error>,
    ) -> Result<Reply, Error> {
        let last_modified = self.last_modified.and_then(seconds);
        let validators = Validators {
            etag: self.etag.as_ref(),
            last_modified,
            last_modified_is_strong: false,
        };
        let reply = match evaluate(environ.method(), environ.headers(), validators) {
            Decision::Proceed => page(environ)?,
            Decision::NotModified => Reply::status(StatusCode::NOT_MODIFIED),
            Decision::Failed => {
                let text = "the page is no longer the one that the request is about";
                return Err(Error::new(StatusCode::PRECONDITION_FAILED, text));
            }
        };
        Ok(self.on(reply, last_modified))
    }

    fn on(&self, mut reply: Reply, last_modified: Option<u64>) -> Reply {
        if let Some(etag) = &self.etag {
            reply = reply.header(header::ETAG, etag.as_header_value().clone());
        }
        if let (Some(time), Some(_)) = (self.last_modified, last_modified) {
            reply = reply.header(header::LAST_MODIFIED, httpdate::fmt_http_date(time));
        }
        for (name, value) in &self.also {
            reply = reply.header(name.clone(), value.clone());
        }
        reply
    }
}

/// Of the content, which a 304 does not have (RFC 9110 section 15.4.5).
const NOT_OF_A_304: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
];

/// What is held in memory for its tag, in bytes.
const LONGEST_TAGGED: u64 = 4 * 1024 * 1024;

pub(crate) fn tagged(environ: &Environ, page: Response) -> Result<Response, Error> {
    let reads = matches!(*environ.method(), Method::GET | Method::HEAD);
    let is_tagged = page.headers().contains_key(header::ETAG);
    let length = page.body().size_hint().exact();
    // The content of a HEAD may have been dropped, and then the tag would be that of nothing.
    let is_dropped = *environ.method() == Method::HEAD && length == Some(0);
    let is_whole = length.is_some_and(|length| length <= LONGEST_TAGGED) && !is_dropped;
    if !reads || page.status() != StatusCode::OK || is_tagged || !is_whole {
        return Ok(page);
    }
    let (mut parts, body) = page.into_parts();
    let content = body.into_bytes().map_err(Error::from_boxed)?;
    let tag = format!("{:032x}", XxHash3_128::oneshot(&content));
    let Some(etag) = EntityTag::weak(&tag) else {
        return Ok(Response::from_parts(parts, content.into()));
    };
    let validators = Validators {
        etag: Some(&etag),
        last_modified: None,
        last_modified_is_strong: false,
    };
    parts
        .headers
        .insert(header::ETAG, etag.as_header_value().clone());
    match evaluate(environ.method(), environ.headers(), validators) {
        Decision::NotModified => {
            for name in NOT_OF_A_304 {
                parts.headers.remove(name);
            }
            parts.status = StatusCode::NOT_MODIFIED;
            Ok(Response::from_parts(parts, Body::empty()))
        }
        _ => Ok(Response::from_parts(parts, content.into())),
    }
}

/// In seconds since 1970; `None` before that and past the year 9999, which the field cannot say.
fn seconds(time: SystemTime) -> Option<u64> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_10000).then_some(seconds)
}

/// What a tag may hold (RFC 9110 section 8.8.3), and different for each text.
fn tag_text(tag: &str) -> String {
    let mut text = String::with_capacity(tag.len());
    for byte in tag.bytes() {
        match byte {
            b'!' | b'#'..=b'$' | b'&'..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_makes_a_tag_of_its_own() {
        for (text, tag) in [
            ("v1.2", "v1.2"),
            ("a b", "a%20b"),
            ("a%20b", "a%2520b"),
            ("\"é", "%22%C3%A9"),
        ] {
            assert_eq!(tag_text(text), tag);
            assert!(EntityTag::strong(&tag_text(text)).is_some());
        }
    }
}
