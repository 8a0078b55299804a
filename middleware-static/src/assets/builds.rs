//! Other builds of the same site, as directories.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::vite::Vite;
use crate::source::{Directory, Entry, Node, Source, Wait};

/// For how long a list of builds is believed.
const TTL: Duration = Duration::from_secs(1);

/// How many builds of one pattern are looked at, the newest ones: a name that is nowhere costs a look in each.
const MOST: usize = 32;

/// Builds by pattern, such as `releases/*`.
#[derive(Clone, Default)]
pub(crate) struct Builds(Vec<Arc<Pattern>>);

/// One build.
pub(crate) struct Build {
    /// Where it is below the directory of all builds; empty where it is the only one.
    place: PathBuf,
    pub(crate) source: Arc<dyn Source>,
    pub(super) vite: Vite,
}

impl Builds {
    pub(crate) fn add(&mut self, pattern: &Path) {
        self.0.push(Arc::new(Pattern::new(pattern)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that there are now, the newest first. May wait for the disk.
    pub(crate) fn all(&self) -> Vec<Arc<Build>> {
        self.0.iter().flat_map(|pattern| pattern.builds()).collect()
    }
}

impl fmt::Debug for Builds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.0.iter().map(|pattern| &pattern.written);
        f.debug_list().entries(patterns).finish()
    }
}

/// A path with a `*` for one of its segments, or with none.
struct Pattern {
    written: PathBuf,
    /// What is in front of the `*`.
    parent: Arc<Directory>,
    /// What is behind it; `None` for the one build at the parent itself.
    rest: Option<PathBuf>,
    listed: Mutex<(Option<Instant>, Vec<Arc<Build>>)>,
}

impl Pattern {
    fn new(written: &Path) -> Self {
        let is_star = |part: &Component<'_>| part.as_os_str() == OsStr::new("*");
        let parts = || written.components();
        let (parent, rest) = match parts().position(|part| is_star(&part)) {
            Some(at) => (
                parts().take(at).collect(),
                Some(parts().skip(at + 1).collect()),
            ),
            None => (written.to_owned(), None),
        };
        let parent = Arc::new(Directory::new(if parent == Path::new("") {
            PathBuf::from(".")
        } else {
            parent
        }));
        let listed = match &rest {
            Some(_) => Vec::new(),
            None => vec![Arc::new(Build::new(&parent, PathBuf::new()))],
        };
        Self {
            written: written.to_owned(),
            parent,
            rest,
            listed: Mutex::new((None, listed)),
        }
    }

    fn builds(&self) -> Vec<Arc<Build>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, builds) = &mut *listed;
        let Some(rest) = &self.rest else {
            return builds.clone();
        };
        if at.is_none_or(|at| at.elapsed() >= TTL) {
            let mut entries = self.parent.list(Path::new("")).unwrap_or_default();
            entries.retain(|entry| entry.is_directory() && !is_hidden(&entry.name));
            entries.sort_by(newest_first);
            entries.truncate(MOST);
            let build = |entry: Entry| {
                let place = Path::new(&entry.name).join(rest);
                let known = builds.iter().find(|build| build.place == place);
                known.map_or_else(|| Arc::new(Build::new(&self.parent, place)), Arc::clone)
            };
            *builds = entries.into_iter().map(build).collect();
            *at = Some(Instant::now());
        }
        builds.clone()
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Links have no date of their own: those come last, as they lead to what has been seen already.
fn newest_first(one: &Entry, other: &Entry) -> std::cmp::Ordering {
    other
        .modified
        .cmp(&one.modified)
        .then_with(|| other.name.cmp(&one.name))
}

impl Build {
    fn new(parent: &Arc<Directory>, place: PathBuf) -> Self {
        let source: Arc<dyn Source> = Arc::new(Below {
            parent: Arc::clone(parent),
            place: place.clone(),
        });
        Self {
            place,
            vite: Vite::new(Arc::clone(&source)),
            source,
        }
    }

    /// Whether Vite made a file of this name for this build, with its content in the name.
    pub(crate) fn has_vite_name(&self, path: &[u8], wait: Wait) -> io::Result<bool> {
        match self.vite.chunks(wait) {
            Ok(chunks) => Ok(chunks.has(path)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // Vite did not make this one.
            Err(_) => Ok(false),
        }
    }
}

/// A directory below another.
struct Below {
    parent: Arc<Directory>,
    place: PathBuf,
}

impl Source for Below {
    fn open(&self, path: &Path, wait: Wait) -> io::Result<Node> {
        self.parent.open(&self.place.join(path), wait)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places(builds: &Builds) -> Vec<PathBuf> {
        builds
            .all()
            .iter()
            .map(|build| build.place.clone())
            .collect()
    }

    #[test]
    fn a_star_is_each_directory_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        for (age, name) in [(3, "41"), (1, "43"), (2, "42"), (0, ".partial")] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            let directory = fs::File::open(&path).unwrap();
            directory
                .set_modified(now - Duration::from_secs(age))
                .unwrap();
        }
        fs::write(folder.path().join("README"), "").unwrap();
        let mut builds = Builds::default();
        builds.add(&folder.path().join("*"));
        assert_eq!(places(&builds), ["43", "42", "41"].map(PathBuf::from));
        let mut builds = Builds::default();
        builds.add(&folder.path().join("*/dist/web"));
        assert_eq!(places(&builds)[0], Path::new("43/dist/web"));
    }

    #[test]
    fn without_a_star_it_is_one_build() {
        let mut builds = Builds::default();
        assert!(builds.is_empty());
        builds.add(Path::new("dist-before"));
        assert_eq!(places(&builds), [PathBuf::new()]);
    }

    #[test]
    fn what_is_not_there_is_no_build() {
        let mut builds = Builds::default();
        builds.add(Path::new("no/such/place/*"));
        assert!(places(&builds).is_empty());
    }
}
