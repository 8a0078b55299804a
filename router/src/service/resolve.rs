//! What becomes of a request, decided from its method, host and path alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use gateway_core::paths::{Prefix, Spelling, relative_reference};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::rule::{RouterWarning, ShadowedRule};
use super::settings::{EncodedSlashes, LeadingSlash, OtherSpellings, Settings};
use super::slashes;
use crate::engine::{Limits, Matcher, Words};
use crate::entry::Entry;
use crate::url_map::UrlMap;

/// A router without its services.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: Box<[RouteInfo]>,
    pub(crate) names: HashMap<Box<str>, u32>,
    /// The first is that of every host.
    pub(crate) sections: Box<[Section]>,
    /// From hosts to sections.
    pub(crate) hosts: UrlMap<usize>,
    pub(crate) mounts: Box<[Mount]>,
    pub(crate) settings: Settings,
    /// What the construction might take.
    pub(crate) limits: Limits,
    /// Found when it is first asked for.
    pub(super) shadowed: OnceLock<Box<[ShadowedRule]>>,
    pub(super) warnings: OnceLock<Box<[RouterWarning]>>,
    /// That a nest around is not told was said.
    pub(super) said_untold: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct RouteInfo {
    pub(crate) entry: Entry,
    /// In the order written; empty for all.
    pub(crate) methods: Box<[Method]>,
    pub(crate) section: usize,
}

impl RouteInfo {
    /// For people.
    pub(crate) fn methods_text(&self) -> String {
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        match methods.as_slice() {
            [] => "*".to_owned(),
            methods => methods.join(","),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mount {
    pub(crate) prefix: Prefix,
    /// GET and HEAD for the prefix alone are redirected to its slash.
    pub(crate) with_slash: bool,
    pub(crate) section: usize,
}

impl Mount {
    /// Where the slash is, if a request for the prefix alone is to be redirected.
    fn slash(&self, method: &Method, path: &str, query: Option<&str>) -> Option<String> {
        let followed = matches!(*method, Method::GET | Method::HEAD);
        let is_bare = || self.prefix.matched_in(path) == Some(path.len());
        if !self.with_slash || !followed || !is_bare() {
            return None;
        }
        relative_reference(path, &format!("{path}/"), query)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        format!("{}/", self.prefix)
    }
}

/// The routes of one host pattern.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Pruning by the best pattern would drop later routes of other methods, so
    /// there is one automaton for each set of routes that some method has.
    pub(crate) maps: Vec<MethodMap>,
    /// The methods that some route lists.
    pub(crate) by_method: Vec<(Method, usize)>,
    /// For all other methods: the routes that list none.
    pub(crate) others: Option<usize>,
    /// The routes that list HEAD by name go before those that imply it.
    pub(crate) head: Option<usize>,
    /// The place of its fallback among those of all sections.
    pub(crate) fallback: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct MethodMap {
    pub(crate) matcher: Matcher,
    /// From the automaton's patterns to the router's routes.
    pub(crate) ids: Box<[u32]>,
    /// Those of them that others in front take all paths from.
    pub(crate) unreached: Box<[u32]>,
}

impl MethodMap {
    fn find(&self, text: &str, words: Words) -> Option<u32> {
        let found = self.matcher.find(text, words)?;
        self.ids.get(found as usize).copied()
    }
}

impl Section {
    #[inline]
    pub(crate) fn find(&self, method: &Method, text: &str, words: Words) -> Option<u32> {
        self.maps_for(method).find_map(|map| map.find(text, words))
    }

    /// The automata that are asked for a method, in order.
    #[inline]
    pub(crate) fn maps_for(&self, method: &Method) -> impl Iterator<Item = &MethodMap> {
        let head = self.head.filter(|_| *method == Method::HEAD);
        let listed = self
            .by_method
            .iter()
            .find(|(own, _)| own == method)
            .map(|&(_, map)| map);
        let maps = [head, listed.or(self.others)].into_iter().flatten();
        maps.filter_map(|map| self.maps.get(map))
    }

    /// The methods of all routes that match, as `Allow` lists them.
    fn allowed(&self, text: &str, methods: &mut Vec<Method>) {
        let words = Words::new(text);
        for (method, map) in &self.by_method {
            if !methods.contains(method)
                && self
                    .maps
                    .get(*map)
                    .is_some_and(|map| map.find(text, words).is_some())
            {
                methods.push(method.clone());
            }
        }
    }
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum Resolution<'p> {
    Route(Found<'p>),
    Mount {
        index: usize,
        section: usize,
    },
    /// To this relative reference.
    Redirect(String),
    /// Routes match, but none for this method; the value of `Allow`.
    MethodNotAllowed(String),
    /// An OPTIONS request that no route listed.
    Options(String),
    /// The decoded path is not UTF-8.
    BadPath,
    /// To the fallback of this number, if there is one.
    Miss {
        fallback: Option<usize>,
        section: usize,
    },
}

/// Why no pattern is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    NotUtf8,
    /// A service below would not know it for what the patterns took it for.
    DotSegment,
    EncodedSlash,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "the decoded path is not UTF-8",
            Self::DotSegment => "a segment of the path is `.` or `..`",
            Self::EncodedSlash => "the path has a `%2F` (see `encoded_slashes`)",
        })
    }
}

