//! A wiki: the crates of the workspace together, as a person would use them.

pub mod archive;
pub mod csrf;
pub mod diff;
pub mod markdown;
pub mod name;
pub mod store;
