//! What a path stands for, by the settings: a file, a sibling, an index, a page with its suffix left out.

use std::io;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;

use crate::assets::{Asset, AssetManifest, Build};
use crate::facts::Findings;
use crate::lookup::file_request::FileRequest;
use crate::lookup::path::{Candidate, to_path};
use crate::lookup::root::{Named, Root, Siblings};
use crate::protocol::negotiate::{Coding, Preference};
use crate::settings::{IMMUTABLE, Settings};
use crate::source::{Entry, File, Source, Wait};

/// What a path stands for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one request, and is nearly always the large one"
)]
pub(crate) enum Found {
    File(FoundFile),
    /// A directory, asked for without the slash at its end.
    Redirect,
    /// A directory without an index, to be listed.
    Listing,
    /// There is a file, but in no coding that the client accepts.
    NotAcceptable,
    Nothing,
}

/// The file that was found for a request, and how.
#[derive(Debug)]
pub(crate) struct FoundFile {
    pub(crate) file: File,
    /// The index of its root; `None` if it comes from another build.
    pub(crate) root: Option<usize>,
    /// The path below the root, without the suffix of a compressed sibling: types and rules are chosen by it.
    pub(crate) path: Vec<u8>,
    pub(crate) coding: Coding,
    /// The request header fields that the choice depended on: the value of `Vary`.
    pub(crate) vary: Option<HeaderValue>,
    /// `Cache-Control`, where the kind of file decides it and not the rules.
    pub(crate) caching: Option<HeaderValue>,
    /// Whether the request named something else: it is an index, or a page for what is missing.
    pub(crate) stands_in: bool,
}

/// Looks names up by the settings, in one root after the other.
///
/// The first root that has the name that was asked for wins, and what stands for that name (its siblings, its index,
/// the page with its suffix left out) comes from there too: of two roots, one file is never sent for another's.
pub(crate) struct Finder<'a> {
    pub(crate) sources: &'a [Arc<dyn Source>],
    pub(crate) settings: &'a Settings,
    pub(crate) preference: Preference,
    pub(crate) findings: &'a Findings,
    pub(crate) wait: Wait,
}

impl<'a> Finder<'a> {
    pub(crate) fn find(
        &self,
        candidate: &Candidate<'_>,
        request: &FileRequest<'_>,
    ) -> io::Result<Found> {
        let found = self.look_up(candidate, request)?;
        // A directory with nothing to show must not take its name from the service behind, nor from a page that does its
        // own routing. The mount itself stays one: the links of that page need its slash.
        let to_others =
            request.falls_through || (self.settings.spa.is_some() && request.bare_mount.is_none());
        if to_others && matches!(found, Found::Redirect) {
            let slash: &[u8] = if request.bare_mount.is_some() {
                b""
            } else {
                b"/"
            };
            let directory = [candidate.as_bytes(), slash].concat();
            if matches!(self.find_in_directory(&directory)?, Found::Nothing) {
                return Ok(Found::Nothing);
            }
        }
        Ok(found)
    }

