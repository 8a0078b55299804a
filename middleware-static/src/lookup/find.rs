//! What a path stands for, by the settings: a file, a sibling, an index, a page with its suffix left out.

use std::io;

use http::HeaderValue;

use crate::assets::{Asset, AssetManifest};
use crate::lookup::ask::Ask;
use crate::lookup::path::{Candidate, to_path};
use crate::protocol::negotiate::{Coding, Preference};
use crate::settings::Settings;
use crate::source::{File, Node, Source, Wait};

/// A year, and no question in between (RFC 8246).
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// What a path stands for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one request, and is nearly always the large one"
)]
pub(crate) enum Found {
    File(Chosen),
    /// A directory, asked for without the slash at its end.
    Redirect,
    /// A directory without an index, to be listed.
    Listing,
    /// There is a file, in no coding that the client accepts.
    NotAcceptable,
    Nothing,
}

/// What was found for a request, and how.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) file: File,
    /// The path below the root, without the suffix of a compressed sibling: what types and rules go by.
    pub(crate) path: Vec<u8>,
    pub(crate) coding: Coding,
    /// What the choice depended on: the names for `Vary`.
    pub(crate) vary: Option<HeaderValue>,
    /// `Cache-Control`, where what was found decides it and not the rules.
    pub(crate) caching: Option<HeaderValue>,
}

/// What one name stands for, with its siblings.
enum Named {
    File(File, Coding),
    Directory,
    NotAcceptable,
    Nothing,
}

/// Looks names up by the settings.
pub(crate) struct Finder<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) settings: &'a Settings,
    pub(crate) preference: Preference,
    pub(crate) wait: Wait,
}

