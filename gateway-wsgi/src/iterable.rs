//! What an application returns: any iterable of bytes, to be closed exactly once.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::PyAssertionError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyIterator};

use crate::crew::Crew;

pub(crate) type Piece = Bytes;

/// An iterable that is iterated, with its `close()`.
pub(crate) struct Iterable {
    iterator: Option<Py<PyIterator>>,
    close: Option<Py<PyAny>>,
}

impl Iterable {
    /// Begins with what the application returned. Where it cannot be iterated, it is closed.
    pub(crate) fn new(returned: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = returned.py();
        let close = returned.getattr_opt(intern!(py, "close"))?;
        let mut iterable = Self {
            iterator: None,
            close: close.map(Bound::unbind),
        };
        match returned.try_iter() {
            Ok(iterator) => iterable.iterator = Some(iterator.unbind()),
            Err(error) => {
                iterable.close(py);
                return Err(error);
            }
        }
        Ok(iterable)
    }

    /// The next piece that is not empty.
    pub(crate) fn next(&mut self, py: Python<'_>, crew: &Arc<Crew>) -> PyResult<Option<Piece>> {
        let Some(iterator) = &self.iterator else {
            return Ok(None);
        };
        let mut iterator = iterator.bind(py).clone();
        loop {
            match iterator.next() {
                Some(piece) => {
                    let piece = piece?;
                    let piece = bytes_of(&piece)?;
                    if !piece.as_bytes().is_empty() {
                        return Ok(Some(piece_of(piece, crew)));
                    }
                }
                None => {
                    self.iterator = None;
                    return Ok(None);
                }
            }
        }
    }

    /// Calls `close()`, unless it was called.
    pub(crate) fn try_close(&mut self, py: Python<'_>) -> PyResult<()> {
        self.iterator = None;
        match self.close.take() {
            Some(close) => close.bind(py).call0().map(drop),
            None => Ok(()),
        }
    }

    /// As [`try_close`](Self::try_close), where there is something worse to say, or no client left:
    /// what it raises goes where Python tells of what it cannot raise.
    pub(crate) fn close(&mut self, py: Python<'_>) {
        if let Err(error) = self.try_close(py) {
            error.write_unraisable(py, None);
        }
    }
}

/// How long a piece is that is worth being lent: shorter ones are copied.
const LENT: usize = 4096;

/// The bytes of `piece`, for the network.
pub(crate) fn piece_of(piece: &Bound<'_, PyBytes>, crew: &Arc<Crew>) -> Bytes {
    match piece.as_bytes() {
        short if short.len() < LENT => Bytes::copy_from_slice(short),
        _ => crew.lend(PyBackedBytes::from(piece.clone())),
    }
}

/// `piece`, if it is of the type bytes.
pub(crate) fn bytes_of<'a, 'py>(piece: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    piece.cast_exact::<PyBytes>().map_err(|_| {
        // As wsgiref has it.
        PyAssertionError::new_err("write() argument must be a bytes instance")
    })
}
