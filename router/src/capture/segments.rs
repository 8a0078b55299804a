//! The segments of all routes of a map, side by side: after the search they are all that a look-up
//! reads of the winner, and so few bytes stay in the fastest cache.

use super::program::{Program, Segment};

#[derive(Debug, Default)]
pub(crate) struct Segments {
    /// By route.
    places: Box<[Place]>,
    all: Box<[Segment]>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    /// [`u32::MAX`] where the groups are not all segments.
    end: u32,
}

impl Segments {
    pub(crate) fn new<'p>(programs: impl Iterator<Item = Option<&'p Program>>) -> Self {
        let mut all = Vec::new();
        let mut place = |program: Option<&Program>| {
            let start = all.len() as u32;
            let segments = program.and_then(Program::only_segments);
            all.extend_from_slice(segments.unwrap_or_default());
            let end = segments.map_or(u32::MAX, |_| all.len() as u32);
            Place { start, end }
        };
        Self {
            places: programs.map(&mut place).collect(),
            all: all.into(),
        }
    }

    /// The groups of a route, if they are all segments.
    #[inline]
    pub(crate) fn of(&self, route: usize) -> Option<&[Segment]> {
        let place = self.places.get(route)?;
        self.all.get(place.start as usize..place.end as usize)
    }

    /// Bytes on the heap.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.places) + size_of_val(&*self.all)
    }
}
