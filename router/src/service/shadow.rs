//! Routes, mounts and hosts that no request reaches, and where their requests go instead.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use regex_syntax::hir::Hir;

use super::resolve::{Mount, Resolution, RouteInfo, Shared};
use super::rule::{ExampleRequest, Rule, ShadowedRule, Taker};
use super::settings::{EncodedSlashes, LeadingSlash, Settings};
use crate::engine::{self, Limits, Matcher, NONE, Room};
use crate::reverse;
use crate::url_map::UrlMap;

/// All that is shadowed: hosts, then mounts, then routes. What is still to be found out when as
/// much work is done as a build may take is left out.
pub(super) fn shadowed(shared: &Shared) -> &[ShadowedRule] {
    let find = || Analysis::new(shared).run().into();
    shared.shadowed.get_or_init(find)
}

/// What is asked about a router's table, and the work that may still be done.
pub(super) struct Analysis<'s> {
    shared: &'s Shared,
    steps: usize,
    /// The paths that each mount takes, where patterns cannot be asked with them.
    mounts: Vec<Option<Hir>>,
    /// Texts that no pattern is asked with.
    never_asked: Option<Hir>,
    /// Of the routes.
    hirs: Vec<Hir>,
}

/// All requests with hosts that the router does not tell apart.
pub(super) struct HostClass {
    section: usize,
    /// One of them; `None` where no host is needed.
    pub(super) example: Option<String>,
}

/// What a method's requests are asked against, in order.
struct List<'c> {
    class: &'c HostClass,
    method: Method,
    ids: Vec<u32>,
}

/// What is known of a host pattern.
enum HostReach {
    Reached(Option<String>),
    Shadowed(ShadowedRule),
    /// Some request may reach it, and no example was found.
    Unknown,
}

