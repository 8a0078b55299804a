//! What a path stands for, by the settings: a file, a sibling, an index, a page with its suffix left out.

use std::io;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;

use crate::assets::{Asset, AssetManifest};
use crate::facts::Learned;
use crate::lookup::ask::Ask;
use crate::lookup::path::{Candidate, to_path};
use crate::lookup::root::{Named, Root, Siblings};
use crate::protocol::negotiate::{Coding, Preference};
use crate::settings::Settings;
use crate::source::{Entry, File, Source, Wait};

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
    /// Which of the roots it is in; none where it comes from a build before.
    pub(crate) root: Option<usize>,
    /// The path below the root, without the suffix of a compressed sibling: what types and rules go by.
    pub(crate) path: Vec<u8>,
    pub(crate) coding: Coding,
    /// What the choice depended on: the names for `Vary`.
    pub(crate) vary: Option<HeaderValue>,
    /// `Cache-Control`, where what was found decides it and not the rules.
    pub(crate) caching: Option<HeaderValue>,
}

/// Looks names up by the settings, in one root after the other.
///
/// The first root that has the name that was asked for wins, and what stands for that name (its siblings, its index,
/// the page with its suffix left out) comes from there too: of two roots, one file is never sent for another's.
pub(crate) struct Finder<'a> {
    pub(crate) sources: &'a [Arc<dyn Source>],
    pub(crate) settings: &'a Settings,
    pub(crate) preference: Preference,
    pub(crate) learned: &'a Learned,
    pub(crate) wait: Wait,
}

impl<'a> Finder<'a> {
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
        for root in self.roots() {
            let found = match root.named(path)? {
                Named::File(file, coding) => self.file(&root, file, path.to_vec(), coding),
                Named::NotAcceptable => Found::NotAcceptable,
                directory @ (Named::Directory | Named::Nothing) => {
                    match (self.find_clean(&root, path)?, directory) {
                        (Found::Nothing, Named::Directory) => Found::Redirect,
                        (found, _) => found,
                    }
                }
            };
            if !matches!(found, Found::Nothing) {
                return Ok(found);
            }
        }
        self.find_hashed(path)
    }

    /// A file that stands in for what is not there.
    pub(crate) fn find_page(&self, path: &str) -> io::Result<Found> {
        for root in self.roots() {
            let found = self.find_file(&root, path.as_bytes().to_vec())?;
            if !matches!(found, Found::Nothing) {
                return Ok(found);
            }
        }
        Ok(Found::Nothing)
    }

    /// What the directory that is listed holds, in all roots together.
    pub(crate) fn entries(&self, directory: &[u8]) -> io::Result<Vec<Entry>> {
        let directory = directory.strip_suffix(b"/").unwrap_or(directory);
        let directory = to_path(directory).unwrap_or(Path::new(""));
        let mut united: Option<Vec<Entry>> = None;
        let mut names = std::collections::HashSet::new();
        for source in self.sources {
            match source.list(directory) {
                Ok(mut entries) if self.sources.len() > 1 => {
                    entries.retain(|entry| names.insert(entry.name.clone()));
                    united.get_or_insert_default().append(&mut entries);
                }
                Ok(entries) => united = Some(entries),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        united.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn roots(&self) -> impl Iterator<Item = Root<'a>> {
        let (preference, limit) = (self.preference, self.settings.content_limit);
        let (learned, wait) = (self.learned, self.wait);
        self.sources
            .iter()
            .enumerate()
            .map(move |(number, source)| Root {
                number,
                source: &**source,
                preference,
                limit,
                learned,
                wait,
            })
    }

    /// The mount itself, without a slash: if there is anything, it is a directory.
    fn find_bare(&self) -> io::Result<Found> {
        Ok(if self.is_directory(b"")? {
            Found::Redirect
        } else {
            Found::Nothing
        })
    }

    fn find_in_directory(&self, directory: &[u8]) -> io::Result<Found> {
        for root in self.roots() {
            for index in &self.settings.index {
                let path = [directory, index.as_bytes()].concat();
                // A directory of that name is no index.
                let found = self.find_file(&root, path)?;
                if !matches!(found, Found::Nothing) {
                    return Ok(found);
                }
            }
        }
        let listed = self.settings.listing
            && self.is_directory(directory.strip_suffix(b"/").unwrap_or(directory))?;
        Ok(if listed {
            Found::Listing
        } else {
            Found::Nothing
        })
    }

    fn is_directory(&self, path: &[u8]) -> io::Result<bool> {
        for root in self.roots() {
            if root.has_directory(path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `about.html` for `about`.
    fn find_clean(&self, root: &Root<'_>, path: &[u8]) -> io::Result<Found> {
        if !self.settings.clean_urls {
            return Ok(Found::Nothing);
        }
        self.find_file(root, [path, b".html"].concat())
    }

    fn find_file(&self, root: &Root<'_>, path: Vec<u8>) -> io::Result<Found> {
        Ok(match root.named(&path)? {
            Named::File(file, coding) => self.file(root, file, path, coding),
            Named::NotAcceptable => Found::NotAcceptable,
            Named::Directory | Named::Nothing => Found::Nothing,
        })
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
        let Some(asset) = assets.find(&name, hash, self.learned)? else {
            return Ok(Found::Nothing);
        };
        let hashed = match asset {
            Asset::Previous(file) => {
                return Ok(self.kept_under(IMMUTABLE, None, file, name, Coding::Identity));
            }
            Asset::Current(stamp) => Some(stamp),
            Asset::Gone => None,
        };
        for root in self.roots() {
            // Today's content under yesterday's name must not be kept under it, also where it became yesterday's
            // since it was hashed.
            let Some(file) = root.open_file(&name)? else {
                continue;
            };
            let current = hashed.is_some_and(|hashed| file.stamp == hashed);
            let (siblings, caching) = if current {
                (Siblings::Proven, IMMUTABLE)
            } else {
                (Siblings::Current, HeaderValue::from_static("no-cache"))
            };
            return Ok(match root.in_best_coding(file, &name, siblings)? {
                Named::File(file, coding) => {
                    self.kept_under(caching, Some(root.number), file, name, coding)
                }
                _ => Found::NotAcceptable,
            });
        }
        Ok(Found::Nothing)
    }

    fn kept_under(
        &self,
        caching: HeaderValue,
        root: Option<usize>,
        file: File,
        path: Vec<u8>,
        coding: Coding,
    ) -> Found {
        let caching = Some(caching);
        Found::File(Chosen {
            caching,
            ..self.chosen(root, file, path, coding)
        })
    }

    fn file(&self, root: &Root<'_>, file: File, path: Vec<u8>, coding: Coding) -> Found {
        Found::File(self.chosen(Some(root.number), file, path, coding))
    }

    fn chosen(&self, root: Option<usize>, file: File, path: Vec<u8>, coding: Coding) -> Chosen {
        let vary = self
            .settings
            .precompressed
            .then(|| HeaderValue::from_static("accept-encoding"));
        Chosen {
            file,
            root,
            path,
            coding,
            vary,
            caching: None,
        }
    }
}
