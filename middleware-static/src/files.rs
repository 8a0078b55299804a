//! Every request is for a file.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_service::Service;

use crate::assets::AssetManifest;
use crate::body::ResponseBody;
use crate::future::ResponseFuture;
use crate::lookup::file_request::{FileRequest, bare_mount};
use crate::settings::{
    Caching, Dotfiles, Glob, Limits, OtherSpellings, SendFile, Settings, ValidateBy,
};
use crate::site::Site;
use crate::source::{Directory, Source};

/// A service that answers every request with a file, or with the status that says why not.
///
/// It never fails (`Error = Infallible`), is always ready and cheap to clone: it goes where `ServeDir` goes, such
/// as axum's `fallback_service` and `nest_service`.
///
/// ```
/// use http::Request;
/// use middleware_static::StaticFiles;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let root = tempfile::tempdir().unwrap();
/// # std::fs::write(root.path().join("hello.txt"), "hello").unwrap();
/// let files = StaticFiles::new(root.path())
///     .precompressed()
///     .cache_control("*.{css,js}", "max-age=3600".parse().unwrap());
///
/// let response = files.oneshot(Request::get("/hello.txt").body(()).unwrap()).await.unwrap();
/// assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
/// # }
/// ```
///
/// Settings are best made before it is cloned: what a setting changes gets a cache of its own.
#[derive(Clone)]
pub struct StaticFiles {
    site: Arc<Site>,
}