impl<'s> Analysis<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        let settings = &shared.settings;
        let mounts = shared.mounts.iter();
        let hirs = shared.routes.iter();
        Self {
            shared,
            steps: shared.limits.steps,
            mounts: mounts.map(|mount| taken_by(mount, settings)).collect(),
            never_asked: regex_syntax::parse(never_asked(settings)).ok(),
            hirs: hirs
                .map(|info| info.entry.pattern.hir().into_owned())
                .collect(),
        }
    }

    fn run(mut self) -> Vec<ShadowedRule> {
        let mut shadowed = Vec::new();
        let mut classes = Vec::new();
        let mut all_known = true;
        for section in 0..self.shared.sections.len() {
            match self.host_reach(section) {
                HostReach::Reached(example) => classes.push(HostClass { section, example }),
                HostReach::Shadowed(told) if section > 0 => shadowed.push(told),
                // Each host has a pattern.
                HostReach::Shadowed(_) => {}
                HostReach::Unknown => all_known = false,
            }
        }
        self.find_mounts(&classes, all_known, &mut shadowed);
        self.find_routes(&classes, all_known, &mut shadowed);
        shadowed
    }

    /// Whether requests come to the section of a host pattern; 0 is for hosts without one.
    fn host_reach(&mut self, section: usize) -> HostReach {
        let hosts = &self.shared.hosts;
        if hosts.is_empty() {
            return HostReach::Reached(None);
        }
        let patterns: Vec<_> = hosts.hirs().collect();
        let Ok(any) = regex_syntax::parse("(?s)^.*$") else {
            return HostReach::Unknown;
        };
        // Of the hosts that patterns can match a few are sent by clients.
        let Ok(odd) = regex_syntax::parse(ODD_HOST) else {
            return HostReach::Unknown;
        };
        let (this, before) = match section.checked_sub(1) {
            Some(index) => (patterns.get(index).map_or(&any, |hir| hir), index),
            None => (&any, patterns.len()),
        };
        let before = patterns.iter().take(before).map(|hir| &**hir);
        let usual = [&odd].into_iter().chain(before.clone());
        let Some(usual) = engine::takers(usual, this, &mut self.steps) else {
            return HostReach::Unknown;
        };
        let Some(all) = engine::takers(before, this, &mut self.steps) else {
            return HostReach::Unknown;
        };
        let rule = |index: usize| host_rule(index, hosts);
        let mut reached = usual.iter().chain(&all).filter(|taker| taker.id == NONE);
        if let Some(example) = reached
            .clone()
            .map(|taker| &taker.example)
            .find(|host| self.host_leads_to(host, section))
        {
            return HostReach::Reached(Some(example.clone()));
        }
        // No host at all is one, too.
        if section == 0 && hosts.find("").is_none() {
            return HostReach::Reached(None);
        }
        if reached.next().is_some() {
            return HostReach::Unknown;
        }
        let usual = usual.into_iter().filter_map(|taker| {
            let index = taker.id.checked_sub(1)?;
            Some((index, taker.example))
        });
        let odd = all.into_iter().map(|taker| (taker.id, taker.example));
        let mut by: Vec<Taker> = Vec::new();
        for (index, host) in usual.chain(odd) {
            let index = index as usize;
            let taker = self.host_leads_to(&host, index + 1).then(|| Taker {
                rule: rule(index),
                example: ExampleRequest::new(Method::GET, Some(host), "/".to_owned()),
            });
            add_taker(&mut by, taker);
        }
        if by.is_empty() {
            return HostReach::Unknown;
        }
        HostReach::Shadowed(ShadowedRule {
            rule: rule(section.saturating_sub(1)),
            by,
        })
    }

    /// Requests that come to a section, if an example is known.
    pub(super) fn class(&mut self, section: usize) -> Option<HostClass> {
        match self.host_reach(section) {
            HostReach::Reached(example) => Some(HostClass { section, example }),
            HostReach::Shadowed(_) | HostReach::Unknown => None,
        }
    }

    /// A shortest text of a route that patterns may be asked with.
    pub(super) fn text_of(&mut self, id: usize) -> Option<String> {
        let this = self.hirs.get(id)?;
        let takers = engine::takers(self.never_asked.iter(), this, &mut self.steps)?;
        let own = takers.into_iter().find(|taker| taker.id == NONE)?;
        Some(own.example)
    }

    pub(super) fn host_leads_to(&self, host: &str, section: usize) -> bool {
        HeaderValue::from_str(host).is_ok() && self.shared.host_section(Some(host)).0 == section
    }

    /// Mounts that an earlier one takes all requests from.
    fn find_mounts(
        &self,
        classes: &[HostClass],
        all_known: bool,
        shadowed: &mut Vec<ShadowedRule>,
    ) {
        for (index, mount) in self.shared.mounts.iter().enumerate() {
            let own = |class: &&HostClass| mount.section == 0 || mount.section == class.section;
            if mount.section == 0 && !all_known {
                continue;
            }
            let mut by: Vec<Taker> = Vec::new();
            let mut reached = false;
            for class in classes.iter().filter(own) {
                let path = format!("{}/", reverse::encode(mount.prefix.as_str()));
                match self.shared.mounted(class.section, &path) {
                    Some(other) if other != index => {
                        add_taker(&mut by, self.taker(class, Method::GET, path));
                    }
                    _ => reached = true,
                }
            }
            if !reached && !by.is_empty() {
                let rule = mount_rule(index, mount);
                shadowed.push(ShadowedRule { rule, by });
            }
        }
    }

    /// Routes that win for none of their methods on none of their hosts.
    fn find_routes(
        &mut self,
        classes: &[HostClass],
        all_known: bool,
        shadowed: &mut Vec<ShadowedRule>,
    ) {
        let routes = &self.shared.routes;
        let mut reached: Vec<bool> = routes
            .iter()
            .map(|info| info.section == 0 && !all_known)
            .collect();
        let mut lists = Vec::new();
        // By route: the lists in which it is not reached.
        let mut missing: HashMap<u32, Vec<usize>> = HashMap::new();
        for class in classes {
            for (method, ids) in self.lists(class, &reached) {
                let unreached = self.unreached(class, &method, &ids);
                for &id in &ids {
                    if unreached.contains(&id) {
                        missing.entry(id).or_default().push(lists.len());
                    } else if let Some(reached) = reached.get_mut(id as usize) {
                        *reached = true;
                    }
                }
                lists.push(List { class, method, ids });
            }
        }
        for (index, info) in routes.iter().enumerate() {
            if reached.get(index) != Some(&false) {
                continue;
            }
            let Some(lists_of) = missing.get(&(index as u32)) else {
                continue;
            };
            let lists_of = lists_of.iter().filter_map(|&list| lists.get(list));
            let by = self.takers_in(index as u32, lists_of);
            if !by.is_empty() {
                let rule = route_rule(index, info);
                shadowed.push(ShadowedRule { rule, by });
            }
        }
    }

    /// The routes that are asked for requests of a class, one list for all methods that have the same.
    fn lists(&self, class: &HostClass, reached: &[bool]) -> Vec<(Method, Vec<u32>)> {
        let is_open = |(info, reached): (&RouteInfo, &bool)| info.section == 0 && !reached;
        let mut common = self.shared.routes.iter().zip(reached);
        let sections = if class.section == 0 {
            vec![0]
        } else if common.any(is_open) {
            vec![class.section, 0]
        } else {
            vec![class.section]
        };
        let sections = sections.into_iter();
        let sections: Vec<_> = sections
            .filter_map(|section| self.shared.sections.get(section))
            .collect();
        let listed = sections.iter().flat_map(|section| &section.by_method);
        let mut listed: Vec<&Method> = listed.map(|(method, _)| method).collect();
        // What a person asks with first makes the best example.
        listed.sort_by_key(|method| **method != Method::GET);
        let mut known: HashSet<Vec<u32>> = HashSet::new();
        let mut lists = Vec::new();
        let methods = unlisted(&listed).into_iter();
        for method in listed.into_iter().cloned().chain(methods) {
            let mut seen = HashSet::new();
            let mut ids: Vec<u32> = Vec::new();
            for map in sections
                .iter()
                .flat_map(|section| section.maps_for(&method))
            {
                ids.extend(map.ids.iter().filter(|&&id| seen.insert(id)));
            }
            if known.insert(ids.clone()) {
                lists.push((method, ids));
            }
        }
        lists
    }

    /// The mounts that are asked before the routes, in order.
    fn mounts_of(&self, class: &HostClass) -> impl Iterator<Item = (usize, &Hir)> {
        let of = move |wanted: usize| {
            let mounts = self.shared.mounts.iter().zip(&self.mounts).enumerate();
            mounts
                .filter(move |(_, (mount, _))| mount.section == wanted)
                .filter_map(|(index, (_, hir))| Some((index, hir.as_ref()?)))
        };
        let limited = (class.section != 0).then(|| of(class.section));
        limited.into_iter().flatten().chain(of(0))
    }

    fn hirs_of<'a>(&'a self, ids: &'a [u32]) -> impl Iterator<Item = &'a Hir> {
        ids.iter().filter_map(|&id| self.hirs.get(id as usize))
    }

    /// The routes of a list that no path reaches, as far as one automaton tells.
    fn unreached(&mut self, class: &HostClass, method: &Method, ids: &[u32]) -> HashSet<u32> {
        let section = self.shared.sections.get(class.section);
        let mut maps = section
            .into_iter()
            .flat_map(|section| section.maps_for(method));
        let meets = |mount: &Hir| self.hirs_of(ids).any(|hir| engine::may_meet(mount, hir));
        // Then the construction has told.
        if let (Some(map), None) = (maps.next(), maps.next())
            && *map.ids == *ids
            && !self.mounts_of(class).any(|(_, mount)| meets(mount))
        {
            return map.unreached.iter().copied().collect();
        }
        let mounts: Vec<&Hir> = self.mounts_of(class).map(|(_, hir)| hir).collect();
        let hirs = mounts.iter().copied().chain(self.hirs_of(ids));
        let hirs: Vec<_> = hirs.map(std::borrow::Cow::Borrowed).collect();
        let mut left = Limits {
            steps: self.steps,
            ..self.shared.limits
        };
        let built = Matcher::new(&hirs, &mut left, &Arc::new(Room::new(0)));
        let unreached = built.map_or_else(|_| Vec::new(), |(_, unreached)| unreached);
        let unreached = unreached
            .into_iter()
            .filter_map(|place| {
                let place = (place as usize).checked_sub(mounts.len())?;
                ids.get(place).copied()
            })
            .collect();
        self.steps = left.steps;
        unreached
    }

    /// What takes the requests of a route; nothing if it wins for some, or that is not known.
    fn takers_in<'l>(&mut self, id: u32, lists: impl Iterator<Item = &'l List<'l>>) -> Vec<Taker> {
        let mut by = Vec::new();
        let Some(this) = self.hirs.get(id as usize) else {
            return by;
        };
        for list in lists {
            let mounts = self.mounts_of(list.class).count();
            let in_front: Vec<u32> = list
                .ids
                .iter()
                .copied()
                .take_while(|&own| own != id)
                .collect();
            let before = self.mounts_of(list.class).map(|(_, hir)| hir);
            let before = before
                .chain(&self.never_asked)
                .chain(self.hirs_of(&in_front));
            let mut left = self.steps;
            let takers = engine::takers(before, this, &mut left);
            self.steps = left;
            let Some(takers) = takers else {
                return Vec::new();
            };
            for taker in takers {
                if taker.id == NONE {
                    return Vec::new();
                }
                if taker.id as usize == mounts && self.never_asked.is_some() {
                    continue;
                }
                let shown = self.shown(list.class, &list.method, &taker.example);
                add_taker(&mut by, shown);
            }
        }
        by
    }

    /// A request whose path patterns see as this text, and where it goes.
    pub(super) fn shown(&self, class: &HostClass, method: &Method, text: &str) -> Option<Taker> {
        let settings = &self.shared.settings;
        let encoded = if settings.raw {
            text.to_owned()
        } else {
            reverse::encode(text)
        };
        let path = match settings.leading {
            LeadingSlash::Keep => encoded,
            LeadingSlash::StripOne | LeadingSlash::StripAll => format!("/{encoded}"),
        };
        self.taker(class, method.clone(), path)
    }

    /// Where a request goes, asked from the router itself.
    fn taker(&self, class: &HostClass, method: Method, path: String) -> Option<Taker> {
        PathAndQuery::try_from(path.as_str()).ok()?;
        let shared = self.shared;
        let (section, host) = shared.host_section(class.example.as_deref());
        let rule = match shared.resolve(section, host, &method, &path, None) {
            Resolution::Route(found) => {
                let index = found.id as usize;
                route_rule(index, shared.routes.get(index)?)
            }
            Resolution::Mount { index, .. } => mount_rule(index, shared.mounts.get(index)?),
            _ => return None,
        };
        let host = class.example.clone();
        Some(Taker {
            rule,
            example: ExampleRequest::new(method, host, path),
        })
    }
}

