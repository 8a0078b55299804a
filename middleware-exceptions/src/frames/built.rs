//! When this program was built.

use std::{fs::Metadata, path::Path, sync::OnceLock, time::SystemTime};

/// Whether a file was changed after the program was built.
pub(crate) fn is_newer(file: &Metadata) -> bool {
    static BUILT: OnceLock<Option<SystemTime>> = OnceLock::new();
    let built = BUILT.get_or_init(built).as_ref();
    built
        .zip(file.modified().ok())
        .is_some_and(|(built, changed)| changed > *built)
}

fn built() -> Option<SystemTime> {
    // On Linux even where another build has taken its place in the meantime.
    let program = Path::new("/proc/self/exe").metadata();
    let program = program.or_else(|_| std::env::current_exe()?.metadata());
    program.ok()?.modified().ok()
}
