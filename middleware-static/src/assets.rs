//! Names that say their content: `css/app.css` as `css/app.3f9c1a7b.css`, to be kept for good.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gateway_core::escape;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

mod builds;
mod vite;

pub(crate) use self::builds::{Build, Builds};
use self::vite::{Chunk, Chunks, Vite};
use crate::facts::{self, CONTENT_LIMIT, Findings};
use crate::lookup::path::{encode_path, to_path};
use crate::source::{Directory, File, Node, Source, Stamp, Wait};

/// The number of digits in a name: enough that two versions of one file do not share a hash.
const DIGITS: usize = 8;

/// How many former hashes of one file are remembered.
const HISTORY: usize = 32;

/// URLs with a hash of the content in them, for pages to link to and [`StaticFiles`](crate::StaticFiles) to serve with
/// `Cache-Control: immutable`.
///
/// Give the same manifest (clones are the same) to [`StaticFiles::assets`](crate::StaticFiles::assets) and to your templates.
///
/// ```
/// use middleware_static::{AssetManifest, StaticFiles};
///
/// # let root = tempfile::tempdir().unwrap();
/// # std::fs::create_dir(root.path().join("css")).unwrap();
/// # std::fs::write(root.path().join("css/app.css"), "body {}").unwrap();
/// let assets = AssetManifest::new(root.path()).base("/public");
/// let files = StaticFiles::new(root.path()).assets(assets.clone());
///
/// let url = assets.asset_url("css/app.css");
/// assert!(url.starts_with("/public/css/app.") && url.ends_with(".css") && url.len() == "/public/css/app.3f9c1a7b.css".len());
/// ```
///
/// - The hash follows the file: change it and the next page links to the new name. With [`frozen`](Self::frozen)
///   each file is hashed once, for sites that are replaced as a whole.
/// - The plain name still works, without being kept for good.
/// - An old name keeps working as long as its content is anywhere: in the file now, or in one of the
///   [previous builds](crate::StaticFiles::previous_builds). A name this process gave out whose content is gone gets today's file,
///   to be asked for again each time, rather than a page without its styles. Any other hash is a 404.
/// - What [Vite](Self::vite) has built has its hash already.
///
/// Compressed siblings are sent under hashed names only if they decode to the file. Names that begin with a dot have no hashed form. A file of more than 32 MiB is served under its hashed name once
/// [`asset_url`](Self::asset_url) was asked for it: no client can have large files read by making names up.
#[derive(Clone)]
pub struct AssetManifest {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    /// The roots in the order in which files are looked up.
    roots: Vec<Root>,
    base: String,
    frozen: bool,
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Root {
    source: Arc<dyn Source>,
    /// The manifest of Vite, where it made the files.
    vite: Option<Arc<Vite>>,
}

impl Root {
    fn new(source: impl Source) -> Self {
        Self {
            source: Arc::new(source),
            vite: None,
        }
    }

    fn built_by_vite(source: impl Source) -> Self {
        let source: Arc<dyn Source> = Arc::new(source);
        let vite = Some(Arc::new(Vite::new(Arc::clone(&source))));
        Self { source, vite }
    }
}

#[derive(Default)]
struct Shared {
    /// The hashes given out, the newest last.
    given: RwLock<HashMap<String, Vec<Hash>>>,
}

/// A hash as it stands in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash(u32);

/// What a hashed name stands for, of the present build.
pub(crate) enum Asset {
    /// The file that has the plain name now, in the state in which it has this hash.
    Current(Option<Stamp>),
    /// The file has changed since this hash was given out.
    Gone,
}

impl AssetManifest {
    /// The files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::from_source(Directory::new(root))
    }

    /// The files of a source.
    pub fn from_source(source: impl Source) -> Self {
        Self::with_root(Root::new(source))
    }

