//! The archive holds everything.

mod site;

use std::collections::BTreeMap;
use std::io::Read;

use site::Site;

#[test]
fn the_archive_holds_every_page_and_every_older_revision() {
    let site = Site::at("/wiki");
    let long_name = "ö".repeat(100);
    site.edit("Tea", "one", "first");
    site.edit("Tea", "two", "because & <so>");
    site.edit("Tea", "", "emptied");
    site.edit(&long_name, "long", "a long name");

    let archive = site.get("/export");
    archive
        .assert_status(200)
        .assert_header("content-type", "application/x-tar");
    archive.assert_header("content-disposition", "attachment; filename=\"wiki.tar\"");
    assert!(archive.cut_short().is_none());
    let bytes = archive.bytes();
    let mut headers = tar::Archive::new(&bytes[..]);
    for entry in headers.entries().unwrap().raw(true) {
        // Extensions too: some readers take an empty name for the end of the archive.
        assert!(!entry.unwrap().path_bytes().is_empty());
    }
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(&bytes[..]);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let comments = entry.pax_extensions().unwrap().map(|extensions| {
            let comment = extensions
                .flatten()
                .find(|extension| extension.key() == Ok("comment"));
            comment.map(|comment| comment.value().unwrap().to_owned())
        });
        let comment = comments.flatten().unwrap_or_default();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        assert!(entry.header().mtime().unwrap() > 1_700_000_000, "{path}");
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(
            files.insert(path.clone(), (text, comment)),
            None,
            "{path} twice"
        );
    }
    let file = |path: &str| files.get(path).map(|(text, comment)| (&**text, &**comment));
    assert_eq!(file("pages/Tea.md"), Some(("", "emptied")));
    assert_eq!(file("history/Tea/0001.md"), Some(("one", "first")));
    assert_eq!(file("history/Tea/0002.md"), Some(("two", "because & <so>")));
    assert_eq!(file("history/Tea/0003.md"), None);
    assert_eq!(
        file(&format!("pages/{long_name}.md")),
        Some(("long", "a long name"))
    );
    assert_eq!(files.len(), wiki::FIRST_PAGES.len() + 4);
}
