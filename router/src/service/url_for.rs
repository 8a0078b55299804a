//! The paths of a router's named routes.

use http::Method;
use percent_encoding::percent_decode_str;

use super::redirect;
use super::resolve::Shared;
use super::settings::LeadingSlash;
use crate::engine::Words;
use crate::entry::Entry;
use crate::error::UrlForError;
use crate::reverse::{self, ArgList, Mode, Routes};

/// The path of a named route behind `prefix`.
pub(crate) fn url_for(
    shared: &Shared,
    prefix: &str,
    name: &str,
    args: &ArgList,
) -> Result<String, UrlForError> {
    let &id = shared
        .names
        .get(name)
        .ok_or_else(|| UrlForError::UnknownName { name: name.into() })?;
    let mode = if shared.settings.raw {
        Mode::Raw
    } else {
        Mode::Decoded
    };
    let path = reverse::reverse(&Among { shared, route: id }, id, args, mode)?;
    let slash = if shared.settings.leading == LeadingSlash::Keep {
        ""
    } else {
        "/"
    };
    // What clients and settings say in raw UTF-8 must not get into a header.
    let url = format!("{}{slash}{path}", redirect::ascii(prefix));
    if reverse::is_unsafe(&url) || !url.starts_with('/') {
        return Err(UrlForError::Unsafe {
            url: percent_decode_str(&url).decode_utf8_lossy().into_owned(),
        });
    }
    Ok(url)
}

/// One route of a router among the others, for its URL to find it again.
struct Among<'s> {
    shared: &'s Shared,
    route: u32,
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
            .or(info.methods.first());
        let section = self.shared.sections.get(info.section)?;
        section.find(method.unwrap_or(&Method::GET), text, Words::new(text))
    }
}
