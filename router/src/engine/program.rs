//! The deterministic automaton with its paths compressed, and the walk over it.
//!
//! A chain of single characters that all fail to the same state is one
//! comparison; a state that loops on everything but one byte is a search for
//! that byte; other loops are runs of a set of bytes; what remains branches by
//! a table. For plain routes this is a radix trie.

use super::nodes::{Node, NodeKey, Nodes};
use super::steps::Steps;
use super::words::Words;

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(super) nodes: Nodes,
    /// Rows of one node for each class of the alphabet.
    pub(super) tables: Box<[NodeKey]>,
    pub(super) sets: Box<[[u8; 256]]>,
    /// Class by byte; for the first byte of a wide character there is [`WIDE`].
    pub(super) classes: Box<[u16; 256]>,
    pub(super) wide: Box<[(u32, u16)]>,
    pub(super) start: NodeKey,
}

/// The class of bytes that must be decoded first.
pub(super) const WIDE: u16 = u16::MAX;

impl Program {
    /// Bytes on the heap.
    pub(crate) fn size(&self) -> usize {
        self.nodes.size()
            + size_of_val(&*self.tables)
            + size_of_val(&*self.sets)
            + size_of_val(&*self.classes)
            + size_of_val(&*self.wide)
    }

    /// The best pattern that matches, or [`NONE`](super::dfa::NONE).
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "nodes, tables and sets are indexed by what the compiler wrote for them; every index is still checked"
    )]
    pub(crate) fn walk(&self, text: &str, words: Words, steps: &mut impl Steps) -> u32 {
        let mut rest = text.as_bytes();
        let mut node = self.start;
        loop {
            let before = rest.len();
            match self.nodes[node] {
                Node::Decided { best } => return best,
                Node::Literal {
                    word,
                    mask,
                    len,
                    next,
                    fail,
                    at_end,
                } => {
                    let differ = (words.first(rest) ^ word) & mask;
                    // What is behind the end of the text differs, too: it is
                    // zeros, and the literal has none.
                    if differ == 0 {
                        rest = &rest[usize::from(len)..];
                        node = next;
                    } else if rest.is_empty() {
                        return at_end;
                    } else {
                        let mut common = (differ.trailing_zeros() / 8) as usize;
                        // The literal and the text may part inside a character.
                        while rest.get(common).is_some_and(|&byte| is_inside(byte)) {
                            common -= 1;
                        }
                        rest = &rest[common..];
                        node = fail;
                    }
                }
                Node::Segment { next, at_end } => match words.slash(rest, text.len()) {
                    Some(found) => {
                        rest = &rest[found + 1..];
                        node = next;
                    }
                    None => {
                        steps.add(rest.len());
                        return at_end;
                    }
                },
                Node::Until { byte, next, at_end } => match words.find(rest, byte) {
                    Some(found) => {
                        rest = &rest[found + 1..];
                        node = next;
                    }
                    None => {
                        steps.add(rest.len());
                        return at_end;
                    }
                },
                Node::Run { set, table, at_end } => {
                    let members = &self.sets[set.table as usize];
                    let Some(run) = rest
                        .iter()
                        .position(|&b| members[usize::from(b)] & set.mask == 0)
                    else {
                        steps.add(rest.len());
                        return at_end;
                    };
                    rest = &rest[run..];
                    (node, rest) = self.branch(rest, table, steps);
                }
                Node::Count {
                    set,
                    count,
                    next,
                    fail,
                    at_end,
                } => {
                    if rest.is_empty() {
                        return at_end;
                    }
                    let members = &self.sets[set.table as usize];
                    let common = rest
                        .iter()
                        .take(count as usize)
                        .take_while(|&&b| members[usize::from(b)] & set.mask != 0)
                        .count();
                    rest = &rest[common..];
                    node = if common == count as usize { next } else { fail };
                }
                Node::Branch { table, at_end } => {
                    if rest.is_empty() {
                        return at_end;
                    }
                    (node, rest) = self.branch(rest, table, steps);
                }
            }
            // What was read is behind `rest` now, but for a word that differed.
            steps.add(8 + before - rest.len());
        }
    }

    /// Where the first character of `rest`, which is not empty, leads, and what
    /// is behind it.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "rows are as long as there are classes"
    )]
    fn branch<'t>(
        &self,
        rest: &'t [u8],
        table: u32,
        steps: &mut impl Steps,
    ) -> (NodeKey, &'t [u8]) {
        let class = self.classes[usize::from(rest[0])];
        if class == WIDE {
            return self.branch_wide(rest, table, steps);
        }
        (self.tables[table as usize + usize::from(class)], &rest[1..])
    }

    #[cold]
    #[expect(
        clippy::indexing_slicing,
        reason = "rows are as long as there are classes"
    )]
    fn branch_wide<'t>(
        &self,
        rest: &'t [u8],
        table: u32,
        steps: &mut impl Steps,
    ) -> (NodeKey, &'t [u8]) {
        // No character is longer than this: to look at more of the rest for each of them would be
        // quadratic.
        let head = rest.get(..4).unwrap_or(rest);
        steps.add(head.len());
        // Always between characters; were it not, it would be over with.
        let first = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let Some(c) = first.chars().next() else {
            return (self.start, &[]);
        };
        // The intervals begin with the first wide character, and each has a class.
        let below = self.wide.partition_point(|&(start, _)| start <= c as u32);
        let (_, class) = self.wide[below - 1];
        let next = self.tables[table as usize + usize::from(class)];
        (next, &rest[c.len_utf8()..])
    }
}

/// Whether a byte of UTF-8 is neither a character nor the first of one.
fn is_inside(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}
