//! The parts of an upload, one after the other.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use gateway_core::{Environ, Error};
use http::{HeaderMap, StatusCode, header};

use super::disposition::Disposition;
use super::error::{MultipartError, What};
use super::limits::UploadLimits;
use super::reader::{ReadError, Reader};
use crate::file_name;

/// The parts of an upload, in the order sent: from [`multipart`](crate::EnvironExt::multipart).
///
/// ```
/// use std::io;
/// use gateway_core::{Environ, Error, Reply};
/// use gateway_web::{EnvironExt, UploadLimits};
///
/// fn upload(environ: &mut Environ) -> Result<Reply, Error> {
///     let mut title = String::new();
///     for part in environ.multipart(UploadLimits::default())? {
///         let mut part = part?;
///         match part.name() {
///             "title" => title = part.text()?,
///             "cover" => _ = io::copy(&mut part, &mut io::sink())?,
///             _ => {}
///         }
///     }
///     Ok(Reply::text(title))
/// }
/// # let body = "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nMoby-Dick\r\n--x--\r\n";
/// # let client = gateway_core::testing::Client::new(upload);
/// # let request = client.post("/").header("content-type", "multipart/form-data; boundary=x").body(body);
/// # request.send().assert_text("Moby-Dick");
/// ```
///
/// Nothing is held but one chunk of 32 KiB and the head of one part (16 KiB at most). What of a part is not read is
/// read and forgotten when the next is asked for. Slow clients are cut off as with any [`Input`](gateway_core::Input).
pub struct Multipart {
    reader: Arc<Mutex<Reader>>,
    ended: bool,
}

#[track_caller]
pub(crate) fn of(environ: &mut Environ, limits: UploadLimits) -> Result<Multipart, Error> {
    let content_type = environ
        .header("content-type")
        .unwrap_or_default()
        .to_owned();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        let text = "the body is not multipart/form-data";
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let reader = Reader::new(environ.take_input(), &content_type, limits)
        .map_err(MultipartError::answered)?;
    Ok(Multipart {
        reader: Arc::new(Mutex::new(reader)),
        ended: false,
    })
}

impl Iterator for Multipart {
    type Item = Result<Part, Error>;

    /// The next part. After an error there is none.
    fn next(&mut self) -> Option<Result<Part, Error>> {
        if self.ended {
            return None;
        }
        let next = next_part(&self.reader);
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

fn next_part(shared: &Arc<Mutex<Reader>>) -> Result<Option<Part>, Error> {
    let mut reader = lock(shared);
    let headers = reader.next_part().map_err(|failure| match failure {
        ReadError::Upload(error) => error.answered(),
        ReadError::Input(error) => error.into(),
    })?;
    let Some(headers) = headers else {
        return Ok(None);
    };
    match Part::new(shared, &reader, headers) {
        Ok(part) => Ok(Some(part)),
        Err(error) => {
            reader.fail(&error);
            Err(error.answered())
        }
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").finish_non_exhaustive()
    }
}

/// One part of an upload: a field or a file, to read as it arrives.
///
/// Reading it fails where the upload is too large or malformed; through `?` that is answered with 413 or 400.
pub struct Part {
    reader: Arc<Mutex<Reader>>,
    /// Which part of the reader's it is.
    number: usize,
    name: String,
    file_name: Option<String>,
    headers: HeaderMap,
    limit: u64,
    read: u64,
    /// What of the present chunk is not taken yet.
    chunk: Bytes,
}

impl Part {
    fn new(
        shared: &Arc<Mutex<Reader>>,
        reader: &Reader,
        headers: HeaderMap,
    ) -> Result<Self, MultipartError> {
        let disposition = headers.get(header::CONTENT_DISPOSITION);
        let disposition = disposition.and_then(|field| Disposition::parse(field.as_bytes()));
        let Disposition { name, file_name } =
            disposition.ok_or_else(|| MultipartError::malformed("a part has no name"))?;
        let coding = headers
            .get("content-transfer-encoding")
            .map(|coding| coding.as_bytes());
        let plain = |coding: &[u8]| {
            let known: [&[u8]; 3] = [b"binary", b"8bit", b"7bit"];
            known
                .iter()
                .any(|known| known.eq_ignore_ascii_case(coding.trim_ascii()))
        };
        // RFC 7578 section 4.7: no client of today encodes, and to pass the code on as the content would be wrong.
        if coding.is_some_and(|coding| !plain(coding)) {
            return Err(MultipartError::malformed(
                "a part has a Content-Transfer-Encoding",
            ));
        }
        let limit = match file_name {
            Some(_) => reader.limits.file,
            None => reader.limits.field,
        };
        Ok(Self {
            reader: Arc::clone(shared),
            number: reader.part,
            name,
            file_name,
            headers,
            limit,
            read: 0,
            chunk: Bytes::new(),
        })
    }

    /// The name of the form's field.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a file. A browser sends one without a [name](Self::file_name) and without content where none was
    /// chosen.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_name.is_some()
    }

    /// The file's name on the client, cleaned: one name that is safe in one directory on any system. `None` where it
    /// is no file, or nothing is left of the name.
    ///
    /// Without a path, control characters, characters that Windows refuses or that reorder text, and dots at its ends;
    /// no device of Windows; at most 255 bytes. Two files may still have one name, and what a name says of the content
    /// is the client's word.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.file_name.as_deref().and_then(file_name::clean)
    }

    /// The file's name as the client wrote it: to show (escaped), never to open.
    #[must_use]
    pub fn raw_file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// What the client says that the content is. Nothing makes it true.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The header fields of the part.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The rest of it, as text. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    ///
    /// It is too long, or the upload is malformed, cut short or stalled.
    #[track_caller]
    pub fn text(mut self) -> Result<String, Error> {
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(match String::from_utf8(content) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// The next piece. `None` at the end.
    fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let mut reader = lock(&self.reader);
        if reader.part != self.number {
            return Err(io::Error::other(
                "the next part of the upload has been asked for",
            ));
        }
        let chunk = reader.chunk().map_err(|failure| match failure {
            ReadError::Upload(error) => error.into_io(),
            ReadError::Input(error) => error,
        })?;
        self.read += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.read > self.limit {
            let error = MultipartError::new(What::FieldTooLong {
                name: self.name.clone(),
                limit: self.limit,
            });
            reader.fail(&error);
            return Err(error.into_io());
        }
        Ok(chunk)
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() && !buffer.is_empty() {
            self.chunk = self.next_chunk()?.unwrap_or_default();
        }
        let length = self.chunk.len().min(buffer.len());
        let (start, _) = buffer.split_at_mut(length);
        self.chunk.copy_to_slice(start);
        Ok(length)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .field("is_file", &self.is_file())
            .finish_non_exhaustive()
    }
}

fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}
