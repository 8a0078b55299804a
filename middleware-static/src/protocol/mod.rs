//! HTTP's rules as functions from values to values: no files, no requests being answered, nothing that waits.

pub mod conditional;
pub(crate) mod etag;
pub(crate) mod mime;
pub(crate) mod navigation;
pub mod negotiate;
pub mod range;
