//! The error that ends a body which failed after its head was sent.

use std::{error::Error, fmt};

use gateway_core::BoxError;
use gateway_core::error::Reported;
use panic_capture::{discard, guard};

use crate::failure::{id::ErrorId, trace::links};

/// The response body failed after its head was sent. It has been reported.
#[derive(Debug)]
pub struct BodyError {
    pub(crate) id: Option<ErrorId>,
    pub(crate) source: Option<BoxError>,
}

impl BodyError {
    /// The id in the log. `None` where a layer further in reported it: then it is that one's, see
    /// [`source`](Error::source). At the end of the sources is [`Reported`], so that a gateway does not
    /// log the failure again.
    #[must_use]
    pub fn id(&self) -> Option<ErrorId> {
        self.id
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "the response body failed (error id {id})"),
            None => f.write_str("the response body failed"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => Some(&Reported),
        }
    }
}

/// Whether an error of the body below was reported by a layer further in, of ours or of others.
pub(crate) fn is_reported(error: &(dyn Error + 'static)) -> bool {
    let says_so = |error: &(dyn Error + 'static)| error.is::<BodyError>() || error.is::<Reported>();
    // `source` is the program's code. If it panics, the error is reported, perhaps once more.
    guard(|| links(error).any(says_so)).unwrap_or_else(|caught| {
        discard(caught.payload);
        false
    })
}
