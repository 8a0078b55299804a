//! Uploads: `multipart/form-data` (RFC 7578), part by part, on a thread that may block.

mod disposition;
mod error;
mod limits;
mod part;
mod reader;
#[cfg(feature = "tempfile")]
mod upload;

pub use error::MultipartError;
pub use limits::UploadLimits;
pub(crate) use part::of;
pub use part::{Multipart, Part};
#[cfg(feature = "tempfile")]
pub use upload::{Upload, UploadedFile};
