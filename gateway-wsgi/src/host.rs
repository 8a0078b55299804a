use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::Error;
use http::{HeaderName, Method};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::crew::Crew;
use crate::environ;
use crate::exception;

/// One Python application, the threads that run it, and what its requests have in common.
pub(crate) struct Host {
    pub(crate) application: Py<PyAny>,
    crew: Arc<Crew>,
    /// The environ that each request's is a copy of.
    pub(crate) template: Py<PyDict>,
    pub(crate) keys: environ::Keys,
    fields: Mutex<HashMap<HeaderName, Py<PyString>>>,
    methods: [(Method, Py<PyString>); 6],
}

/// How many names of fields are remembered. Clients send what they like, so not all are.
const FIELDS: usize = 256;

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
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
        ];
        let interned = |method: Method| {
            let name = PyString::intern(py, method.as_str()).unbind();
            (method, name)
        };
        Ok(Arc::new(Self {
            template: environ::template(py, &crew, threads > 1)?.unbind(),
            keys: environ::Keys::new(py),
            fields: Mutex::default(),
            methods: methods.map(interned),
            application,
            crew,
        }))
    }

    pub(crate) fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// The variable of a field, such as HTTP_ACCEPT.
    pub(crate) fn field<'py>(&self, py: Python<'py>, name: &HeaderName) -> Bound<'py, PyString> {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = fields.get(name) {
            return known.bind(py).clone();
        }
        let spelt = environ::variable(name);
        if fields.len() >= FIELDS {
            return PyString::new(py, &spelt);
        }
        let interned = PyString::intern(py, &spelt);
        fields.insert(name.clone(), interned.clone().unbind());
        interned
    }

    pub(crate) fn method<'py>(&self, py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
        let mut known = self.methods.iter();
        match known.find(|(known, _)| known == method) {
            Some((_, name)) => name.bind(py).clone(),
            None => PyString::new(py, method.as_str()),
        }
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