impl std::error::Error for Unread {}

#[derive(Debug)]
pub(crate) struct Found<'p> {
    pub(crate) id: u32,
    /// What the pattern was matched with.
    pub(crate) text: Cow<'p, str>,
    pub(crate) words: Words,
    /// The section of the host that was asked.
    pub(crate) section: usize,
    /// The host, if the route belongs to a host pattern.
    pub(crate) host: Option<String>,
}

impl Shared {
    /// Decides for a request whose path below the present mount is `path`, as the client encoded
    /// it, and for the host that [`host_section`](Self::host_section) found.
    pub(crate) fn resolve<'p>(
        &self,
        section: usize,
        host: Option<String>,
        method: &Method,
        path: &'p str,
        query: Option<&str>,
    ) -> Resolution<'p> {
        if let Some(index) = self.mounted(section, path) {
            let mount = self.mounts.get(index);
            let slash = mount.and_then(|mount| mount.slash(method, path, query));
            return slash.map_or(Resolution::Mount { index, section }, Resolution::Redirect);
        }
        let limited = self.limited(section);
        // `*` and the authority form of CONNECT are no paths.
        if !path.starts_with('/') {
            return self.miss(section);
        }
        let spelling = Spelling::of(path);
        let (text, words) = match self.read(path, spelling) {
            Ok(read) => read,
            Err(Unread::NotUtf8) => return Resolution::BadPath,
            Err(Unread::DotSegment | Unread::EncodedSlash) => {
                return self.miss(section);
            }
        };
        let in_limited = limited.and_then(|limited| limited.find(method, &text, words));
        let found = in_limited.or_else(|| self.sections.first()?.find(method, &text, words));
        match found {
            None => self.missed(method, section, &text, path, query),
            Some(_) if self.redirects(spelling) => self.to_canonical(section, spelling, query),
            Some(id) => Resolution::Route(Found {
                id,
                text,
                words,
                section,
                host: host.filter(|_| in_limited.is_some()),
            }),
        }
    }

    #[cold]
    fn missed<'p>(
        &self,
        method: &Method,
        section: usize,
        text: &str,
        path: &str,
        query: Option<&str>,
    ) -> Resolution<'p> {
        let limited = self.limited(section);
        let sections = || limited.into_iter().chain(self.sections.first());
        let mut methods = Vec::new();
        for section in sections() {
            section.allowed(text, &mut methods);
        }
        if !methods.is_empty() {
            let spelling = Spelling::of(path);
            if self.redirects(spelling) {
                return self.to_canonical(section, spelling, query);
            }
            if !methods.contains(&Method::OPTIONS) {
                methods.push(Method::OPTIONS);
            }
            let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
            let allow = allow.join(", ");
            return if *method == Method::OPTIONS {
                Resolution::Options(allow)
            } else {
                Resolution::MethodNotAllowed(allow)
            };
        }
        let merged = || {
            let merge = self.settings.merge_slashes;
            merge.then(|| slashes::merged(path)).flatten()
        };
        let leads_to = |path: String| {
            // As it will be asked for: no raw path is changed but in its slashes.
            let path = match Spelling::of(&path).canonical() {
                Cow::Borrowed(_) => path,
                Cow::Owned(_) if self.settings.raw => return None,
                Cow::Owned(canonical) => canonical,
            };
            let text = self.text(&path).ok()?;
            let words = Words::new(&text);
            sections()
                .any(|section| section.find(method, &text, words).is_some())
                .then_some(path)
        };
        let target = self
            .other_end(path)
            .and_then(leads_to)
            .or_else(|| merged().and_then(leads_to))
            .or_else(|| {
                merged()
                    .and_then(|path| self.other_end(&path))
                    .and_then(leads_to)
            });
        target
            .and_then(|target| relative_reference(path, &target, query))
            .map_or_else(|| self.miss(section), Resolution::Redirect)
    }

    /// Whether a route that matches is asked for in another spelling than it should be.
    fn redirects(&self, spelling: Spelling<'_>) -> bool {
        let wanted =
            !self.settings.raw && self.settings.other_spellings == OtherSpellings::Redirect;
        wanted && spelling.has_other_escapes()
    }

    #[cold]
    fn to_canonical<'p>(
        &self,
        section: usize,
        spelling: Spelling<'_>,
        query: Option<&str>,
    ) -> Resolution<'p> {
        spelling
            .location(query)
            .map_or_else(|| self.miss(section), Resolution::Redirect)
    }

    /// The path with its other end, if the policy would rather have that.
    fn other_end(&self, path: &str) -> Option<String> {
        let text = self.text(path).ok()?;
        slashes::other_end(self.settings.trailing, path, &text)
    }

    /// What patterns are matched with.
    pub(crate) fn text<'p>(&self, path: &'p str) -> Result<Cow<'p, str>, Unread> {
        Ok(self.read(path, Spelling::of(path))?.0)
    }

    #[inline]
    fn read<'p>(
        &self,
        path: &'p str,
        spelling: Spelling<'p>,
    ) -> Result<(Cow<'p, str>, Words), Unread> {
        let text = self.without_slash(path);
        let words = Words::new(text);
        if spelling.is_plain() && words.find(text.as_bytes(), b'%').is_none() {
            return Ok((Cow::Borrowed(text), words));
        }
        self.read_closely(text, spelling)
    }

    #[cold]
    fn read_closely<'p>(
        &self,
        text: &'p str,
        spelling: Spelling<'p>,
    ) -> Result<(Cow<'p, str>, Words), Unread> {
        if spelling.has_dot_segment() {
            return Err(Unread::DotSegment);
        }
        if self.settings.raw {
            return Ok((Cow::Borrowed(text), Words::new(text)));
        }
        if spelling.has_encoded_slash() && self.settings.encoded_slashes == EncodedSlashes::Refuse {
            return Err(Unread::EncodedSlash);
        }
        let decoded = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| Unread::NotUtf8)?;
        let text = match self.settings.leading {
            // `%2F` at the start is a slash to the patterns as well.
            LeadingSlash::StripAll if decoded.starts_with('/') => {
                Cow::Owned(decoded.trim_start_matches('/').to_owned())
            }
            _ => decoded,
        };
        // Behind a `%2F` that is a slash, a segment begins that the raw path has none of.
        if spelling.has_encoded_slash() && text.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(Unread::DotSegment);
        }
        let words = Words::new(&text);
        Ok((text, words))
    }

    fn without_slash<'p>(&self, path: &'p str) -> &'p str {
        match self.settings.leading {
            LeadingSlash::Keep => path,
            LeadingSlash::StripOne => path.strip_prefix('/').unwrap_or(path),
            LeadingSlash::StripAll => path.trim_start_matches('/'),
        }
    }

    /// The section that is limited to a host; 0 if none is.
    pub(crate) fn host_section(&self, host: Option<&str>) -> (usize, Option<String>) {
        if self.hosts.is_empty() {
            return (0, None);
        }
        let host = normal_host(host.unwrap_or_default());
        let section = self.hosts.find(&host).map_or(0, |found| *found.value());
        (section, Some(host))
    }

    /// The section of this number, unless it is that of every host.
    pub(crate) fn limited(&self, section: usize) -> Option<&Section> {
        self.sections.get(section).filter(|_| section != 0)
    }

    /// The mount that takes a path. Those of the host go first.
    pub(crate) fn mounted(&self, section: usize, path: &str) -> Option<usize> {
        let of = |section: usize| {
            (self.mounts.iter()).position(|mount| {
                mount.section == section && mount.prefix.matched_in(path).is_some()
            })
        };
        let limited = if section == 0 { None } else { of(section) };
        limited.or_else(|| of(0))
    }

    fn miss(&self, section: usize) -> Resolution<'static> {
        let mut sections = self
            .limited(section)
            .into_iter()
            .chain(self.sections.first());
        Resolution::Miss {
            fallback: sections.find_map(|section| section.fallback),
            section,
        }
    }
}

/// The host as patterns see it: in lower case, without port and final dot.
fn normal_host(host: &str) -> String {
    let host = host.rsplit('@').next().unwrap_or(host);
    // The colons of an IPv6 address stand in brackets.
    let end = match host.rfind(':') {
        Some(colon) if !host.get(colon..).is_some_and(|rest| rest.contains(']')) => colon,
        _ => host.len(),
    };
    let host = host.get(..end).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// RFC 9110, section 7.1: the target's authority goes before the Host field.
pub(crate) fn host_of<'r>(uri: &'r Uri, headers: &'r http::HeaderMap) -> Option<&'r str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(http::header::HOST)?.to_str().ok(),
    }
}
