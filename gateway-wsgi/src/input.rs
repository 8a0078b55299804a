use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::{Buf, Bytes};
use gateway_core::{Error, Input};
use http::StatusCode;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::crew::Crew;
use crate::patience::{Patience, STALL};

/// A request's body: what has arrived of it, and the rest.
#[derive(Default)]
pub(crate) struct Arrived {
    pub(crate) pieces: VecDeque<Bytes>,
    pub(crate) rest: Input,
}

impl Arrived {
    /// Whether reading will not wait.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.has_arrived()
    }

    /// Whether there is nothing to read, and nothing will come.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.pieces.is_empty() && self.is_whole() && matches!(self.rest.fill_buf(), Ok([]))
    }
}

impl From<Input> for Arrived {
    fn from(rest: Input) -> Self {
        Self {
            pieces: VecDeque::new(),
            rest,
        }
    }
}

/// `wsgi.input`.
#[pyclass(frozen, module = "gateway_wsgi", name = "Input")]
pub(crate) struct WsgiInput {
    feed: Mutex<Feed>,
    crew: Arc<Crew>,
}

struct Feed {
    pieces: VecDeque<Bytes>,
    input: Input,
    /// What reading failed with: what the answer's status comes of.
    failed: Option<StatusCode>,
    patience: Patience,
}

impl WsgiInput {
    pub(crate) fn new(arrived: Arrived, crew: Arc<Crew>) -> Self {
        let feed = Feed {
            pieces: arrived.pieces,
            // In thirds: after each it is asked whether others wait.
            input: arrived.rest.with_stall_timeout(STALL / 3),
            failed: None,
            patience: Patience::default(),
        };
        Self {
            feed: Mutex::new(feed),
            crew,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status that a failed read comes to. Of an input that another thread of the application still
    /// reads it is not known.
    pub(crate) fn failed(&self) -> Option<StatusCode> {
        self.feed.try_lock().ok()?.failed
    }

    /// Takes what `take` takes of the body; outside Python's lock where that may wait.
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        take: impl Fn(&mut Reading<'_>) -> io::Result<R> + Send + Sync,
    ) -> PyResult<R> {
        // The lock is free unless another Python thread reads the same input, and then perhaps waits.
        if let Ok(mut feed) = self.feed.try_lock()
            && feed.input.has_arrived()
        {
            return Ok(take(&mut Reading {
                feed: &mut feed,
                crew: &self.crew,
            })?);
        }
        let taken = py.detach(|| {
            Crew::away(|| {
                take(&mut Reading {
                    feed: &mut self.lock(),
                    crew: &self.crew,
                })
            })
        });
        Ok(taken?)
    }
}

impl Feed {
    /// Whether there is a piece; what has been read is dropped.
    fn has_pieces(&mut self) -> bool {
        while self.pieces.front().is_some_and(Bytes::is_empty) {
            self.pieces.pop_front();
        }
        !self.pieces.is_empty()
    }

    /// Fills `into` with the first pieces, of which there are enough.
    fn take(&mut self, mut into: &mut [u8]) {
        while !into.is_empty() && self.has_pieces() {
            let Some(piece) = self.pieces.front_mut() else {
                return;
            };
            let length = piece.len().min(into.len());
            let (part, rest) = into.split_at_mut(length);
            piece.copy_to_slice(part);
            into = rest;
        }
    }
}

/// One read's view of the body.
struct Reading<'a> {
    feed: &'a mut Feed,
    crew: &'a Crew,
}

impl Reading<'_> {
    /// What is there of the body, waited for; empty at the end.
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.feed.has_pieces() {
            return Ok(self.feed.pieces.front().map_or(&[], |piece| piece));
        }
        if !self.feed.input.has_arrived() {
            let since = Instant::now();
            let mut thirds = 0;
            loop {
                match self.feed.input.fill_buf() {
                    Ok(_) => break,
                    Err(error) => {
                        thirds += 1;
                        let stalled = error.kind() == io::ErrorKind::TimedOut;
                        if stalled && thirds < 3 && !self.crew.is_contended() {
                            continue;
                        }
                        return Err(self.fail(error));
                    }
                }
            }
            self.feed.patience = self.feed.patience.waited(since.elapsed());
            if self.feed.patience.is_over() {
                return Err(self.fail(io::ErrorKind::TimedOut.into()));
            }
        }
        match self.feed.input.fill_buf() {
            Ok(_) => {}
            Err(error) => return Err(self.fail(error)),
        }
        self.feed.input.fill_buf()
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        let (kind, text) = (error.kind(), error.to_string());
        let status = match kind {
            io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => Error::from(error).status(),
        };
        self.feed.failed = Some(status);
        io::Error::new(kind, text)
    }

    fn consume(&mut self, length: usize) {
        match self.feed.pieces.front_mut() {
            Some(piece) => piece.advance(length.min(piece.len())),
            None => {
                self.feed.input.consume(length);
                self.feed.patience = self.feed.patience.moved(length as u64);
            }
        }
    }

    fn read(&mut self, limit: Option<usize>) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        loop {
            let left = limit.map_or(usize::MAX, |limit| limit - read.len());
            if left == 0 {
                return Ok(read);
            }
            let there = self.fill()?;
            let taken = there.get(..left).unwrap_or(there);
            if taken.is_empty() {
                return Ok(read);
            }
            read.extend_from_slice(taken);
            let taken = taken.len();
            self.consume(taken);
        }
    }

    /// Up to and with the next line break.
    fn line(&mut self, limit: Option<usize>) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let left = limit.map_or(usize::MAX, |limit| limit - line.len());
            let there = self.fill()?;
            let there = there.get(..left).unwrap_or(there);
            let end = there.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(there, |end| there.get(..=end).unwrap_or(there));
            line.extend_from_slice(taken);
            let over = taken.is_empty() || end.is_some() || taken.len() == left;
            let taken = taken.len();
            self.consume(taken);
            if over {
                return Ok(line);
            }
        }
    }
}

/// A size as files take it: none or negative is all.
fn limit(size: Option<isize>) -> Option<usize> {
    size.and_then(|size| usize::try_from(size).ok())
}

#[pymethods]
impl WsgiInput {
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let limit = limit(size);
        // What has arrived is copied once.
        if let Ok(mut feed) = self.feed.try_lock()
            && feed.has_pieces()
        {
            let there: usize = feed.pieces.iter().map(Bytes::len).sum();
            let enough = limit.is_some_and(|limit| limit <= there);
            let length = limit.map_or(there, |limit| limit.min(there));
            if enough || (feed.input.has_arrived() && matches!(feed.input.fill_buf(), Ok([]))) {
                return PyBytes::new_with(py, length, |into| {
                    feed.take(into);
                    Ok(())
                });
            }
        }
        let read = self.with(py, |reading| reading.read(limit))?;
        Ok(PyBytes::new(py, &read))
    }

    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let line = self.with(py, |reading| reading.line(limit(size)))?;
        Ok(PyBytes::new(py, &line))
    }

    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let hint = hint
            .filter(|hint| *hint > 0)
            .and_then(|hint| usize::try_from(hint).ok());
        let lines = PyList::empty(py);
        let mut length = 0;
        loop {
            let line = self.readline(py, None)?;
            length += line.as_bytes().len();
            if line.as_bytes().is_empty() {
                return Ok(lines);
            }
            lines.append(line)?;
            if hint.is_some_and(|hint| length >= hint) {
                return Ok(lines);
            }
        }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.readline(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    /// What io.BufferedReader and mod_wsgi have: nothing to do.
    fn close(&self) {}
}
