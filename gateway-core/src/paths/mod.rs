//! What is in front of a path and what is below it: the recorded path, mount prefixes, mounts.

pub mod mount;
mod record;
pub(crate) mod script_name;

pub use mount::{MountLayer, mount};
pub use record::{RecordPath, RecordPathLayer};
pub use script_name::{InvalidPrefix, InvalidScriptName, Prefix, ScriptName, Split};
