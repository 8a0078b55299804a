//! Directory listings: a page for people, JSON for programs.

mod calendar;
mod format;
mod json;
mod page;
mod question;
mod render;
mod row;

pub(crate) use self::format::Format;
pub(crate) use self::question::Question;
pub(crate) use self::render::render;
