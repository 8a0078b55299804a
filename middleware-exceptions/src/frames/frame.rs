//! One function on the stack.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::frames::{modules::Offset, names::Origin, source::Excerpt};

/// One function on the stack.
#[derive(Debug, Clone)]
pub struct Frame {
    pub(crate) raw: String,
    pub(crate) function: String,
    pub(crate) is_async: bool,
    pub(crate) is_closure: bool,
    pub(crate) is_of_the_layer: bool,
    pub(crate) origin: Origin,
    pub(crate) path: Option<PathBuf>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
    pub(crate) source: Option<Arc<Excerpt>>,
    pub(crate) offset: Option<Offset>,
}

impl Frame {
    /// The name to show: `load_row`, `async show_order`, `closure in main`.
    #[must_use]
    pub fn title(&self) -> String {
        let place = || {
            let file = self
                .path
                .as_deref()
                .and_then(Path::file_name)
                .unwrap_or_default();
            format!("({}:{})", file.to_string_lossy(), self.line.unwrap_or(0))
        };
        match (self.function.as_str(), self.is_async, self.is_closure) {
            ("", _, _) if self.raw.contains("async_fn") => format!("async fn {}", place()),
            ("", _, _) if self.raw.contains("async") => format!("async block {}", place()),
            ("", _, true) => format!("closure {}", place()),
            ("", ..) => match &self.offset {
                Some(offset) => offset.short(),
                None => "unknown function".into(),
            },
            (name, true, _) => format!("async {name}"),
            (name, false, true) => format!("closure in {name}"),
            (name, ..) => name.into(),
        }
    }

    /// The name as the debug information has it.
    #[must_use]
    pub fn raw_name(&self) -> &str {
        &self.raw
    }

    /// Whose code it is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it is from no dependency and not from the standard library.
    #[must_use]
    pub fn is_yours(&self) -> bool {
        self.origin == Origin::Yours
    }

    /// The file, relative to the workspace root where it is below it.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The file as the debug information has it: mostly absolute.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// Counted from 1.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.column
    }

    /// The source around the line, where the file is still there and yours.
    #[must_use]
    pub fn source(&self) -> Option<&Excerpt> {
        self.source.as_deref()
    }

    /// Where it is in the file of the program or library, if there is no line of source to name: on Linux.
    #[must_use]
    pub fn offset(&self) -> Option<&Offset> {
        self.offset.as_ref()
    }

    /// Whether no symbol names it.
    pub(crate) fn is_nameless(&self) -> bool {
        self.raw.is_empty() && self.path.is_none()
    }

    pub(crate) fn is_of_rust_source(&self) -> bool {
        let path = self.path.as_deref();
        path.and_then(Path::extension)
            .is_some_and(|ext| ext == "rs")
            && self.line.is_some()
    }

    pub(crate) fn is_marker(&self, name: &str) -> bool {
        self.raw.contains(name)
    }
}
