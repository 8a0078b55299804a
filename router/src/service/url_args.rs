//! What the router tells the endpoint.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use gateway_core::Environ;
use gateway_core::request::Nest;
use http::uri::PathAndQuery;
use http::{Extensions, Method, Request};
use percent_encoding::percent_decode_str;

use super::resolve::{Found, Resolution, Shared};
use super::text::Text;
use super::url_for::{behind, path_for, taken_by_mount, taken_outside};
use crate::capture::{Position, Slots};
use crate::error::UrlForError;
use crate::reverse::{ArgList, IntoArgs};

/// What the router found out about a request: the arguments of the URL (the
/// article's `environ['myapp.url_args']`), the route, and the way back to URLs.
///
/// It is an extension of the request: `request.extensions().get::<UrlArgs>()`, or
/// [`url_args`](RequestUrlArgs::url_args) on requests, their parts and an [`Environ`].
///
/// ```
/// # use gateway_core::{Environ, Reply, Application};
/// # use router::{Router, RequestUrlArgs};
/// fn article(environ: &mut Environ) -> Reply {
///     let args = environ.url_args().unwrap();
///     Reply::text(format!("{} of {}", args.get(1).unwrap(), args.name("year").unwrap()))
/// }
/// let urls = Router::builder().get(r"^articles/(?<year>[0-9]{4})/(.+)$", article).build()?;
/// let mut environ = Environ::builder().uri("/articles/2007/wsgi").build();
/// assert_eq!(urls.respond(&mut environ).unwrap().into_body().into_bytes().unwrap(), "wsgi of 2007");
/// # Ok::<(), router::BuildError>(())
/// ```
#[derive(Clone)]
pub struct UrlArgs {
    shared: Arc<Shared>,
    place: Place,
    text: Text,
    slots: Slots,
    groups: u32,
    /// What most requests have nothing of: an extension is moved several times.
    above: Option<Box<Above>>,
}

/// What of a router a request came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Route(u32),
    Mount(u32),
    Fallback,
}

/// What lies in front of the path: hosts and mounts.
#[derive(Clone, Default)]
struct Above {
    /// The section of the host.
    section: usize,
    /// The groups that belong to the host.
    host_groups: usize,
    /// The pattern together with those of the routers outside.
    whole: Option<Box<str>>,
    /// Where this router is itself mounted, encoded; nothing at the root.
    script_name: Box<str>,
    /// What a router outside found.
    outer: Option<Arc<UrlArgs>>,
    /// The pattern of all nests around, if this is the place of a mount in an axum program.
    nests: Option<Box<str>>,
}

/// What of a request is around a router.
pub(crate) struct Outside<'r> {
    extensions: &'r Extensions,
    script_name: &'r str,
    outer: Option<Arc<UrlArgs>>,
}

impl<'r> Outside<'r> {
    /// `script_name` is raw.
    pub(crate) fn new(extensions: &'r Extensions, script_name: &'r str) -> Self {
        let outer = extensions
            .get::<UrlArgs>()
            .filter(|args| !matches!(args.place, Place::Route(_)));
        Self {
            extensions,
            script_name,
            outer: outer.cloned().map(Arc::new),
        }
    }

    /// The patterns of what is around, if a router of ours is.
    fn pattern(&self) -> Option<String> {
        let outer = self.outer.as_ref()?;
        Some(format!("{}{}", outer.pattern(), self.between(outer)))
    }

    /// The part of that which belongs to mounts that are not ours.
    fn between(&self, outer: &UrlArgs) -> Cow<'r, str> {
        let taken = self.script_name.strip_prefix(outer.script_name());
        let behind = taken.and_then(|taken| match outer.place {
            Place::Mount(index) => {
                let mount = outer.shared.mounts.get(index as usize)?;
                taken.get(mount.prefix.matched_in(taken)?..)
            }
            Place::Route(_) | Place::Fallback => Some(taken),
        });
        let Some(behind) = behind.filter(|behind| !behind.is_empty()) else {
            return Cow::Borrowed("");
        };
        let above = outer.above.as_ref();
        let before = above.and_then(|above| above.nests.as_deref());
        let before = before.unwrap_or_default().trim_end_matches('/');
        let nests = nests(self.extensions).and_then(|nests| nests.strip_prefix(before));
        match nests.filter(|nests| !nests.is_empty()) {
            Some(nests) => Cow::Borrowed(nests),
            None => percent_decode_str(behind).decode_utf8_lossy(),
        }
    }
}

