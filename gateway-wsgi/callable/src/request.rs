//! From PEP 3333's environ to ours.

use std::sync::Arc;

use gateway_core::paths::ScriptName;
use gateway_core::request::{Addr, Arrival, ConnInfo, ErrorSink, GatewayFacts};
use gateway_core::{Environ, Input};
use gateway_server::cgi_environ::Variables;
use http::{Request, StatusCode};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::input::PyInput;

/// The environ, or the status that its request is refused with.
pub(crate) fn environ(dict: &Bound<'_, PyDict>) -> PyResult<Result<Environ, StatusCode>> {
    let mut variables = Vec::with_capacity(dict.len());
    for (name, value) in dict.iter() {
        // Of the server's and its middleware's own keys, text alone is a variable.
        let (Ok(name), Ok(value)) = (name.cast::<PyString>(), value.cast::<PyString>()) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("wsgi.") {
            continue;
        }
        // PEP 3333: a character for each byte. What is none is no variable of CGI's.
        let value: Result<Vec<u8>, _> = value.to_string_lossy().chars().map(u8::try_from).collect();
        if let Ok(value) = value {
            variables.push((name, value));
        }
    }
    let scheme: Option<String> = match dict.get_item("wsgi.url_scheme")? {
        Some(scheme) => scheme.extract().ok(),
        None => None,
    };
    let secure = scheme.as_deref() == Some("https");
    let mut collected = Variables::new();
    for (name, value) in &variables {
        // The scheme is what the server says by its own key.
        if name != "HTTPS"
            && name != "REQUEST_SCHEME"
            && let Err(refused) = collected.set(name.as_bytes(), value)
        {
            return Ok(Err(refused.status()));
        }
    }
    if secure && let Err(refused) = collected.set(b"HTTPS", b"on") {
        return Ok(Err(refused.status()));
    }
    let head = match collected.into_head(None) {
        Ok(head) => head,
        Err(refused) => return Ok(Err(refused.status())),
    };
    let Ok(script_name) = ScriptName::below(head.script_name(), &head.uri) else {
        return Ok(Err(StatusCode::BAD_REQUEST));
    };
    let terminated = match dict.get_item("wsgi.input_terminated")? {
        Some(it) => it.is_truthy()?,
        None => false,
    };
    let input = match (head.content_length, dict.get_item("wsgi.input")?) {
        (Some(0), _) | (_, None) => Input::empty(),
        (None, Some(_)) if !terminated => Input::empty(),
        (length, Some(input)) => Input::from_reader(PyInput::new(input.unbind(), length)),
    };
    let mut facts = GatewayFacts::new(variables);
    if let Some(errors) = dict.get_item("wsgi.errors")? {
        facts = facts.with_errors(PyErrors(errors.unbind()));
    }
    let peer = head.remote.map_or(Addr::Unknown, Addr::from);
    let local = head.local.map_or(Addr::Unknown, Addr::from);
    let mut conn = ConnInfo::new(peer, local);
    if secure {
        conn = conn.with_scheme(http::uri::Scheme::HTTPS);
    }
    let arrival = Arrival::over(conn)
        .with_script_name(script_name)
        .with_gateway(Arc::new(facts));
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = head.method;
    parts.uri = head.uri;
    parts.version = head.version;
    parts.headers = head.headers;
    parts.extensions.insert(arrival);
    Ok(Ok(Environ::new(parts, input)))
}

/// `wsgi.errors`.
struct PyErrors(Py<PyAny>);

impl ErrorSink for PyErrors {
    fn write(&self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        // What cannot be written is lost.
        _ = Python::try_attach(|py| self.0.call_method1(py, "write", (&*text,)).map(drop));
    }
}
