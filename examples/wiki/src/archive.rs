//! The whole wiki as a tar archive.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use gateway_core::{BodyWriter, Error};
use tar::{Builder, EntryType, Header};

use crate::store::{Exported, Store};

/// Writes every page as `pages/NAME.md` and every older revision as `history/NAME/NUMBER.md`; the
/// time of a file is the time of the edit, and its pax record `comment` is what the author said.
///
/// One revision is in memory at a time.
///
/// # Errors
///
/// The client is gone, or what SQLite says. The archive then ends early, and so does the
/// response, which the client sees.
pub fn write(store: &Arc<Store>, out: &mut BodyWriter<'_>) -> Result<(), Error> {
    let mut tar = Builder::new(BufWriter::with_capacity(64 * 1024, out));
    let mut page = 0;
    while let Some(exported) = store.export_page(page)? {
        page = exported.page;
        append(&mut tar, &format!("pages/{}.md", exported.name), &exported)?;
    }
    let (mut page, mut number) = (0, 0);
    while let Some(exported) = store.export_older(page, number)? {
        (page, number) = (exported.page, exported.revision.number);
        let path = format!("history/{}/{number:04}.md", exported.name);
        append(&mut tar, &path, &exported)?;
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

fn append(tar: &mut Builder<impl Write>, path: &str, exported: &Exported) -> io::Result<()> {
    let revision = &exported.revision;
    if !revision.comment.is_empty() {
        tar.append_pax_extensions([("comment", revision.comment.as_bytes())])?;
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(revision.text.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(u64::try_from(revision.time).unwrap_or(0));
    tar.append_data(&mut header, path, revision.text.as_bytes())
}
