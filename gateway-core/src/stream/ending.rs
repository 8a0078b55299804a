use panic_capture::Caught;

use crate::BoxError;

/// Why a body ends before it is complete.
pub(crate) enum BodyFailure {
    Error(BoxError),
    Panic(Caught),
}
