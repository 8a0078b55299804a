//! What a request says: who may see details, in which format, and what a report tells of it.

pub(crate) mod accept;
pub(crate) mod gate;
pub(crate) mod summary;