/// What another framework calls the nests around.
fn nests(extensions: &Extensions) -> Option<&str> {
    Nest::of(extensions).map(|nest| nest.pattern)
}

impl UrlArgs {
    /// `None` if a group, decoded, is not UTF-8, which only raw paths allow.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        found: &Found<'_>,
        path: Option<&PathAndQuery>,
        outside: &Outside<'_>,
    ) -> Option<Self> {
        let info = shared.routes.get(found.id as usize)?;
        let args = info.entry.args(&found.text, found.words);
        let mut whole = None;
        let mut host_groups = 0;
        let groups = args.len() as u32;
        let (text, slots) = if let Some(host) = &found.host {
            // The groups of the host come first, in one text with those of the path.
            let found_host = shared.hosts.find(host)?;
            let host_args = found_host.args();
            host_groups = host_args.len();
            let own = decoded_groups(host_args.iter().chain(args.iter()), |index| {
                shared.settings.raw && index >= host_groups
            })?;
            (Text::Own(own.0.into()), own.1)
        } else if shared.settings.raw {
            let own = decoded_groups(args.iter(), |_| true)?;
            (Text::Own(own.0.into()), own.1)
        } else {
            let text = if args.is_empty() {
                Text::Own("".into())
            } else {
                let own = path.filter(|_| matches!(found.text, Cow::Borrowed(_)));
                Text::of_path(&found.text, own)
            };
            (text, args.into_slots())
        };
        if let Some(around) = outside.pattern().filter(|around| !around.is_empty()) {
            let pattern = &info.entry.pattern.source;
            let below = pattern.strip_prefix('^').unwrap_or(pattern);
            let below = below.strip_prefix('/').unwrap_or(below);
            whole = Some(format!("{around}/{below}").into());
        }
        let plain = found.section == 0 && outside.script_name.is_empty() && outside.outer.is_none();
        Some(Self {
            shared: Arc::clone(shared),
            place: Place::Route(found.id),
            text,
            slots,
            groups: groups + host_groups as u32,
            above: (!plain).then(|| {
                Box::new(Above {
                    section: found.section,
                    host_groups,
                    whole,
                    script_name: outside.script_name.into(),
                    outer: outside.outer.clone(),
                    nests: None,
                })
            }),
        })
    }

    /// What a mounted service is told.
    pub(crate) fn mounted(
        shared: &Arc<Shared>,
        index: usize,
        section: usize,
        outside: &Outside<'_>,
    ) -> Self {
        let prefix = shared
            .mounts
            .get(index)
            .map_or("", |mount| mount.prefix.as_str());
        let whole = format!("{}{prefix}", outside.pattern().unwrap_or_default());
        Self::without_groups(shared, Place::Mount(index as u32), section, whole, outside)
    }

    /// What a fallback is told.
    pub(crate) fn fallback(shared: &Arc<Shared>, section: usize, outside: &Outside<'_>) -> Self {
        let whole = outside.pattern().unwrap_or_default();
        Self::without_groups(shared, Place::Fallback, section, whole, outside)
    }

    fn without_groups(
        shared: &Arc<Shared>,
        place: Place,
        section: usize,
        whole: String,
        outside: &Outside<'_>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            place,
            text: Text::Own("".into()),
            slots: Slots::Many([].into()),
            groups: 0,
            above: Some(Box::new(Above {
                section,
                host_groups: 0,
                whole: Some(whole.into()),
                script_name: outside.script_name.into(),
                outer: outside.outer.clone(),
                nests: nests(outside.extensions).map(Into::into),
            })),
        }
    }

    /// The number of groups, those that took no part included. Groups of a host
    /// pattern come before those of the path.
    pub fn len(&self) -> usize {
        self.groups as usize
    }

    /// Whether there are no groups.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a group, decoded; the first is number 0. `None` if it took no
    /// part or there is no such group.
    pub fn get(&self, index: usize) -> Option<&str> {
        let (start, end) = self.slots.span(index)?;
        self.text.get(start, end)
    }

    /// The text of a group by its name, decoded.
    pub fn name(&self, name: &str) -> Option<&str> {
        let index = self.names().position(|own| own == Some(name))?;
        self.get(index)
    }

    /// The texts of all groups in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The names of all groups in order.
    pub fn names(&self) -> impl Iterator<Item = Option<&str>> {
        let info = self.info();
        let host = info
            .filter(|_| {
                self.above
                    .as_ref()
                    .is_some_and(|above| above.host_groups > 0)
            })
            .and_then(|info| self.shared.hosts.routes().nth(info.section.checked_sub(1)?))
            .into_iter()
            .flat_map(|host| host.groups());
        let path = info
            .into_iter()
            .flat_map(|info| info.entry.pattern.groups.iter().map(Option::as_deref));
        host.chain(path)
    }

    fn info(&self) -> Option<&super::resolve::RouteInfo> {
        match self.place {
            Place::Route(id) => self.shared.routes.get(id as usize),
            Place::Mount(_) | Place::Fallback => None,
        }
    }

    /// The pattern of the route, as it was written: a label for metrics. Below
    /// mounts it is the whole pattern, prefixes in front; for a service that is
    /// mounted itself, the prefix; for a fallback that of its router, nothing at the root.
    ///
    /// Of a router that is not ours, between two that are, it has the pattern of the nest where
    /// axum tells it (below a `gateway_core::axum::FromAxumLayer`), and else the part of the path that it took.
    pub fn pattern(&self) -> &str {
        match (
            self.above.as_ref().and_then(|above| above.whole.as_deref()),
            self.info(),
        ) {
            (Some(whole), _) => whole,
            (None, Some(info)) => &info.entry.pattern.source,
            (None, None) => "",
        }
    }

    /// The name of the route, if it has one.
    pub fn route_name(&self) -> Option<&str> {
        self.info()?.entry.name.as_deref()
    }

    /// The route that matched, for labels of metrics and logs.
    pub fn matched_route(&self) -> MatchedRoute<'_> {
        MatchedRoute {
            pattern: self.pattern(),
            name: self.route_name(),
        }
    }

    /// The way back from names to URLs, for templates.
    pub fn urls(&self) -> UrlFor {
        UrlFor { args: self.clone() }
    }

    /// The URL of a route by its name: the whole path, with the mounts that this
    /// request came through in front. Names of this router are looked for first,
    /// then those of the routers outside.
    ///
    /// # Errors
    ///
    /// As [`UrlMap::url_for`](crate::UrlMap::url_for); and if the URL, followed on the host of
    /// this request, would lead elsewhere: to a mount, or past a route that is limited to another
    /// host.
    pub fn url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError> {
        self.url_for_list(name, &args.into_args())
    }

    fn url_for_list(&self, name: &str, args: &ArgList) -> Result<String, UrlForError> {
        behind(self.external_prefix(), &self.inner_url_for(name, args)?)
    }

    /// Without the prefix that a proxy has stripped.
    pub(super) fn inner_url_for(&self, name: &str, args: &ArgList) -> Result<String, UrlForError> {
        if self.shared.names.contains_key(name) {
            let path = path_for(&self.shared, self.section(), name, args)?;
            self.comes_back(name, &path)?;
            return behind(self.script_name(), &path);
        }
        match self.outer() {
            Some(outer) => outer.inner_url_for(name, args),
            None => Err(UrlForError::UnknownName { name: name.into() }),
        }
    }

    /// Whether what is asked for `path` below this router's mount comes to this router again.
    fn comes_back(&self, name: &str, path: &str) -> Result<(), UrlForError> {
        let Some(outer) = self.outer() else {
            return Ok(());
        };
        // What is not in front any more was rewritten: where that leads is not known here.
        let Some(between) = self.script_name().strip_prefix(outer.script_name()) else {
            return Ok(());
        };
        let path = format!("{between}{path}");
        let shared = &outer.shared;
        match shared.resolve(outer.section(), None, &Method::GET, &path, None) {
            Resolution::Mount { index, .. } if outer.place == Place::Mount(index as u32) => {}
            Resolution::Miss { .. } if outer.place == Place::Fallback => {}
            Resolution::Mount { index, .. } => return Err(taken_by_mount(shared, index, &path)),
            _ => return Err(taken_outside(name, &path)),
        }
        outer.comes_back(name, &path)
    }

    fn script_name(&self) -> &str {
        self.above.as_ref().map_or("", |above| &above.script_name)
    }

    fn section(&self) -> usize {
        self.above.as_ref().map_or(0, |above| above.section)
    }

    fn outer(&self) -> Option<&Self> {
        self.above.as_ref()?.outer.as_deref()
    }

    /// That of the outermost router that has one: it is in front of all.
    fn external_prefix(&self) -> &str {
        let outside = self.outer().map_or("", Self::external_prefix);
        if outside.is_empty() {
            &self.shared.settings.external_prefix
        } else {
            outside
        }
    }
}

