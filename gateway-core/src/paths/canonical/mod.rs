//! How paths are spelled, and a guard against spellings that services behind it read otherwise.

mod layer;
mod policy;
mod service;
mod spelling;

pub use layer::CanonicalPathLayer;
pub use service::CanonicalPath;
pub use spelling::{Spelling, relative_reference};
