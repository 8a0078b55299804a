//! What a request asks for: from its head to a name below the root, and from the name to a file.

pub(crate) mod file_request;
pub(crate) mod find;
pub mod path;
mod root;
