//! The environ of PEP 3333, as a Python dict.

use std::sync::Arc;

use gateway_core::{Arrival, Environ, Input};
use http::{HeaderName, Version, header};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::crew::Crew;
use crate::errors::WsgiErrors;
use crate::file_wrapper::FileWrapper;
use crate::host::Host;
use crate::input::WsgiInput;

macro_rules! keys {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// The keys that requests set, made once: Python's strings keep their hash.
        pub(crate) struct Keys { $($field: Py<PyString>),* }

        impl Keys {
            pub(crate) fn new(py: Python<'_>) -> Self {
                Self { $($field: PyString::intern(py, $name).unbind()),* }
            }
        }
    };
}
keys! {
    method = "REQUEST_METHOD",
    script_name = "SCRIPT_NAME",
    path_info = "PATH_INFO",
    query = "QUERY_STRING",
    uri = "REQUEST_URI",
    protocol = "SERVER_PROTOCOL",
    server_name = "SERVER_NAME",
    server_port = "SERVER_PORT",
    server_addr = "SERVER_ADDR",
    remote_addr = "REMOTE_ADDR",
    remote_port = "REMOTE_PORT",
    content_type = "CONTENT_TYPE",
    content_length = "CONTENT_LENGTH",
    host = "HTTP_HOST",
    https = "HTTPS",
    request_scheme = "REQUEST_SCHEME",
    url_scheme = "wsgi.url_scheme",
    input = "wsgi.input",
    errors = "wsgi.errors",
}

/// What the environs of all requests have in common.
pub(crate) fn template<'py>(
    py: Python<'py>,
    crew: &Arc<Crew>,
    multithread: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    // The text of these comes from the contract, so that there is one place for it.
    let plain = Environ::builder().build();
    for name in [
        "GATEWAY_INTERFACE",
        "SERVER_SOFTWARE",
        "SERVER_PROTOCOL",
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "QUERY_STRING",
        "REQUEST_SCHEME",
        "wsgi.url_scheme",
    ] {
        let value = plain.var(name).unwrap_or_default();
        dict.set_item(PyString::intern(py, name), latin1(py, &value))?;
    }
    dict.set_item("wsgi.version", (1, 0))?;
    dict.set_item("wsgi.multithread", multithread)?;
    dict.set_item("wsgi.multiprocess", crate::workers::is_worker())?;
    dict.set_item("wsgi.run_once", false)?;
    dict.set_item("wsgi.input_terminated", true)?;
    dict.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    let nothing = WsgiInput::new(Input::empty(), Arc::clone(crew));
    dict.set_item("wsgi.input", Bound::new(py, nothing)?)?;
    dict.set_item("wsgi.errors", Bound::new(py, WsgiErrors::new(None))?)?;
    Ok(dict)
}

/// The environ of a request, but for its input.
pub(crate) fn dict<'py>(
    py: Python<'py>,
    host: &Host,
    environ: &Environ,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = host.template.bind(py).copy()?;
    let keys = &host.keys;
    let arrival: Option<&Arrival> = environ.get();
    if arrival.is_some_and(|arrival| arrival.gateway().is_some()) {
        // A front end's variables: rare enough to ask for all of them by name.
        for (name, value) in environ
            .vars()
            .filter(|(name, _)| !name.starts_with("wsgi."))
        {
            dict.set_item(&*name, latin1(py, &value))?;
        }
        let scheme = environ.scheme().as_str();
        dict.set_item(&keys.url_scheme, scheme)?;
        dict.set_item(&keys.errors, Bound::new(py, WsgiErrors::new(arrival))?)?;
        return Ok(dict);
    }
    let set = |key: &Py<PyString>, value: &[u8]| dict.set_item(key, latin1(py, value));
    let method = environ.method();
    if method != http::Method::GET {
        dict.set_item(&keys.method, host.method(py, method))?;
    }
    let script_name = environ.script_name();
    if !script_name.is_empty() {
        set(&keys.script_name, &script_name)?;
    }
    set(&keys.path_info, &environ.path_info())?;
    let query = environ.query_string();
    if !query.is_empty() {
        set(&keys.query, query.as_bytes())?;
    }
    if let Some(uri) = environ.var("REQUEST_URI") {
        set(&keys.uri, &uri)?;
    }
    if environ.version() != Version::HTTP_11
        && let Some(protocol) = environ.var("SERVER_PROTOCOL")
    {
        set(&keys.protocol, &protocol)?;
    }
    let scheme = environ.scheme();
    if scheme.as_str() != "http" {
        set(&keys.url_scheme, scheme.as_str().as_bytes())?;
        set(&keys.request_scheme, scheme.as_str().as_bytes())?;
        if scheme.as_str() == "https" {
            set(&keys.https, b"on")?;
        }
    }
    for (key, name) in [
        (&keys.server_name, "SERVER_NAME"),
        (&keys.server_port, "SERVER_PORT"),
        (&keys.server_addr, "SERVER_ADDR"),
        (&keys.remote_addr, "REMOTE_ADDR"),
        (&keys.remote_port, "REMOTE_PORT"),
        (&keys.host, "HTTP_HOST"),
    ] {
        if let Some(value) = environ.var(name) {
            set(key, &value)?;
        }
    }
    fields(py, host, environ, &dict)?;
    Ok(dict)
}

fn fields(
    py: Python<'_>,
    host: &Host,
    environ: &Environ,
    dict: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let headers = environ.headers();
    let several = headers.keys_len() != headers.len();
    for name in headers.keys() {
        let Some(value) = headers.get(name) else {
            continue;
        };
        if *name == header::HOST {
            continue;
        }
        if *name == header::CONTENT_TYPE {
            dict.set_item(&host.keys.content_type, latin1(py, value.as_bytes()))?;
            continue;
        }
        if *name == header::CONTENT_LENGTH {
            dict.set_item(&host.keys.content_length, latin1(py, value.as_bytes()))?;
            continue;
        }
        // httpoxy, and names that could pass for others: as the contract has it.
        if name == "proxy" || name.as_str().contains('_') {
            continue;
        }
        let key = host.field(py, name);
        if several && headers.get_all(name).iter().nth(1).is_some() {
            // Joined by the contract's rules.
            let joined = environ.var(&variable(name)).unwrap_or_default();
            dict.set_item(key, latin1(py, &joined))?;
        } else {
            dict.set_item(key, latin1(py, value.as_bytes()))?;
        }
    }
    Ok(())
}

/// The request's input.
pub(crate) fn set_input<'py>(
    py: Python<'py>,
    host: &Host,
    dict: &Bound<'py, PyDict>,
    input: Input,
) -> PyResult<Bound<'py, WsgiInput>> {
    let input = Bound::new(py, WsgiInput::new(input, Arc::clone(host.crew())))?;
    dict.set_item(&host.keys.input, &input)?;
    Ok(input)
}

/// The variable of a field.
pub(crate) fn variable(name: &HeaderName) -> String {
    let spelt = name.as_str().bytes().map(|byte| match byte {
        b'-' => '_',
        byte => char::from(byte.to_ascii_uppercase()),
    });
    "HTTP_".chars().chain(spelt).collect()
}

/// PEP 3333's native strings: a character for each byte.
fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    if bytes.is_ascii()
        && let Ok(text) = str::from_utf8(bytes)
    {
        return PyString::new(py, text);
    }
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    PyString::new(py, &text)
}
