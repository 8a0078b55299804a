use std::io::{self, Read};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// `wsgi.input`, read to a length, or to its end.
pub(crate) struct PyInput {
    input: Py<PyAny>,
    left: Option<u64>,
}

impl PyInput {
    pub(crate) fn new(input: Py<PyAny>, left: Option<u64>) -> Self {
        Self { input, left }
    }
}

impl Read for PyInput {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.left.unwrap_or(u64::MAX).min(into.len() as u64);
        if most == 0 {
            return Ok(0);
        }
        let read = Python::try_attach(|py| -> PyResult<usize> {
            let read = self.input.bind(py).call_method1("read", (most,))?;
            let read = read.cast::<PyBytes>()?.as_bytes();
            let (taken, _) = into.split_at_mut(read.len().min(into.len()));
            taken.copy_from_slice(read.get(..taken.len()).unwrap_or_default());
            Ok(taken.len())
        });
        let read = match read {
            Some(read) => read.map_err(io::Error::from)?,
            None => return Err(io::Error::other("the interpreter has ended")),
        };
        match &mut self.left {
            // The client broke off: a body is not complete because it ends.
            Some(left) if read == 0 && *left > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(left) => *left = left.saturating_sub(read as u64),
            None => {}
        }
        Ok(read)
    }
}
