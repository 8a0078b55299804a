//! Builds routers.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use gateway_core::paths::Prefix;
use http::Method;
use http::request::Parts;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::Router;
use super::resolve::{Mount, RouteInfo, Section, Shared};
use super::sections::build_section;
use super::settings::{EncodedSlashes, LeadingSlash, OtherSpellings, Settings, TrailingSlash};
use super::shadow::shadowed;
use super::warning;
use crate::builder::UrlMapBuilder;
use crate::error::BuildError;
use crate::expression::Expression;
use crate::pattern::IntoPattern;
use crate::url_map::UrlMap;

/// Collects routes in order; made by [`Router::builder`].
///
/// Patterns are regular expressions as in [`UrlMap`]; without a leading slash,
/// see [`LeadingSlash`]. What is wrong with them is said by [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct RouterBuilder<S> {
    map: UrlMapBuilder<Endpoint<S>>,
    hosts: Vec<Box<str>>,
    /// The section that routes are added to.
    section: usize,
    mounts: Vec<(Mount, S)>,
    /// With the section of each, of which there is one at most.
    fallbacks: Vec<(usize, S)>,
    settings: Settings,
    deny_shadowed: bool,
    error: Option<BuildError>,
}

#[derive(Clone, Debug)]
struct Endpoint<S> {
    methods: Box<[Method]>,
    section: usize,
    service: S,
}

macro_rules! by_method {
    ($($name:ident $method:ident $text:literal;)*) => {$(
        #[doc = concat!("Adds a route for ", $text, ".")]
        pub fn $name(self, pattern: impl IntoPattern, service: S) -> Self {
            self.methods([Method::$method], pattern, service)
        }
    )*};
}

impl<S> Router<S> {
    /// An empty list of routes.
    pub fn builder() -> RouterBuilder<S> {
        RouterBuilder::new()
    }
}

impl<S> RouterBuilder<S> {
    pub(crate) fn new() -> Self {
        Self {
            map: UrlMapBuilder::new(),
            hosts: Vec::new(),
            section: 0,
            mounts: Vec::new(),
            fallbacks: Vec::new(),
            settings: Settings::default(),
            deny_shadowed: false,
            error: None,
        }
    }

    /// Adds a route for every method.
    pub fn route(self, pattern: impl IntoPattern, service: S) -> Self {
        self.methods([], pattern, service)
    }

    by_method! {
        get GET "GET, and for HEAD: the service sees HEAD, what it sends is dropped and its length kept";
        head HEAD "HEAD; it goes before routes for GET, wherever they are in the list";
        post POST "POST";
        put PUT "PUT";
        delete DELETE "DELETE";
        patch PATCH "PATCH";
        options OPTIONS "OPTIONS, which otherwise is answered with the methods that there are";
    }

    /// Adds a route for these methods; none means all.
    pub fn methods(
        mut self,
        methods: impl IntoIterator<Item = Method>,
        pattern: impl IntoPattern,
        service: S,
    ) -> Self {
        let pattern = pattern.into_pattern();
        let expression = self.map.read(&pattern);
        self.push(
            pattern.name,
            expression,
            methods.into_iter().collect(),
            service,
        );
        self
    }

    fn push(
        &mut self,
        name: Option<Box<str>>,
        pattern: Result<Expression, BuildError>,
        methods: Box<[Method]>,
        service: S,
    ) {
        let pattern = pattern.and_then(|pattern| {
            if self.settings.leading != LeadingSlash::Keep && pattern.begins_with_slash() {
                return Err(BuildError::Impossible {
                    pattern: pattern.source.into(),
                    reason: Some(
                        "the leading slash of the path is taken off before (see LeadingSlash)"
                            .into(),
                    ),
                });
            }
            Ok(pattern)
        });
        let endpoint = Endpoint {
            methods,
            section: self.section,
            service,
        };
        self.map.push(pattern, name, endpoint);
    }

