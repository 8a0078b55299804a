//! Files and downloads as replies, by `middleware-static`.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use gateway_core::adapt::from_service;
use gateway_core::{Application, Body, Environ, Error, Reply};
use http::{HeaderValue, Method, Request, StatusCode, header};
use middleware_static::source::{File, Node, ReadAt, Source, Wait};
use middleware_static::{Dotfiles, EntityTag, StaticFile, StaticFiles};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::file_name;

/// What a segment does not hold as it is; unreserved characters it does (RFC 3986 section 2.3).
const SEGMENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Something to save under a name: for [`download`](crate::EnvironExt::download).
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, Reply};
/// use gateway_web::{Download, EnvironExt};
///
/// fn export(environ: &mut Environ) -> Result<Reply, Error> {
///     let csv = "title,year\nMoby-Dick,1851\n";
///     environ.download(Download::new(std::io::Cursor::new(csv), "bücher.csv")?)
/// }
///
/// let client = Client::new(export);
/// let response = client.get("/").header("range", "bytes=0-4").send();
/// response.assert_status(206).assert_text("title");
/// let disposition = response.header("content-disposition").unwrap();
/// assert_eq!(disposition, "attachment; filename=\"b__cher.csv\"; filename*=UTF-8''b%C3%BCcher.csv");
/// ```
///
/// Conditions and ranges are those of `middleware-static` (RFC 9110 sections 13 and 14): several ranges, `If-Range`, 206,
/// 304, 412 and 416. What is made while it is sent, such as the export of a large table, has no length to take ranges
/// of: for that `Reply::new(Body::from_writer(..))`, with a Content-Disposition of its own.
#[derive(Debug)]
#[must_use = "nothing is sent before `download`"]
pub struct Download {
    file: File,
    name: String,
    content_type: Option<HeaderValue>,
    inline: bool,
}

impl Download {
    /// All that `reader` has from its beginning, as a file of this name.
    ///
    /// The name may be any text: what no file may be called is left out, and RFC 6266 has a way for all that is not
    /// ASCII. Its extension decides the Content-Type.
    ///
    /// # Errors
    ///
    /// The end of `reader` cannot be found.
    pub fn new(reader: impl Read + Seek + Send + 'static, name: &str) -> io::Result<Self> {
        let mut reader = reader;
        let length = reader.seek(SeekFrom::End(0))?;
        let reader = Seeking {
            reader: Mutex::new(reader),
        };
        Ok(Self {
            file: File::from_reader(length, reader),
            name: file_name::clean(name).unwrap_or_else(|| "download".to_owned()),
            content_type: None,
            inline: false,
        })
    }

    /// The `ETag`: equal tags mean equal bytes. Default: none. What is no tag (RFC 9110 section 8.8.3) is left out.
    pub fn etag(mut self, tag: &str) -> Self {
        if let Some(tag) = EntityTag::strong(tag) {
            self.file = self.file.etag(tag);
        }
        self
    }

    /// When the content was last changed: `Last-Modified`. Default: none.
    pub fn modified(mut self, time: SystemTime) -> Self {
        self.file = self.file.modified(time);
        self
    }

    /// The Content-Type. Default: by the extension of the name.
    pub fn content_type(mut self, value: HeaderValue) -> Self {
        self.content_type = Some(value);
        self
    }

    /// Shown by the browser rather than saved. Default: saved. **Not for what a stranger has uploaded**: HTML and SVG
    /// that are shown are scripts of this site.
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    pub(crate) fn reply(self, environ: &Environ) -> Result<Reply, Error> {
        let path = format!("/{}", utf8_percent_encode(&self.name, &SEGMENT));
        let mut files = StaticFiles::from_source(One(self.file))
            .dotfiles(Dotfiles::Serve)
            .no_cache();
        if !self.inline {
            files = files.attachment("**");
        }
        if let Some(value) = self.content_type {
            files = files.header(header::CONTENT_TYPE, value);
        }
        answer(environ, &path, files)
    }
}

pub(crate) fn file(environ: &Environ, path: &Path) -> Result<Reply, Error> {
    let file = StaticFile::new(path).map_err(|error| Error::new(StatusCode::NOT_FOUND, error))?;
    answer(environ, "/", file.no_cache())
}

/// What a service of `middleware-static` answers to the head of a request.
fn answer<S>(environ: &Environ, path: &str, service: S) -> Result<Reply, Error>
where
    S: tower_service::Service<
            Request<Body>,
            Response = http::Response<middleware_static::ResponseBody>,
            Error = std::convert::Infallible,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    let reads = matches!(*environ.method(), Method::GET | Method::HEAD);
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse()?;
    if reads {
        *request.method_mut() = environ.method().clone();
        *request.headers_mut() = environ.headers().clone();
    }
    let (parts, body) = request.into_parts();
    let response = from_service(service).respond(&mut Environ::new(parts, body))?;
    let status = response.status();
    let says_more = [
        StatusCode::PRECONDITION_FAILED,
        StatusCode::RANGE_NOT_SATISFIABLE,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        // It is a directory, or was called by another name.
        return Err(Error::new(StatusCode::NOT_FOUND, "this is no file"));
    }
    if (status.is_client_error() || status.is_server_error()) && !says_more.contains(&status) {
        return Err(Error::new(status, "the file cannot be sent"));
    }
    Ok(Reply::from(response))
}

/// Every path is this file.
struct One(File);

impl Source for One {
    fn open(&self, _: &Path, _: Wait) -> io::Result<Node> {
        Ok(Node::File(self.0.clone()))
    }
}

/// A reader at any offset.
struct Seeking<R> {
    reader: Mutex<R>,
}

impl<R: Read + Seek + Send + 'static> ReadAt for Seeking<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        if wait == Wait::Never {
            // It may be a file on a slow disk, for all that is known.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.seek(SeekFrom::Start(offset))?;
        reader.read(buffer)
    }
}
