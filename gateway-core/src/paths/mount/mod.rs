//! Services below a path prefix.

mod body;
mod future;
mod layer;
mod service;
mod strip;

pub use body::MountBody;
pub use future::ResponseFuture;
pub use layer::MountLayer;
pub(crate) use service::not_found;
pub use service::{Mount, NotFound, mount};