    /// What Vite has built below `root`, by the manifest that it wrote there (`build.manifest: true` in its configuration).
    ///
    /// [`asset_url`](Self::asset_url) and [`asset_tags`](Self::asset_tags) take the path of a source, and the files of the manifest are
    /// served to be kept for good. A release that changes the manifest is noticed. Files that Vite only copied (`public/`)
    /// are hashed as those of any other root.
    ///
    /// ```
    /// use middleware_static::{AssetManifest, StaticFiles};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let root = tempfile::tempdir()?;
    /// # std::fs::create_dir(root.path().join(".vite"))?;
    /// # std::fs::write(root.path().join(".vite/manifest.json"),
    /// #     r#"{ "src/main.ts": { "file": "assets/main-BRBmoGS9.js", "css": ["assets/main-5UjPuW-k.css"] } }"#)?;
    /// let assets = AssetManifest::vite(root.path())?.base("/");
    /// let files = StaticFiles::new(root.path()).assets(assets.clone());
    ///
    /// assert_eq!(assets.asset_url("src/main.ts"), "/assets/main-BRBmoGS9.js");
    /// assert_eq!(assets.asset_tags("src/main.ts"), "\
    ///     <link rel=\"stylesheet\" href=\"/assets/main-5UjPuW-k.css\">\n\
    ///     <script type=\"module\" src=\"/assets/main-BRBmoGS9.js\"></script>\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is neither `.vite/manifest.json` nor `manifest.json`, and
    /// [`io::ErrorKind::InvalidData`] where that is not Vite's.
    pub fn vite(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        Self::vite_source(Directory::new(&root))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", root.display())))
    }

    /// As [`vite`](Self::vite), for any source, such as embedded files.
    ///
    /// # Errors
    /// As for [`vite`](Self::vite).
    pub fn vite_source(source: impl Source) -> io::Result<Self> {
        let root = Root::built_by_vite(source);
        if let Some(vite) = &root.vite {
            vite.chunks(Wait::Allowed)?;
        }
        Ok(Self::with_root(root))
    }

