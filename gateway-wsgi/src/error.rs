use std::fmt;
use std::path::PathBuf;

use pyo3::prelude::*;

use crate::exception;

/// An application cannot be imported.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// Not `module:attribute`.
    Target(String),
    /// The virtual environment cannot be used.
    Venv {
        /// The environment.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// What was found cannot be called: how Python shows it.
    NotCallable(String),
    /// Python raised: its traceback, as Python prints it.
    Raised(String),
}

impl ImportError {
    pub(crate) fn raised(py: Python<'_>, error: &PyErr) -> Self {
        Self::Raised(exception::printed(py, error))
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(target) => write!(
                f,
                "`{target}` names no application: it is `package.module:attribute`"
            ),
            Self::Venv { path, reason } => {
                write!(
                    f,
                    "the environment {} cannot be used: {reason}",
                    path.display()
                )
            }
            Self::NotCallable(shown) => write!(f, "{shown} cannot be called"),
            Self::Raised(traceback) => f.write_str(traceback.trim_end()),
        }
    }
}

impl std::error::Error for ImportError {}