pub(super) fn route_rule(index: usize, info: &RouteInfo) -> Rule {
    let methods = info.methods_text();
    let pattern = info.entry.pattern.source.to_string();
    Rule::Route {
        index,
        methods,
        pattern,
    }
}

fn mount_rule(index: usize, mount: &Mount) -> Rule {
    let prefix = mount.text();
    Rule::Mount { index, prefix }
}

pub(super) fn host_rule(index: usize, hosts: &UrlMap<usize>) -> Rule {
    let host = hosts.routes().nth(index);
    let pattern = host.map_or_else(String::new, |host| host.pattern().to_owned());
    Rule::Host { index, pattern }
}

/// One example for each rule is enough.
fn add_taker(by: &mut Vec<Taker>, taker: Option<Taker>) {
    by.extend(taker.filter(|taker| by.iter().all(|known| known.rule != taker.rule)));
}

/// A method that no route lists, for those that take all methods.
fn unlisted(listed: &[&Method]) -> Option<Method> {
    let common = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
    ];
    let other = Method::from_bytes(b"OTHER").ok();
    let mut methods = common.into_iter().chain(other);
    methods.find(|method| !listed.contains(&method))
}

/// Hosts that are no names: patterns are asked with them, if a client sends them.
const ODD_HOST: &str = r"[^a-z0-9._-]|^[.-]|\.\.|\.$|^$";

