//! Serves files from a directory and hands every other request to the inner service.
//!
//! ```
//! use http::{Request, Response};
//! use middleware_static::StaticLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! # use http_body_util::Full;
//! # use bytes::Bytes;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! # std::fs::write(root.path().join("app.js"), "let a")?;
//! # let app = service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default())) });
//! let site = ServiceBuilder::new()
//!     .layer(StaticLayer::new("/public", root.path())?)
//!     .service(app);
//!
//! let response = site.oneshot(Request::get("/public/app.js").body(())?).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.headers()["content-length"], "5");
//! # Ok(())
//! # }
//! ```
//!
//! [`StaticFiles`] answers every request itself and never fails, so it goes where `ServeDir` goes (axum's
//! `fallback_service`, `nest_service`); [`StaticFile`] is one file. All are tower services and need tokio only to
//! have a thread to block on.
//!
//! | asked for | answered |
//! |---|---|
//! | a file, GET or HEAD | 200, with `ETag`, `Last-Modified`, `Content-Type` (`charset=utf-8` on text), `nosniff`, `Accept-Ranges` |
//! | the same with preconditions | 304 or 412, in the order of RFC 9110 13.2.2; the fields of the 304 are those of the 200 |
//! | one range | 206 with `Content-Range`, of the file itself and not of a compressed sibling; `If-Range` by strong comparison |
//! | several ranges | 206 `multipart/byteranges`, overlaps joined, 32 parts at most, else everything |
//! | a range beyond the end | 416 with the length |
//! | another spelling of a path (`/%61pp.js`), any method | 308 to [the one that is canonical](OtherSpellings), as a relative reference |
//! | a path with an empty segment, `.`, `..`, `%2F` or `%00` | 404 |
//! | a directory with a slash, and its `index.html` | 200 |
//! | a directory without the slash | 301 to `./name/`: right below any mount, nest or stripping proxy |
//! | a directory without an index | 404, or a page or JSON with [`listing`](StaticFiles::listing) |
//! | a dotfile, FIFO, socket or device, a link out of the root, a name that no file can have | 404 |
//! | what is not there | 404; a [page](StaticFiles::not_found_page), an [application](StaticFiles::spa) or [the inner service](StaticLayer::fall_through) if you say so |
//! | a path that is none (`/%zz`) | 400 |
//! | what the file system refuses | 403; without descriptors, or where another program holds a lease, 503 with `Retry-After` |
//! | a coding that none of the [siblings](StaticFiles::precompressed) has, the file itself refused | 406 |
//! | another method | 405 with `Allow`; OPTIONS 204 |
//!
//! # What it refuses
//!
//! Nothing outside the root is ever opened. On Linux the kernel sees to that (`openat2`, `RESOLVE_BENEATH`), elsewhere
//! `cap-std` does; links are followed as long as they stay inside, absolute ones too, or [not at all](source::Symlinks).
//! A file that becomes shorter while it is sent breaks the connection: a client is never told that it has all of it.
//!
//! # What it believes
//!
//! A date proves nothing by itself: npm, zip, Nix and image builders write constants, `cp -p` and `rsync -t` those of other files. A tag
//! is strong, and a 304 or 206 is answered by date, where the change time vouches for the date, as it does after each write;
//! elsewhere the tag comes from the content. A file is read for that once for each state, for all requests that wait, no longer
//! than one does, and up to a [limit](StaticFiles::content_limit); above it the tag is weak. Compressed siblings that look
//! older than their file, and those of [hashed names](AssetManifest), are sent if they decode to it.
//!
//! # What clients keep
//!
//! HTML is `no-cache`, unless a rule says otherwise: without the field browsers guess from an old date that a page stays as it
//! is, and show a former release. Names that say their content are kept for good: those of an [`AssetManifest`], its own or
//! Vite's, and those in directories that [`immutable`](StaticFiles::immutable) names; never an index, a page that stands in for what
//! is missing, or a refusal. Such files of [other builds](StaticFiles::previous_builds) are served too, so that a release
//! breaks no page that is open.
//!
//! # What it does not do
//!
//! It compresses nothing on the fly (make siblings when you build; for embedded files feature `compress` does), guesses no charset but UTF-8, and writes no files.
//!
//! # Speed
//!
//! What the kernel has in memory is answered on the spot, without a hop to another thread: `openat2` with
//! `RESOLVE_CACHED`, `fstat`, `preadv2` with `RWF_NOWAIT`, and where any of them would wait, one job for the whole look-up on
//! tokio's blocking threads. Which of them a device can do is learnt from the device. Files up to 64 KiB that are asked for
//! again are answered from a cache that an `fstat` validates: what changes is noticed within a second. A small answer is four
//! system calls with the cache and seven without it, none of them a `futex`.
//!
//! For slow clients the server decides how much waits in memory: hyper's default is 400 KiB for each
//! connection, and with `http1::Builder::max_buf_size(64 * 1024)` it is one piece of a file: 256 KiB as long as such
//! pieces are no more than 8 MiB together, and 64 KiB beyond that.
//!
//! # Every setting
//!
//! ```no_run
//! use std::time::SystemTime;
//! use middleware_static::source::{Directory, Io, Symlinks};
//! use middleware_static::{AssetManifest, Dotfiles, OtherSpellings, SendFile, StaticFiles, ValidateBy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let assets = AssetManifest::new("site").overlay("theme").base("/public");
//! let files = StaticFiles::from_source(Directory::new("site").symlinks(Symlinks::Refuse).io(Io::Portable))
//!     .overlay("theme")                                // what is not in `site`
//!     .assets(assets.clone())                          // app.3f9c1a7b.css, immutable
//!     .index_files(["index.html", "index.htm"])
//!     .dotfiles(Dotfiles::Serve)
//!     .other_spellings(OtherSpellings::Serve)          // /%61pp.css without a redirect
//!     .validate_by(ValidateBy::Content)                // replicas agree
//!     .content_limit(1 << 30)                          // also of large files
//!     .precompressed()                                 // .br, .zst, .gz
//!     .listing()
//!     .clean_urls()                                    // /about is about.html
//!     .spa("app.html")
//!     .not_found_page("404.html")
//!     .cache_control("*.{css,js}", "max-age=3600".parse()?)
//!     .immutable("assets/")                            // names that a bundler made
//!     .previous_builds("releases/*")                   // for pages that were open before a release
//!     .attachment("downloads/**")
//!     .content_type("glb", "model/gltf-binary".parse()?)
//!     .header("cross-origin-resource-policy".parse()?, "same-origin".parse()?)
//!     .cache_bytes(64 << 20)
//!     .cache_descriptors(1000);
//! let page = format!("<link rel=stylesheet href=\"{}\">", assets.asset_url("css/app.css"));
//! # let _ = (files.clone().no_cache(), files.send_file(SendFile::XSendfile), page, ValidateBy::Fixed(SystemTime::now()));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! None is on by default. `embed`: files in the binary, by rust-embed. `compress`: for build scripts, a function that puts compressed
//! siblings beside what is embedded. `axum`: `FromAxumLayer`. Below it the bare prefix of a nest
//! (`/assets`) redirects to `./assets/`, as far as axum hands that on: below `nest("/assets", ..)` in a fallback it does not, so there
//! the root is answered without the slash (links in it need `nest_service`, or `nest("/assets/", ..)`);
//! everything below it is right without the layer. `gateway-core` is on at all times: the same below
//! its mounts.

pub mod layer;
pub mod source;

mod answer;
mod assets;
mod body;
#[cfg(feature = "compress")]
mod compress;
mod facts;
mod file;
mod files;
mod future;
mod listing;
mod lookup;
mod protocol;
mod settings;
mod site;

pub use assets::AssetManifest;
pub use body::ResponseBody;
#[cfg(feature = "compress")]
pub use compress::compress;
pub use file::StaticFile;
pub use files::StaticFiles;
pub use future::ResponseFuture;
#[cfg(feature = "axum")]
pub use gateway_core::axum::FromAxumLayer;
#[doc(inline)]
pub use layer::{Static, StaticLayer};
pub use lookup::path;
pub use protocol::etag::EntityTag;
pub use protocol::mime::content_type;
pub use protocol::{conditional, negotiate, range};
pub use settings::{Dotfiles, OtherSpellings, SendFile, ValidateBy};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
