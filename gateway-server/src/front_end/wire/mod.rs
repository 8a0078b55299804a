//! One request at a time over a stream from a front end; how it is written is a codec's.

pub(crate) mod codec;
pub(crate) mod connection;
mod current_request;
mod errors;
mod input;
pub(crate) mod output;
mod service_call;
mod timer;
