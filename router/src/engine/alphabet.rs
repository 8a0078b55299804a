//! Characters that no pattern tells apart, counted as one.
//!
//! The automata run over characters and not over the bytes of UTF-8: a class
//! such as `\w` is then one transition instead of several hundred states, and
//! only the table from characters to classes knows that it has 700 ranges.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::hash::Fx;

/// A sorted list of inclusive, non-overlapping ranges of scalar values.
pub(crate) type Ranges = Box<[(u32, u32)]>;

/// Names a set of characters that a pattern asks for.
pub(crate) type SetId = u32;

/// Collects the sets of characters that the patterns of one automaton use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    sets: Vec<Ranges>,
    ids: HashMap<Ranges, SetId, BuildHasherDefault<Fx>>,
}

impl Sets {
    pub(crate) fn intern(&mut self, ranges: &[(u32, u32)]) -> SetId {
        if let Some(&id) = self.ids.get(ranges) {
            return id;
        }
        let id = self.sets.len() as SetId;
        self.sets.push(ranges.into());
        self.ids.insert(ranges.into(), id);
        id
    }

    pub(crate) fn has(&self, set: SetId, c: char) -> bool {
        self.sets.get(set as usize).is_some_and(|ranges| {
            let below = ranges.partition_point(|&(start, _)| start <= c as u32);
            below
                .checked_sub(1)
                .and_then(|at| ranges.get(at))
                .is_some_and(|&(_, end)| c as u32 <= end)
        })
    }
}

/// The text on one side of a position, as far as look-around assertions care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Beside(u8);

impl Beside {
    /// No text at all: the start or the end of the path.
    pub(crate) const EDGE: Self = Self(1);
    /// Text of which nothing is asked.
    pub(crate) const NOTHING: Self = Self(0);
    const LF: u8 = 2;
    const CR: u8 = 4;
    const WORD_ASCII: u8 = 8;
    const WORD_UNICODE: u8 = 16;

    /// Only what some pattern asks: members of one class are alike in that.
    pub(crate) fn of(c: char, needs: Needs) -> Self {
        let mut bits = 0;
        if c == '\n' {
            bits |= Self::LF;
        }
        if c == '\r' {
            bits |= Self::CR;
        }
        if c.is_ascii_alphanumeric() || c == '_' {
            bits |= Self::WORD_ASCII;
        }
        // An error says that the tables were left out at compile time; then no
        // pattern with a Unicode word boundary was accepted either.
        if regex_syntax::try_is_word_character(c).unwrap_or(false) {
            bits |= Self::WORD_UNICODE;
        }
        let mut wanted = 0;
        if needs.lines {
            wanted |= Self::LF | Self::CR;
        }
        if needs.words_ascii {
            wanted |= Self::WORD_ASCII;
        }
        if needs.words_unicode {
            wanted |= Self::WORD_UNICODE;
        }
        Self(bits & wanted)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn is_edge(self) -> bool {
        self.0 & 1 != 0
    }

    pub(crate) fn is_lf(self) -> bool {
        self.0 & Self::LF != 0
    }

    pub(crate) fn is_cr(self) -> bool {
        self.0 & Self::CR != 0
    }

    pub(crate) fn is_word_ascii(self) -> bool {
        self.0 & Self::WORD_ASCII != 0
    }

    pub(crate) fn is_word_unicode(self) -> bool {
        self.0 & Self::WORD_UNICODE != 0
    }
}

/// Which characters the assertions of the patterns need to know apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) lines: bool,
    pub(crate) words_ascii: bool,
    pub(crate) words_unicode: bool,
}

/// The partition of all characters by the sets of one automaton.
#[derive(Clone, Debug)]
pub(crate) struct Alphabet {
    /// Class by ASCII byte.
    pub(crate) ascii: [u16; 128],
    /// First scalar value of each further interval, with its class.
    pub(crate) wide: Box<[(u32, u16)]>,
    classes: Vec<Class>,
}

#[derive(Clone, Debug)]
struct Class {
    /// The best looking member, for examples.
    sample: char,
    /// Whether the sample is all there is.
    single: bool,
    /// Whether a member lies outside of ASCII.
    wide: bool,
    beside: Beside,
}

/// More classes than this do not fit the tables.
const MAX_CLASSES: usize = 1 << 15;

