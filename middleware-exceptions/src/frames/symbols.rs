//! Turns addresses into frames: slow the first time, then a look-up.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use crate::frames::{
    frame::Frame,
    lock,
    modules::{Modules, Offset},
    names::{self, Origin},
    program,
    source::Sources,
};

/// How many addresses are cached. A program has few that panics pass through.
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
    let mut modules = Modules::default();
    let mut fresh = Vec::new();
    let resolved = addresses.iter().zip(found).map(|(&address, known)| {
        known.unwrap_or_else(|| {
            let frames = resolve(address, &mut sources, &mut modules);
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

fn resolve(address: usize, sources: &mut Sources, modules: &mut Modules) -> Inlined {
    let mut symbols = Vec::new();
    // Its lock is held meanwhile: nothing here may want it again, as the search for the program's root does.
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}"));
        let place = symbol.filename().zip(symbol.lineno());
        let place = place.map(|(file, line)| (file.to_owned(), line, symbol.colno().unwrap_or(0)));
        symbols.push((name, place));
    });
    let mut frames: Vec<_> = symbols
        .iter()
        .map(|(name, place)| {
            let place = place
                .as_ref()
                .map(|(file, line, column)| (file.as_path(), *line, *column));
            described(name.as_deref(), place, sources)
        })
        .collect();
    if frames.is_empty() {
        frames.push(described(None, None, sources));
    }
    for frame in &mut frames {
        if !frame.is_of_rust_source() {
            place_in_module(frame, modules.call_before(address));
        }
    }
    frames.into_iter().map(Arc::new).collect()
}

/// Says where a frame is that has no line of Rust, and whose it is by that: the C library's functions have names, and its debug
/// information files, as yours do.
fn place_in_module(frame: &mut Frame, offset: Option<Offset>) {
    if let Some(offset) = &offset {
        if !offset.is_of_program {
            frame.origin = Origin::Other(offset.library().into());
        } else if frame.is_nameless() {
            frame.origin = Origin::Yours;
        }
    }
    if frame.line.is_none() {
        frame.offset = offset;
    }
}

/// A frame from what the debug information says.
pub(crate) fn described(
    name: Option<&str>,
    place: Option<(&Path, u32, u32)>,
    sources: &mut Sources,
) -> Frame {
    let file = place.map(|(file, ..)| normal(file));
    let origin = whose(file.as_deref(), name);
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
            || name.is_some_and(names::is_name_of_the_layer),
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
        offset: None,
    }
}

/// A name without a file says its crate; whether that is a dependency, `Cargo.lock` says, where it is at hand.
fn whose(file: Option<&Path>, name: Option<&str>) -> Origin {
    let origin = names::origin(file, name);
    if let (Origin::Yours, None, Some(name)) = (&origin, file, name)
        && let Some(package) = names::crate_of(name)
        && program::root().is_some_and(|root| lock::is_dependency(root, package))
    {
        return Origin::Other(package.into());
    }
    origin
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

#[cfg(test)]
mod tests {
    use super::*;

    fn in_module(name: Option<&str>, file: Option<&str>, module: &str) -> Frame {
        let place = file.map(|file| (Path::new(file), 7, 1));
        let mut frame = described(name, place, &mut Sources::default());
        place_in_module(
            &mut frame,
            Some(Offset {
                module: module.into(),
                address: 0x10,
                build_id: None,
                is_of_program: module == "/srv/shop",
            }),
        );
        frame
    }

    #[test]
    fn a_frame_without_a_line_of_rust_is_its_modules() {
        const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";
        for (name, file, module, is_yours, origin) in [
            (None, None, "/srv/shop", true, ""),
            (Some("shop::total"), None, "/srv/shop", true, ""),
            (Some("tokio::spawn"), None, "/srv/shop", false, "tokio"),
            (None, None, LIBC, false, "libc"),
            (Some("qsort_r"), None, LIBC, false, "libc"),
            // With the debug information of the C library installed.
            (
                Some("qsort_r"),
                Some("./stdlib/msort.c"),
                LIBC,
                false,
                "libc",
            ),
        ] {
            let frame = in_module(name, file, module);
            assert_eq!(frame.is_yours(), is_yours, "{name:?} {module}");
            if let Origin::Other(of) = frame.origin() {
                assert_eq!(**of, *origin);
            }
            assert_eq!(frame.offset().is_some(), file.is_none());
        }
    }
}
