//! A file as a client sees it: validators, and the fields of a 200.

use std::io;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use crate::EntityTag;
use crate::lookup::find::Chosen;
use crate::lookup::path::encode_segment;
use crate::protocol::conditional::{Validators, format_date};
use crate::settings::{Settings, ValidateBy};
use crate::source::digest::Digests;
use crate::source::{Content, File, Wait, is_past, since_epoch};

/// A file, chosen and open.
#[derive(Debug)]
pub(crate) struct Representation {
    pub(crate) content: Content,
    pub(crate) length: u64,
    pub(crate) etag: Option<EntityTag>,
    pub(crate) modified: Option<u64>,
    /// Whether `Last-Modified` tells this state of the file from every later one.
    dated_strongly: bool,
    /// Whether everything that is known of the file does: it may be kept.
    pub(crate) settled: bool,
    /// The fields of a 200, `Content-Length` among them.
    pub(crate) head: HeaderMap,
}

impl Representation {
    pub(crate) fn new(
        chosen: Chosen,
        settings: &Settings,
        digests: &Digests,
        wait: Wait,
    ) -> io::Result<Self> {
        let Chosen {
            file,
            path,
            coding,
            vary,
            caching,
        } = chosen;
        let File {
            metadata,
            content,
            stamp,
        } = file;
        let now = SystemTime::now();
        let modified = metadata.modified.map(since_epoch);
        // The next write will set another time than this one.
        let strong = modified.is_none_or(|time| is_past(time, now));
        // And who sets times by hand will not do so within one tick of the last change.
        let settled = strong && stamp.is_none_or(|stamp| stamp.is_settled(now));

        let digest = || {
            digests
                .of(&content, stamp, metadata.length, wait)
                .map(|digest| EntityTag::of_content(digest, coding.tag()))
        };
        let etag = match (metadata.etag, modified, settings.validate_by) {
            (Some(etag), ..) => Some(etag.of_coding(coding.tag())),
            // Times of 0 and 1 are what image builders write: they say nothing.
            (_, Some(time), ValidateBy::Modified) if time.0 > 1 => Some(EntityTag::of_file(
                time,
                metadata.length,
                coding.tag(),
                !strong,
            )),
            // A reader of the user's that has neither a tag nor a time is not read twice to make one.
            (_, None, ValidateBy::Modified) if matches!(content, Content::Reader(_)) => None,
            _ => Some(digest()?),
        };
        let modified = match (settings.validate_by, modified) {
            (ValidateBy::Fixed(time), _) => Some(since_epoch(time).0),
            // RFC 9110 8.8.2.1: never later than now.
            (_, Some((seconds, _))) if seconds > 1 => Some(seconds.min(since_epoch(now).0)),
            _ => None,
        };
        let modified = modified.and_then(|seconds| u64::try_from(seconds).ok());

        let mut head = HeaderMap::with_capacity(12);
        head.insert(header::CONTENT_TYPE, settings.content_type(&path));
        head.insert(header::CONTENT_LENGTH, metadata.length.into());
        head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Some(etag) = &etag {
            head.insert(header::ETAG, etag.as_header_value().clone());
        }
        if let Some(date) = modified.and_then(format_date) {
            head.insert(header::LAST_MODIFIED, date);
        }
        if let Some(coding) = coding.field() {
            head.insert(header::CONTENT_ENCODING, coding);
        }
        if let Some(vary) = vary {
            head.insert(header::VARY, vary);
        }
        if let Some(caching) = caching.or_else(|| settings.cache_control(&path)) {
            head.insert(header::CACHE_CONTROL, caching);
        }
        if settings.is_attachment(&path)
            && let Some(disposition) = disposition(&path)
        {
            head.insert(header::CONTENT_DISPOSITION, disposition);
        }
        for (name, value) in &settings.headers {
            head.insert(name.clone(), value.clone());
        }
        Ok(Self {
            content,
            length: metadata.length,
            etag,
            modified,
            // A time that was set once for all files says nothing of what became of any of them.
            dated_strongly: strong && !matches!(settings.validate_by, ValidateBy::Fixed(_)),
            settled,
            head,
        })
    }

    pub(crate) fn validators(&self) -> Validators<'_> {
        Validators {
            etag: self.etag.as_ref(),
            last_modified: self.modified,
            last_modified_is_strong: self.dated_strongly,
        }
    }
}

/// `attachment` with the name, in ASCII for old clients and exactly for all others (RFC 6266 4.3, RFC 8187).
fn disposition(path: &[u8]) -> Option<HeaderValue> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let plain = |&byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%');
    let ascii: String = name
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte) } else { '_' })
        .collect();
    let text = if name.iter().all(plain) {
        format!("attachment; filename=\"{ascii}\"")
    } else {
        format!(
            "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
            encode_segment(String::from_utf8_lossy(name).as_bytes())
        )
    };
    HeaderValue::try_from(text).ok()
}
