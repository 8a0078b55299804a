//! A literal prefix of a path, at segment edges.

use percent_encoding::percent_decode_str;

/// A prefix such as `/public`; `/` is everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Decoded, without slashes; none for the root.
    segments: Vec<Vec<u8>>,
    /// As it is usually written, to compare without decoding: with a slash in front and none at the end.
    literal: String,
}

/// What is left of a path below a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below<'a> {
    /// A path, beginning with a slash.
    Path(&'a str),
    /// Nothing, not even a slash: the path was the mount itself, of which this is the last segment.
    Bare(&'a str),
}

impl Mount {
    pub(crate) fn new(prefix: &str) -> Self {
        let segments = prefix.split('/').filter(|segment| !segment.is_empty());
        let literal = segments
            .clone()
            .fold(String::new(), |literal, segment| literal + "/" + segment);
        Self {
            segments: segments
                .map(|segment| percent_decode_str(segment).collect())
                .collect(),
            literal,
        }
    }

    pub(crate) fn strip<'a>(&self, path: &'a str) -> Option<Below<'a>> {
        let rest = path
            .strip_prefix(&self.literal)
            .or_else(|| self.strip_decoded(path))?;
        match rest {
            "" if !self.segments.is_empty() => {
                Some(Below::Bare(path.rsplit('/').next().unwrap_or_default()))
            }
            rest if rest.starts_with('/') => Some(Below::Path(rest)),
            // `/public2` is not below `/public`.
            _ => None,
        }
    }

    /// `/w%69ki` is `/wiki`.
    fn strip_decoded<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut rest = path;
        for segment in &self.segments {
            let below = rest.strip_prefix('/')?;
            let end = below.find('/').unwrap_or(below.len());
            let (first, after) = below.split_at_checked(end)?;
            if !percent_decode_str(first).eq(segment.iter().copied()) {
                return None;
            }
            rest = after;
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_the_edge_of_a_segment() {
        for (prefix, path, below) in [
            ("/public", "/public/a", Some(Below::Path("/a"))),
            ("/public/", "/public/a", Some(Below::Path("/a"))),
            ("public", "/public/", Some(Below::Path("/"))),
            ("/public", "/public", Some(Below::Bare("public"))),
            ("/a/b", "/a/b", Some(Below::Bare("b"))),
            ("/a/b", "/a/b/c/", Some(Below::Path("/c/"))),
            ("/public", "/p%75blic/a", Some(Below::Path("/a"))),
            ("/public", "/p%75blic", Some(Below::Bare("p%75blic"))),
            ("/p%75blic", "/public/a", Some(Below::Path("/a"))),
            ("/public", "/public2", None),
            ("/public", "/publi", None),
            ("/public", "/other/public/a", None),
            ("/public", "//public/a", None),
            ("/public", "*", None),
            ("/", "/a", Some(Below::Path("/a"))),
            ("", "/", Some(Below::Path("/"))),
        ] {
            assert_eq!(Mount::new(prefix).strip(path), below, "{prefix} {path}");
        }
    }
}