    /// Adds all routes of another router behind a prefix, as
    /// [`UrlMapBuilder::include`] does. Methods and names stay; what is limited to a host stays
    /// so, and mounts are below the prefix, which has to be literal text then (`^blog/`). Settings
    /// and fallbacks are left out.
    pub fn include(mut self, prefix: impl IntoPattern, other: Self) -> Self {
        let written = prefix.into_pattern();
        let prefix = self.map.read_prefix(&written);
        if let Some(error) = other.error.or(other.map.error) {
            self.error.get_or_insert(error);
        }
        let outside = self.section;
        let mut sections = vec![outside];
        for host in &other.hosts {
            sections.push(self.section_of(host));
        }
        let section_of = |section: usize| sections.get(section).copied().unwrap_or(outside);
        for (pattern, name, endpoint) in other.map.routes {
            let joined = prefix.clone().and_then(|prefix| prefix.join(&pattern));
            self.section = section_of(endpoint.section);
            self.push(name, joined, endpoint.methods, endpoint.service);
        }
        for (mount, service) in other.mounts {
            self.section = section_of(mount.section);
            let prefix = prefix
                .as_ref()
                .ok()
                .and_then(|prefix| literal(&prefix.hir()));
            match prefix {
                Some(prefix) => {
                    let below = self.below(&prefix, mount.prefix.as_str());
                    self = self.add_mount(&below, mount.with_slash, service);
                }
                None => self.refuse(
                    &written.text,
                    format!(
                        "the mount `{}` can be included below literal text only, such as `^blog/`",
                        mount.prefix
                    ),
                ),
            }
        }
        self.section = outside;
        self
    }

    /// Where a mount of an included router is: its prefix is joined as a pattern would be.
    fn below(&self, prefix: &str, mount: &str) -> String {
        match self.settings.leading {
            LeadingSlash::Keep => format!("{prefix}{mount}"),
            LeadingSlash::StripOne | LeadingSlash::StripAll => {
                format!("/{prefix}{}", mount.strip_prefix('/').unwrap_or(mount))
            }
        }
    }

    fn refuse(&mut self, text: &str, reason: impl Into<String>) {
        self.error.get_or_insert(BuildError::Setting {
            text: text.to_owned(),
            reason: reason.into(),
        });
    }

    /// Serves everything below a literal prefix (`/wiki`) by a service, which
    /// sees the path below it. Mounts go before routes; `/wikipedia` is not
    /// below `/wiki`.
    ///
    /// `/wiki` and `/wiki/` both show the service its `/`, and a client resolves `href="hello/"`
    /// on the first against `/`, not against `/wiki/`: see
    /// [`mount_with_slash`](Self::mount_with_slash).
    pub fn mount(self, prefix: impl AsRef<str>, service: S) -> Self {
        self.add_mount(prefix.as_ref(), false, service)
    }

    /// As [`mount`](Self::mount), and GET and HEAD for the prefix alone (`/wiki`) are redirected to
    /// its slash (`/wiki/`), by 308 and a relative reference, the query kept: `href="hello/"` on the
    /// front page of the service then leads to `/wiki/hello/`. Other methods are served as they are.
    pub fn mount_with_slash(self, prefix: impl AsRef<str>, service: S) -> Self {
        self.add_mount(prefix.as_ref(), true, service)
    }

    fn add_mount(mut self, prefix: &str, with_slash: bool, service: S) -> Self {
        let section = self.section;
        match Prefix::new(prefix) {
            Ok(prefix) => self.mounts.push((
                Mount {
                    prefix,
                    with_slash,
                    section,
                },
                service,
            )),
            Err(error) => self.refuse(prefix, error.to_string()),
        }
        self
    }

    /// Answers what no route matches; by default 404 with a line of text.
    pub fn fallback(mut self, service: S) -> Self {
        let section = self.section;
        self.fallbacks.retain(|(own, _)| *own != section);
        self.fallbacks.push((section, service));
        self
    }

    /// Adds routes, mounts and a fallback for the hosts that a regular expression matches, which
    /// sees the host in lower case without its port. Of several, the first that matches counts.
    /// What its routes do not match goes to those without a host. Groups of the host come before
    /// those of the path. There are no hosts inside of hosts; settings are those of the whole
    /// router.
    pub fn host(mut self, pattern: impl AsRef<str>, routes: impl FnOnce(Self) -> Self) -> Self {
        let section = self.section_of(pattern.as_ref());
        let outside = std::mem::replace(&mut self.section, section);
        self = routes(self);
        self.section = outside;
        self
    }

