//! Every request is for this one file.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request, Response};
use tower_service::Service;

use crate::body::ResponseBody;
use crate::files::StaticFiles;
use crate::future::ResponseFuture;
use crate::lookup::file_request::FileRequest;
use crate::lookup::path::{encode_segment, name_bytes};
use crate::settings::{Dotfiles, ValidateBy};
use crate::source::Single;

/// A service that answers every request, whatever its path, with one file: for routes such as `/favicon.ico`.
///
/// The file is the one you name, wherever its links lead.
///
/// ```
/// use middleware_static::StaticFile;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let icon = StaticFile::new("assets/favicon.ico")?.cache_control("max-age=86400".parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StaticFile {
    files: StaticFiles,
    path: Arc<str>,
}

impl StaticFile {
    /// The file at `path`. It need not exist yet; a relative path is taken from the current directory of this moment.
    ///
    /// # Errors
    /// [`io::ErrorKind::IsADirectory`] where there is a directory, or the path can name nothing else (`/`, `assets/..`):
    /// [`StaticFiles`] serves those.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        // A path that cannot be examined now may exist when a request comes.
        if path.is_dir() || path.file_name().is_none() {
            let text = format!(
                "{} is a directory: `StaticFile` serves one file, `StaticFiles` a directory",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::IsADirectory, text));
        }
        let source = Single::new(path);
        let path = format!("/{}", encode_segment(&name_bytes(source.name())));
        // A program that names a dotfile means it.
        let files = StaticFiles::from_source(source).dotfiles(Dotfiles::Serve);
        Ok(Self {
            files,
            path: path.into(),
        })
    }

    /// Sends a sibling with `.br`, `.zst` or `.gz` at the end of its name to clients that accept that coding. Default: off.
    #[must_use]
    pub fn precompressed(self) -> Self {
        self.set(StaticFiles::precompressed)
    }

    /// How a client's copy is compared with the file. Default: [`ValidateBy::Modified`].
    #[must_use]
    pub fn validate_by(self, validate_by: ValidateBy) -> Self {
        self.set(|files| files.validate_by(validate_by))
    }

    /// The `Cache-Control`. Default: no field.
    #[must_use]
    pub fn cache_control(self, value: HeaderValue) -> Self {
        self.set(|files| files.cache_control("*", value))
    }

    /// The `Content-Type`. Default: by the name's extension.
    #[must_use]
    pub fn content_type(self, value: HeaderValue) -> Self {
        self.header(http::header::CONTENT_TYPE, value)
    }

    /// Tells browsers to save the file and not to show it (`Content-Disposition: attachment`). Default: off.
    #[must_use]
    pub fn attachment(self) -> Self {
        self.set(|files| files.attachment("*"))
    }

    /// A field for every answer, as [`StaticFiles::header`]. Default: none.
    #[must_use]
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.set(|files| files.header(name, value))
    }

    /// Opens the file anew for every request. Default: it is kept open.
    #[must_use]
    pub fn no_cache(self) -> Self {
        self.set(StaticFiles::no_cache)
    }

    fn set(self, change: impl FnOnce(StaticFiles) -> StaticFiles) -> Self {
        Self {
            files: change(self.files),
            path: self.path,
        }
    }
}

impl<B> Service<Request<B>> for StaticFile {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let file_request = FileRequest::new(
            request.method(),
            request.uri(),
            &self.path,
            request.headers(),
            None,
        );
        ResponseFuture::new(self.files.site(), &file_request, request.uri())
    }
}
