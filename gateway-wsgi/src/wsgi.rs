use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use gateway_core::{Application, Environ, Error, Input, Response};
use pyo3::prelude::*;

use crate::call::Call;
use crate::error::ImportError;
use crate::host::Host;
use crate::python;
use crate::service::WsgiService;

/// How many threads may be inside the application.
const THREADS: usize = 64;

/// A Python application, to be served: a callable of PEP 3333.
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_wsgi::Wsgi;
///
/// let app = Wsgi::import("wsgiref.simple_server:demo_app").load()?;
/// Client::new(app).get("/").send().assert_status(200).assert_contains("Hello world!");
/// # Ok::<(), gateway_wsgi::ImportError>(())
/// ```
///
/// Clones are the same application, on the same threads.
#[derive(Clone)]
pub struct Wsgi {
    host: Arc<Host>,
}

impl Wsgi {
    /// The application that `target` names, as gunicorn has it: `"mysite.wsgi:application"`. A part
    /// behind the colon may be dotted, and may be a call without arguments (`"app:create_app()"`);
    /// without one it is `application`.
    pub fn import(target: impl Into<String>) -> Import {
        Import {
            target: target.into(),
            venv: None,
            paths: Vec::new(),
            threads: THREADS,
        }
    }

    /// An application that is there already: what a program made with PyO3 itself.
    ///
    /// # Errors
    ///
    /// It cannot be called.
    pub fn from_python(application: Py<PyAny>) -> Result<Self, ImportError> {
        Self::from_python_with(application, THREADS)
    }

    /// As [`from_python`](Self::from_python), with as many [`threads`](Import::threads).
    ///
    /// # Errors
    ///
    /// It cannot be called.
    pub fn from_python_with(application: Py<PyAny>, threads: usize) -> Result<Self, ImportError> {
        Python::initialize();
        Python::attach(|py| {
            python::prepare(py)?;
            Self::host(py, application, threads.max(1))
        })
    }

    /// The Python callable.
    #[must_use]
    pub fn application<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.host.application.bind(py).clone()
    }

    fn host(py: Python<'_>, application: Py<PyAny>, threads: usize) -> Result<Self, ImportError> {
        if !application.bind(py).is_callable() {
            let shown = application.bind(py).to_string();
            return Err(ImportError::NotCallable(shown));
        }
        let host = Host::new(py, application, threads);
        let host = host.map_err(|error| ImportError::raised(py, &error))?;
        Ok(Self { host })
    }

    /// The application as a tower service, for servers, routers and mounts: all Python runs on one
    /// thread of its own, as long as that gets on.
    ///
    /// [`Application::into_service`] does the same by way of threads of the runtime's, which wait
    /// for that one: two hops a request more.
    #[must_use]
    pub fn into_service(self) -> WsgiService {
        WsgiService::new(self.host)
    }
}

/// Waits on the calling thread, which must not have Python's lock: code that is called from Python releases it
/// first, by `py.detach`.
impl Application for Wsgi {
    fn respond(&self, environ: &mut Environ) -> Result<Response, Error> {
        let cancellation = environ.cancellation();
        let (parts, body) = environ.take_request().into_parts();
        let call = Call::new(
            Arc::clone(&self.host),
            parts,
            Input::from(body).into(),
            cancellation,
        );
        call.submit();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let context = Context::from_waker(&waker);
        loop {
            match call.poll(&context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl fmt::Debug for Wsgi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wsgi")
            .field("crew", self.host.crew())
            .finish_non_exhaustive()
    }
}

/// An application to be imported: see [`Wsgi::import`].
#[derive(Clone, Debug)]
#[must_use = "nothing is imported until `load`"]
pub struct Import {
    target: String,
    venv: Option<PathBuf>,
    paths: Vec<PathBuf>,
    threads: usize,
}

impl Import {
    /// The virtual environment that has the application's packages. Default: the interpreter's own
    /// packages alone.
    ///
    /// The interpreter is the one this program was linked with; an environment of another minor
    /// version is refused.
    pub fn venv(mut self, path: impl AsRef<Path>) -> Self {
        self.venv = Some(path.as_ref().into());
        self
    }

    /// A folder to import from, in front of all others; several may be given, the first goes first.
    /// Default: none but the environment's, not even the present folder.
    pub fn python_path(mut self, path: impl AsRef<Path>) -> Self {
        self.paths.push(path.as_ref().into());
        self
    }

    /// How many threads may be inside the application at a time, at least 1. Default: 64.
    ///
    /// Only one runs Python at a time; the others wait outside Python's lock, for a database or in a
    /// `sleep`. A quarter of them may wait for clients. There are as many as are needed, and each
    /// may have a connection to the database.
    pub fn threads(mut self, limit: usize) -> Self {
        self.threads = limit.max(1);
        self
    }

    /// Imports it.
    ///
    /// # Errors
    ///
    /// The environment cannot be used, or the import raises: with Python's traceback as the text.
    pub fn load(self) -> Result<Wsgi, ImportError> {
        Python::initialize();
        Python::attach(|py| {
            python::prepare(py)?;
            if let Some(venv) = &self.venv {
                python::enter(py, venv)?;
            }
            python::add_paths(py, &self.paths)?;
            let application = python::find(py, &self.target)?;
            Wsgi::host(py, application.unbind(), self.threads)
        })
    }
}
