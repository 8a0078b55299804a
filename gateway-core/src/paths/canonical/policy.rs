//! What becomes of a path, decided from its spelling alone.

use super::Spelling;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policy {
    pub(super) empty_segments: bool,
    pub(super) encoded_slashes: bool,
    pub(super) backslashes: bool,
    pub(super) rewrite: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Pass with this path.
    Rewrite(String),
    /// To this relative reference.
    Redirect(String),
    NotFound,
}

impl Policy {
    pub(super) fn judge(self, path: &str, query: Option<&str>) -> Verdict {
        let spelling = Spelling::of(path);
        // `*` and the authority form of CONNECT are no paths.
        if spelling.is_plain() || !path.starts_with('/') {
            return Verdict::Pass;
        }
        let refused = spelling.has_dot_segment()
            || spelling.has_nul()
            || spelling.has_empty_segment() && !self.empty_segments
            || spelling.has_encoded_slash() && !self.encoded_slashes
            || spelling.has_backslash() && !self.backslashes;
        if refused {
            return Verdict::NotFound;
        }
        let canonical = spelling.canonical();
        if canonical == path {
            return Verdict::Pass;
        }
        if self.rewrite {
            return Verdict::Rewrite(canonical.into_owned());
        }
        spelling
            .location(query)
            .map_or(Verdict::NotFound, Verdict::Redirect)
    }
}