/// The texts that [`Shared::resolve`] asks no pattern with.
fn never_asked(settings: &Settings) -> &'static str {
    match (settings.raw, settings.leading) {
        (false, LeadingSlash::StripOne) => r"(?:^|/)\.\.?(?:/|$)",
        (false, LeadingSlash::StripAll) => r"^/|(?:^|/)\.\.?(?:/|$)",
        (false, LeadingSlash::Keep) => r"(?s)^(?:[^/]|$)|/\.\.?(?:/|$)",
        // And what no path can hold.
        (true, LeadingSlash::StripOne) => r"(?i)(?:^|/)(?:\.|%2e){1,2}(?:/|$)|[\x00-\x20#<>?`]",
        (true, LeadingSlash::StripAll) => r"(?i)^/|(?:^|/)(?:\.|%2e){1,2}(?:/|$)|[\x00-\x20#<>?`]",
        (true, LeadingSlash::Keep) => r"(?is)^(?:[^/]|$)|/(?:\.|%2e){1,2}(?:/|$)|[\x00-\x20#<>?`]",
    }
}

/// The texts that patterns are not asked with because a mount takes their paths: no others, or a
/// route would be refused that wins.
fn taken_by(mount: &Mount, settings: &Settings) -> Option<Hir> {
    let prefix = mount.prefix.as_str();
    let prefix = match settings.leading {
        LeadingSlash::Keep => prefix,
        LeadingSlash::StripOne => prefix.strip_prefix('/').unwrap_or(prefix),
        // More slashes in front lead past the mount, and to the same text.
        LeadingSlash::StripAll => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let told = if settings.raw {
        // The text has one of the spellings that the mount takes, where there are several.
        prefix.bytes().all(plain)
    } else {
        // An encoded slash leads past the mount as well.
        settings.encoded_slashes == EncodedSlashes::Refuse
    };
    let pattern = match prefix {
        "" => "(?s)^.*$".to_owned(),
        prefix => format!("(?s)^{}(?:/.*)?$", regex_syntax::escape(prefix)),
    };
    regex_syntax::parse(&pattern).ok().filter(|_| told)
}
