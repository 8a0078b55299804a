//! Lines of source, read with suspicion: paths come from debug information, and the
//! files may be anything by now.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{frames::built::is_newer, text::shown};

/// Larger files are generated: a traceback is of no use in them. In bytes.
const FILE: u64 = 2 * 1024 * 1024;
/// In characters.
const LINE: usize = 200;
/// How many lines are shown before and after the line.
const AROUND: u32 = 5;

static ROOT: Mutex<Option<PathBuf>> = Mutex::new(None);

pub(crate) fn set_root(root: PathBuf) {
    let root = root.canonicalize().unwrap_or(root);
    *ROOT.lock().unwrap_or_else(PoisonError::into_inner) = Some(root);
}

/// A few lines of a source file around one that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    first: u32,
    line: u32,
    lines: Vec<String>,
    is_newer: bool,
}

impl Excerpt {
    /// Lines that came with the frame, `line` among them.
    pub(crate) fn given(first: u32, line: u32, lines: &[String]) -> Option<Self> {
        let around = usize::try_from(line.checked_sub(first)?).ok()?;
        let lines = lines.iter().take(2 * AROUND as usize + 1);
        let lines: Vec<String> = lines
            .map(|line| shown::code(&shortened(line.trim_end())))
            .collect();
        (around < lines.len()).then_some(Self {
            first,
            line,
            lines,
            is_newer: false,
        })
    }

    /// The line that matters, without its indentation.
    #[must_use]
    pub fn line(&self) -> &str {
        let index = self.line.saturating_sub(self.first) as usize;
        self.lines.get(index).map_or("", |line| line.trim())
    }

    /// All lines, numbered, and whether each is the one that matters.
    pub fn lines(&self) -> impl Iterator<Item = (u32, &str, bool)> {
        let numbered = (self.first..).zip(&self.lines);
        numbered.map(|(number, line)| (number, line.as_str(), number == self.line))
    }

    /// Whether the file was changed after the program was built, so that these may not be the lines that ran.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.is_newer
    }
}

/// What a source file has.
#[derive(Clone)]
struct Source {
    lines: Arc<[String]>,
    is_newer: bool,
}

/// Files that were read for one traceback.
#[derive(Default)]
pub(crate) struct Sources {
    files: HashMap<PathBuf, Option<Source>>,
    roots: HashMap<PathBuf, Option<PathBuf>>,
}

impl Sources {
    /// Where a path is below its root: what people call the file.
    pub(crate) fn shown(&mut self, path: &Path) -> String {
        let relative = self
            .root(path)
            .and_then(|root| path.strip_prefix(root).ok());
        shown::line(&relative.unwrap_or(path).to_string_lossy(), 512)
    }

    pub(crate) fn excerpt(&mut self, path: &Path, line: u32) -> Option<Arc<Excerpt>> {
        let Source {
            lines: all,
            is_newer,
        } = self.source(path)?;
        let first = line.saturating_sub(AROUND).max(1);
        let last = line.saturating_add(AROUND);
        let lines: Vec<_> = (1..)
            .zip(all.iter())
            .skip(first as usize - 1)
            .take_while(|(number, _)| *number <= last)
            .map(|(_, line)| shown::code(line))
            .collect();
        let has_line = first.saturating_add(u32::try_from(lines.len()).ok()?) > line;
        (line > 0 && has_line).then(|| {
            Arc::new(Excerpt {
                first,
                line,
                lines,
                is_newer,
            })
        })
    }

    /// The function that a line is in, by indentation, and whether it is `async`.
    pub(crate) fn enclosing_fn(&mut self, path: &Path, line: u32) -> Option<(String, bool)> {
        let all = self.source(path)?.lines;
        let before = all.get(..(line as usize).min(all.len()))?;
        let mut indent = usize::MAX;
        for text in before.iter().rev() {
            let trimmed = text.trim_start();
            if trimmed.is_empty() || trimmed.starts_with("//") {
                continue;
            }
            let own = text.len() - trimmed.len();
            // A function encloses what is indented deeper; a line may hold a whole one.
            if own < indent || indent == usize::MAX {
                if let Some(found) = declared(trimmed) {
                    return Some(found);
                }
                // The end of a signature stands below its beginning, not deeper.
                let is_end = trimmed.starts_with([')', '{', '>']) || trimmed.starts_with("where");
                indent = indent.min(own + usize::from(is_end));
            }
        }
        None
    }