/// The groups, decoded one by one, in one text.
fn decoded_groups<'g>(
    groups: impl Iterator<Item = Option<&'g str>>,
    encoded: impl Fn(usize) -> bool,
) -> Option<(String, Slots)> {
    let mut text = String::new();
    let mut spans = Vec::new();
    for (index, group) in groups.enumerate() {
        let Some(group) = group else {
            spans.extend([usize::UNSET; 2]);
            continue;
        };
        let start = text.len();
        if encoded(index) {
            text.push_str(&percent_decode_str(group).decode_utf8().ok()?);
        } else {
            text.push_str(group);
        }
        spans.extend([start, text.len()]);
    }
    Some((text, Slots::Many(spans.into())))
}

impl fmt::Debug for UrlArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<_> = self
            .names()
            .map(|name| name.unwrap_or("_"))
            .zip(self.iter())
            .collect();
        f.debug_struct("UrlArgs")
            .field("pattern", &self.pattern())
            .field("groups", &groups)
            .finish()
    }
}

/// The route that matched, from [`UrlArgs::matched_route`]: of these there are as
/// many as routes, where paths are without number.
///
/// Prints as its name, or as its pattern where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchedRoute<'a> {
    pattern: &'a str,
    name: Option<&'a str>,
}

impl<'a> MatchedRoute<'a> {
    /// See [`UrlArgs::pattern`].
    pub fn pattern(&self) -> &'a str {
        self.pattern
    }

    /// See [`UrlArgs::route_name`].
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }
}

