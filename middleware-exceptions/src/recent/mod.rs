//! The last failures, kept for a page.

pub(crate) mod kept;
pub(crate) mod service;
