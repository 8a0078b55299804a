//! The groups of a match.

use std::fmt;

use super::position::Position;
use super::program::Segment;
use crate::engine::Words;
use crate::expression::GroupNames;

/// What the groups of the winning pattern matched: the first group is number 0,
/// as in Python's `match.groups()`.
///
/// A group that took no part counts in [`len`](Self::len) and has no text; an
/// empty group has the text `""`.
///
/// ```
/// # use router::UrlMap;
/// let map = UrlMap::builder().route(r"^(\w+)(?:/page-(?<page>\d+))?$", ()).build()?;
/// let found = map.find("news").unwrap();
/// let args = found.args();
/// assert_eq!(args.len(), 2);
/// assert_eq!(args.get(0), Some("news"));
/// assert_eq!(args.name("page"), None);
/// # Ok::<(), router::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Args<'a> {
    text: &'a str,
    names: &'a GroupNames,
    groups: Groups<'a>,
}

#[derive(Clone)]
enum Groups<'a> {
    /// Read off when they are asked for: that is not more work than to write
    /// them down first, and to look there.
    Segments(&'a [Segment], Words),
    Slots(Slots),
}

/// The start and end of each group.
#[derive(Clone)]
pub(crate) enum Slots {
    Few([u32; 2 * FEW]),
    Many(Box<[usize]>),
}

impl Slots {
    #[inline]
    pub(crate) fn span(&self, index: usize) -> Option<(usize, usize)> {
        match self {
            Self::Few(slots) => {
                let &[start, end] = slots.get(2 * index..)?.first_chunk()?;
                (end != u32::UNSET).then_some((start as usize, end as usize))
            }
            Self::Many(slots) => {
                let &[start, end] = slots.get(2 * index..)?.first_chunk()?;
                (end != usize::UNSET).then_some((start, end))
            }
        }
    }
}

/// Groups that need no allocation.
const FEW: usize = 7;

/// What finds the groups of one pattern.
pub(crate) trait Fill {
    fn fill<P: Position>(self, slots: &mut [P]);
}

impl<'a> Args<'a> {
    /// Whether the positions of so many groups fit [`Slots::Few`].
    #[inline]
    pub(crate) fn fit(text: &str, groups: usize) -> bool {
        groups <= FEW && text.len() < u32::UNSET as usize
    }

    /// `segments` are the groups, of which there are few.
    #[inline]
    pub(crate) fn in_segments(
        text: &'a str,
        names: &'a GroupNames,
        segments: &'a [Segment],
        words: Words,
    ) -> Self {
        Self {
            text,
            names,
            groups: Groups::Segments(segments, words),
        }
    }

    #[inline]
    pub(crate) fn fill(text: &'a str, names: &'a GroupNames, fill: impl Fill) -> Self {
        let places = 2 * names.len();
        let slots = if Self::fit(text, names.len()) {
            let mut few = [u32::UNSET; 2 * FEW];
            fill.fill(few.get_mut(..places).unwrap_or_default());
            Slots::Few(few)
        } else {
            let mut many = vec![usize::UNSET; places].into_boxed_slice();
            fill.fill(&mut many);
            Slots::Many(many)
        };
        Self {
            text,
            names,
            groups: Groups::Slots(slots),
        }
    }

    /// The number of groups, those that took no part included.
    pub fn len(&self) -> usize {
        match self.groups {
            Groups::Segments(segments, _) => segments.len(),
            Groups::Slots(_) => self.names.len(),
        }
    }

    /// Whether the pattern has no groups.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a group; `None` if it took no part or there is no such group.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let (start, end) = match &self.groups {
            Groups::Segments(segments, words) => {
                let mut span = (0, 0);
                for segment in segments.get(..=index)? {
                    span = segment.span(self.text, *words, span.1);
                }
                span
            }
            // Slots behind the last group were never set.
            Groups::Slots(slots) => slots.span(index)?,
        };
        self.text.get(start..end)
    }

    /// The text of a group by its name.
    #[inline]
    pub fn name(&self, name: &str) -> Option<&'a str> {
        let index = self
            .names
            .iter()
            .position(|own| own.as_deref() == Some(name))?;
        self.get(index)
    }

    /// The texts of all groups in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + '_ {
        let mut at = 0;
        (0..self.len()).map(move |index| match &self.groups {
            // Each begins where the one before it ended.
            Groups::Segments(segments, words) => {
                let (start, end) = segments.get(index)?.span(self.text, *words, at);
                at = end;
                self.text.get(start..end)
            }
            Groups::Slots(_) => self.get(index),
        })
    }

    /// The names of all groups in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + use<'a> {
        self.names.iter().map(Option::as_deref)
    }

    #[cfg(feature = "service")]
    pub(crate) fn into_slots(self) -> Slots {
        let (segments, words) = match self.groups {
            Groups::Segments(segments, words) => (segments, words),
            Groups::Slots(slots) => return slots,
        };
        let mut few = [u32::UNSET; 2 * FEW];
        let mut at = 0;
        for (slots, segment) in few.chunks_exact_mut(2).zip(segments) {
            let (start, end) = segment.span(self.text, words, at);
            if let [from, to] = slots {
                (*from, *to) = (u32::at(start), u32::at(end));
            }
            at = end;
        }
        Slots::Few(few)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.names()
                    .zip(self.iter())
                    .map(|(name, text)| (name.unwrap_or("_"), text)),
            )
            .finish()
    }
}
