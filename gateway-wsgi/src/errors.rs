use std::io::Write;
use std::sync::{Mutex, PoisonError};

use gateway_core::Environ;
use gateway_core::request::Arrival;
use http::Request;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// `wsgi.errors`: text for the operator.
#[pyclass(frozen, module = "gateway_wsgi", name = "Errors")]
pub(crate) struct WsgiErrors {
    // Knows where the gateway takes error text: its own stream, or the process's.
    environ: Mutex<Environ>,
}

impl WsgiErrors {
    /// The stream of the request that arrived like this.
    pub(crate) fn new(arrival: Option<&Arrival>) -> Self {
        let (mut parts, ()) = Request::new(()).into_parts();
        if let Some(arrival) = arrival {
            parts.extensions.insert(arrival.clone());
        }
        Self {
            environ: Mutex::new(Environ::new(parts, ())),
        }
    }

    pub(crate) fn print(&self, text: &[u8]) {
        let environ = self.environ.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be written is lost: there is no other place to say so.
        _ = environ.errors().write_all(text);
    }
}

#[pymethods]
impl WsgiErrors {
    fn write(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<usize> {
        let Ok(text) = text.cast::<PyString>() else {
            let kind = text.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "write() argument must be str, not {kind}"
            )));
        };
        let length = text.len()?;
        match text.to_str() {
            Ok(text) => py.detach(|| self.print(text.as_bytes())),
            // Surrogates: what a traceback shows of a path that is not UTF-8.
            Err(_) => {
                let encoded = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
                let encoded: Vec<u8> = encoded.extract()?;
                py.detach(|| self.print(&encoded));
            }
        }
        Ok(length)
    }

    fn writelines(&self, py: Python<'_>, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(py, &line?)?;
        }
        Ok(())
    }

    fn flush(&self, py: Python<'_>) {
        // Another thread may be about to write, and wait for who reads.
        py.detach(|| {
            let environ = self.environ.lock().unwrap_or_else(PoisonError::into_inner);
            _ = environ.errors().flush();
        });
    }
}
