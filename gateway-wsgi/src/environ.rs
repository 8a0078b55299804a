//! The environ of PEP 3333, as a Python dict.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::Environ;
use gateway_core::request::Arrival;
use http::{HeaderName, Method, Version, header};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::crew::Crew;
use crate::errors::WsgiErrors;
use crate::file_wrapper::FileWrapper;
use crate::input::{Arrived, WsgiInput};

macro_rules! keys {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// The keys that requests set, made once: Python's strings keep their hash.
        struct Keys { $($field: Py<PyString>),* }

        impl Keys {
            fn new(py: Python<'_>) -> Self {
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

/// How many names of fields are remembered. Clients send what they like, so not all are.
const FIELDS: usize = 256;

/// How many addresses are remembered before they are forgotten together.
const ADDRESSES: usize = 1024;

/// What makes the environs of one application.
pub(crate) struct Environs {
    /// What each is a copy of.
    template: Py<PyDict>,
    keys: Keys,
    fields: Mutex<HashMap<HeaderName, Py<PyString>>>,
    addresses: Mutex<HashMap<IpAddr, Py<PyString>>>,
    methods: [(Method, Py<PyString>); 6],
}

impl Environs {
    pub(crate) fn new(py: Python<'_>, crew: &Arc<Crew>, multithread: bool) -> PyResult<Self> {
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
        Ok(Self {
            template: template(py, crew, multithread)?.unbind(),
            keys: Keys::new(py),
            fields: Mutex::default(),
            addresses: Mutex::default(),
            methods: methods.map(interned),
        })
    }

    /// The variable of a field, such as HTTP_ACCEPT.
    fn field<'py>(&self, py: Python<'py>, name: &HeaderName) -> Bound<'py, PyString> {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = fields.get(name) {
            return known.bind(py).clone();
        }
        let spelt = variable(name);
        if fields.len() >= FIELDS {
            return PyString::new(py, &spelt);
        }
        let interned = PyString::intern(py, &spelt);
        fields.insert(name.clone(), interned.clone().unbind());
        interned
    }

    /// An address as text, made once for as long as it is met often.
    fn address<'py>(&self, py: Python<'py>, ip: IpAddr) -> Bound<'py, PyString> {
        let mut known = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.get(&ip) {
            return text.bind(py).clone();
        }
        let text = PyString::new(py, &ip.to_string());
        if known.len() >= ADDRESSES {
            known.clear();
        }
        known.insert(ip, text.clone().unbind());
        text
    }

    fn method<'py>(&self, py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
        let mut known = self.methods.iter();
        match known.find(|(known, _)| known == method) {
            Some((_, name)) => name.bind(py).clone(),
            None => PyString::new(py, method.as_str()),
        }
    }

    /// The environ of a request, but for its input.
    pub(crate) fn dict<'py>(
        &self,
        py: Python<'py>,
        environ: &Environ,
    ) -> PyResult<Bound<'py, PyDict>> {
        let dict = self.template.bind(py).copy()?;
        let keys = &self.keys;
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
        if method != Method::GET {
            dict.set_item(&keys.method, self.method(py, method))?;
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
            (&keys.host, "HTTP_HOST"),
        ] {
            if let Some(value) = environ.var(name) {
                set(key, &value)?;
            }
        }
        if let Some(conn) = environ.conn() {
            for (key, addr) in [
                (&keys.server_addr, conn.local()),
                (&keys.remote_addr, conn.peer()),
            ] {
                if let Some(ip) = addr.ip() {
                    dict.set_item(key, self.address(py, ip))?;
                }
            }
            if let Some(port) = conn.peer().port() {
                set(&keys.remote_port, port.to_string().as_bytes())?;
            }
            if conn.client_certificate().is_some() {
                for name in ["SSL_CLIENT_VERIFY", "SSL_CLIENT_CERT", "REMOTE_USER"] {
                    if let Some(value) = environ.var(name) {
                        dict.set_item(name, latin1(py, &value))?;
                    }
                }
            }
        }
        self.fields(py, environ, &dict)?;
        Ok(dict)
    }

    fn fields(&self, py: Python<'_>, environ: &Environ, dict: &Bound<'_, PyDict>) -> PyResult<()> {
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
                dict.set_item(&self.keys.content_type, latin1(py, value.as_bytes()))?;
                continue;
            }
            if *name == header::CONTENT_LENGTH {
                dict.set_item(&self.keys.content_length, latin1(py, value.as_bytes()))?;
                continue;
            }
            // httpoxy, and names that could pass for others: as the contract has it.
            if name == "proxy" || name.as_str().contains('_') {
                continue;
            }
            let key = self.field(py, name);
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

    /// Sets the request's input.
    pub(crate) fn set_input(
        &self,
        environ: &Bound<'_, PyDict>,
        input: &Bound<'_, WsgiInput>,
    ) -> PyResult<()> {
        environ.set_item(&self.keys.input, input)
    }
}

/// What the environs of all requests have in common.
fn template<'py>(
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
    let nothing = WsgiInput::new(Arrived::default(), Arc::clone(crew));
    dict.set_item("wsgi.input", Bound::new(py, nothing)?)?;
    dict.set_item("wsgi.errors", Bound::new(py, WsgiErrors::new(None))?)?;
    Ok(dict)
}

/// The variable of a field.
fn variable(name: &HeaderName) -> String {
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
