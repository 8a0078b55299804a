//! The text that the groups of a request are parts of.

use http::uri::PathAndQuery;

#[derive(Clone)]
pub(super) enum Text {
    Short(Short),
    /// The path of the request itself, without its first bytes.
    Path(PathAndQuery, usize),
    Own(Box<str>),
}

/// A copy of a short path. To clone the request's own would cost an allocation
/// or a count that others write as well.
#[derive(Clone)]
pub(super) struct Short {
    len: u8,
    bytes: [u8; SHORT],
}

/// No longer than what `Text` has to have room for anyway.
const SHORT: usize = 46;

impl Short {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            len: u8::try_from(text.len()).ok()?,
            bytes,
        })
    }
}

impl Text {
    /// `path` is the request's own, if `text` is the end of it.
    pub(super) fn of_path(text: &str, path: Option<&PathAndQuery>) -> Self {
        match (Short::new(text), path) {
            (Some(short), _) => Self::Short(short),
            (None, Some(path)) => Self::Path(path.clone(), path.path().len() - text.len()),
            (None, None) => Self::Own(text.into()),
        }
    }

    pub(super) fn get(&self, start: usize, end: usize) -> Option<&str> {
        match self {
            Self::Short(Short { len, bytes }) => {
                let bytes = bytes.get(..usize::from(*len))?.get(start..end)?;
                std::str::from_utf8(bytes).ok()
            }
            Self::Path(path, from) => path.path().get(*from..)?.get(start..end),
            Self::Own(text) => text.get(start..end),
        }
    }
}
