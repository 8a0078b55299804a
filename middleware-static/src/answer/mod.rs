//! From a file to the answer: its validators and fields, its entry in the cache, and the response.

pub(crate) mod cache;
pub(crate) mod fields;
pub(crate) mod prepared;
pub(crate) mod representation;
pub(crate) mod response;
