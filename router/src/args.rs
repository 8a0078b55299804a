//! The groups of a match.

use std::fmt;

use crate::capture::UNSET;
use crate::pattern::GroupNames;

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
    slots: Slots,
}

/// The start and end of each group.
#[derive(Clone)]
enum Slots {
    Few([usize; 2 * FEW]),
    Many(Box<[usize]>),
}

/// Groups that need no allocation.
const FEW: usize = 7;

impl<'a> Args<'a> {
    /// Lets `fill` write the positions of the groups.
    #[inline]
    pub(crate) fn fill<R>(
        text: &'a str,
        names: &'a GroupNames,
        fill: impl FnOnce(&mut [usize]) -> R,
    ) -> (Self, R) {
        let count = 2 * names.len();
        let mut few = [UNSET; 2 * FEW];
        let (slots, result) = if let Some(used) = few.get_mut(..count) {
            let result = fill(used);
            (Slots::Few(few), result)
        } else {
            let mut many = vec![UNSET; count].into_boxed_slice();
            let result = fill(&mut many);
            (Slots::Many(many), result)
        };
        (Self { text, names, slots }, result)
    }

    fn slots(&self) -> &[usize] {
        match &self.slots {
            Slots::Few(slots) => slots,
            Slots::Many(slots) => slots,
        }
    }

    /// The number of groups, those that took no part included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the pattern has no groups.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The text of a group; `None` if it took no part or there is no such group.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a str> {
        if index >= self.names.len() {
            return None;
        }
        let slots = self.slots();
        let (start, end) = (*slots.get(2 * index)?, *slots.get(2 * index + 1)?);
        // An unset position is beyond every text.
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
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The names of all groups in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + use<'a> {
        self.names.iter().map(Option::as_deref)
    }

    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "only the service keeps positions")
    )]
    pub(crate) fn spans(&self) -> impl Iterator<Item = Option<(usize, usize)>> + '_ {
        self.slots()
            .chunks_exact(2)
            .take(self.len())
            .map(|pair| match *pair {
                [start, end] if end != UNSET && start != UNSET => Some((start, end)),
                _ => None,
            })
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
