//! Where files come from: one small trait, a [`Directory`] behind it, and yours.

mod content;
mod contract;
mod directory;
#[cfg(feature = "embed")]
mod embedded;
mod entry;
mod file;
mod handle;
mod lease;
mod links;
#[cfg(target_os = "linux")]
mod linux;
mod opened;
pub(crate) mod pool;
mod portable;
mod single;
mod stamp;
mod wait;

pub(crate) use self::content::Content;
pub use self::content::ReadAt;
pub use self::contract::{Node, Source};
pub use self::directory::{Directory, Io};
#[cfg(feature = "embed")]
pub use self::embedded::Embedded;
pub use self::entry::Entry;
pub use self::file::{File, Metadata};
pub(crate) use self::handle::Handle;
pub use self::links::Symlinks;
pub(crate) use self::single::Single;
pub(crate) use self::stamp::{Stamp, from_epoch, since_epoch};
pub use self::wait::Wait;
