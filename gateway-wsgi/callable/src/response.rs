use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;
use gateway_core::{Body, BoxError};
use http_body::Body as HttpBody;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::runtime::Handle;

/// The pieces of a body as Python iterates them, to be closed.
#[pyclass(frozen, module = "wsgi_callable")]
pub(crate) struct Pieces {
    body: Mutex<Option<Body>>,
    runtime: Handle,
}

impl Pieces {
    pub(crate) fn new(body: Body, runtime: Handle) -> Self {
        Self {
            body: Mutex::new(Some(body)),
            runtime,
        }
    }

    fn next(&self) -> Result<Option<Bytes>, BoxError> {
        let _entered = self.runtime.enter();
        let mut held = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(body) = &mut *held else {
            return Ok(None);
        };
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut *body).poll_frame(&mut context) {
                Poll::Pending => thread::park(),
                Poll::Ready(None) => {
                    *held = None;
                    return Ok(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    *held = None;
                    return Err(error);
                }
                // Trailers cannot be told.
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
            }
        }
    }
}

#[pymethods]
impl Pieces {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match py.detach(|| self.next()) {
            Ok(piece) => Ok(piece.map(|piece| PyBytes::new(py, &piece))),
            Err(error) => Err(PyRuntimeError::new_err(error.to_string())),
        }
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let _entered = self.runtime.enter();
            let body = self
                .body
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            drop(body);
        });
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
