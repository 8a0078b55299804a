//! What is in front of a path and what is below it, how it is spelled, and mounts.

mod canonical;
pub mod mount;
mod record;
pub(crate) mod script_name;

pub use canonical::{CanonicalPath, CanonicalPathLayer, Spelling, relative_reference};
pub use mount::{MountLayer, mount};
pub use record::{RecordPath, RecordPathLayer};
pub use script_name::{InvalidPrefix, InvalidScriptName, Prefix, ScriptName, Split};
