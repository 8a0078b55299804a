//! Files that belong to pages.

use std::fs::File;
use std::io;

use gateway_core::{Environ, Error, Reply};
use gateway_web::{Download, EnvironExt, UploadLimits};
use http::{HeaderValue, StatusCode};
use minijinja::context;
use minijinja::value::Serde;
use router::RequestUrlArgs;

use crate::store::Page;
use crate::token::{self, STALE};
use crate::views::edit::author;
use crate::views::history::LONGEST_FORM;
use crate::views::page::existing;
use crate::wiki::{Wiki, name_of};

/// Longest file, in bytes.
const LONGEST_FILE: u64 = 10 * 1024 * 1024;

/// Files of one page, those that were removed included.
const MOST_FILES: u32 = 200;

/// The files of a page, and a form to add some.
///
/// # Errors
///
/// There is no such page (404).
pub fn list(environ: &mut Environ) -> Result<Reply, Error> {
    let page = existing(&Wiki::of(environ)?, &name_of(environ)?)?;
    shown(environ, &page, None)
}

/// Adds what is uploaded.
///
/// # Errors
///
/// There is no such page (404), or what comes is no upload (400, 415), or too long (413).
pub fn upload(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let page = existing(&wiki, &name_of(environ)?)?;
    let limits = UploadLimits::default()
        .parts(20)
        .fields_of(4096)
        .files_of(LONGEST_FILE)
        .whole(4 * LONGEST_FILE);
    let upload = environ
        .upload(limits)
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let text = "A file has at most 10 MiB, and an upload 40. Nothing was added.";
                Error::new(StatusCode::PAYLOAD_TOO_LARGE, text)
            }
            _ => error,
        })?;
    let again = |status: StatusCode, notice: &str| {
        Ok(shown(environ, &page, Some(notice))?.with_status(status))
    };
    if !token::accepts(environ, upload.form().get("token").unwrap_or_default()) {
        return again(StatusCode::FORBIDDEN, STALE);
    }
    let files: Vec<_> = upload.files().collect();
    let there = wiki.store().attachments(&page, MOST_FILES)?;
    if files.is_empty() || files.iter().any(|file| file.file_name().is_none()) {
        let notice = "Choose a file that has a name. Nothing was added.";
        return again(StatusCode::UNPROCESSABLE_ENTITY, notice);
    }
    if there.len() + files.len() > MOST_FILES as usize {
        let notice = "A page has at most 200 files, those that were removed included.";
        return again(StatusCode::PAYLOAD_TOO_LARGE, notice);
    }
    let author = author(environ, None);
    for file in files {
        let name = file.file_name().unwrap_or_default();
        wiki.store().attach(&page, name, &author, file.open()?)?;
    }
    environ.redirect_to("files", [page.name])
}

/// Removes a file, or brings it back.
///
/// # Errors
///
/// There is no such page or file (404).
pub fn remove(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let page = existing(&wiki, &name_of(environ)?)?;
    let form = environ.form(LONGEST_FORM)?;
    if !token::is_repeated(environ, &form) {
        return Ok(shown(environ, &page, Some(STALE))?.with_status(StatusCode::FORBIDDEN));
    }
    let file = form.get("file").and_then(|file| file.parse().ok());
    let removed = form.get("back").is_none();
    if !wiki
        .store()
        .set_removed(&page, file.unwrap_or(0), removed)?
    {
        return Err(missing());
    }
    environ.redirect_to("files", [page.name])
}

/// A file itself: shown if it is an image that runs nothing, else to be saved.
///
/// # Errors
///
/// There is no such page or file (404).
pub fn file(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let page = existing(&wiki, &name_of(environ)?)?;
    let name = environ.url_args().and_then(|args| args.name("file"));
    let found = wiki.store().attachment(&page, name.unwrap_or_default())?;
    let found = found.ok_or_else(missing)?;
    let content = match File::open(wiki.store().content(&found.place)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        content => content?,
    };
    let download = Download::new(content, &found.name)?.etag(&found.place);
    let download = match found.image.as_str() {
        "" => download.content_type(HeaderValue::from_static("application/octet-stream")),
        image => download
            .content_type(HeaderValue::try_from(image)?)
            .inline(),
    };
    // Downloads have `nosniff`.
    Ok(environ
        .download(download)?
        .header("cache-control", "no-cache")
        .header("content-security-policy", "default-src 'none'; sandbox"))
}

fn missing() -> Error {
    Error::new(StatusCode::NOT_FOUND, "The page has no such file.")
}

fn shown(environ: &Environ, page: &Page, notice: Option<&str>) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let files = wiki.store().attachments(page, MOST_FILES)?;
    let values = context! { name => &page.name, files => Serde(&files), notice };
    wiki.render_form(environ, "files.html", values)
}