    fn with_root(root: Root) -> Self {
        let inner = Inner {
            roots: vec![root],
            base: String::new(),
            frozen: false,
            shared: Arc::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Adds another root, which is searched after those before it, as in [`StaticFiles::overlay`](crate::StaticFiles::overlay). The
    /// first root that has a name decides its hash. Default: none.
    #[must_use]
    pub fn overlay(self, root: impl Into<PathBuf>) -> Self {
        self.overlay_source(Directory::new(root))
    }

    /// As above, with any source.
    #[must_use]
    pub fn overlay_source(self, source: impl Source) -> Self {
        self.set(|inner| {
            // A theme may be built by Vite as well; if it is not, it has no manifest.
            let by_vite = inner.roots.iter().any(|root| root.vite.is_some());
            inner.roots.push(if by_vite {
                Root::built_by_vite(source)
            } else {
                Root::new(source)
            });
        })
    }

    /// The prefix of the URLs, such as `/public`: where the files are mounted. Default: none, for URLs relative to the
    /// page's own directory.
    #[must_use]
    pub fn base(self, base: impl Into<String>) -> Self {
        let mut base = base.into();
        if !base.is_empty() && !base.ends_with('/') {
            base.push('/');
        }
        self.set(|inner| inner.base = base)
    }

    /// Hashes each file once and never again. Default: a file that changes gets a new hash.
    #[must_use]
    pub fn frozen(self) -> Self {
        self.set(|inner| inner.frozen = true)
    }

    /// The URL of a file, percent-encoded, with the hash of its content. The name is a path below the root; a query or
    /// fragment behind it (`sprite.svg#icon`) stays behind it, unless that is how a file is named.
    ///
    /// For a file that is not there it is the URL without a hash, which will be a 404 and so be found;
    /// [`try_asset_url`](Self::try_asset_url) says why. Blocks on the disk where a file has changed.
    #[must_use]
    pub fn asset_url(&self, name: &str) -> String {
        let name = name.trim_start_matches('/');
        self.url(&self.reference(name).unwrap_or_else(|_| unhashed(name)))
    }

    /// As [`asset_url`](Self::asset_url).
    ///
    /// # Errors
    /// What the file system says of a file that cannot be read.
    pub fn try_asset_url(&self, name: &str) -> io::Result<String> {
        let name = name.trim_start_matches('/');
        Ok(self.url(&self.reference(name)?))
    }

    /// The URL of a file relative to a page, both paths below the same root: right wherever that root is mounted.
    ///
    /// From `docs/intro.html`, `css/app.css` is `../css/app.3f9c1a7b.css`. [`base`](Self::base) plays no part.
    #[must_use]
    pub fn asset_url_from(&self, page: &str, name: &str) -> String {
        let name = name.trim_start_matches('/');
        let reference = self.reference(name).unwrap_or_else(|_| unhashed(name));
        let up = page.trim_start_matches('/').matches('/').count();
        let up = if up == 0 {
            "./".to_owned()
        } else {
            "../".repeat(up)
        };
        up + &reference
    }

    /// The tags by which a page loads an asset and all that it needs, a line each: for a script its style sheets, the
    /// module, and preloads of what it imports. Only Vite's manifest knows what a script needs.
    ///
    /// The text is HTML: mark it as safe in your templates.
    #[must_use]
    pub fn asset_tags(&self, name: &str) -> String {
        let name = name.trim_start_matches('/');
        let built = self.in_vite(name, |chunks, chunk| {
            let loaded = chunks.loaded_with(chunk);
            let url = |path: &&str| self.url(&encode_path(path.as_bytes()));
            let styles: Vec<_> = loaded.styles.iter().map(url).collect();
            let scripts: Vec<_> = loaded.scripts.iter().map(url).collect();
            (styles, scripts)
        });
        let (styles, scripts) = built.unwrap_or_else(|| (Vec::new(), vec![self.asset_url(name)]));
        let mut tags = String::new();
        let mut tag = |before: &str, url: &str, after: &str| {
            tags.extend([before, &escape(url), after, "\n"]);
        };
        for style in styles {
            tag("<link rel=\"stylesheet\" href=\"", &style, "\">");
        }
        for (place, script) in scripts.iter().enumerate() {
            match place {
                0 if is_style(script) => tag("<link rel=\"stylesheet\" href=\"", script, "\">"),
                0 => tag("<script type=\"module\" src=\"", script, "\"></script>"),
                _ => tag("<link rel=\"modulepreload\" href=\"", script, "\">"),
            }
        }
        tags
    }

    fn set(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    fn url(&self, reference: &str) -> String {
        format!("{}{reference}", self.inner.base)
    }

    /// The encoded path with the hash, followed by the query or fragment.
    fn reference(&self, name: &str) -> io::Result<String> {
        if let Some(file) = self.in_vite(name, |_, chunk| encode_path(chunk.file.as_bytes())) {
            return Ok(file);
        }
        let encoded = |name, hash| encode_path(insert(name, hash).as_bytes());
        match (self.hash(name), split_suffix(name)) {
            (Ok(hash), _) => Ok(encoded(name, hash)),
            (Err(_), Some((path, suffix))) => {
                let hash = self.hash(path)?;
                Ok(encoded(path, hash) + &encode_suffix(suffix))
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Of the first root whose manifest has the source `name`.
    fn in_vite<T>(&self, name: &str, read: impl Fn(&Chunks, &Chunk) -> T) -> Option<T> {
        let mut manifests = self
            .inner
            .roots
            .iter()
            .filter_map(|root| root.vite.as_ref());
        manifests.find_map(|vite| {
            let chunks = vite.chunks(Wait::Allowed).ok()?;
            Some(read(&chunks, chunks.get(name)?))
        })
    }

    /// Whether Vite made a file of this path, with its content in its name.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], with [`Wait::Never`], where a manifest has to be read.
    pub(crate) fn has_vite_name(&self, path: &[u8], wait: Wait) -> io::Result<bool> {
        for vite in self
            .inner
            .roots
            .iter()
            .filter_map(|root| root.vite.as_ref())
        {
            match vite.chunks(wait) {
                Ok(chunks) if chunks.has(path) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }

    /// Whether files are built by Vite.
    pub(crate) fn is_vite(&self) -> bool {
        self.inner.roots.iter().any(|root| root.vite.is_some())
    }

    fn hash(&self, name: &str) -> io::Result<Hash> {
        let last = || {
            self.given()
                .get(name)
                .and_then(|given| given.last().copied())
        };
        if self.inner.frozen
            && let Some(hash) = last()
        {
            return Ok(hash);
        }
        let hash = self.hash_now(name)?;
        if last() != Some(hash) {
            let given = &self.inner.shared.given;
            let mut given = given.write().unwrap_or_else(PoisonError::into_inner);
            let given = given.entry(name.to_owned()).or_default();
            given.retain(|&old| old != hash);
            given.push(hash);
            if given.len() > HISTORY {
                given.remove(0);
            }
        }
        Ok(hash)
    }

    fn hash_now(&self, name: &str) -> io::Result<Hash> {
        let file = self.open(name)?;
        let length = file.metadata.length;
        facts::digest_now(&file.content, file.stamp, length).map(Hash::of)
    }

    /// The file of the first root that has the name.
    fn open(&self, name: &str) -> io::Result<File> {
        let mut roots = self.inner.roots.iter();
        let found = roots.find_map(|root| match open(&root.source, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            result => Some(result),
        });
        found.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// The file, if it has this hash. A large one is not read for a hash that a client made up.
    fn with_hash(
        &self,
        file: File,
        name: &str,
        hash: Hash,
        findings: &Findings,
    ) -> io::Result<Option<File>> {
        let File { content, stamp, .. } = &file;
        let length = file.metadata.length;
        if length > CONTENT_LIMIT && !self.has_given(name, hash) {
            return Ok(None);
        }
        let digest = facts::digest(content, *stamp, length, findings, Wait::Allowed)?;
        Ok((digest.map(Hash::of) == Some(hash)).then_some(file))
    }

    fn has_given(&self, name: &str, hash: Hash) -> bool {
        self.given()
            .get(name)
            .is_some_and(|given| given.contains(&hash))
    }

    fn given(&self) -> RwLockReadGuard<'_, HashMap<String, Vec<Hash>>> {
        let given = &self.inner.shared.given;
        given.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hashed name as the plain one and the hash.
    pub(crate) fn split(path: &[u8]) -> Option<(Vec<u8>, Hash)> {
        let start = path
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |slash| slash + 1);
        let name = path.get(start..)?;
        let last_dot = name.iter().rposition(|&byte| byte == b'.')?;
        let (stem, extension) = name.split_at_checked(last_dot)?;
        let cut = |dot: usize, rest: &[u8]| {
            let hash = Hash::parse(path.get(start + dot + 1..start + dot + 1 + DIGITS)?)?;
            let plain = [path.get(..start + dot)?, rest].concat();
            (dot > 0).then_some((plain, hash))
        };
        let in_stem = stem
            .iter()
            .rposition(|&byte| byte == b'.')
            .filter(|dot| stem.len() - dot == DIGITS + 1);
        match in_stem.and_then(|dot| cut(dot, extension)) {
            Some(found) => Some(found),
            None if extension.len() == DIGITS + 1 => cut(last_dot, b""),
            None => None,
        }
    }

    /// What a hashed name stands for; `None` where it was given out by none. May wait for the disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where a file has to be read first.
    pub(crate) fn find(
        &self,
        name: &[u8],
        hash: Hash,
        findings: &Findings,
    ) -> io::Result<Option<Asset>> {
        let Ok(name) = std::str::from_utf8(name) else {
            return Ok(None);
        };
        let file = self.open(name);
        match file.and_then(|file| self.with_hash(file, name, hash, findings)) {
            Ok(Some(file)) => return Ok(Some(Asset::Current(file.stamp))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        Ok(self.has_given(name, hash).then_some(Asset::Gone))
    }

    /// The file of another build that has this name and this hash. May wait for the disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where a file has to be read first.
    pub(crate) fn find_in(
        &self,
        build: &Build,
        name: &[u8],
        hash: Hash,
        findings: &Findings,
    ) -> io::Result<Option<File>> {
        let Ok(name) = std::str::from_utf8(name) else {
            return Ok(None);
        };
        let file = open(&build.source, name);
        match file.and_then(|file| self.with_hash(file, name, hash, findings)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(None),
            result => result,
        }
    }
}

/// Whether a URL leads to a style sheet.
fn is_style(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    [".css", ".CSS"].iter().any(|ending| path.ends_with(ending))
}

fn unhashed(name: &str) -> String {
    let (path, suffix) = split_suffix(name).unwrap_or((name, ""));
    encode_path(path.as_bytes()) + &encode_suffix(suffix)
}

/// A name in front of its query or fragment, and the latter.
fn split_suffix(name: &str) -> Option<(&str, &str)> {
    name.split_at_checked(name.find(['?', '#'])?)
}

/// Encodes only what no URL can hold: the program wrote the rest and means it.
fn encode_suffix(suffix: &str) -> String {
    const NOT_IN_URLS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');
    utf8_percent_encode(suffix, NOT_IN_URLS).to_string()
}

/// Opens the file of a name that the program or a client gave.
fn open(source: &Arc<dyn Source>, name: &str) -> io::Result<File> {
    let escapes = name
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."));
    let path = to_path(name.as_bytes())
        .filter(|_| !escapes)
        .ok_or(io::ErrorKind::InvalidInput)?;
    match source.open(path, Wait::Allowed)? {
        Node::File(file) => Ok(file),
        Node::Directory => Err(io::ErrorKind::NotFound.into()),
    }
}

impl fmt::Debug for AssetManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { base, frozen, .. } = &*self.inner;
        f.debug_struct("AssetManifest")
            .field("base", base)
            .field("frozen", frozen)
            .finish_non_exhaustive()
    }
}

impl Hash {
    fn of(digest: u128) -> Self {
        Self((digest >> 96) as u32)
    }

    fn parse(digits: &[u8]) -> Option<Self> {
        let exact = digits.len() == DIGITS
            && digits
                .iter()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let digits = std::str::from_utf8(digits).ok().filter(|_| exact)?;
        u32::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// `css/app.css` and a hash as `css/app.3f9c1a7b.css`.
fn insert(name: &str, Hash(hash): Hash) -> String {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name.rfind('.').filter(|&dot| dot > start);
    match dot.and_then(|dot| name.split_at_checked(dot)) {
        Some((stem, extension)) => format!("{stem}.{hash:08x}{extension}"),
        None => format!("{name}.{hash:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_goes_in_front_of_the_extension_and_comes_out_again() {
        for (name, hashed) in [
            ("app.css", "app.0000beef.css"),
            ("css/app.min.css", "css/app.min.0000beef.css"),
            ("LICENSE", "LICENSE.0000beef"),
            ("v1.2/LICENSE", "v1.2/LICENSE.0000beef"),
            ("a b/\u{e9}.js", "a b/\u{e9}.0000beef.js"),
        ] {
            assert_eq!(insert(name, Hash(0xbeef)), hashed);
            assert_eq!(
                AssetManifest::split(hashed.as_bytes()),
                Some((name.as_bytes().to_vec(), Hash(0xbeef)))
            );
        }
    }

    #[test]
    fn what_is_no_hash_is_part_of_the_name() {
        for name in [
            "app.css",
            "app.0000BEEF.css",
            "app.beef.css",
            "app.00000beef.css",
            ".0000beef.css",
            "app.+000beef.css",
            "0000beef",
            "",
        ] {
            assert_eq!(AssetManifest::split(name.as_bytes()), None, "{name}");
        }
    }
}