    fn source(&mut self, path: &Path) -> Option<Source> {
        if let Some(source) = self.files.get(path) {
            return source.clone();
        }
        let root = self.root(path).map(Path::to_owned);
        let source = root.and_then(|root| read(path, &root));
        self.files.insert(path.to_owned(), source.clone());
        source
    }

    /// The folder named by the program, or the workspace the file is in: the nearest with a `Cargo.lock`.
    fn root(&mut self, path: &Path) -> Option<&Path> {
        let folder = path.parent()?;
        if !self.roots.contains_key(folder) {
            let root = find_root(folder);
            self.roots.insert(folder.to_owned(), root);
        }
        self.roots.get(folder)?.as_deref()
    }
}

/// What files in a folder are shown relative to.
fn find_root(folder: &Path) -> Option<PathBuf> {
    if !folder.is_absolute() {
        return None;
    }
    if let Some(named) = &*ROOT.lock().unwrap_or_else(PoisonError::into_inner)
        && folder.starts_with(named)
    {
        return Some(named.clone());
    }
    workspace_of(folder).map(Path::to_owned)
}

/// The nearest folder with a `Cargo.lock`.
pub(crate) fn workspace_of(path: &Path) -> Option<&Path> {
    let mut folders = path.ancestors();
    folders.find(|folder| folder.join("Cargo.lock").is_file())
}

