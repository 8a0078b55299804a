//! Symbolic links that name an absolute path inside the root, which the kernel's containment refuses.
//!
//! The links are followed here, one name at a time, to a path without links. That path is then opened with
//! links forbidden, so it is still the kernel (or `cap-std`) that contains: whoever swaps a directory for a
//! link in the meantime is met by a refusal, not followed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Entry;

/// What to do about symbolic links. Default: [`Symlinks::Inside`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// Follow those that stay below the root, absolute ones too. The root itself may be a link.
    #[default]
    Inside,
    /// Follow none: what is a link, or below one, is not found.
    Refuse,
}

/// Something in a directory.
pub(super) enum Found {
    Entry(Entry),
    Link(OsString),
}

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// The path below the root that `path` comes to when its links are followed.
///
/// `roots` are the absolute names of the root. `read_link` is asked for names whose parents are no links; it says
/// where a link leads, and `None` for what is no link.
pub(super) fn resolve(
    roots: &[&Path],
    path: &Path,
    read_link: impl Fn(&Path) -> io::Result<Option<PathBuf>>,
) -> io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    let mut waiting: VecDeque<Step> = steps(path).collect();
    let mut links = 0;
    while let Some(step) = waiting.pop_front() {
        match step {
            Step::Up => {
                if !resolved.pop() {
                    return Err(outside());
                }
            }
            Step::Down(name) => {
                resolved.push(&name);
                let Some(target) = read_link(&resolved)? else {
                    continue;
                };
                links += 1;
                if links > MOST_LINKS {
                    return Err(outside());
                }
                resolved.pop();
                let inside = if target.is_absolute() {
                    resolved.clear();
                    roots
                        .iter()
                        .find_map(|root| target.strip_prefix(root).ok())
                        .ok_or_else(outside)?
                } else {
                    &target
                };
                for step in steps(inside).rev() {
                    waiting.push_front(step);
                }
            }
        }
    }
    Ok(resolved)
}

enum Step {
    Down(OsString),
    Up,
}

fn steps(path: &Path) -> impl DoubleEndedIterator<Item = Step> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::ParentDir => Some(Step::Up),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

fn outside() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(links: &[(&str, &str)], path: &str) -> Option<String> {
        let read = |name: &Path| {
            let target = links.iter().find(|(link, _)| Path::new(link) == name);
            Ok(target.map(|(_, target)| PathBuf::from(target)))
        };
        let roots = [Path::new("/srv/www"), Path::new("/data/www")];
        resolve(&roots, Path::new(path), read)
            .ok()
            .map(|path| path.display().to_string())
    }

    #[test]
    fn an_absolute_link_that_points_inside_is_followed() {
        assert_eq!(
            follow(&[("a", "/srv/www/b/c")], "a/d").as_deref(),
            Some("b/c/d")
        );
        assert_eq!(
            follow(&[("x/a", "/data/www/b")], "x/a").as_deref(),
            Some("b")
        );
        assert_eq!(follow(&[("a", "/srv/www")], "a/d").as_deref(), Some("d"));
        assert_eq!(
            follow(&[("a", "/srv/www/b"), ("b", "c/../e")], "a").as_deref(),
            Some("e")
        );
    }

    #[test]
    fn a_link_that_leads_outside_is_not() {
        for target in [
            "/etc",
            "/srv/www/../secret",
            "/srv/wwwx",
            "../x",
            "/",
            "b/../../x",
            "/srv",
        ] {
            assert_eq!(follow(&[("a", target)], "a/passwd"), None, "{target}");
        }
    }

    #[test]
    fn a_circle_ends() {
        assert_eq!(follow(&[("a", "/srv/www/b"), ("b", "a")], "a"), None);
        assert_eq!(follow(&[("a", "a/a")], "a"), None);
    }
}