impl StaticFiles {
    /// The files below `root`. It need not exist yet; a relative path is taken from the current directory of this moment.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::from_source(Directory::new(root))
    }

    /// The files of a source: a [`Directory`] with settings of its own, embedded files, or yours.
    pub fn from_source(source: impl Source) -> Self {
        Self {
            site: Arc::new(Site::new(vec![Arc::new(source)], Settings::default())),
        }
    }

    /// Adds another root, which is searched for what the roots before it do not have. Default: none.
    ///
    /// The first root that has the name asked for wins, and its siblings, its index or its clean page come from there.
    /// A directory is in all roots that have it: what it holds is united.
    #[must_use]
    pub fn overlay(self, root: impl Into<PathBuf>) -> Self {
        self.overlay_source(Directory::new(root))
    }

    /// As above, with any source.
    #[must_use]
    pub fn overlay_source(self, source: impl Source) -> Self {
        let mut sources = self.site.sources.clone();
        sources.push(Arc::new(source));
        Self {
            site: Arc::new(Site::new(sources, self.site.settings.clone())),
        }
    }

    /// The files that are sent for a directory; the first that exists is taken. Default: `index.html`.
    #[must_use]
    pub fn index_files<I: IntoIterator<Item: Into<String>>>(self, names: I) -> Self {
        self.set(|settings| settings.index = names.into_iter().map(Into::into).collect())
    }

    /// Whether names that begin with a dot are served. Default: [`Dotfiles::Hide`].
    #[must_use]
    pub fn dotfiles(self, dotfiles: Dotfiles) -> Self {
        self.set(|settings| settings.dotfiles = dotfiles)
    }

    /// What is done about another spelling of a path. Default: [`OtherSpellings::Redirect`].
    #[must_use]
    pub fn other_spellings(self, spellings: OtherSpellings) -> Self {
        self.set(|settings| settings.other_spellings = spellings)
    }

    /// How a client's copy is compared with the file. Default: [`ValidateBy::Modified`].
    #[must_use]
    pub fn validate_by(self, validate_by: ValidateBy) -> Self {
        self.set(|settings| settings.validate_by = validate_by)
    }

    /// The largest file, in bytes, that is read for a tag made from its content. Default: 32 MiB.
    ///
    /// A larger file whose date proves nothing has a weak tag: it is good for a 304, while `If-Range` is answered with the whole file.
    #[must_use]
    pub fn content_limit(self, bytes: u64) -> Self {
        self.set(|settings| settings.content_limit = bytes)
    }

    /// Sends a sibling with `.br`, `.zst` or `.gz` at the end of its name to clients that accept that coding. Default: off.
    ///
    /// A sibling counts only beside its file. Where its date or its change time is older than the file's, it is decoded to
    /// see whether it is a copy, once for each state of both; so it is under a name that is kept for good
    /// ([hashed](Self::assets) or [immutable](Self::immutable)). Otherwise it is taken at its word: make it anew when you change the file.
    #[must_use]
    pub fn precompressed(self) -> Self {
        self.set(|settings| settings.precompressed = true)
    }

    /// Lists directories that have no index: a page for people, JSON for clients that ask for `application/json`. Default: off.
    ///
    /// `?q=` filters by name, `?sort=` is `name`, `size` or `modified`, turned round with a `-` in front. 10,000 entries are a page;
    /// JSON names the next one in `next`.
    #[must_use]
    pub fn listing(self) -> Self {
        self.set(|settings| settings.listing = true)
    }

    /// Answers `/about` with `about.html` where there is no `about`. Default: off.
    #[must_use]
    pub fn clean_urls(self) -> Self {
        self.set(|settings| settings.clean_urls = true)
    }

    /// Answers navigations to what is not there with `page` and 200: a single-page application does its own routing. Default: off.
    ///
    /// A browser says whether it navigates (`Sec-Fetch-Mode`). For other clients it is a navigation if `Accept` names
    /// `text/html`, and, where they take anything (`*/*`, or no `Accept`, as link previews and curl), if the path does not
    /// end like a file (`.js`). A script or an image that is missing is a 404. A directory that has neither an index nor
    /// a listing is not there: a route of its name is answered with the page.
    #[must_use]
    pub fn spa(self, page: impl Into<String>) -> Self {
        self.spa_with_status(page, StatusCode::OK)
    }

    /// As [`spa`](Self::spa) with a status of your own.
    #[must_use]
    pub fn spa_with_status(self, page: impl Into<String>, status: StatusCode) -> Self {
        let page = page.into();
        self.set(|settings| settings.spa = Some((page.trim_start_matches('/').to_owned(), status)))
    }

    /// The page of a 404, a path below the root. Default: the status as text.
    #[must_use]
    pub fn not_found_page(self, page: impl Into<String>) -> Self {
        let page = page.into();
        self.set(|settings| settings.not_found = Some(page.trim_start_matches('/').to_owned()))
    }

    /// `Cache-Control` for the files that `pattern` matches. The first rule that matches counts. Default: `no-cache` for HTML, which
    /// links to the files of its build and must not be older than they are; no field for others.
    ///
    /// It goes on redirects, 404, 406, 412 and 416 for such names too, but for `immutable`: what is not so now may be so
    /// tomorrow, and `no-cache` is sent.
    ///
    /// A pattern with a slash (`assets/**`) is matched against the path below the root, one without (`*.css`) against
    /// the name. `*` stays within a segment, `**` crosses them, `{a,b}` is either; `assets/` is short for `assets/**`.
    #[must_use]
    pub fn cache_control(self, pattern: &str, value: HeaderValue) -> Self {
        self.set(|settings| {
            let rule = (Glob::new(pattern), Caching::Value(value));
            settings.caching.push(rule);
        })
    }

    /// Says that the names which `pattern` matches change with their content, as bundlers make them: clients keep such files
    /// for good. Default: only names of an [`AssetManifest`] are kept so.
    ///
    /// Name the directory that the bundler writes to, `assets/`, and nothing else in it. It is a rule like those of
    /// [`cache_control`](Self::cache_control), and the first that matches counts. Only a file asked for by its own name is kept for
    /// good: never an index, a page that stands in for what is missing, or a refusal.
    ///
    /// A pattern can look at names alone: `*-????????.js` is how Vite names chunks. Beware of files
    /// that are named so by people: it matches `menu-settings.js`.
    #[must_use]
    pub fn immutable(self, pattern: &str) -> Self {
        self.set(|settings| {
            let rule = (Glob::new(pattern), Caching::Immutable);
            settings.caching.push(rule);
        })
    }

    /// Serves files of other builds as well, under names that say their content: pages that were open before a release go on
    /// asking for the files of their own build. Default: none.
    ///
    /// `releases/*` is each directory in `releases`, the newest first, looked at while the server runs; `releases/*/dist` is one
    /// inside of each; a path without a `*` is one build. The builds may be newer too: while replicas are replaced one by one,
    /// pages of the new release ask the old ones.
    ///
    /// What is missing below the root is looked for there if its name is [`immutable`](Self::immutable), or one that the
    /// [`assets`](Self::assets) know: a hashed name, or one in the manifest that Vite wrote for that build. No other file
    /// of another build is ever served.
    #[must_use]
    pub fn previous_builds(self, pattern: impl AsRef<Path>) -> Self {
        self.set(|settings| settings.builds.add(pattern.as_ref()))
    }

    /// Tells browsers to save the files that `pattern` matches and not to show them (`Content-Disposition: attachment`). Default: none.
    #[must_use]
    pub fn attachment(self, pattern: &str) -> Self {
        self.set(|settings| settings.attachments.push(Glob::new(pattern)))
    }

    /// The `Content-Type` of names with this extension, written without its dot. Default: by a built-in table.
    #[must_use]
    pub fn content_type(self, extension: &str, value: HeaderValue) -> Self {
        let extension = extension.trim_start_matches('.').to_owned();
        self.set(|settings| settings.types.insert(0, (extension, value)))
    }

    /// A field for every answer, in place of one of that name that a file would have: refusals and redirects too, so that
    /// a page of another origin sees them. What describes a file (`Content-Type`) stays off answers that are none, and names
    /// in `Vary` are added to ours. Default: none.
    #[must_use]
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.set(|settings| settings.headers.push((name, value)))
    }

    /// Serves names with a hash in them (`app.3f9c1a7b.css`), and those that Vite made, to be kept for good. Default: none.
    #[must_use]
    pub fn assets(self, manifest: AssetManifest) -> Self {
        self.set(|settings| settings.assets = Some(manifest))
    }

    /// Lets a front end send the files. Default: off.
    #[must_use]
    pub fn send_file(self, send_file: SendFile) -> Self {
        self.set(|settings| settings.send_file = Some(send_file))
    }

    /// Caches nothing: every request opens its file anew. Default: a cache.
    #[must_use]
    pub fn no_cache(self) -> Self {
        self.set(|settings| settings.cache = None)
    }

    /// How many bytes of file contents the cache may hold, all files together. Default: 32 MiB.
    ///
    /// Files of up to 64 KiB are kept with their bytes, larger ones as an open descriptor, and neither for longer than about
    /// five seconds after the last request. A change is noticed within a second, but for one through a shared memory
    /// mapping: the file system tells of it only when it writes such pages back.
    #[must_use]
    pub fn cache_bytes(self, bytes: usize) -> Self {
        self.set(|settings| {
            let limits = settings.cache.get_or_insert_with(Limits::of_this_process);
            limits.bytes = bytes;
        })
    }

    /// How many files the cache may keep open. Default: a quarter of what the process may open, or all but 8,192 where that
    /// is more; 16,384 at most.
    #[must_use]
    pub fn cache_descriptors(self, descriptors: usize) -> Self {
        self.set(|settings| {
            let limits = settings.cache.get_or_insert_with(Limits::of_this_process);
            limits.descriptors = descriptors;
        })
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.site.settings.clone();
        change(&mut settings);
        Self {
            site: Arc::new(Site::new(self.site.sources.clone(), settings)),
        }
    }

    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }
}

impl<B> Service<Request<B>> for StaticFiles {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let uri = request.uri();
        let file_request = FileRequest::new(
            request.method(),
            uri,
            uri.path(),
            request.headers(),
            bare_mount(&request),
        );
        ResponseFuture::new(&self.site, &file_request, uri)
    }
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticFiles")
            .field("settings", &self.site.settings)
            .finish_non_exhaustive()
    }
}
