//! What a router told of a request.

use gateway_core::{Environ, Error};
use router::{RequestUrlArgs, UrlArgs};

#[track_caller]
pub(crate) fn of(environ: &Environ) -> Result<&UrlArgs, Error> {
    environ
        .url_args()
        .ok_or_else(|| Error::msg("no router called this view, so there are no routes"))
}
