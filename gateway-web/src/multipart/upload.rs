//! A whole upload: its fields as a form, its files in temporary files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use gateway_core::{Environ, Error};
use tempfile::NamedTempFile;

use super::limits::UploadLimits;
use super::part::{self, Part};
use crate::forms::Form;

/// A whole upload: from [`upload`](crate::EnvironExt::upload).
///
/// Files that are not [persisted](UploadedFile::persist) are deleted when this is dropped.
#[derive(Debug, Default)]
pub struct Upload {
    form: Form,
    files: Vec<UploadedFile>,
}

impl Upload {
    #[track_caller]
    pub(crate) fn of(environ: &mut Environ, limits: UploadLimits) -> Result<Self, Error> {
        let mut upload = Self::default();
        for part in part::of(environ, limits)? {
            let part = part?;
            // Where no file was chosen, a browser sends one without a name.
            match part.raw_file_name() {
                None => upload.form.push(part.name().to_owned(), part.text()?),
                Some("") => {}
                Some(_) => upload.files.push(UploadedFile::of(part)?),
            }
        }
        Ok(upload)
    }

    /// The fields that are no files.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The first file of the field `name`.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&UploadedFile> {
        self.files().find(|file| file.name() == name)
    }

    /// The first file of the field `name`, taken out.
    pub fn take_file(&mut self, name: &str) -> Option<UploadedFile> {
        let index = self.files.iter().position(|file| file.name() == name)?;
        Some(self.files.remove(index))
    }

    /// Every file, in the order sent.
    pub fn files(&self) -> impl Iterator<Item = &UploadedFile> {
        self.files.iter()
    }
}

/// A file of an upload, in a temporary file that only the program's user may read.
#[derive(Debug)]
pub struct UploadedFile {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    length: u64,
    file: NamedTempFile,
}

impl UploadedFile {
    #[track_caller]
    fn of(mut part: Part) -> Result<Self, Error> {
        let mut file = NamedTempFile::new()?;
        let length = io::copy(&mut part, &mut file)?;
        Ok(Self {
            name: part.name().to_owned(),
            file_name: part.file_name(),
            content_type: part.content_type().map(str::to_owned),
            length,
            file,
        })
    }

    /// The name of the form's field.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's name on the client, cleaned as [`Part::file_name`] is.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// What the client says that the content is. Nothing makes it true.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "`len() == 0` says it")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The content, from its beginning.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be opened any more.
    pub fn open(&self) -> io::Result<File> {
        self.file.reopen()
    }

    /// Keeps the file, at `path`, which is the program's own; what was there is replaced. On the file system of the
    /// temporary directory that is one step, on another a copy.
    ///
    /// # Errors
    ///
    /// The file can be put at no such path.
    pub fn persist(self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        match self.file.persist(path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::CrossesDevices => {
                fs::copy(error.file.path(), path).map(drop)
            }
            Err(error) => Err(error.error),
        }
    }
}
