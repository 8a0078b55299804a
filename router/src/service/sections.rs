//! The automata of a router: in each section one for each set of routes that some method has.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::Method;
use regex_syntax::hir::Hir;

use super::resolve::{MethodMap, Mount, RouteInfo, Section};
use super::settings::{EncodedSlashes, LeadingSlash, Settings};
use crate::builder::{hirs, matcher};
use crate::engine::{self, Limits, Matcher, Room, Shadow};
use crate::error::BuildError;

/// The automata of one section: one for each set of routes that some method has.
pub(super) fn build_section(
    section: usize,
    infos: &[RouteInfo],
    left: &mut Limits,
    room: &Arc<Room>,
) -> Result<Section, BuildError> {
    let own: Vec<(u32, &RouteInfo)> = (0..)
        .zip(infos)
        .filter(|(_, info)| info.section == section)
        .collect();
    let mut methods: Vec<Method> = Vec::new();
    for (_, info) in &own {
        for method in &info.methods {
            if !methods.contains(method) {
                methods.push(method.clone());
                if *method == Method::GET && !methods.contains(&Method::HEAD) {
                    methods.push(Method::HEAD);
                }
            }
        }
    }
    let mut built: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut result = Section::default();
    let mut map_of = |result: &mut Section,
                      takes: &dyn Fn(&RouteInfo) -> bool|
     -> Result<Option<usize>, BuildError> {
        let ids: Vec<u32> = own
            .iter()
            .filter(|(_, info)| takes(info))
            .map(|&(id, _)| id)
            .collect();
        if ids.is_empty() {
            return Ok(None);
        }
        if let Some(&map) = built.get(&ids) {
            return Ok(Some(map));
        }
        let entries = ids
            .iter()
            .filter_map(|&id| infos.get(id as usize))
            .map(|info| &info.entry)
            .collect::<Vec<_>>();
        let (matcher, _) = matcher(&entries, left, room)?;
        result.maps.push(MethodMap {
            matcher,
            ids: ids.clone().into(),
        });
        built.insert(ids, result.maps.len() - 1);
        Ok(Some(result.maps.len() - 1))
    };
    for method in methods {
        let implied = method == Method::HEAD;
        let takes = |info: &RouteInfo| {
            info.methods.is_empty()
                || info.methods.contains(&method)
                || (implied && info.methods.contains(&Method::GET))
        };
        if let Some(map) = map_of(&mut result, &takes)? {
            result.by_method.push((method, map));
        }
    }
    result.others = map_of(&mut result, &|info| info.methods.is_empty())?;
    result.head = map_of(&mut result, &|info| info.methods.contains(&Method::HEAD))?;
    Ok(result)
}

/// Refuses a route that wins for none of its methods, because mounts and the routes in front of it
/// take all its paths.
pub(super) fn deny_shadowed<'r>(
    section: &Section,
    infos: &'r [RouteInfo],
    mounts: impl Iterator<Item = &'r Mount>,
    settings: &Settings,
    limits: Limits,
) -> Result<(), BuildError> {
    // Mounts go before routes, so they are the first patterns of each list.
    let mounts: Vec<(String, Hir)> = mounts
        .filter_map(|mount| Some((format!("{}/", mount.prefix), taken_by(mount, settings)?)))
        .collect();
    let in_front = mounts.len() as u32;
    let lists: Vec<List<'_>> = section
        .maps
        .iter()
        .filter_map(|map| List::new(&map.ids, infos, &mounts, limits))
        .collect();
    let ids: BTreeSet<u32> = lists.iter().flat_map(|list| list.ids).copied().collect();
    let source = |id: u32| {
        let info = infos.get(id as usize);
        info.map_or_else(String::new, |info| info.entry.pattern.source.to_string())
    };
    for id in ids {
        let mut by = Vec::new();
        let mut shown = None;
        for list in lists.iter().filter(|list| list.ids.contains(&id)) {
            let Some((takers, example)) = list.shadow(id, in_front, limits.steps) else {
                by.clear();
                break;
            };
            shown.get_or_insert(example);
            for place in takers {
                let taker = match mounts.get(place as usize) {
                    Some((mount, _)) => mount.clone(),
                    None => list.id(place, in_front).map(source).unwrap_or_default(),
                };
                if !by.contains(&taker) {
                    by.push(taker);
                }
            }
        }
        if let Some(example) = shown.filter(|_| !by.is_empty()) {
            return Err(BuildError::Shadowed {
                pattern: source(id),
                by,
                example,
            });
        }
    }
    Ok(())
}

/// The mounts and the routes that are asked for one method, in their order.
struct List<'r> {
    ids: &'r [u32],
    hirs: Vec<Cow<'r, Hir>>,
    unreached: Vec<u32>,
}

impl<'r> List<'r> {
    fn new(
        ids: &'r [u32],
        infos: &'r [RouteInfo],
        mounts: &'r [(String, Hir)],
        mut limits: Limits,
    ) -> Option<Self> {
        let routes: Vec<_> = ids
            .iter()
            .filter_map(|&id| infos.get(id as usize))
            .map(|info| &info.entry)
            .collect();
        let mounts = mounts.iter().map(|(_, hir)| Cow::Borrowed(hir));
        let hirs: Vec<Cow<'_, Hir>> = mounts.chain(hirs(&routes)).collect();
        let (_, unreached) = Matcher::new(&hirs, &mut limits, &Arc::new(Room::new(0))).ok()?;
        Some(Self {
            ids,
            hirs,
            unreached,
        })
    }

    /// What takes all paths of a route, if something does, and one of the paths.
    fn shadow(&self, id: u32, in_front: u32, mut steps: usize) -> Option<(Vec<u32>, String)> {
        let place = in_front + self.ids.iter().position(|own| *own == id)? as u32;
        if !self.unreached.contains(&place) {
            return None;
        }
        match engine::explain(&self.hirs, place, &mut steps) {
            Shadow::Shadowed { by, example } => Some((by, example)),
            Shadow::Reachable | Shadow::Impossible => None,
        }
    }

    fn id(&self, place: u32, in_front: u32) -> Option<u32> {
        let at = place.checked_sub(in_front)?;
        self.ids.get(at as usize).copied()
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
