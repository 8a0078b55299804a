use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::BoxError;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::file_wrapper::RealFile;

/// Large enough to be worth a hop to a thread that may block.
const PIECE: u64 = 256 * 1024;

/// What is left of a real file, read where that may block, and without Python.
pub(crate) struct FileBody {
    file: Option<RealFile>,
    reading: Option<JoinHandle<(RealFile, io::Result<Bytes>)>>,
    left: u64,
}

impl FileBody {
    pub(crate) fn new(file: RealFile) -> Self {
        Self {
            left: file.left,
            file: Some(file),
            reading: None,
        }
    }
}

fn read(mut file: RealFile) -> (RealFile, io::Result<Bytes>) {
    let length = usize::try_from(file.left.min(PIECE)).unwrap_or_default();
    let mut piece = vec![0; length];
    let read = file.read_exact(&mut piece);
    (file, read.map(|()| piece.into()))
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(file) = self.file.take() {
            if file.left == 0 {
                return Poll::Ready(None);
            }
            match Handle::try_current() {
                Ok(runtime) => self.reading = Some(runtime.spawn_blocking(|| read(file))),
                // No runtime runs here, so this thread may block.
                Err(_) => {
                    let (file, piece) = read(file);
                    return Poll::Ready(Some(self.took(file, piece)));
                }
            }
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match read {
            Ok((file, piece)) => Poll::Ready(Some(self.took(file, piece))),
            Err(error) => Poll::Ready(Some(Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl FileBody {
    fn took(&mut self, file: RealFile, piece: io::Result<Bytes>) -> Result<Frame<Bytes>, BoxError> {
        let piece = piece?;
        self.left = file.left;
        self.file = Some(file);
        Ok(Frame::data(piece))
    }
}
