//! What Python raised, as an error.

use std::fmt;

use gateway_core::Error;
use http::StatusCode;
use pyo3::prelude::*;

/// The traceback as Python prints it.
pub(crate) fn printed(py: Python<'_>, error: &PyErr) -> String {
    let print = || -> PyResult<String> {
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", (error.value(py),))?;
        let lines: Vec<String> = lines.extract()?;
        Ok(lines.concat())
    };
    print().unwrap_or_else(|_| error.to_string())
}

#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

pub(crate) fn error_of(py: Python<'_>, error: &PyErr) -> Error {
    let printed = printed(py, error);
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, Raised(printed))
}
