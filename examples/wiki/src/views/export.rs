//! Taking everything away.

use gateway_core::{Body, Environ, Error, Reply};

use crate::archive;
use crate::wiki::Wiki;

/// The whole wiki as a tar archive, written while it is sent.
///
/// # Errors
///
/// None here; what fails later cuts the archive short.
pub fn export(environ: &mut Environ) -> Result<Reply, Error> {
    let store = Wiki::of(environ)?.store().clone();
    let archive = Body::from_writer(move |out| archive::write(&store, out));
    Ok(Reply::new(archive)
        .header("content-type", "application/x-tar")
        .header("content-disposition", "attachment; filename=\"wiki.tar\"")
        .header("cache-control", "no-store"))
}
