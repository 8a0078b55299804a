//! The paths of a router's named routes.

use gateway_core::paths::Spelling;
use http::Method;
use percent_encoding::percent_decode_str;

use super::resolve::Shared;
use super::settings::LeadingSlash;
use crate::engine::Words;
use crate::entry::Entry;
use crate::error::UrlForError;
use crate::reverse::{self, ArgList, Mode, Routes};

/// The path of a named route, were the router mounted nowhere: it leads to that route for those
/// who ask the hosts of `section`.
pub(crate) fn path_for(
    shared: &Shared,
    section: usize,
    name: &str,
    args: &ArgList,
) -> Result<String, UrlForError> {
    let &id = shared
        .names
        .get(name)
        .ok_or_else(|| UrlForError::UnknownName { name: name.into() })?;
    let among = Among {
        shared,
        route: id,
        section,
    };
    among.may_be_asked()?;
    let mode = if shared.settings.raw {
        Mode::Raw
    } else {
        Mode::Rooted
    };
    let path = reverse::reverse(&among, id, args, mode)?;
    let slash = if shared.settings.leading == LeadingSlash::Keep {
        ""
    } else {
        "/"
    };
    let text = match mode {
        Mode::Relative | Mode::Rooted => percent_decode_str(&path).decode_utf8_lossy().into_owned(),
        Mode::Raw => path.clone(),
    };
    let path = format!("{slash}{path}");
    if let Some(mount) = shared.mounted(section, &path) {
        return Err(taken_by_mount(shared, mount, &path));
    }
    // What stands in front of patterns may be more than one slash.
    if !path.starts_with('/') || shared.text(&path).as_deref() != Ok(&text) {
        return Err(unsafe_url(&path));
    }
    Ok(path)
}

/// A path behind what is in front of its router.
pub(crate) fn behind(prefix: &str, path: &str) -> Result<String, UrlForError> {
    // Clients and settings spell it as they like.
    let url = format!("{}{path}", Spelling::of(prefix).canonical());
    if reverse::is_unsafe(&url) {
        return Err(unsafe_url(&url));
    }
    Ok(url)
}

fn unsafe_url(url: &str) -> UrlForError {
    UrlForError::Unsafe {
        url: percent_decode_str(url).decode_utf8_lossy().into_owned(),
    }
}

/// A mount, not a route, would be asked for the path.
pub(crate) fn taken_by_mount(shared: &Shared, mount: usize, path: &str) -> UrlForError {
    let prefix = shared.mounts.get(mount).map(|mount| &mount.prefix);
    UrlForError::Mounted {
        mount: prefix.map(ToString::to_string).unwrap_or_default(),
        url: percent_decode_str(path).decode_utf8_lossy().into_owned(),
    }
}

/// A route of a router outside would be asked for the path.
pub(crate) fn taken_outside(name: &str, path: &str) -> UrlForError {
    UrlForError::Shadowed {
        pattern: name.to_owned(),
        by: "a route of the router outside".to_owned(),
        url: percent_decode_str(path).decode_utf8_lossy().into_owned(),
    }
}

/// One route of a router among the others, for its URL to find it again.
struct Among<'s> {
    shared: &'s Shared,
    route: u32,
    /// That of the host which will be asked.
    section: usize,
}

impl Among<'_> {
    /// Whether the route is one for the host.
    fn may_be_asked(&self) -> Result<(), UrlForError> {
        match self.shared.routes.get(self.route as usize) {
            Some(info) if info.section != 0 && info.section != self.section => {
                let mut hosts = self.shared.hosts.routes();
                let host = hosts.nth(info.section - 1).map(|host| host.pattern());
                Err(UrlForError::OtherHost {
                    pattern: info.entry.pattern.source.to_string(),
                    host: host.unwrap_or_default().to_owned(),
                })
            }
            _ => Ok(()),
        }
    }
}

impl Routes for Among<'_> {
    fn entry(&self, id: u32) -> Option<&Entry> {
        self.shared
            .routes
            .get(id as usize)
            .map(|route| &route.entry)
    }

    fn find(&self, text: &str) -> Option<u32> {
        let info = self.shared.routes.get(self.route as usize)?;
        // A URL is mostly followed by GET, where the route takes that.
        let method = info
            .methods
            .iter()
            .find(|method| **method == Method::GET)
            .or(info.methods.first())
            .unwrap_or(&Method::GET);
        let words = Words::new(text);
        let limited = self.shared.limited(self.section);
        let mut sections = limited.into_iter().chain(self.shared.sections.first());
        sections.find_map(|section| section.find(method, text, words))
    }
}