impl Finder<'_> {
    pub(crate) fn find(&self, candidate: &Candidate<'_>, ask: &Ask<'_>) -> io::Result<Found> {
        let found = self.look_up(candidate, ask)?;
        if ask.falls_through && matches!(found, Found::Redirect) {
            // A directory with nothing to show must not take its name from the service behind.
            let slash: &[u8] = if ask.bare.is_some() { b"" } else { b"/" };
            let directory = [candidate.as_bytes(), slash].concat();
            if matches!(self.find_in_directory(&directory)?, Found::Nothing) {
                return Ok(Found::Nothing);
            }
        }
        Ok(found)
    }

    fn look_up(&self, candidate: &Candidate<'_>, ask: &Ask<'_>) -> io::Result<Found> {
        if candidate.is_directory() {
            return if ask.bare.is_some() {
                self.find_bare()
            } else {
                self.find_in_directory(candidate.as_bytes())
            };
        }
        let path = candidate.as_bytes();
        Ok(match self.named(path)? {
            Named::File(file, coding) => self.file(file, path.to_vec(), coding),
            Named::NotAcceptable => Found::NotAcceptable,
            directory @ (Named::Directory | Named::Nothing) => {
                let page = [path, b".html"].concat();
                match (
                    self.settings
                        .clean_urls
                        .then(|| self.named(&page))
                        .transpose()?,
                    directory,
                ) {
                    (Some(Named::File(file, coding)), _) => self.file(file, page, coding),
                    (Some(Named::NotAcceptable), _) => Found::NotAcceptable,
                    (_, Named::Directory) => Found::Redirect,
                    _ => self.find_hashed(path)?,
                }
            }
        })
    }

    /// A file that stands in for what is not there.
    pub(crate) fn find_page(&self, path: &str) -> io::Result<Found> {
        Ok(match self.named(path.as_bytes())? {
            Named::File(file, coding) => self.file(file, path.as_bytes().to_vec(), coding),
            Named::NotAcceptable => Found::NotAcceptable,
            Named::Directory | Named::Nothing => Found::Nothing,
        })
    }

    /// The mount itself, without a slash: if there is anything, it is a directory.
    fn find_bare(&self) -> io::Result<Found> {
        Ok(match self.open(b"")? {
            Some(Node::Directory) => Found::Redirect,
            _ => Found::Nothing,
        })
    }

    fn find_in_directory(&self, directory: &[u8]) -> io::Result<Found> {
        for index in &self.settings.index {
            let path = [directory, index.as_bytes()].concat();
            match self.named(&path)? {
                Named::File(file, coding) => return Ok(self.file(file, path, coding)),
                Named::NotAcceptable => return Ok(Found::NotAcceptable),
                // A directory of that name is no index.
                Named::Directory | Named::Nothing => {}
            }
        }
        if self.settings.listing
            && let Some(Node::Directory) =
                self.open(directory.strip_suffix(b"/").unwrap_or(directory))?
        {
            return Ok(Found::Listing);
        }
        Ok(Found::Nothing)
    }

    /// `app.3f9c1a7b.css` for an `app.css` with that content, now or in a build before.
    fn find_hashed(&self, path: &[u8]) -> io::Result<Found> {
        let Some(assets) = &self.settings.assets else {
            return Ok(Found::Nothing);
        };
        let Some((name, hash)) = AssetManifest::split(path) else {
            return Ok(Found::Nothing);
        };
        if self.wait == Wait::Never {
            // Hashing may read the file.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(asset) = assets.find(&name, hash) else {
            return Ok(Found::Nothing);
        };
        let hashed = match asset {
            Asset::Previous(file) => {
                return Ok(self.kept_under(IMMUTABLE, file, name, Coding::Identity));
            }
            Asset::Current(stamp) => Some(stamp),
            Asset::Gone => None,
        };
        Ok(match self.named(&name)? {
            Named::File(file, coding) => {
                // Today's content under yesterday's name must not be kept under it, also where it became
                // yesterday's since it was hashed. A sibling is taken at its word, unless it was made before
                // the file had this content.
                let same = hashed.is_some_and(|hashed| match coding {
                    Coding::Identity => file.stamp == hashed,
                    _ => file.stamp.map(|made| made.modified) >= hashed.map(|file| file.modified),
                });
                let caching = if same {
                    IMMUTABLE
                } else {
                    HeaderValue::from_static("no-cache")
                };
                self.kept_under(caching, file, name, coding)
            }
            Named::NotAcceptable => Found::NotAcceptable,
            Named::Directory | Named::Nothing => Found::Nothing,
        })
    }

    fn kept_under(&self, caching: HeaderValue, file: File, path: Vec<u8>, coding: Coding) -> Found {
        let caching = Some(caching);
        Found::File(Chosen {
            caching,
            ..self.chosen(file, path, coding)
        })
    }

    fn file(&self, file: File, path: Vec<u8>, coding: Coding) -> Found {
        Found::File(self.chosen(file, path, coding))
    }

    fn chosen(&self, file: File, path: Vec<u8>, coding: Coding) -> Chosen {
        let vary = self
            .settings
            .precompressed
            .then(|| HeaderValue::from_static("accept-encoding"));
        Chosen {
            file,
            path,
            coding,
            vary,
            caching: None,
        }
    }

    /// A name in the coding that the client likes best of those that are there.
    fn named(&self, path: &[u8]) -> io::Result<Named> {
        for coding in self
            .preference
            .iter()
            .take_while(|&coding| coding != Coding::Identity)
        {
            let sibling = [path, coding.suffix().as_bytes()].concat();
            match self.open(&sibling) {
                Ok(Some(Node::File(file))) => return Ok(Named::File(file, coding)),
                Ok(_) => {}
                // A sibling that may not be read is as good as none.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match self.open(path)? {
            Some(Node::File(file)) if self.preference.accepts_identity() => {
                Named::File(file, Coding::Identity)
            }
            Some(Node::File(_)) => Named::NotAcceptable,
            Some(Node::Directory) => Named::Directory,
            None => Named::Nothing,
        })
    }

    fn open(&self, path: &[u8]) -> io::Result<Option<Node>> {
        let Some(path) = to_path(path) else {
            return Ok(None);
        };
        match self.source.open(path, self.wait) {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
