//! The manifest that Vite writes beside the files of a build ([backend integration]).
//!
//! [backend integration]: https://vite.dev/guide/backend-integration

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::source::{File, Node, Source, Stamp, Wait};

/// Where Vite writes it, from version 5 on and before.
const PLACES: [&str; 2] = [".vite/manifest.json", "manifest.json"];

/// For how long what was read is believed.
const TTL: Duration = Duration::from_secs(1);

/// The largest manifest that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A manifest, read again when it changes.
pub(super) struct Vite {
    source: Arc<dyn Source>,
    last: RwLock<Last>,
}

#[derive(Default)]
struct Last {
    at: Option<Instant>,
    stamp: Option<Stamp>,
    chunks: Option<Arc<Chunks>>,
}

impl Vite {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            last: RwLock::default(),
        }
    }

    /// What the manifest says now. While it cannot be read (a release is being copied), what it said last.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there has been none, [`io::ErrorKind::InvalidData`] for another file of that name, and
    /// with [`Wait::Never`] [`io::ErrorKind::WouldBlock`].
    pub(super) fn chunks(&self, wait: Wait) -> io::Result<Arc<Chunks>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let (stamp, known) = (last.stamp, last.chunks.clone());
        if last.at.is_some_and(|at| at.elapsed() < TTL) {
            return known.ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        drop(last);
        let read = self.read(stamp.filter(|_| known.is_some()), wait);
        let (stamp, chunks) = match (read, known) {
            (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            (Ok((stamp, Some(chunks))), _) => (stamp, Ok(Arc::new(chunks))),
            (_, Some(known)) => (stamp, Ok(known)),
            (Ok((stamp, None)), None) => (stamp, Err(io::ErrorKind::NotFound.into())),
            (Err(error), None) => (None, Err(error)),
        };
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        *last = Last {
            at: Some(Instant::now()),
            stamp,
            chunks: chunks.as_ref().ok().map(Arc::clone),
        };
        chunks
    }

    /// The chunks, unless the file is in the `known` state.
    fn read(
        &self,
        known: Option<Stamp>,
        wait: Wait,
    ) -> io::Result<(Option<Stamp>, Option<Chunks>)> {
        let File {
            metadata,
            content,
            stamp,
        } = self.open(wait)?;
        if stamp.is_some() && stamp == known {
            return Ok((stamp, None));
        }
        if wait == Wait::Never {
            // Reading it takes a while.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = usize::try_from(metadata.length.min(LARGEST)).unwrap_or(0);
        let text = content.exactly(0, length, wait)?;
        Ok((stamp, Some(Chunks::parse(&text)?)))
    }

    fn open(&self, wait: Wait) -> io::Result<File> {
        for place in PLACES {
            match self.source.open(Path::new(place), wait) {
                Ok(Node::File(file)) => return Ok(file),
                Ok(Node::Directory) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let text = "there is no .vite/manifest.json: set `build.manifest` in vite.config.js";
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }
}

/// What a manifest says.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// By the path of the source (`src/main.ts`), or a name that Vite made up (`_shared-B7PI925R.js`).
    by_key: HashMap<String, Chunk>,
    /// The files that were built and have their content in their names.
    hashed: HashSet<Box<[u8]>>,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The path below the root.
    pub(super) file: String,
    styles: Vec<String>,
    assets: Vec<String>,
    imports: Vec<String>,
}

impl Chunks {
    pub(super) fn parse(text: &[u8]) -> io::Result<Self> {
        let wrong = || {
            let text = "it is no manifest of Vite: each entry is an object with a `file`";
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let entries: Map<String, Value> = serde_json::from_slice(text)?;
        let mut chunks = Self::default();
        // What names are without a hash: where a build is configured to have none, a file is named like its source.
        let mut plain = HashSet::new();
        for (key, entry) in entries {
            let file = entry
                .get("file")
                .and_then(Value::as_str)
                .ok_or_else(wrong)?;
            let said = [Some(&*key), entry.get("src").and_then(Value::as_str)];
            let name = entry.get("name").and_then(Value::as_str);
            let names = strings(&entry, "names");
            let sources = said
                .into_iter()
                .flatten()
                .chain(names.iter().map(String::as_str));
            plain.extend(sources.map(|source| stem(source).to_owned()));
            plain.extend(name.map(|name| stem_of_name(name).to_owned()));
            let chunk = Chunk {
                file: file.to_owned(),
                styles: strings(&entry, "css"),
                assets: strings(&entry, "assets"),
                imports: strings(&entry, "imports"),
            };
            chunks.by_key.insert(key, chunk);
        }
        let files = chunks.by_key.values().flat_map(Chunk::files);
        let hashed = files.filter(|file| !plain.contains(stem(file)));
        chunks.hashed = hashed.map(|file| file.as_bytes().into()).collect();
        Ok(chunks)
    }

    /// Whether a file of this path was built and has its content in its name.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.hashed.contains(path)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Chunk> {
        self.by_key.get(key)
    }

    /// All that the page with this chunk loads at once: style sheets and scripts, each once, what is imported behind
    /// what imports it.
    pub(super) fn loaded_with<'a>(&'a self, chunk: &'a Chunk) -> Loaded<'a> {
        let mut loaded = Loaded::default();
        let mut seen = HashSet::new();
        let mut waiting = vec![chunk];
        while let Some(chunk) = waiting.pop() {
            if !seen.insert(chunk.file.as_str()) {
                continue;
            }
            loaded.scripts.push(&chunk.file);
            for style in &chunk.styles {
                if !loaded.styles.contains(&style.as_str()) {
                    loaded.styles.push(style);
                }
            }
            let imports = chunk.imports.iter().rev();
            waiting.extend(imports.filter_map(|key| self.get(key)));
        }
        loaded
    }
}

/// Paths below the root.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded<'a> {
    pub(super) styles: Vec<&'a str>,
    /// The chunk itself in front.
    pub(super) scripts: Vec<&'a str>,
}

impl Chunk {
    fn files(&self) -> impl Iterator<Item = &str> {
        let others = self.styles.iter().chain(&self.assets);
        [&self.file].into_iter().chain(others).map(String::as_str)
    }
}

fn strings(entry: &Value, field: &str) -> Vec<String> {
    let values = entry.get(field).and_then(Value::as_array);
    let texts = values.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The name in a path, without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The same of a name that has no ending.
fn stem_of_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Vite's documentation.
    const DOCUMENTED: &[u8] = br#"{
        "_shared-B7PI925R.js": { "file": "assets/shared-B7PI925R.js", "name": "shared", "css": ["assets/shared-ChJ_j-JJ.css"] },
        "_shared-ChJ_j-JJ.css": { "file": "assets/shared-ChJ_j-JJ.css", "src": "_shared-ChJ_j-JJ.css" },
        "logo.svg": { "file": "assets/logo-BuPIv-2h.svg", "src": "logo.svg" },
        "baz.js": { "file": "assets/baz-B2H3sXNv.js", "name": "baz", "src": "baz.js", "isDynamicEntry": true },
        "views/bar.js": { "file": "assets/bar-gkvgaI9m.js", "name": "bar", "src": "views/bar.js", "isEntry": true,
            "imports": ["_shared-B7PI925R.js"], "dynamicImports": ["baz.js"] },
        "views/foo.js": { "file": "assets/foo-BRBmoGS9.js", "name": "foo", "src": "views/foo.js", "isEntry": true,
            "imports": ["_shared-B7PI925R.js"], "css": ["assets/foo-5UjPuW-k.css"] }
    }"#;

    #[test]
    fn an_entry_loads_its_styles_and_those_of_what_it_imports() {
        let chunks = Chunks::parse(DOCUMENTED).unwrap();
        let foo = chunks.get("views/foo.js").unwrap();
        let loaded = chunks.loaded_with(foo);
        let styles = vec!["assets/foo-5UjPuW-k.css", "assets/shared-ChJ_j-JJ.css"];
        let scripts = vec!["assets/foo-BRBmoGS9.js", "assets/shared-B7PI925R.js"];
        assert_eq!(loaded, Loaded { styles, scripts });
    }

    #[test]
    fn the_files_of_the_build_have_their_content_in_their_names() {
        let chunks = Chunks::parse(DOCUMENTED).unwrap();
        for name in [
            "assets/foo-BRBmoGS9.js",
            "assets/foo-5UjPuW-k.css",
            "assets/shared-B7PI925R.js",
            "assets/shared-ChJ_j-JJ.css",
            "assets/logo-BuPIv-2h.svg",
        ] {
            assert!(chunks.has(name.as_bytes()), "{name}");
        }
        for name in [
            "views/foo.js",
            "assets/foo.js",
            "index.html",
            "assets/menu-settings.js",
        ] {
            assert!(!chunks.has(name.as_bytes()), "{name}");
        }
    }

    // With `entryFileNames: "[name].js"` a file keeps its name and changes its content.
    #[test]
    fn a_file_named_like_its_source_does_not() {
        let text = br#"{ "src/main.ts": { "file": "main.js", "name": "main", "css": ["main.css"], "isEntry": true } }"#;
        let chunks = Chunks::parse(text).unwrap();
        assert!(!chunks.has(b"main.js") && !chunks.has(b"main.css"));
        assert_eq!(chunks.get("src/main.ts").unwrap().file, "main.js");
    }

    #[test]
    fn imports_in_a_circle_come_to_an_end() {
        let text = br#"{ "a": { "file": "a-1.js", "imports": ["b"] }, "b": { "file": "b-1.js", "imports": ["a", "c"] } }"#;
        let chunks = Chunks::parse(text).unwrap();
        let loaded = chunks.loaded_with(chunks.get("a").unwrap());
        assert_eq!(loaded.scripts, ["a-1.js", "b-1.js"]);
    }

    #[test]
    fn another_file_of_that_name_is_told_apart() {
        for text in [
            &br#"{ "name": "An application", "icons": [] }"#[..],
            b"[]",
            b"{",
            b"",
        ] {
            assert!(Chunks::parse(text).is_err());
        }
    }
}
