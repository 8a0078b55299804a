//! Facts about whole files, found out by reading each file once for each state that it is in.

mod copy;
mod fact;
mod ledger;
mod readings;
mod work;

/// Larger files are not read because a client asks for them, unless
/// [`content_limit`](crate::StaticFiles::content_limit) says so.
pub(crate) const CONTENT_LIMIT: u64 = 32 << 20;

pub(crate) use self::fact::{Findings, NO_FINDINGS};
pub(crate) use self::readings::{Reading, Ticket, digest, digest_now, is_copy};
