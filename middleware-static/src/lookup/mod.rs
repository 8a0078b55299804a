//! What a request asks for: from its head to a name below the root, and from the name to a file.

pub(crate) mod ask;
pub(crate) mod find;
pub mod path;
mod root;