    /// The section of a host pattern; a new one unless the pattern is there already.
    fn section_of(&mut self, host: &str) -> usize {
        if self.section != 0 {
            self.refuse(
                host,
                "a host inside of another one: which requests have both, no list can tell",
            );
        }
        if let Some(known) = self.hosts.iter().position(|known| **known == *host) {
            return known + 1;
        }
        self.hosts.push(host.into());
        self.hosts.len()
    }

    /// Adds a converter for the templates that follow.
    pub fn converter(mut self, name: impl AsRef<str>, pattern: impl AsRef<str>) -> Self {
        self.map = self.map.converter(name, pattern);
        self
    }

    /// What is done about the slash that every path begins with; to be set
    /// before routes are added.
    pub fn leading_slash(mut self, leading: LeadingSlash) -> Self {
        self.settings.leading = leading;
        self
    }

    /// Sets the policy for a missing or extra slash at the end of a path.
    pub fn trailing_slash(mut self, trailing: TrailingSlash) -> Self {
        self.settings.trailing = trailing;
        self
    }

    /// Redirects `/a//b` to `/a/b` where no route matches the first and one
    /// matches the second. By default such a path is not found.
    pub fn merge_slashes(mut self) -> Self {
        self.settings.merge_slashes = true;
        self
    }

    /// What is done about a `%2F` in a path. By default no pattern is asked; where the paths are
    /// [raw](Self::raw_paths), it is part of a segment and this is not asked.
    pub fn encoded_slashes(mut self, slashes: EncodedSlashes) -> Self {
        self.settings.encoded_slashes = slashes;
        self
    }

    /// What is done about a path that a route matches in another spelling. By default it is
    /// redirected to the canonical one; where the paths are [raw](Self::raw_paths), each spelling
    /// is a path of its own and this is not asked.
    pub fn other_spellings(mut self, spellings: OtherSpellings) -> Self {
        self.settings.other_spellings = spellings;
        self
    }

    /// Matches paths as they were sent, and decodes the groups: `%2F` is then
    /// part of a segment. By default the decoded path is matched.
    pub fn raw_paths(mut self) -> Self {
        self.settings.raw = true;
        self
    }

    /// The path in front of this program where a proxy strips it and does not
    /// say so: `url_for` puts it in front. Encoded; by default nothing.
    pub fn external_prefix(mut self, prefix: impl AsRef<str>) -> Self {
        let prefix = prefix.as_ref();
        let text = prefix.strip_suffix('/').unwrap_or(prefix);
        let sound = text.is_empty() || (text.starts_with('/') && !text.starts_with("//"));
        if !sound
            || text.parse::<http::uri::PathAndQuery>().is_err() && !text.is_empty()
            || text.contains(['?', '#'])
        {
            let reason = "a prefix is a path that begins with one slash";
            self.refuse(prefix, reason);
        }
        self.settings.external_prefix = text.into();
        self
    }

    /// Lists the routes, and the nearest of them, on the page for what is not
    /// found. Only in builds with debug assertions, and only for the developer at
    /// this machine, as [`gateway_core::developer`] judges it: a loopback peer
    /// under the user who runs this program (on Linux), a loopback Host, no trace
    /// of a proxy, no page of another site. The peer is what `gateway-server` or,
    /// below a `FromAxumLayer` (feature `axum`), `into_make_service_with_connect_info`
    /// tells; where it is unknown, or its end of the connection another user's, the answer says so.
    ///
    /// A proxy that adds no header and runs as the same user is not seen.
    pub fn development(mut self) -> Self {
        self.settings.development.developer |= cfg!(debug_assertions);
        self
    }

    /// [`development`](Self::development) in release builds, too.
    pub fn development_in_release(mut self) -> Self {
        self.settings.development.developer = true;
        self
    }

    /// With [`development`](Self::development): lists the routes for these users of
    /// this machine as well, by number. May be called more than once.
    pub fn trust_users(mut self, users: impl IntoIterator<Item = u32>) -> Self {
        let gate = &mut self.settings.development;
        gate.users = gate.users.iter().copied().chain(users).collect();
        self
    }

    /// Lists the routes for the clients that the closure accepts, in every build, in
    /// place of all that [`development`](Self::development) asks for.
    pub fn show_details_if(
        mut self,
        allowed: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.development.allowed = Some(Arc::new(allowed));
        self
    }

