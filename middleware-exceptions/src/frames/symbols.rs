//! From addresses to frames: slow the first time, a look-up from then on.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use crate::frames::{
    frame::Frame,
    names::{self, Origin},
    source::Sources,
};

/// So many addresses are remembered. A program has only so many that panics pass.
const CACHE: usize = 16 * 1024;

/// The frames at one address: more than one where functions were inlined, the innermost first.
pub(crate) type Inlined = Arc<[Arc<Frame>]>;

static SYMBOLS: RwLock<Option<HashMap<usize, Inlined>>> = RwLock::new(None);

/// Whether all of them are in the cache.
pub(crate) fn are_known(addresses: &[usize]) -> bool {
    let symbols = SYMBOLS.read().unwrap_or_else(PoisonError::into_inner);
    let known = |address| {
        symbols
            .as_ref()
            .is_some_and(|map| map.contains_key(address))
    };
    addresses.iter().all(known)
}

/// The frames at these addresses, in the same order.
pub(crate) fn resolved(addresses: &[usize]) -> Vec<Inlined> {
    let mut found = Vec::with_capacity(addresses.len());
    {
        let symbols = SYMBOLS.read().unwrap_or_else(PoisonError::into_inner);
        let known = |address| symbols.as_ref().and_then(|map| map.get(address)).cloned();
        found.extend(addresses.iter().map(known));
    }
    let mut sources = Sources::default();
    let mut fresh = Vec::new();
    let resolved = addresses.iter().zip(found).map(|(&address, known)| {
        known.unwrap_or_else(|| {
            let frames = resolve(address, &mut sources);
            fresh.push((address, Arc::clone(&frames)));
            frames
        })
    });
    let resolved = resolved.collect();
    if !fresh.is_empty() {
        let mut symbols = SYMBOLS.write().unwrap_or_else(PoisonError::into_inner);
        let map = symbols.get_or_insert_default();
        if map.len() + fresh.len() > CACHE {
            map.clear();
        }
        map.extend(fresh);
    }
    resolved
}

fn resolve(address: usize, sources: &mut Sources) -> Inlined {
    let mut frames = Vec::new();
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}"));
        let place = symbol.filename().zip(symbol.lineno());
        let column = symbol.colno().unwrap_or(0);
        let place = place.map(|(file, line)| (file, line, column));
        frames.push(Arc::new(described(name.as_deref(), place, sources)));
    });
    frames.into()
}

/// A frame from what the debug information says.
pub(crate) fn described(
    name: Option<&str>,
    place: Option<(&Path, u32, u32)>,
    sources: &mut Sources,
) -> Frame {
    let file = place.map(|(file, ..)| normal(file));
    let origin = names::origin(file.as_deref(), name);
    let (mut function, closures) = names::short(name.unwrap_or_default());
    let mut is_async = false;
    let mut source = None;
    let mut shown = None;
    if let Some((file, (_, line, _))) = file.as_deref().zip(place) {
        shown = Some(sources.shown(file));
        if origin == Origin::Yours {
            source = sources.excerpt(file, line);
            if closures > 0 || function.is_empty() {
                // An async function is a closure by name, and inlined it has no name at all.
                if let Some((enclosing, found_async)) = sources.enclosing_fn(file, line) {
                    let last = function.rsplit("::").next().unwrap_or_default();
                    is_async =
                        found_async && closures <= 1 && (last.is_empty() || last == enclosing);
                    if function.is_empty() {
                        function = enclosing;
                    }
                }
            }
        }
    }
    Frame {
        raw: name.unwrap_or_default().to_owned(),
        is_closure: closures > 0 && !is_async,
        function,
        is_async,
        is_of_the_layer: file.as_deref().map_or_else(
            || name.is_some_and(|name| name.contains("panic_capture::guard")),
            names::is_of_the_layer,
        ),
        origin,
        path: file,
        file: shown,
        line: place.map(|(_, line, _)| line),
        column: place
            .map(|(.., column)| column)
            .filter(|column| *column > 0),
        source,
    }
}

/// Without `.` and `..`, which debug information has in the middle.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if normal.file_name().is_some() => _ = normal.pop(),
            part => normal.push(part),
        }
    }
    normal
}
