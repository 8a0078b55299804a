//! What becomes of a request, decided from its method, host and path alone.

use std::borrow::Cow;
use std::collections::HashMap;

use gateway_core::Prefix;
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::redirect;
use super::settings::{LeadingSlash, Settings, TrailingSlash};
use crate::engine::{Matcher, Words};
use crate::entry::Entry;
use crate::map::UrlMap;

/// All of a router but its services.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: Box<[RouteInfo]>,
    pub(crate) names: HashMap<Box<str>, u32>,
    /// The first is that of every host.
    pub(crate) sections: Box<[Section]>,
    /// From hosts to sections.
    pub(crate) hosts: UrlMap<usize>,
    pub(crate) mounts: Box<[Prefix]>,
    pub(crate) settings: Settings,
}

#[derive(Debug)]
pub(crate) struct RouteInfo {
    pub(crate) entry: Entry,
    /// In the order written; empty for all.
    pub(crate) methods: Box<[Method]>,
    pub(crate) section: usize,
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
}

#[derive(Debug)]
pub(crate) struct MethodMap {
    pub(crate) matcher: Matcher,
    /// From the automaton's patterns to the router's routes.
    pub(crate) ids: Box<[u32]>,
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
        if *method == Method::HEAD
            && let Some(found) = self
                .head
                .and_then(|map| self.maps.get(map)?.find(text, words))
        {
            return Some(found);
        }
        let listed = self
            .by_method
            .iter()
            .find(|(own, _)| own == method)
            .map(|&(_, map)| map);
        self.maps.get(listed.or(self.others)?)?.find(text, words)
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

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Outcome<'p> {
    Route(Found<'p>),
    /// The rest of the path begins at `rest`.
    Mount {
        index: usize,
        rest: usize,
    },
    /// To this relative reference.
    Redirect(String),
    /// Routes match, but none for this method; the value of `Allow`.
    MethodNotAllowed(String),
    /// An OPTIONS request that no route listed.
    Options(String),
    /// The decoded path is not UTF-8.
    BadPath,
    Miss,
}

#[derive(Debug)]
pub(crate) struct Found<'p> {
    pub(crate) id: u32,
    /// What the pattern was matched with.
    pub(crate) text: Cow<'p, str>,
    pub(crate) words: Words,
    /// The host, if the route belongs to a host pattern.
    pub(crate) host: Option<String>,
}

impl Shared {
    /// Decides for a request whose path below the present mount is `path`, as
    /// the client encoded it.
    pub(crate) fn resolve<'p>(
        &self,
        method: &Method,
        host: Option<&str>,
        path: &'p str,
        query: Option<&str>,
    ) -> Outcome<'p> {
        for (index, mount) in self.mounts.iter().enumerate() {
            if let Some(rest) = mount.matched_in(path) {
                return Outcome::Mount { index, rest };
            }
        }
        // `*` and the authority form of CONNECT are no paths.
        if !path.starts_with('/') {
            return Outcome::Miss;
        }
        let Some((text, words)) = self.text_and_words(path) else {
            return Outcome::BadPath;
        };
        let (host_section, host) = self.host_section(host);
        if let Some(section) = host_section
            && let Some(id) = section.find(method, &text, words)
        {
            return Outcome::Route(Found {
                id,
                text,
                words,
                host,
            });
        }
        if let Some(section) = self.sections.first()
            && let Some(id) = section.find(method, &text, words)
        {
            return Outcome::Route(Found {
                id,
                text,
                words,
                host: None,
            });
        }
        self.missed(method, host_section, &text, path, query)
    }

    #[cold]
    fn missed<'p>(
        &self,
        method: &Method,
        host_section: Option<&Section>,
        text: &str,
        path: &str,
        query: Option<&str>,
    ) -> Outcome<'p> {
        let sections = || host_section.into_iter().chain(self.sections.first());
        let mut methods = Vec::new();
        for section in sections() {
            section.allowed(text, &mut methods);
        }
        if !methods.is_empty() {
            if !methods.contains(&Method::OPTIONS) {
                methods.push(Method::OPTIONS);
            }
            let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
            let allow = allow.join(", ");
            return if *method == Method::OPTIONS {
                Outcome::Options(allow)
            } else {
                Outcome::MethodNotAllowed(allow)
            };
        }
        let matches = |text: &str| {
            let words = Words::new(text);
            sections().any(|section| section.find(method, text, words).is_some())
        };
        let location = self
            .other_end(path, text)
            .filter(|(_, text)| matches(text))
            .and_then(|_| redirect::to_other_end(path));
        let location = location.or_else(|| {
            let merged = self
                .settings
                .merge_slashes
                .then(|| redirect::merged(path))
                .flatten()?;
            let text = self.text(&merged)?;
            if matches(&text) {
                return redirect::to_merged(path, &merged);
            }
            let (merged, text) = self.other_end(&merged, &text)?;
            matches(&text)
                .then(|| redirect::to_merged(path, &merged))
                .flatten()
        });
        match (location, query) {
            (Some(location), Some(query)) => {
                Outcome::Redirect(redirect::ascii(&format!("{location}?{query}")))
            }
            (Some(location), None) => Outcome::Redirect(redirect::ascii(&location)),
            (None, _) => Outcome::Miss,
        }
    }

    /// The path and what patterns are matched with, both with the slash at the
    /// end that the policy would add or take off.
    fn other_end(&self, path: &str, text: &str) -> Option<(String, String)> {
        match self.settings.trailing {
            TrailingSlash::Strict => None,
            TrailingSlash::RedirectToSlash => (!text.is_empty() && !text.ends_with('/'))
                .then(|| (format!("{path}/"), format!("{text}/"))),
            TrailingSlash::RedirectToNoSlash => {
                let text = text.strip_suffix('/').filter(|text| !text.is_empty())?;
                Some((path.strip_suffix('/')?.into(), text.into()))
            }
        }
    }

    /// What patterns are matched with; `None` if it is no UTF-8.
    pub(crate) fn text<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        Some(self.text_and_words(path)?.0)
    }

    fn text_and_words<'p>(&self, path: &'p str) -> Option<(Cow<'p, str>, Words)> {
        let path = match self.settings.leading {
            LeadingSlash::Keep => path,
            LeadingSlash::StripOne => path.strip_prefix('/').unwrap_or(path),
            LeadingSlash::StripAll => path.trim_start_matches('/'),
        };
        let words = Words::new(path);
        if self.settings.raw || words.find(path.as_bytes(), b'%').is_none() {
            return Some((Cow::Borrowed(path), words));
        }
        let decoded = percent_decode_str(path).decode_utf8().ok()?;
        let text = match self.settings.leading {
            // `%2F` at the start is a slash to the patterns as well.
            LeadingSlash::StripAll => Cow::Owned(decoded.trim_start_matches('/').to_owned()),
            LeadingSlash::StripOne | LeadingSlash::Keep => decoded,
        };
        let words = Words::new(&text);
        Some((text, words))
    }

    fn host_section(&self, host: Option<&str>) -> (Option<&Section>, Option<String>) {
        if self.hosts.is_empty() {
            return (None, None);
        }
        let host = normal_host(host.unwrap_or_default());
        let section = self
            .hosts
            .find(&host)
            .and_then(|found| self.sections.get(*found.value()));
        (section, Some(host))
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
