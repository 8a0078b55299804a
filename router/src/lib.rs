//! Maps URLs to code by regular expressions: all of them are matched at once, the
//! first in the list wins, and the way back from names to URLs is the same list.
//!
//! ```
//! use router::{IntoPattern, UrlMap, template};
//!
//! let urls = UrlMap::builder()
//!     .route(r"^$", "index")
//!     .route(r"^hello/(?P<subject>.+)$".named("hello"), "hello")
//!     .route(template("articles/{year:int}/{slug}.html").named("article"), "article")
//!     .build()?;
//!
//! let found = urls.find("hello/John").unwrap();
//! assert_eq!(*found.value(), "hello");
//! assert_eq!(found.args().name("subject"), Some("John"));
//! assert!(urls.find("goodbye").is_none());
//!
//! assert_eq!(urls.url_for("hello", [("subject", "John")])?, "hello/John");
//! assert_eq!(urls.url_for("article", ["2007", "wsgi"])?, "articles/2007/wsgi.html");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The cost of a look-up does not grow with the number of routes: a thousand
//! regular expressions are matched, groups included, in about the time that a
//! radix trie takes for plain paths, and nothing is allocated.
//!
#![cfg_attr(
    feature = "service",
    doc = r##"
# The router

[`Router`] is the map as a tower service, with methods, hosts and mounts; and it is an
application in the sense of `gateway-core`. In an axum program it is one line,
`.fallback_service(router)` or `.nest_service("/wiki", router)`.

```
use gateway_core::testing::Client;
use gateway_core::{Environ, Error, Reply};
use router::{IntoPattern, RequestUrlArgs, Router};

type View = fn(&mut Environ) -> Result<Reply, Error>;

fn index(environ: &mut Environ) -> Result<Reply, Error> {
    let url = environ.url_args().unwrap().url_for("article", [("year", 2007)])?;
    Ok(Reply::html(format!("<a href={url}>2007</a>")))
}

fn article(environ: &mut Environ) -> Result<Reply, Error> {
    let year: u16 = environ.url_args().unwrap().parse()?;
    Ok(Reply::text(format!("articles of {year}")))
}

let urls = Router::<View>::builder()
    .get(r"^$", index)
    .get(r"^articles/(?<year>[0-9]{4})/$".named("article"), article)
    .build()?;

let client = Client::new(urls);
client.get("/").send().assert_text("<a href=/articles/2007/>2007</a>");
client.get("/articles/1984/").send().assert_text("articles of 1984");
client.get("/nowhere").send().assert_status(404);
client.post("/").send().assert_status(405);
# Ok::<(), router::BuildError>(())
```

`Router<S>` has services of one type, whichever you like, and boxes nothing: an enum, a function,
one concrete service. [`BoxRouter`] takes any mixture of tower services and functions, and wraps
each in a box.

| request | answer |
|---|---|
| a route matches path and method | its service; [`UrlArgs`] is in the request's extensions |
| HEAD, and a route for GET matches | its service, which sees HEAD; the body of every answer to HEAD is dropped, its length kept |
| below a mount | the mounted service, which sees the path below; mounts go before routes |
| GET or HEAD for the prefix of a mount alone, [`mount_with_slash`](service::RouterBuilder::mount_with_slash) | 308 to the slash behind it, relative, the query kept; other methods, and other mounts: the mounted service, which sees `/` |
| OPTIONS, no route lists it | 204 with `Allow` |
| `OPTIONS *`, there is no fallback | 204: the server is there |
| routes match the path, none the method | 405; `Allow` has the methods of all of them |
| a slash too many or too few | 404; with [`TrailingSlash`](service::TrailingSlash) 308 to a relative reference, the query kept |
| `//` in the path | as any path; with [`merge_slashes`](service::RouterBuilder::merge_slashes) 308 |
| a route matches another spelling than the canonical one: `%61` for `a`, `%c3` for `%C3` | 308 to that for every method, relative, the query kept; [`OtherSpellings::Serve`](service::OtherSpellings::Serve): its service |
| a segment `.` or `..` in any spelling; a `%2F` unless [`EncodedSlashes::Decode`](service::EncodedSlashes::Decode) | as if nothing matched; a mount takes it as it is |
| the decoded path is not UTF-8 | 400; a mount takes it as it is |
| an argument does not fit what [`parse`](UrlArgs::parse) asks for | 404, or [the status you name](UrlArgs::parse_or); 500 if none ever would |
| nothing matches | the fallback, whose [`UrlArgs`] have no groups but make URLs; or 404 |
| nothing matches, [`development`](service::RouterBuilder::development), by the developer at this machine | 404 with the routes that were tried, and the nearest |

Patterns see the path decoded and without its first slash: `^hello/$` matches `/hello/`. Both can
be set: [`LeadingSlash`](service::LeadingSlash), [`raw_paths`](service::RouterBuilder::raw_paths). Raw, each spelling is a path of
its own: `%2F` is part of a segment, and nothing is redirected but slashes.

