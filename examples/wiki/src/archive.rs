//! The whole wiki as a tar archive.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use gateway_core::Error;
use gateway_core::body::BodyWriter;
use tar::{Builder, EntryType, Header};

use crate::store::{Exported, Store};

/// Writes every page as `pages/NAME.md`, every older revision as `history/NAME/NUMBER.md` and every
/// file as `files/NAME/FILE`; the time of a file is the time of the edit, and its pax record `comment` is what the author said.
///
/// One revision is in memory at a time.
///
/// # Errors
///
/// The client is gone, or what SQLite says. The archive then ends early, and so does the
/// response, which the client sees.
pub fn write(store: &Store, out: &mut BodyWriter<'_>) -> Result<(), Error> {
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
    let mut file = 0;
    while let Some((page, attached)) = store.export_file(file)? {
        file = attached.id;
        let mut content = match File::open(store.content(&attached.place)) {
            // A copy of the database alone, say.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            content => content?,
        };
        let size = content.metadata()?.len();
        let mut header = header(size, attached.time);
        let path = format!("files/{page}/{}", attached.name);
        tar.append_data(&mut header, path, &mut content)?;
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

fn append(tar: &mut Builder<impl Write>, path: &str, exported: &Exported) -> io::Result<()> {
    let revision = &exported.revision;
    if !revision.comment.is_empty() {
        let record = pax_record("comment", &revision.comment);
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(record.len() as u64);
        header.set_mode(0o644);
        // tar's own `append_pax_extensions` leaves the name empty, and some readers take an empty
        // name for the end of the archive.
        tar.append_data(&mut header, "PaxHeaders/comment", record.as_bytes())?;
    }
    let mut header = header(revision.text.len() as u64, revision.time);
    tar.append_data(&mut header, path, revision.text.as_bytes())
}

fn header(size: u64, time: i64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(u64::try_from(time).unwrap_or(0));
    header
}

/// `LENGTH KEY=VALUE`, where LENGTH counts itself and the end of the line (POSIX.1-2017, pax).
fn pax_record(key: &str, value: &str) -> String {
    let mut length = 0;
    loop {
        let record = format!("{length} {key}={value}\n");
        if record.len() == length {
            return record;
        }
        length = record.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(pax_record("comment", "ab"), "14 comment=ab\n");
        // With two digits it would be 99 bytes, and then there are three.
        for value in 80..100 {
            let record = pax_record("comment", &"x".repeat(value));
            let (length, _) = record.split_once(' ').unwrap();
            assert_eq!(length.parse(), Ok(record.len()));
        }
    }
}
