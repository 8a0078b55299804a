//! What a request says about its client: who may see details, in which format.

pub(crate) mod accept;
pub(crate) mod gate;
