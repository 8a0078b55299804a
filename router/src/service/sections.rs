//! The automata of a router: in each section one for each set of routes that some method has.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::resolve::{MethodMap, RouteInfo, Section};
use crate::builder::matcher;
use crate::engine::{Limits, Room};
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
        let (matcher, unreached) = matcher(&entries, left, room)?;
        let route = |place: &u32| ids.get(*place as usize).copied();
        result.maps.push(MethodMap {
            matcher,
            ids: ids.clone().into(),
            unreached: unreached.iter().filter_map(route).collect(),
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
