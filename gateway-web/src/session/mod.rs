//! A small session in an encrypted cookie, and messages for the next page.

mod handle;
mod kept;
mod layer;
mod settings;

pub use handle::Session;
pub(crate) use handle::of;
pub use kept::Flash;
pub use layer::SessionLayer;
