//! Python applications written down in a test.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_core::testing::Client;
use gateway_wsgi::Wsgi;
use pyo3::prelude::*;
use pyo3::types::PyModule;

/// The application of a module that is `source`.
pub(crate) fn app(source: &str) -> Wsgi {
    let module = module(source);
    let application = Python::attach(|py| module.getattr(py, "application").unwrap());
    Wsgi::from_python(application).unwrap()
}

/// A module that is `source`.
pub(crate) fn module(source: &str) -> Py<PyModule> {
    Python::initialize();
    // A module's name is its own: Python keeps modules by name.
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let name = format!("app{}", MADE.fetch_add(1, Ordering::Relaxed));
    let name = CString::new(name).unwrap();
    let source = CString::new(source).unwrap();
    Python::attach(|py| {
        let module = PyModule::from_code(py, &source, c"app.py", &name);
        module.map_err(|error| error.print(py)).unwrap().unbind()
    })
}

pub(crate) fn client(source: &str) -> Client {
    Client::new(app(source))
}

/// The virtual environment with the frameworks.
pub(crate) fn packages() -> std::path::PathBuf {
    match std::env::var_os("GATEWAY_WSGI_VENV") {
        Some(venv) => venv.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv").into(),
    }
}

/// A folder of programs.
pub(crate) fn program(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
}

/// `app` below `wsgiref.validate`.
pub(crate) fn validated(app: &Wsgi) -> Wsgi {
    let validated = Python::attach(|py| {
        let validate = py.import("wsgiref.validate")?;
        let validated = validate.call_method1("validator", (app.application(py),))?;
        Ok::<_, PyErr>(validated.unbind())
    });
    Wsgi::from_python(validated.unwrap()).unwrap()
}
