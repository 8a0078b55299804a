use std::panic::{AssertUnwindSafe, catch_unwind};

use gateway_core::{AnyApplication, Application, Body, Environ, Error, Response};
use http::{HeaderMap, Method, StatusCode, header};
use http_body::Body as _;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::request;
use crate::response::Pieces;
use crate::runtime::Runtime;

/// An application that Python can call: PEP 3333's `application(environ, start_response)`.
#[pyclass(frozen, module = "wsgi_callable")]
#[derive(Debug)]
pub struct Callable {
    application: AnyApplication,
    runtime: Runtime,
}

impl Callable {
    /// `application`, for Python.
    pub fn new(application: impl Application) -> Self {
        Self {
            application: AnyApplication::new(application),
            runtime: Runtime::default(),
        }
    }
}

#[pymethods]
impl Callable {
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        environ: &Bound<'py, PyDict>,
        start_response: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.runtime.handle()?;
        let answered = match request::environ(environ)? {
            Ok(mut environ) => {
                let is_head = environ.method() == Method::HEAD;
                let answered = py.detach(|| {
                    let _entered = runtime.enter();
                    self.respond(&mut environ)
                });
                answered.map(|response| (response, is_head))
            }
            Err(refused) => Ok((bare(refused), false)),
        };
        let (response, is_head) = match answered {
            Ok(answered) => answered,
            Err(error) => match error.status() {
                status if status.is_server_error() => {
                    return Err(PyRuntimeError::new_err(format!("{error:?}")));
                }
                status => (bare(status), false),
            },
        };
        let (mut parts, mut body) = response.into_parts();
        let bodiless = is_head
            || parts.status == StatusCode::NO_CONTENT
            || parts.status == StatusCode::NOT_MODIFIED;
        if let Some(length) = body.size_hint().exact()
            && !bodiless
        {
            let length = length.into();
            parts.headers.insert(header::CONTENT_LENGTH, length);
        }
        if parts.status == StatusCode::NO_CONTENT {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.remove(header::CONTENT_TYPE);
        }
        if bodiless {
            py.detach(|| drop(std::mem::take(&mut body)));
        }
        let reason = parts.status.canonical_reason().unwrap_or("Unknown");
        let status = format!("{} {reason}", parts.status.as_str());
        start_response.call1((status, fields(py, &parts.headers)?))?;
        if body.is_end_stream() {
            return Ok(PyList::empty(py).into_any());
        }
        if body.size_hint().exact().is_some() {
            let whole = py.detach(|| body.into_bytes());
            let whole = whole.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            return Ok(PyList::new(py, [PyBytes::new(py, &whole)])?.into_any());
        }
        Ok(Bound::new(py, Pieces::new(body, runtime))?.into_any())
    }
}

impl Callable {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let answered = catch_unwind(AssertUnwindSafe(|| self.application.respond(environ)));
        answered.unwrap_or_else(|payload| {
            let text = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "a payload that is not text".into());
            Err(Error::msg(format!("the application panicked: {text}")))
        })
    }
}

fn bare(status: StatusCode) -> Response {
    let text = status.canonical_reason().unwrap_or("Error");
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// RFC 2616 section 13.5.1: the server's own.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// Pairs of native strings: a character for each byte.
fn fields<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyList>> {
    let fields = PyList::empty(py);
    for (name, value) in headers {
        if HOP_BY_HOP.contains(&name.as_str()) {
            continue;
        }
        let value: String = value
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        fields.append((PyString::new(py, name.as_str()), value))?;
    }
    Ok(fields)
}
