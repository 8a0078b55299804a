use std::sync::Arc;

use gateway_core::Error;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::ahead::Ahead;
use crate::crew::Crew;
use crate::environ::Environs;
use crate::exception;
use crate::input::{Arrived, WsgiInput};

/// One Python application, the threads that run it, and what its requests have in common.
pub(crate) struct Host {
    pub(crate) application: Py<PyAny>,
    crew: Arc<Crew>,
    environs: Environs,
    ahead: Ahead,
}

impl Host {
    pub(crate) fn new(
        py: Python<'_>,
        application: Py<PyAny>,
        threads: usize,
    ) -> PyResult<Arc<Self>> {
        let batons = match has_lock(py) {
            true => 1,
            false => std::thread::available_parallelism().map_or(1, |it| it.get()),
        };
        let crew = Crew::new(threads, batons);
        Ok(Arc::new(Self {
            environs: Environs::new(py, &crew, threads > 1)?,
            ahead: Ahead::default(),
            application,
            crew,
        }))
    }

    pub(crate) fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    pub(crate) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    pub(crate) fn environs(&self) -> &Environs {
        &self.environs
    }

    /// Gives the environ an input of its own.
    pub(crate) fn set_input<'py>(
        &self,
        py: Python<'py>,
        environ: &Bound<'py, PyDict>,
        input: Arrived,
    ) -> PyResult<Bound<'py, WsgiInput>> {
        let input = Bound::new(py, WsgiInput::new(input, Arc::clone(&self.crew)))?;
        self.environs.set_input(environ, &input)?;
        Ok(input)
    }

    /// What the application raised, as an error.
    pub(crate) fn failure(&self, py: Python<'_>, raised: &PyErr) -> Error {
        exception::error_of(py, raised)
    }
}

/// Whether threads of this interpreter take turns.
fn has_lock(py: Python<'_>) -> bool {
    let sys = py.import("sys");
    let enabled = sys.and_then(|sys| sys.call_method0("_is_gil_enabled"));
    // Before 3.13 there is no such question.
    enabled.and_then(|it| it.is_truthy()).unwrap_or(true)
}

impl Drop for Host {
    fn drop(&mut self) {
        self.crew.close();
    }
}