    /// Makes what [`Router::shadowed`] tells of an error: a route that wins for none of its
    /// methods, because mounts and the routes in front of it take all its paths, and a mount or a
    /// host that others take all requests from. The error is about the first of them.
    pub fn deny_shadowed(mut self) -> Self {
        self.deny_shadowed = true;
        self
    }

    /// See [`UrlMapBuilder::memory_limit`].
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.map = self.map.memory_limit(bytes);
        self
    }

    /// See [`UrlMapBuilder::work_limit`].
    pub fn work_limit(mut self, steps: usize) -> Self {
        self.map = self.map.work_limit(steps);
        self
    }

    /// See [`UrlMapBuilder::pattern_limit`].
    pub fn pattern_limit(mut self, bytes: usize) -> Self {
        self.map = self.map.pattern_limit(bytes);
        self
    }

    /// Makes the router; everything is checked here, so that requests can only
    /// meet a table that is right.
    ///
    /// # Errors
    ///
    /// As [`UrlMapBuilder::build`]; and if a pattern begins with `^/` although
    /// the leading slash is taken off, or a prefix is none.
    pub fn build(self) -> Result<Router<S>, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut hosts = UrlMap::builder();
        for (i, host) in self.hosts.iter().enumerate() {
            hosts = hosts.route(host, i + 1);
        }
        let hosts = hosts.build()?;

        let limits = self.map.limits;
        let mut left = limits;
        // The methods' routes are compiled in turn and share one budget.
        let checked = self.map.check(&mut left)?;
        let mut infos = Vec::with_capacity(checked.entries.len());
        let mut endpoints = Vec::with_capacity(checked.entries.len());
        for (entry, endpoint) in checked.entries.into_iter().zip(checked.values) {
            let Endpoint {
                methods,
                section,
                service,
            } = endpoint;
            if let Some(host) = section
                .checked_sub(1)
                .and_then(|host| hosts.routes().nth(host))
            {
                for name in host.groups().flatten() {
                    if entry
                        .pattern
                        .groups
                        .iter()
                        .flatten()
                        .any(|own| **own == *name)
                    {
                        let pattern = format!("{} {}", host.pattern(), entry.pattern.source);
                        return Err(BuildError::DuplicateGroup {
                            pattern,
                            group: name.into(),
                        });
                    }
                }
            }
            infos.push(RouteInfo {
                entry,
                methods,
                section,
            });
            endpoints.push(service);
        }
        let mut sections = (0..=self.hosts.len())
            .map(|section| build_section(section, &infos, &mut left, &checked.room))
            .collect::<Result<Box<[Section]>, _>>()?;
        infos
            .iter_mut()
            .for_each(|info: &mut RouteInfo| info.entry.release_tree());
        let (mounts, services): (Vec<Mount>, Vec<S>) = self.mounts.into_iter().unzip();
        endpoints.extend(services);
        for (index, (section, service)) in self.fallbacks.into_iter().enumerate() {
            if let Some(section) = sections.get_mut(section) {
                section.fallback = Some(index);
            }
            endpoints.push(service);
        }
        let shared = Shared {
            routes: infos.into(),
            names: checked.names,
            sections,
            hosts,
            mounts: mounts.into(),
            settings: self.settings,
            limits,
            shadowed: OnceLock::new(),
            warnings: OnceLock::new(),
            said_untold: AtomicBool::new(false),
        };
        if self.deny_shadowed
            && let Some(first) = shadowed(&shared).first()
        {
            return Err(first.error());
        }
        if cfg!(debug_assertions) {
            warning::log(&shared);
        }
        Ok(Router::new(Arc::new(shared), endpoints.into()))
    }
}

/// Returns the text of a prefix that is literal and anchored at the start.
fn literal(prefix: &Hir) -> Option<String> {
    let parts = match prefix.kind() {
        HirKind::Look(_) => std::slice::from_ref(prefix),
        HirKind::Concat(parts) => parts,
        _ => return None,
    };
    let (start, text) = parts.split_first()?;
    let mut literal = String::new();
    for part in text {
        let HirKind::Literal(part) = part.kind() else {
            return None;
        };
        literal.push_str(std::str::from_utf8(&part.0).ok()?);
    }
    matches!(start.kind(), HirKind::Look(Look::Start)).then_some(literal)
}

impl<S> Default for RouterBuilder<S> {
    fn default() -> Self {
        Self::new()
    }
}