/// Only regular `.rs` files below the root: a FIFO would hang us, a link may lead anywhere.
fn read(path: &Path, root: &Path) -> Option<Source> {
    if path.extension()? != "rs" {
        return None;
    }
    let real = fs::canonicalize(path).ok()?;
    if !real.starts_with(fs::canonicalize(root).ok()?) {
        return None;
    }
    // Check before the open, because opening a FIFO waits for its writer.
    let found = fs::metadata(&real).ok()?;
    if !found.is_file() || found.len() > FILE {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(&real)
        .ok()?
        .take(FILE)
        .read_to_end(&mut bytes)
        .ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(Source {
        lines: text.lines().map(shortened).collect(),
        is_newer: is_newer(&found),
    })
}

fn shortened(line: &str) -> String {
    let end = line.char_indices().nth(LINE).map(|(end, _)| end);
    match end.and_then(|end| line.get(..end)) {
        Some(start) => format!("{start} [cut here]"),
        None => line.to_owned(),
    }
}

/// The name of the function that is declared on this line, if one is.
fn declared(line: &str) -> Option<(String, bool)> {
    let mut words = line.split(|char: char| char.is_whitespace() || char == '(' || char == '<');
    let mut is_async = false;
    for word in words.by_ref() {
        match word {
            "fn" => {
                let name = words.next()?;
                let is_name = !name.is_empty()
                    && name
                        .chars()
                        .all(|char| char.is_alphanumeric() || char == '_' || char == '#');
                return is_name.then(|| (name.to_owned(), is_async));
            }
            "async" => is_async = true,
            "pub" | "const" | "unsafe" | "extern" | "default" | "crate)" | "super)" | "self)"
            | "in" | "\"C\"" | "" => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
//! A file.
mod inner {
    pub(crate) async fn outer(a: u8) -> u8 {
        let value = async {
            other(
                a,
            )
        };
        // fn not_this()
        value.await
    }
    fn one_line() { panic!() }
}

fn after<T>(value: T) {
    drop(value);
}
";

    fn project() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.lock"), "").unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        let file = folder.path().join("src/main.rs");
        fs::write(&file, TEXT).unwrap();
        (folder, file)
    }

    #[test]
    fn the_nearest_enclosing_function_is_found_by_indentation() {
        let (_folder, file) = project();
        let mut sources = Sources::default();
        let cases = [
            (6, Some(("outer", true))),
            (10, Some(("outer", true))),
            (12, Some(("one_line", false))),
            (16, Some(("after", false))),
            (1, None),
            (2, None),
        ];
        for (line, function) in cases {
            let found = sources.enclosing_fn(&file, line);
            let found = found
                .as_ref()
                .map(|(name, is_async)| (name.as_str(), *is_async));
            assert_eq!(found, function, "line {line}");
        }
    }

    #[test]
    fn a_signature_of_several_lines_encloses_its_body() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.lock"), "").unwrap();
        let file = folder.path().join("lib.rs");
        let text = "\
fn before() {}
impl A {
    fn ask<F>(
        environ: &Environ,
        query: F,
    ) -> Result<T, Error>
    where
        F: FnOnce(&Connection) -> Result<T>,
    {
        run(
            query,
        )
        .unwrap()
    }
    fn one(
        a: u8,
    ) -> u8 {
        a / 0
    }
}
";
        fs::write(&file, text).unwrap();
        let mut sources = Sources::default();
        for (line, name) in [
            (10, "ask"),
            (11, "ask"),
            (12, "ask"),
            (13, "ask"),
            (18, "one"),
        ] {
            let found = sources.enclosing_fn(&file, line);
            assert_eq!(found, Some((name.to_owned(), false)), "line {line}");
        }
        assert_eq!(sources.enclosing_fn(&file, 20), None);
    }

    #[test]
    fn an_excerpt_has_the_lines_around_the_one_that_is_meant() {
        let (_folder, file) = project();
        let mut sources = Sources::default();
        assert_eq!(sources.shown(&file), "src/main.rs");
        let excerpt = sources.excerpt(&file, 2).unwrap();
        let lines: Vec<_> = excerpt.lines().collect();
        assert_eq!(lines[0], (1, "//! A file.", false));
        assert_eq!(lines[1], (2, "mod inner {", true));
        assert_eq!(lines.len(), 7);
        assert_eq!(excerpt.line(), "mod inner {");
        assert_eq!(sources.excerpt(&file, 0), None);
        assert_eq!(
            sources.excerpt(&file, 99),
            None,
            "the file is shorter by now"
        );
    }

    #[test]
    fn nothing_but_regular_rs_files_below_the_root_is_read() {
        let (folder, file) = project();
        let src = file.parent().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.rs"), "secret").unwrap();
        #[cfg(unix)]
        {
            let fifo = src.join("fifo.rs");
            let made = std::process::Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap();
            assert!(made.success());
            std::os::unix::fs::symlink(outside.path().join("secret.rs"), src.join("link.rs"))
                .unwrap();
        }
        let huge = File::create(src.join("huge.rs")).unwrap();
        huge.set_len(FILE + 1).unwrap();
        fs::write(src.join("data.txt"), "text").unwrap();
        fs::create_dir(src.join("folder.rs")).unwrap();
        let mut sources = Sources::default();
        for name in [
            "fifo.rs",
            "link.rs",
            "huge.rs",
            "data.txt",
            "folder.rs",
            "absent.rs",
        ] {
            assert_eq!(sources.excerpt(&src.join(name), 1), None, "{name}");
        }
        for path in ["/dev/zero", "relative/main.rs", "../../etc/passwd"] {
            assert_eq!(sources.excerpt(Path::new(path), 1), None, "{path}");
        }
        drop(folder);
    }

    #[test]
    fn a_file_that_was_changed_after_the_build_says_so() {
        let (_folder, file) = project();
        let excerpt = || Sources::default().excerpt(&file, 2).unwrap();
        assert!(excerpt().is_newer(), "this test has just written it");
        let file = File::options().write(true).open(&file).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert!(!excerpt().is_newer());
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_escaped() {
        let (_folder, file) = project();
        fs::write(
            &file,
            format!("{}\nlet esc = \"\u{1b}\";\n", "ü".repeat(LINE + 1)),
        )
        .unwrap();
        let mut sources = Sources::default();
        assert_eq!(
            sources.excerpt(&file, 1).unwrap().line(),
            "ü".repeat(LINE) + " [cut here]"
        );
        assert_eq!(
            sources.excerpt(&file, 2).unwrap().line(),
            "let esc = \"\\u{1b}\";"
        );
    }
}
