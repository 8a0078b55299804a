//! A file as a client sees it: validators, and the fields of a 200.

use std::io;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};
use twox_hash::XxHash3_128;

use crate::EntityTag;
use crate::answer::fields;
use crate::facts::{self, Findings};
use crate::lookup::find::FoundFile;
use crate::lookup::path::encode_segment;
use crate::protocol::conditional::{Validators, format_date};
use crate::protocol::negotiate::Coding;
use crate::settings::{Settings, ValidateBy};
use crate::source::{Content, File, Stamp, Wait, since_epoch};

/// A file that was found, open.
#[derive(Debug)]
pub(crate) struct Representation {
    pub(crate) content: Content,
    pub(crate) length: u64,
    etag: Option<EntityTag>,
    coded: bool,
    /// The date of the last modification in seconds, if preconditions may be judged by it.
    dated: Option<u64>,
    /// Whether the date tells this state of the file from every other.
    dated_strongly: bool,
    /// Whether this state can be told from every later one, so that the file may be cached.
    pub(crate) settled: bool,
    /// The fields of a 200, `Content-Length` among them.
    pub(crate) head: HeaderMap,
}

impl Representation {
    pub(crate) fn new(
        chosen: FoundFile,
        settings: &Settings,
        findings: &Findings,
        wait: Wait,
    ) -> io::Result<Self> {
        let FoundFile {
            file,
            root: _,
            path,
            coding,
            vary,
            caching,
            stands_in,
        } = chosen;
        let etag = tag(&file, coding, settings, findings, wait)?;
        let File {
            metadata,
            content,
            stamp,
        } = file;
        let now = SystemTime::now();
        let settled = stamp.is_none_or(|stamp| stamp.is_settled(now));
        let date = match (settings.validate_by, metadata.modified.map(since_epoch)) {
            (ValidateBy::Fixed(time), _) => Some(since_epoch(time)),
            // RFC 9110 8.8.2.1: never later than now. The change time is not, and does not move either.
            (_, Some(time)) if time > since_epoch(now) => stamp.map(|stamp| stamp.changed),
            (_, time) => time,
        };
        // Times of 0 and 1 are what image builders write: no client should be told that a file is so old.
        let date = date
            .and_then(|(seconds, _)| u64::try_from(seconds).ok())
            .filter(|&seconds| seconds > 1);
        // A time that was set for all files at once says nothing about changes of one of them.
        let fixed = matches!(settings.validate_by, ValidateBy::Fixed(_));
        let vouched = settled && stamp.is_some_and(|stamp| stamp.vouches_for_date());

        let mut head = HeaderMap::with_capacity(12);
        head.insert(header::CONTENT_TYPE, settings.content_type(&path));
        head.insert(header::CONTENT_LENGTH, metadata.length.into());
        let coded = coding != Coding::Identity;
        if !coded {
            head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        head.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Some(etag) = &etag {
            head.insert(header::ETAG, etag.as_header_value().clone());
        }
        if let Some(date) = date.and_then(format_date) {
            head.insert(header::LAST_MODIFIED, date);
        }
        if let Some(coding) = coding.field() {
            head.insert(header::CONTENT_ENCODING, coding);
        }
        if let Some(vary) = vary {
            head.insert(header::VARY, vary);
        }
        if let Some(caching) = caching.or_else(|| settings.cache_control(&path)) {
            // A client would keep it for good under another name.
            let caching = if stands_in {
                fields::for_now(caching)
            } else {
                caching
            };
            head.insert(header::CACHE_CONTROL, caching);
        }
        if settings.is_attachment(&path)
            && let Some(disposition) = disposition(&path)
        {
            head.insert(header::CONTENT_DISPOSITION, disposition);
        }
        fields::on_file(settings, &mut head);
        fields::on_page(&mut head);
        Ok(Self {
            content,
            length: metadata.length,
            etag,
            coded,
            dated: date.filter(|_| fixed || vouched),
            dated_strongly: vouched && !fixed,
            settled,
            head,
        })
    }

    pub(crate) fn dated_strongly(&self) -> bool {
        self.dated_strongly
    }

    /// Whether the bytes are those of a compressed sibling.
    pub(crate) fn is_coded(&self) -> bool {
        self.coded
    }

    pub(crate) fn validators(&self) -> Validators<'_> {
        Validators {
            etag: self.etag.as_ref(),
            last_modified: self.dated,
            last_modified_is_strong: self.dated_strongly,
        }
    }
}

/// The entity tag: strong where the content, or the state of the file, makes it so (RFC 9110 8.8.1).
///
/// # Errors
/// As for [`facts::digest`].
fn tag(
    file: &File,
    coding: Coding,
    settings: &Settings,
    findings: &Findings,
    wait: Wait,
) -> io::Result<Option<EntityTag>> {
    let File {
        metadata,
        content,
        stamp,
    } = file;
    if let Some(tag) = &metadata.etag {
        return Ok(Some(tag.clone().of_coding(coding.tag())));
    }
    let by_date = settings.validate_by == ValidateBy::Modified;
    if by_date
        && let Some(stamp) = stamp
        && stamp.vouches_for_date()
    {
        let weak = !stamp.is_settled(SystemTime::now());
        return Ok(Some(of_state(stamp, coding, weak)));
    }
    if metadata.length <= settings.content_limit
        && let Some(digest) = facts::digest(content, *stamp, metadata.length, findings, wait)?
    {
        return Ok(Some(EntityTag::of_content(digest, coding.tag())));
    }
    // Good enough for a 304, but not to guard a range.
    Ok(match (stamp, metadata.modified.map(since_epoch)) {
        (Some(stamp), _) => Some(of_state(stamp, coding, true)),
        (None, Some(time)) => {
            let tag = EntityTag::of_state(time, metadata.length, 0, coding.tag(), true);
            Some(tag)
        }
        (None, None) => None,
    })
}

/// A tag of a file's state. The inode is mixed with the change time, so that the tag does not disclose it.
fn of_state(stamp: &Stamp, coding: Coding, weak: bool) -> EntityTag {
    let (seconds, nanos) = stamp.changed;
    let mut bytes = [0; 20];
    let parts = stamp.inode.to_le_bytes().into_iter();
    let parts = parts
        .chain(seconds.to_le_bytes())
        .chain(nanos.to_le_bytes());
    bytes
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = from);
    let rest = XxHash3_128::oneshot(&bytes) as u64;
    EntityTag::of_state(stamp.modified, stamp.length, rest, coding.tag(), weak)
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
