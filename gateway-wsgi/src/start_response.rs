//! `start_response` and `write`.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::iterable::bytes_of;

/// Status and fields, as the application said last.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// The call whose response begins.
pub(crate) trait Answering: Send + Sync {
    /// Whether `start_response` was called.
    fn has_head(&self) -> bool;

    /// Whether it is too late to call it again.
    fn head_is_sent(&self) -> bool;

    fn set_head(&self, head: Head);

    /// Sends a piece, behind the head.
    fn write(&self, py: Python<'_>, piece: Bytes) -> PyResult<()>;
}

/// Callable once, and again with `exc_info` as long as nothing was sent.
#[pyclass(frozen, module = "gateway_wsgi", name = "start_response")]
pub(crate) struct StartResponse {
    pub(crate) call: Arc<dyn Answering>,
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Write>> {
        // An empty tuple is no exception, as for wsgiref.
        match exc_info.filter(|it| it.is_truthy().unwrap_or(true)) {
            Some(exc_info) if self.call.head_is_sent() => return Err(raised(exc_info)?),
            None if self.call.has_head() => {
                return Err(PyAssertionError::new_err("Headers already set!"));
            }
            _ => {}
        }
        self.call.set_head(head(status, headers)?);
        Bound::new(
            py,
            Write {
                call: Arc::clone(&self.call),
            },
        )
    }
}

/// What `start_response` returns: for applications that push.
#[pyclass(frozen, module = "gateway_wsgi", name = "write")]
pub(crate) struct Write {
    call: Arc<dyn Answering>,
}

#[pymethods]
impl Write {
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let piece = Bytes::copy_from_slice(bytes_of(data)?.as_bytes());
        self.call.write(py, piece)
    }
}

/// The exception of `(type, value, traceback)`, to be raised again.
fn raised(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let exc_info = exc_info.cast::<PyTuple>()?;
    let value = exc_info.get_item(1)?;
    let traceback = exc_info.get_item(2)?;
    if !traceback.is_none() {
        value.call_method1("with_traceback", (traceback,))?;
    }
    Ok(PyErr::from_value(value))
}

fn head(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Head> {
    let Ok(list) = headers.cast_exact::<PyList>() else {
        return Err(PyTypeError::new_err(
            "Headers must be a list of name/value tuples",
        ));
    };
    let status = string(status, "Status")?;
    let status = status_of(status.to_str()?)?;
    let mut fields = HeaderMap::with_capacity(list.len().min(64));
    for field in list.iter() {
        let (name, value) = match field.cast_exact::<PyTuple>() {
            Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, pair.get_item(1)?),
            _ => pair_of(&field)?,
        };
        let name = string(&name, "Header name")?;
        let value = string(&value, "Header value")?;
        let name = name_of(name, value)?;
        let many = |_| PyValueError::new_err("too many headers");
        fields.try_append(name, value_of(value)?).map_err(many)?;
    }
    Ok(Head {
        status,
        headers: fields,
    })
}

/// Two of anything that can be iterated, as wsgiref unpacks it.
#[cold]
fn pair_of<'py>(field: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let tuple = field
        .get_type()
        .py()
        .get_type::<PyTuple>()
        .call1((field,))?;
    let tuple = tuple.cast_into::<PyTuple>()?;
    match tuple.len() {
        2 => Ok((tuple.get_item(0)?, tuple.get_item(1)?)),
        0 | 1 => Err(PyValueError::new_err(format!(
            "not enough values to unpack (expected 2, got {})",
            tuple.len()
        ))),
        _ => Err(PyValueError::new_err(
            "too many values to unpack (expected 2)",
        )),
    }
}

fn string<'a, 'py>(
    value: &'a Bound<'py, PyAny>,
    title: &str,
) -> PyResult<&'a Bound<'py, PyString>> {
    value.cast_exact::<PyString>().map_err(|_| {
        let shown = value.repr().map(|it| it.to_string()).unwrap_or_default();
        PyAssertionError::new_err(format!("{title} must be of type str (got {shown})"))
    })
}

fn status_of(status: &str) -> PyResult<StatusCode> {
    let refused = |text: &'static str| Err(PyAssertionError::new_err(text));
    // In the order that wsgiref asserts it.
    if status.chars().count() < 4 {
        return refused("Status must be at least 4 characters");
    }
    let code = status.get(..3).unwrap_or_default();
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return refused("Status message must begin w/3-digit code");
    }
    if status.as_bytes().get(3) != Some(&b' ') {
        return refused("Status message must have a space after code");
    }
    if status.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(PyValueError::new_err(
            "Status must not have control characters",
        ));
    }
    match StatusCode::from_bytes(code.as_bytes()) {
        // Interim responses are the server's.
        Ok(status) if !status.is_informational() => Ok(status),
        _ => Err(PyValueError::new_err(format!(
            "{code} is not the status of a response"
        ))),
    }
}

/// RFC 2616 section 13.5.1, which PEP 3333 refers to.
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

fn name_of(name: &Bound<'_, PyString>, value: &Bound<'_, PyString>) -> PyResult<HeaderName> {
    let text = name.to_str()?;
    let Ok(parsed) = HeaderName::from_bytes(text.as_bytes()) else {
        return Err(PyValueError::new_err(format!(
            "{} is not the name of a header",
            name.repr()?
        )));
    };
    if HOP_BY_HOP.contains(&parsed.as_str()) {
        let text = format!("Hop-by-hop header, '{name}: {value}', not allowed");
        return Err(PyAssertionError::new_err(text));
    }
    Ok(parsed)
}

/// PEP 3333: every character stands for a byte.
fn value_of(value: &Bound<'_, PyString>) -> PyResult<HeaderValue> {
    // Around a value there may be white space that is not of it (RFC 9110 section 5.5); Django's
    // cookies have it.
    let text = value.to_str()?.trim_matches([' ', '\t']);
    let parsed = match text.is_ascii() {
        true => HeaderValue::from_str(text).ok(),
        false => {
            let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
            bytes.ok().and_then(|it| HeaderValue::from_bytes(&it).ok())
        }
    };
    parsed.ok_or_else(|| {
        let mut shown: String = text.escape_debug().take(80).collect();
        if shown.len() >= 80 {
            shown.push_str("...");
        }
        PyValueError::new_err(format!(
            "'{shown}' is not the value of a header: control characters and characters beyond Latin-1 cannot be sent"
        ))
    })
}
