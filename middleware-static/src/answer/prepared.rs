//! From a representation and the fields of a request to a response.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::answer::fields;
use crate::answer::representation::Representation;
use crate::answer::response::{plain, response};
use crate::body::{Piece, ResponseBody};
use crate::lookup::file_request::FileRequest;
use crate::protocol::conditional::{self, Decision};
use crate::protocol::range::{ByteRange, Selection};
use crate::source::Wait;
use crate::source::pool::{CHUNK, LARGE};

/// A representation, and the parts of its answers that were made before.
pub(crate) struct Prepared<'a> {
    pub(crate) representation: &'a Representation,
    /// The fields of the 200: owned where the caller has no further use for them, else cloned only when they are sent.
    pub(crate) head: Cow<'a, HeaderMap>,
    /// The fields of the 304, where they are at hand.
    pub(crate) unchanged: Option<&'a HeaderMap>,
    /// All of the bytes, where they are at hand.
    pub(crate) bytes: Option<&'a Bytes>,
}

impl Prepared<'_> {
    /// The answer of RFC 9110 13.2.2: preconditions, then ranges, then everything.
    pub(crate) fn answer(
        self,
        request: &FileRequest<'_>,
        wait: Wait,
    ) -> io::Result<Response<ResponseBody>> {
        if request.conditional {
            match conditional::evaluate(
                request.method,
                request.headers,
                self.representation.validators(),
            ) {
                Decision::Proceed => {}
                Decision::NotModified => return Ok(self.not_modified()),
                Decision::Failed => {
                    return Ok(self.refused(request, StatusCode::PRECONDITION_FAILED));
                }
            }
        }
        match self.selection(request) {
            Selection::Whole => self.whole(request, StatusCode::OK, wait),
            Selection::One(range) => self.partial(range, wait),
            Selection::Several(ranges) => Ok(self.multipart(&ranges)),
            Selection::Unsatisfiable => Ok(self.unsatisfiable(request)),
        }
    }

    /// Everything, whatever the request's fields ask: for pages that stand in for what is not there.
    pub(crate) fn whole(
        self,
        request: &FileRequest<'_>,
        status: StatusCode,
        wait: Wait,
    ) -> io::Result<Response<ResponseBody>> {
        let all = ByteRange {
            start: 0,
            end: self.representation.length,
        };
        let body = if request.is_head() {
            ResponseBody::empty()
        } else {
            self.bytes(all, wait)?
        };
        Ok(response(status, self.head.into_owned(), body))
    }

    fn selection(&self, request: &FileRequest<'_>) -> Selection {
        // RFC 9110 14.2: Range is for GET alone. Of a coded file, which is sent only to clients that refuse the file itself, all.
        if !request.ranged || request.is_head() || self.representation.is_coded() {
            return Selection::Whole;
        }
        let mut lines = request.headers.get_all(header::RANGE).iter();
        // The field is there twice, and it is unclear which line counts.
        let (Some(range), None) = (lines.next(), lines.next()) else {
            return Selection::Whole;
        };
        // `If-Unmodified-Since` guards the range, but this file's date is too weak a validator for that.
        let guarded = request.headers.contains_key(header::IF_UNMODIFIED_SINCE);
        if guarded && !self.representation.dated_strongly() {
            return Selection::Whole;
        }
        let mut conditions = request.headers.get_all(header::IF_RANGE).iter();
        let applies = match (conditions.next(), conditions.next()) {
            (None, _) => true,
            (Some(condition), None) => {
                conditional::range_applies(condition, self.representation.validators())
            }
            (Some(_), Some(_)) => false,
        };
        if applies {
            Selection::parse(range.as_bytes(), self.representation.length)
        } else {
            Selection::Whole
        }
    }

    /// A range as a body: small ones at once, so that head and body leave in one write.
    fn bytes(&self, range: ByteRange, wait: Wait) -> io::Result<ResponseBody> {
        if let Some(bytes) = self.bytes {
            let index = |offset| {
                usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len())
            };
            return Ok(ResponseBody::full(
                bytes.slice(index(range.start)..index(range.end)),
            ));
        }
        let content = &self.representation.content;
        match usize::try_from(range.len()).unwrap_or(usize::MAX) {
            length @ ..=CHUNK => content
                .exactly(range.start, length, wait)
                .map(ResponseBody::full),
            length => {
                // On a thread that may block, read the beginning now: it would need such a thread again at once.
                let ready = if wait == Wait::Allowed {
                    Some(content.chunk(range.start, length.min(LARGE), wait)?)
                } else {
                    None
                };
                Ok(ResponseBody::range(content.clone(), range, ready))
            }
        }
    }

    fn not_modified(self) -> Response<ResponseBody> {
        let head = match self.unchanged {
            Some(ready) => with_room(ready),
            None => unchanged(self.head.into_owned()),
        };
        response(StatusCode::NOT_MODIFIED, head, ResponseBody::empty())
    }

    fn partial(self, range: ByteRange, wait: Wait) -> io::Result<Response<ResponseBody>> {
        let body = self.bytes(range, wait)?;
        let mut head = self.head.into_owned();
        head.insert(header::CONTENT_LENGTH, range.len().into());
        head.insert(
            header::CONTENT_RANGE,
            content_range(range, self.representation.length),
        );
        Ok(response(StatusCode::PARTIAL_CONTENT, head, body))
    }

    /// RFC 9110 14.6: each part with its own `Content-Range`, none on the whole.
    fn multipart(self, ranges: &[ByteRange]) -> Response<ResponseBody> {
        let boundary = format!(
            "{:016x}{:016x}",
            RandomState::new().hash_one(0),
            RandomState::new().hash_one(1)
        );
        let kind = self.head.get(header::CONTENT_TYPE).cloned();
        let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
        let mut between = format!("--{boundary}");
        for &range in ranges {
            let mut head = between.into_bytes();
            if let Some(kind) = &kind {
                head.extend_from_slice(b"\r\nContent-Type: ");
                head.extend_from_slice(kind.as_bytes());
            }
            head.extend_from_slice(b"\r\nContent-Range: ");
            head.extend_from_slice(content_range(range, self.representation.length).as_bytes());
            head.extend_from_slice(b"\r\n\r\n");
            pieces.push(Piece::Bytes(head.into()));
            pieces.push(Piece::Range(range));
            between = format!("\r\n--{boundary}");
        }
        pieces.push(Piece::Bytes(format!("{between}--\r\n").into()));
        let body = ResponseBody::pieces(self.representation.content.clone(), pieces);
        let length = http_body::Body::size_hint(&body).lower();
        let mut headers = self.head.into_owned();
        headers.insert(header::CONTENT_LENGTH, length.into());
        let kind = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
        headers.insert(
            header::CONTENT_TYPE,
            kind.unwrap_or(HeaderValue::from_static("multipart/byteranges")),
        );
        response(StatusCode::PARTIAL_CONTENT, headers, body)
    }

    /// RFC 9110 15.5.17: says how long the representation is.
    fn unsatisfiable(self, request: &FileRequest<'_>) -> Response<ResponseBody> {
        let range = HeaderValue::try_from(format!("bytes */{}", self.representation.length));
        let accepts = self.head.get(header::ACCEPT_RANGES).cloned();
        let mut answer = self.refused(request, StatusCode::RANGE_NOT_SATISFIABLE);
        let fields = [
            (header::CONTENT_RANGE, range.ok()),
            (header::ACCEPT_RANGES, accepts),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }

    /// A status in place of the file, with the fields that stay true of the file: its tag, its caching, the user's fields
    /// (without them a page of another origin could not even see the status).
    fn refused(self, request: &FileRequest<'_>, status: StatusCode) -> Response<ResponseBody> {
        let mut answer = plain(request, status);
        let mut kept = unchanged(self.head.into_owned());
        kept.remove(header::CONTENT_LANGUAGE);
        if let Some(caching) = kept.remove(header::CACHE_CONTROL) {
            kept.insert(header::CACHE_CONTROL, fields::for_now(caching));
        }
        let head = answer.headers_mut();
        for (name, value) in &kept {
            if !head.contains_key(name) {
                head.insert(name.clone(), value.clone());
            }
        }
        answer
    }
}

/// The fields of a 304: those of the 200 but for what describes the bytes ([RFC 9110 15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)).
pub(crate) fn unchanged(mut head: HeaderMap) -> HeaderMap {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_DISPOSITION,
        header::ACCEPT_RANGES,
        header::X_CONTENT_TYPE_OPTIONS,
    ] {
        head.remove(name);
    }
    head
}

/// A copy that has room for more: hyper reads the next request of a connection into the map of this answer, and the
/// two or three fields of a 304 are fewer than any client sends. Growing then would cost more than this copy.
fn with_room(head: &HeaderMap) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(6);
    for (name, value) in head {
        copy.append(name.clone(), value.clone());
    }
    copy
}

fn content_range(range: ByteRange, length: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("bytes */*"))
}