impl fmt::Display for MatchedRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name.unwrap_or(self.pattern))
    }
}

/// Makes URLs from the names of routes, below the mounts that a request came
/// through: a handle for templates, from [`UrlArgs::urls`].
#[derive(Clone, Debug)]
pub struct UrlFor {
    args: UrlArgs,
}

impl UrlFor {
    /// See [`UrlArgs::url_for`].
    ///
    /// # Errors
    ///
    /// As [`UrlMap::url_for`](crate::UrlMap::url_for).
    pub fn url_for(&self, name: &str, args: impl IntoArgs) -> Result<String, UrlForError> {
        self.args.url_for(name, args)
    }
}

/// The [`UrlArgs`] of requests of all kinds.
pub trait RequestUrlArgs {
    /// What the router told; `None` where no router was asked.
    fn url_args(&self) -> Option<&UrlArgs>;
}

impl<B> RequestUrlArgs for Request<B> {
    fn url_args(&self) -> Option<&UrlArgs> {
        self.extensions().get()
    }
}

impl RequestUrlArgs for http::request::Parts {
    fn url_args(&self) -> Option<&UrlArgs> {
        self.extensions.get()
    }
}

impl RequestUrlArgs for Extensions {
    fn url_args(&self) -> Option<&UrlArgs> {
        self.get()
    }
}

impl RequestUrlArgs for Environ {
    fn url_args(&self) -> Option<&UrlArgs> {
        self.get()
    }
}