    fn look_up(&self, candidate: &Candidate<'_>, request: &FileRequest<'_>) -> io::Result<Found> {
        if candidate.is_directory() {
            return if request.bare_mount.is_some() {
                self.find_bare_mount()
            } else {
                self.find_in_directory(candidate.as_bytes())
            };
        }
        let path = candidate.as_bytes();
        let assets = self.settings.assets.as_ref();
        let by_vite = assets.map_or(Ok(false), |assets| assets.has_vite_name(path, self.wait))?;
        let caching = by_vite.then_some(IMMUTABLE);
        // Clients keep this answer for good, so a sibling must not be out of date.
        let siblings = if by_vite || self.settings.is_immutable(path) {
            Siblings::Proven
        } else {
            Siblings::Current
        };
        for root in self.roots() {
            let found = match root.named(path, siblings)? {
                Named::File(file, coding) => Found::File(FoundFile {
                    caching: caching.clone(),
                    stands_in: false,
                    ..self.chosen(Some(root.number), file, path.to_vec(), coding)
                }),
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
        let found = self.find_hashed(path)?;
        if matches!(found, Found::Nothing) {
            return self.find_in_builds(path);
        }
        Ok(found)
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

    /// The entries of a directory, of all roots together.
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
        let sources = self.sources.iter().enumerate();
        sources.map(|(number, source)| self.root(number, &**source))
    }

    fn root<'b>(&self, number: usize, source: &'b dyn Source) -> Root<'b>
    where
        'a: 'b,
    {
        Root {
            number,
            source,
            preference: self.preference,
            limit: self.settings.content_limit,
            findings: self.findings,
            wait: self.wait,
        }
    }

    /// The mount itself, without a slash: if there is anything, it is a directory.
    fn find_bare_mount(&self) -> io::Result<Found> {
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
        Ok(match root.named(&path, Siblings::Current)? {
            Named::File(file, coding) => self.file(root, file, path, coding),
            Named::NotAcceptable => Found::NotAcceptable,
            Named::Directory | Named::Nothing => Found::Nothing,
        })
    }

    /// `app.3f9c1a7b.css` for an `app.css` with that content.
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
        let hashed = match assets.find(&name, hash, self.findings)? {
            Some(Asset::Current(stamp)) => Some(stamp),
            Some(Asset::Gone) => None,
            None => return Ok(Found::Nothing),
        };
        if hashed.is_none() {
            // If another build has the content that this hash stands for, it is better than today's.
            let found = self.find_in_builds(path)?;
            if !matches!(found, Found::Nothing) {
                return Ok(found);
            }
        }
        for root in self.roots() {
            // Clients must not keep today's content under an old name for good. The name may have become old since the
            // file was hashed.
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

    /// A file of another build, by a name that says its content.
    fn find_in_builds(&self, path: &[u8]) -> io::Result<Found> {
        let assets = self.settings.assets.as_ref();
        let named = self.settings.is_immutable(path);
        let hashed = assets.and_then(|_| AssetManifest::split(path));
        let by_vite = assets.is_some_and(AssetManifest::is_vite);
        if self.settings.builds.is_empty() || !(named || hashed.is_some() || by_vite) {
            return Ok(Found::Nothing);
        }
        if self.wait == Wait::Never {
            // The list of builds may have to be read.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for build in self.settings.builds.all() {
            let found = if named || (by_vite && build.has_vite_name(path, self.wait)?) {
                self.in_build(&build, path.to_vec(), None)?
            } else {
                Found::Nothing
            };
            let found = match (found, assets, &hashed) {
                (Found::Nothing, Some(assets), Some((name, hash))) => {
                    match assets.find_in(&build, name, *hash, self.findings)? {
                        Some(file) => self.in_build(&build, name.clone(), Some(file))?,
                        None => Found::Nothing,
                    }
                }
                (found, ..) => found,
            };
            if !matches!(found, Found::Nothing) {
                return Ok(found);
            }
        }
        Ok(Found::Nothing)
    }

    /// A file of another build, by its name there.
    fn in_build(&self, build: &Build, name: Vec<u8>, file: Option<File>) -> io::Result<Found> {
        let root = self.root(0, &*build.source);
        let Some(file) = file.map_or_else(|| root.open_file(&name), |file| Ok(Some(file)))? else {
            return Ok(Found::Nothing);
        };
        Ok(match root.in_best_coding(file, &name, Siblings::Proven)? {
            Named::File(file, coding) => self.kept_under(IMMUTABLE, None, file, name, coding),
            _ => Found::NotAcceptable,
        })
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
        Found::File(FoundFile {
            caching,
            stands_in: false,
            ..self.chosen(root, file, path, coding)
        })
    }

    fn file(&self, root: &Root<'_>, file: File, path: Vec<u8>, coding: Coding) -> Found {
        Found::File(self.chosen(Some(root.number), file, path, coding))
    }

    fn chosen(&self, root: Option<usize>, file: File, path: Vec<u8>, coding: Coding) -> FoundFile {
        let vary = self
            .settings
            .precompressed
            .then(|| HeaderValue::from_static("accept-encoding"));
        FoundFile {
            file,
            root,
            path,
            coding,
            vary,
            caching: None,
            stands_in: true,
        }
    }
}