So a guard in front, which compares decoded segments as `gateway_core::paths::MountLayer` does or decodes
the path as a whole, sees what the patterns see: one spelling of each path, no dot segment, and a
slash only where there is one. Empty segments are text to both: `^admin/` does not match `//admin/`.
Mounts compare their own prefix by decoded segments, and judge nothing behind it; the fallback gets
every request that no route takes. A service in either place that reads paths in another way needs a
`gateway_core::paths::CanonicalPathLayer` around the router.
"##
)]
//!
//! # Precedence
//!
//! The first route in the list that matches wins. Patterns are not ranked.
//!
//! ```
//! # use router::UrlMap;
//! let urls = UrlMap::builder()
//!     .route(r"^users/me$", "the user")
//!     .route(r"^users/([^/]+)$", "a user")
//!     .route(r"^users/", "all else below users/")
//!     .build()?;
//! assert_eq!(*urls.find("users/me").unwrap().value(), "the user");
//! assert_eq!(*urls.find("users/mel").unwrap().value(), "a user");
//! assert_eq!(*urls.find("users/mel/x").unwrap().value(), "all else below users/");
//! # Ok::<(), router::BuildError>(())
//! ```
//!
//! A pattern is searched for, as by Python's `re.search`: write `^` and `$`, or use [`full`] or a
//! [`template`](fn@template), which match all of the path.
//!
//! ```
//! # use router::{UrlMap, full};
//! let urls = UrlMap::builder().route(r"hello/?$", 1).route(full(r"bye/?"), 2).build()?;
//! assert!(urls.find("say/hello/").is_some());
//! assert!(urls.find("say/bye/").is_none());
//! # Ok::<(), router::BuildError>(())
//! ```
//!
//! What else differs from Django and Werkzeug, and what does not, is listed case by case in
//! `docs/router-beside-django-and-werkzeug.md`, in the repository.
//!
//! # What is found at build
//!
//! Patterns that cannot be read or match nothing, and names given twice, are
//! errors that show the place:
//!
//! ```
//! # use router::UrlMap;
//! let error = UrlMap::builder().route(r"^articles/(\d{4}/$", ()).build().unwrap_err();
//! assert_eq!(error.to_string(), r"
//! `^articles/(\d{4}/$` is not a route pattern: unclosed group
//!     ^articles/(\d{4}/$
//!               ^".trim_start());
//! ```
//!
//! Routes that never win are told with the routes that take all their paths:
//!
//! ```
//! # use router::UrlMap;
//! let urls = UrlMap::builder().route(r"^\w+$", ()).route(r"^about$", ()).build()?;
//! let shadowed = urls.shadowed();
//! assert_eq!((shadowed[0].index, &shadowed[0].by[..], &shadowed[0].example[..]), (1, &[0][..], "about"));
//! # Ok::<(), router::BuildError>(())
//! ```
//!
//! # The way back
//!
//! [`UrlMap::url_for`] gives a URL, percent-encoded, or says why it does not. What
//! it gives, decoded, is matched again by the same route with the same
//! arguments. It never begins with `//`, nor with a slash that an argument brought, and has no segment
//! `..`.
//!
//! ```
//! # use router::{IntoPattern, UrlMap};
//! let urls = UrlMap::builder()
//!     .route(r"^articles/(?<year>[0-9]{4})/(?:page-(\d+)/)?$".named("year"), ())
//!     .build()?;
//! assert_eq!(urls.url_for("year", ["2007"])?, "articles/2007/");
//! assert_eq!(urls.url_for("year", ["2007", "3"])?, "articles/2007/page-3/");
//! assert_eq!(
//!     urls.url_for("year", ["07"]).unwrap_err().to_string(),
//!     r"`07` does not match `[0-9]{4}`, the group `year` of `^articles/(?<year>[0-9]{4})/(?:page-(\d+)/)?$`",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it is fast, and what happens when it cannot be
//!
//! All patterns become one deterministic automaton over classes of characters. Its states
//! drop every pattern that comes after the best match so far: exactly the first match wins. Chains of its states are compressed to
//! comparisons of words and searches for a byte, so that plain routes are a radix
//! trie. Groups are read off the winner by a short program.
//!
//! Some lists have no small automaton (sixteen patterns like `^/.*w3.*/z$` blow up
//! together). What does not fit the limits is spread over several automata, and
//! what fits none is matched alone by `regex-automata`, which is still linear in
//! the path; where its engines would cost too much, too, patterns are followed
//! state by state, until an engine would have been cheaper. [`build`](map::UrlMapBuilder::build) always ends, within some two
//! seconds and [its limits](map::UrlMapBuilder::work_limit) beyond reading the patterns,
//! and answers are the same: [`UrlMap::stats`] tells what a map is made of. For
//! groups that only a search can find (as in `{a}-{b}`) the winner alone goes to
//! that engine.
//!
//! # What it does not do
//!
//! Routes are fixed once they are built. There are no back-references and no
//! look-ahead, as in the `regex` crate. Nothing is looked at but method, host and
//! path.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tokio` (default) | functions over `Environ` beside tower services in one `BoxRouter`; includes `service` |
//! | `service` | the router: `http`, `http-body`, `tower-service`, `tower-layer`, `serde`, `tracing`, `gateway-core` without tokio |
//! | `query` | `service::with_query`: queries of URLs from what serde serializes |
//! | `axum` | `FromAxumLayer`: put outermost, it tells the router what axum knows: the path before a `nest`, the nest's pattern, the peer for the development page |
//!
//! Without features the map remains, on `regex-automata` and `regex-syntax`.

mod builder;
mod capture;
mod engine;
mod entry;
pub mod error;
mod expression;
pub mod pattern;
pub mod reverse;
#[cfg(feature = "service")]
pub mod service;
mod template;
mod url_map;

/// What goes with [`UrlMap`]: its builder, its matches, and what it tells of its routes.
pub mod map {
    pub use crate::builder::UrlMapBuilder;
    pub use crate::capture::Args;
    pub use crate::url_map::{Match, Route, Shadowed, Stats, UrlMap, Warning};
}

pub use error::{BuildError, UrlForError};
#[cfg(feature = "axum")]
pub use gateway_core::axum::FromAxumLayer;
pub use map::UrlMap;
pub use pattern::{IntoPattern, full, template};
#[cfg(feature = "service")]
pub use service::{BoxRouter, MatchedRoute, ParseError, RequestUrlArgs, Router, UrlArgs};