impl Alphabet {
    /// The partition, and the classes of each set; `None` if there are too many.
    pub(crate) fn new(mut sets: Sets, needs: Needs) -> Option<(Self, Vec<Box<[u16]>>)> {
        let asked = sets.sets.len();
        if needs.lines {
            sets.intern(&[(0x0A, 0x0A)]);
            sets.intern(&[(0x0D, 0x0D)]);
        }
        if needs.words_ascii {
            sets.intern(&[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]);
        }
        if needs.words_unicode {
            sets.intern(&word_ranges());
        }
        // Wide characters are decoded, ASCII is not: no interval has both.
        let mut cuts = vec![0, 0x80];
        for ranges in &sets.sets {
            for &(start, end) in ranges {
                cuts.push(start);
                cuts.push(after(end));
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts.retain(|&cut| cut <= char::MAX as u32);
        let interval = |at: u32| cuts.partition_point(|&cut| cut < at);

        let mut class_of = vec![0_usize; cuts.len()];
        let mut members = vec![cuts.len()];
        let mut touched: HashMap<usize, Vec<usize>> = HashMap::new();
        for ranges in &sets.sets {
            touched.clear();
            for &(start, end) in ranges {
                for i in interval(start)..interval(after(end)) {
                    touched.entry(*class_of.get(i)?).or_default().push(i);
                }
            }
            for (class, intervals) in touched.drain() {
                let count = members.get_mut(class)?;
                if intervals.len() == *count {
                    continue;
                }
                *count -= intervals.len();
                for &i in &intervals {
                    *class_of.get_mut(i)? = members.len();
                }
                members.push(intervals.len());
                if members.len() > MAX_CLASSES {
                    return None;
                }
            }
        }

        let mut of_sets = Vec::with_capacity(asked);
        for ranges in sets.sets.iter().take(asked) {
            let mut classes = Vec::new();
            for &(start, end) in ranges {
                for i in interval(start)..interval(after(end)) {
                    classes.push(*class_of.get(i)? as u16);
                }
            }
            classes.sort_unstable();
            classes.dedup();
            of_sets.push(classes.into_boxed_slice());
        }

        let blank = Class {
            sample: '\0',
            single: false,
            wide: false,
            beside: Beside(0),
        };
        let mut classes = vec![blank; members.len()];
        let mut sizes = vec![0_u32; members.len()];
        let mut ascii = [0; 128];
        let mut wide: Vec<(u32, u16)> = Vec::new();
        for (i, (&start, &class)) in cuts.iter().zip(&class_of).enumerate() {
            let end = cuts.get(i + 1).copied().unwrap_or(char::MAX as u32 + 1);
            let entry = classes.get_mut(class)?;
            let size = sizes.get_mut(class)?;
            for c in (start..end).filter_map(char::from_u32).take(128) {
                if *size == 0 || beauty(c) > beauty(entry.sample) {
                    entry.sample = c;
                }
                *size += 1;
            }
            if start < 0x80 {
                ascii
                    .iter_mut()
                    .take(end as usize)
                    .skip(start as usize)
                    .for_each(|slot| *slot = class as u16);
            } else {
                entry.wide = true;
                if wide.last().is_none_or(|&(_, last)| last != class as u16) {
                    wide.push((start, class as u16));
                }
            }
        }
        for (class, size) in classes.iter_mut().zip(sizes) {
            class.single = size == 1;
            class.beside = Beside::of(class.sample, needs);
        }
        Some((
            Self {
                ascii,
                wide: wide.into(),
                classes,
            },
            of_sets,
        ))
    }

    pub(crate) fn len(&self) -> usize {
        self.classes.len()
    }

    pub(crate) fn sample(&self, class: u16) -> char {
        self.classes
            .get(usize::from(class))
            .map_or('\0', |class| class.sample)
    }

    /// The only member of a class that has one.
    pub(crate) fn single(&self, class: u16) -> Option<char> {
        let class = self.classes.get(usize::from(class))?;
        class.single.then_some(class.sample)
    }

    pub(crate) fn is_wide(&self, class: u16) -> bool {
        self.classes
            .get(usize::from(class))
            .is_some_and(|class| class.wide)
    }

    pub(crate) fn beside(&self, class: u16) -> Beside {
        self.classes
            .get(usize::from(class))
            .map_or(Beside(0), |class| class.beside)
    }
}

/// The scalar value behind `end`, over the gap of the surrogates: no character
/// lies in it, and a class of none would be a path that no client can send.
fn after(end: u32) -> u32 {
    if end == 0xD7FF { 0xE000 } else { end + 1 }
}

/// Which of two characters an example should show.
pub(crate) fn beauty(c: char) -> u8 {
    match c {
        'x' => 9,
        'a'..='z' => 8,
        '1' => 7,
        '0'..='9' => 6,
        'A'..='Z' => 5,
        '-' | '_' => 4,
        '!'..='~' => 3,
        _ if c.is_alphanumeric() => 2,
        _ if !c.is_control() => 1,
        _ => 0,
    }
}

fn word_ranges() -> Vec<(u32, u32)> {
    let Ok(hir) = regex_syntax::parse(r"\w") else {
        return Vec::new();
    };
    let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.kind()
    else {
        return Vec::new();
    };
    class
        .iter()
        .map(|range| (range.start() as u32, range.end() as u32))
        .collect()
}
