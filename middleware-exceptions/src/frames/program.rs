//! Where the sources of this program are, by its own debug information.
//!
//! A `Location` has its file as the compiler was given it: relative to the root of the workspace. That root may be
//! anywhere, and another project that has a file of that name may be next to it.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::frames::{
    names::{Origin, origin},
    source::workspace_of,
};

/// How many functions are searched for one of the program's own.
const DEEP: usize = 64;

static BUILDER: OnceLock<Box<[usize]>> = OnceLock::new();

/// Records the call stack that builds the first layer: the program is among the callers.
pub(crate) fn note_builder() {
    BUILDER.get_or_init(|| {
        let mut addresses = Vec::with_capacity(DEEP);
        backtrace::trace(|frame| {
            addresses.push(frame.ip() as usize);
            addresses.len() < DEEP
        });
        addresses.into()
    });
}

/// The file of a place, where it is sure to be this program's.
pub(crate) fn file(relative: &Path) -> Option<PathBuf> {
    let file = root()?.join(relative);
    file.is_file().then_some(file)
}

/// The root of the workspace that the program is from. Slow the first time.
pub(crate) fn root() -> Option<&'static Path> {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        // The innermost first: it is mostly `main`, some ten frames away.
        let mut addresses = BUILDER.get().into_iter().flatten();
        addresses.find_map(root_of_function).or_else(root_of_target)
    });
    root.as_deref()
}

fn root_of_function(address: &usize) -> Option<PathBuf> {
    let mut root = None;
    backtrace::resolve(std::ptr::without_provenance_mut(*address), |symbol| {
        let is_own = |file: &&Path| file.is_absolute() && origin(Some(file), None) == Origin::Yours;
        let own = symbol.filename().filter(is_own).and_then(workspace_of);
        root = root.take().or_else(|| own.map(Path::to_owned));
    });
    root
}

/// Without debug information: the workspace that a program is in the `target` folder of.
fn root_of_target() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let root = workspace_of(&program)?;
    let is_built_there = program.starts_with(root.join("target"));
    is_built_there.then(|| root.to_owned())
}
