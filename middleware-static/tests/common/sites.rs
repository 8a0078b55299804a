//! The same files by every source.

use middleware_static::StaticFiles;

use crate::common::{Site, settle};

#[derive(rust_embed::RustEmbed)]
#[cfg(feature = "embed")]
#[folder = "tests/embedded"]
struct Embedded;

/// A directory in each way, and in the binary.
pub(crate) async fn sites() -> (&'static Site, Vec<(&'static str, StaticFiles)>) {
    // One for all tests: until its files count as old takes seconds.
    static SITE: tokio::sync::OnceCell<Site> = tokio::sync::OnceCell::const_new();
    let site = SITE
        .get_or_init(|| async {
            let site = Site::with(&[]);
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/embedded");
            copy(std::path::Path::new(folder), &site, "");
            settle().await;
            site
        })
        .await;
    let ways = site.every_way();
    #[cfg(feature = "embed")]
    let ways = [
        ways,
        vec![(
            "embedded",
            StaticFiles::from_source(middleware_static::source::Embedded::<Embedded>::new()),
        )],
    ]
    .concat();
    (site, ways)
}

fn copy(from: &std::path::Path, site: &Site, below: &str) {
    let entries = std::fs::read_dir(from).unwrap().map(Result::unwrap);
    let mut entries: Vec<_> = entries.collect();
    // A file before its siblings, which are no real ones and would not be copies if anyone looked.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            copy(&entry.path(), site, &format!("{name}/"));
        } else {
            // With the date of this moment, which its change time vouches for.
            let path = site.path(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}
