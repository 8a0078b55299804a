use std::fs::File;
use std::io::{self, Read};

use pyo3::intern;
use pyo3::prelude::*;

/// `wsgi.file_wrapper`: a file, read in blocks. Returned by the application as it is, a real file is
/// read by the gateway, without Python.
#[pyclass(frozen, module = "gateway_wsgi", name = "FileWrapper")]
pub(crate) struct FileWrapper {
    file: Py<PyAny>,
    block_size: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=65536))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> Self {
        Self {
            file: filelike,
            block_size: blksize.max(1),
        }
    }

    #[getter]
    fn filelike(&self, py: Python<'_>) -> Py<PyAny> {
        self.file.clone_ref(py)
    }

    #[getter]
    fn blksize(&self) -> usize {
        self.block_size
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let read = intern!(py, "read");
        let block = self.file.bind(py).call_method1(read, (self.block_size,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let close = self.file.bind(py).getattr_opt(intern!(py, "close"))?;
        close.map_or(Ok(()), |close| close.call0().map(drop))
    }
}

impl FileWrapper {
    /// The rest of the file, if it is one of the file system's that can be read without Python: from
    /// where Python's reader is to the end.
    pub(crate) fn real_file(&self, py: Python<'_>) -> Option<RealFile> {
        let file = self.file.bind(py);
        // Others have a number of what they are made from: a gzip file that of its compressed one.
        if !is_real(file).unwrap_or(false) {
            return None;
        }
        let number: i32 = file
            .call_method0(intern!(py, "fileno"))
            .and_then(|it| it.extract())
            .ok()?;
        // Python counts what it has read, and not what it has buffered.
        let at: u64 = file
            .call_method0(intern!(py, "tell"))
            .and_then(|it| it.extract())
            .ok()?;
        // Opened anew, so that it has a position of its own, and stays open until it is sent.
        let path = match cfg!(target_os = "linux") {
            true => format!("/proc/self/fd/{number}"),
            false => format!("/dev/fd/{number}"),
        };
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let left = metadata.len().checked_sub(at)?;
        metadata.is_file().then_some(RealFile { file, at, left })
    }
}

/// Whether a file is one of the file system's and nothing more: what `open(.., "rb")` returns.
fn is_real(file: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = file.py();
    let io = py.import(intern!(py, "io"))?;
    let unbuffered = io.getattr(intern!(py, "FileIO"))?;
    let is_exactly = |file: &Bound<'_, PyAny>, kind: &Bound<'_, PyAny>| file.get_type().is(kind);
    if is_exactly(file, &unbuffered) {
        return Ok(true);
    }
    for name in [intern!(py, "BufferedReader"), intern!(py, "BufferedRandom")] {
        if is_exactly(file, &io.getattr(name)?) {
            return Ok(is_exactly(&file.getattr(intern!(py, "raw"))?, &unbuffered));
        }
    }
    Ok(false)
}

/// What is left of a file, up to where it ended when it was returned.
pub(crate) struct RealFile {
    file: File,
    at: u64,
    pub(crate) left: u64,
}

impl Read for RealFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let Some(into) = into.get_mut(..most).filter(|into| !into.is_empty()) else {
            return Ok(0);
        };
        let read = std::os::unix::fs::FileExt::read_at(&self.file, into, self.at)?;
        if read == 0 {
            // Cut under us: what was promised can no longer be kept.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
