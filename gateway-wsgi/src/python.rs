//! The interpreter: one for the process.

use std::fs;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::error::ImportError;

/// What a Python program finds done when it starts.
pub(crate) fn prepare(py: Python<'_>) -> Result<(), ImportError> {
    // glibc gives memory back to the kernel when some 128 KiB are free, and takes it again for the
    // next body: page faults cost more than all else then. Once it has freed a larger block, it waits
    // for twice its size. To other allocators this is nothing.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(
        2 * 1024 * 1024,
    )));
    // The thread that imports `threading` first is Python's main thread for good.
    py.import("threading")
        .map(drop)
        .map_err(|error| ImportError::raised(py, &error))
}

/// Runs what Python programs leave to their end: waits for threads that are no daemons, and calls what
/// was registered with `atexit` (logging that is flushed, reports that are sent). For the end of `main`,
/// when the servers have stopped; without a Python that was started it does nothing.
///
/// The interpreter itself is left to the process's end: threads of Rust may still hold its objects.
pub fn finish() {
    let finish = |py: Python<'_>| -> PyResult<()> {
        py.import("threading")?.call_method0("_shutdown")?;
        py.import("atexit")?.call_method0("_run_exitfuncs")?;
        for name in ["stdout", "stderr"] {
            let stream = py.import("sys")?.getattr(name)?;
            if !stream.is_none() {
                stream.call_method0("flush")?;
            }
        }
        Ok(())
    };
    Python::try_attach(|py| {
        if let Err(error) = finish(py) {
            error.write_unraisable(py, None);
        }
    });
}

/// Makes the packages of a virtual environment importable, in front of the interpreter's own.
pub(crate) fn enter(py: Python<'_>, venv: &Path) -> Result<(), ImportError> {
    let refused = |reason: String| ImportError::Venv {
        path: venv.to_owned(),
        reason,
    };
    let config = fs::read_to_string(venv.join("pyvenv.cfg"))
        .map_err(|error| refused(format!("pyvenv.cfg cannot be read: {error}")))?;
    let info = py.version_info();
    let ours = (info.major, info.minor);
    if let Some(version) = version_of(&config)
        && version != ours
    {
        return Err(refused(format!(
            "it is of Python {}.{}, and this program is linked with Python {}.{}: \
             make it anew with that, or build with PYO3_PYTHON set to its python",
            version.0, version.1, ours.0, ours.1
        )));
    }
    let packages = venv
        .join("lib")
        .join(format!("python{}.{}", ours.0, ours.1))
        .join("site-packages");
    if !packages.is_dir() {
        return Err(refused(format!("there is no {}", packages.display())));
    }
    let enter = || -> PyResult<()> {
        let sys = py.import("sys")?;
        let path = sys.getattr("path")?.cast_into::<PyList>()?;
        let before: Vec<Py<PyAny>> = path.iter().map(Bound::unbind).collect();
        // Its `.pth` files count: packages that are installed in place are in them.
        py.import("site")?.call_method1("addsitedir", (packages,))?;
        let added: Vec<Bound<'_, PyAny>> = path.iter().skip(before.len()).collect();
        for (at, folder) in added.iter().enumerate() {
            let last = path.len() - 1;
            path.del_item(before.len() + at)?;
            debug_assert!(path.len() == last);
            path.insert(at, folder)?;
        }
        sys.setattr("prefix", venv.display().to_string())?;
        sys.setattr("exec_prefix", venv.display().to_string())
    };
    enter().map_err(|error| ImportError::raised(py, &error))
}

/// `version = 3.11.2`, or `version_info = 3.11.2.final.0` as virtualenv writes it.
fn version_of(config: &str) -> Option<(u8, u8)> {
    let lines = config.lines().filter_map(|line| line.split_once('='));
    let mut versions = lines.filter(|(key, _)| matches!(key.trim(), "version" | "version_info"));
    let mut parts = versions.next()?.1.trim().split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(crate) fn add_paths(py: Python<'_>, paths: &[PathBuf]) -> Result<(), ImportError> {
    let add = || -> PyResult<()> {
        let path = py.import("sys")?.getattr("path")?.cast_into::<PyList>()?;
        for (at, folder) in paths.iter().enumerate() {
            let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
            path.insert(at, folder.into_os_string())?;
        }
        Ok(())
    };
    add().map_err(|error| ImportError::raised(py, &error))
}

/// `module:attribute`, `module:dotted.attribute`, `module:factory()`, `module`.
pub(crate) fn find<'py>(py: Python<'py>, target: &str) -> Result<Bound<'py, PyAny>, ImportError> {
    let (module, attribute) = target.split_once(':').unwrap_or((target, "application"));
    let (attribute, is_factory) = match attribute.strip_suffix("()") {
        Some(factory) => (factory, true),
        None => (attribute, false),
    };
    let names = module.split('.').chain(attribute.split('.'));
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|it| it == '_' || it.is_alphanumeric());
    if !names.clone().all(is_name) {
        return Err(ImportError::Target(target.to_owned()));
    }
    let find = || -> PyResult<Bound<'py, PyAny>> {
        let mut found = py.import(module)?.into_any();
        for name in attribute.split('.') {
            found = found.getattr(name)?;
        }
        match is_factory {
            true => found.call0(),
            false => Ok(found),
        }
    };
    find().map_err(|error| ImportError::raised(py, &error))
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn the_version_of_an_environment_is_its_first_two_numbers() {
        let rows = [
            ("home = /usr/bin\nversion = 3.11.2\n", Some((3, 11))),
            ("version_info = 3.13.0.final.0\n", Some((3, 13))),
            ("home = /usr/bin\n", None),
            ("version = three\n", None),
        ];
        for (config, version) in rows {
            assert_eq!(version_of(config), version, "{config}");
        }
    }
}
