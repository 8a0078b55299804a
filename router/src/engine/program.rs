//! The deterministic automaton with its paths compressed, and the walk over it.
//!
//! A chain of single characters that all fail to the same state is one
//! comparison; a state that loops on everything but one byte is a search for
//! that byte; other loops are runs of a set of bytes; what remains branches by
//! a table. For plain routes this is a radix trie.

use super::words::Words;

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Whatever follows, the answer is this.
    Decided {
        best: u32,
    },
    /// The literal, of at most eight bytes and none of them zero, goes to `next`.
    /// At the first byte that differs the state is equivalent to `fail`; only at
    /// its own first byte the end of the text is `at_end` and not what `fail` says.
    Literal {
        word: u64,
        /// The bytes of the word that belong to the literal.
        mask: u64,
        len: u8,
        next: u32,
        fail: u32,
        at_end: u32,
    },
    /// Loops on everything but `byte`, behind which comes `next`.
    Until {
        byte: u8,
        next: u32,
        at_end: u32,
    },
    /// Loops on the set, then branches.
    Run {
        set: Set,
        table: u32,
        at_end: u32,
    },
    /// Exactly `count` bytes of the set go to `next`, all else to `fail`.
    Count {
        set: Set,
        count: u32,
        next: u32,
        fail: u32,
        at_end: u32,
    },
    Branch {
        table: u32,
        at_end: u32,
    },
}

/// A bit in one of the tables of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) table: u32,
    pub(super) mask: u8,
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(super) nodes: Box<[Node]>,
    /// Rows of one node for each class of the alphabet.
    pub(super) tables: Box<[u32]>,
    pub(super) sets: Box<[[u8; 256]]>,
    /// Class by byte; for the first byte of a wide character there is [`WIDE`].
    pub(super) classes: Box<[u16; 256]>,
    pub(super) wide: Box<[(u32, u16)]>,
    pub(super) start: u32,
}

/// The class of bytes that must be decoded first.
pub(super) const WIDE: u16 = u16::MAX;

impl Program {
    /// Bytes on the heap.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.nodes)
            + size_of_val(&*self.tables)
            + size_of_val(&*self.sets)
            + size_of_val(&*self.classes)
            + size_of_val(&*self.wide)
    }

    /// The best pattern that matches, or [`NONE`](super::determinize::NONE).
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "nodes, tables and sets are indexed by what the compiler wrote for them; every index is still checked"
    )]
    pub(crate) fn walk(&self, text: &str) -> u32 {
        let bytes = text.as_bytes();
        let words = Words::new(text);
        let mut at = 0;
        let mut node = self.start;
        loop {
            match self.nodes[node as usize] {
                Node::Decided { best } => return best,
                Node::Literal {
                    word,
                    mask,
                    len,
                    next,
                    fail,
                    at_end,
                } => {
                    let differ = (words.at(at) ^ word) & mask;
                    // What is behind the end of the text differs, too: it is
                    // zeros, and the literal has none.
                    if differ == 0 {
                        at += usize::from(len);
                        node = next;
                    } else if at == bytes.len() {
                        return at_end;
                    } else {
                        at += (differ.trailing_zeros() / 8) as usize;
                        // The literal and the text may part inside a character.
                        while !text.is_char_boundary(at) {
                            at -= 1;
                        }
                        node = fail;
                    }
                }
                Node::Until { byte, next, at_end } => match words.find(at, byte) {
                    Some(found) => {
                        at = found + 1;
                        node = next;
                    }
                    None => return at_end,
                },
                Node::Run { set, table, at_end } => {
                    let members = &self.sets[set.table as usize];
                    at += bytes[at..]
                        .iter()
                        .position(|&b| members[usize::from(b)] & set.mask == 0)
                        .unwrap_or(bytes.len() - at);
                    let Some(&byte) = bytes.get(at) else {
                        return at_end;
                    };
                    let (width, next) = self.branch(text, at, byte, table);
                    at += width;
                    node = next;
                }
                Node::Count {
                    set,
                    count,
                    next,
                    fail,
                    at_end,
                } => {
                    let rest = &bytes[at..];
                    if rest.is_empty() {
                        return at_end;
                    }
                    let members = &self.sets[set.table as usize];
                    let common = rest
                        .iter()
                        .take(count as usize)
                        .take_while(|&&b| members[usize::from(b)] & set.mask != 0)
                        .count();
                    at += common;
                    node = if common == count as usize { next } else { fail };
                }
                Node::Branch { table, at_end } => {
                    let Some(&byte) = bytes.get(at) else {
                        return at_end;
                    };
                    let (width, next) = self.branch(text, at, byte, table);
                    at += width;
                    node = next;
                }
            }
        }
    }

    /// The length of the character at `at`, which begins with `byte`, and where
    /// it leads.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "rows are as long as there are classes"
    )]
    fn branch(&self, text: &str, at: usize, byte: u8, table: u32) -> (usize, u32) {
        let class = self.classes[usize::from(byte)];
        if class == WIDE {
            return self.branch_wide(text, at, table);
        }
        (1, self.tables[table as usize + usize::from(class)])
    }

    #[cold]
    fn branch_wide(&self, text: &str, at: usize, table: u32) -> (usize, u32) {
        // `at` is always between characters; were it not, the text would be at
        // its end, which no table leads on from.
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else {
            return (1, 0);
        };
        let below = self.wide.partition_point(|&(start, _)| start <= c as u32);
        let class = below
            .checked_sub(1)
            .and_then(|i| self.wide.get(i))
            .map_or(0, |&(_, class)| class);
        let next = self.tables.get(table as usize + usize::from(class));
        (c.len_utf8(), next.copied().unwrap_or(0))
    }
}
