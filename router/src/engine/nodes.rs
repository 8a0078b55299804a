//! The nodes of a program, and their order in memory.

use std::ops::Index;

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The answer is known, and the rest of the text does not change it.
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
        next: NodeKey,
        fail: NodeKey,
        at_end: u32,
    },
    /// Loops on everything but a slash, behind which comes `next`.
    Segment {
        next: NodeKey,
        at_end: u32,
    },
    /// The same for another byte.
    Until {
        byte: u8,
        next: NodeKey,
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
        next: NodeKey,
        fail: NodeKey,
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

/// Names a node of a program: only [`Nodes::push`] makes one, so there is always a node behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeKey(u32);

#[derive(Clone, Debug, Default)]
pub(super) struct Nodes(Vec<Node>);

impl Index<NodeKey> for Nodes {
    type Output = Node;

    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "a key is the place of a node that is there"
    )]
    fn index(&self, key: NodeKey) -> &Node {
        &self.0[key.0 as usize]
    }
}

impl Nodes {
    pub(super) fn push(&mut self, node: Node) -> NodeKey {
        let key = NodeKey(self.0.len() as u32);
        self.0.push(node);
        key
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a key is the place of a node that is there"
    )]
    pub(super) fn set(&mut self, key: NodeKey, node: Node) {
        self.0[key.0 as usize] = node;
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// The same nodes in the order in which a walk meets them: each is followed by the one that
    /// most texts go on with, so that a few lines of the cache have all nodes of a path.
    ///
    /// `rows` are the tables, with `classes` nodes in each row. The keys in them and `start` follow.
    #[expect(
        clippy::indexing_slicing,
        reason = "a key is the place of a node that is there"
    )]
    pub(super) fn in_order(
        self,
        start: &mut NodeKey,
        rows: &mut [NodeKey],
        classes: usize,
    ) -> Self {
        // Each node gets a place, whether it is met or not.
        const NOWHERE: u32 = u32::MAX;
        let mut places = vec![NOWHERE; self.0.len()];
        let mut ordered = Vec::with_capacity(self.0.len());
        let mut todo: Vec<NodeKey> = (0..self.0.len() as u32).rev().map(NodeKey).collect();
        todo.push(*start);
        while let Some(key) = todo.pop() {
            let place = &mut places[key.0 as usize];
            if *place != NOWHERE {
                continue;
            }
            *place = ordered.len() as u32;
            let node = &self[key];
            ordered.push(node.clone());
            match node {
                Node::Decided { .. } => {}
                Node::Literal { next, fail, .. } | Node::Count { next, fail, .. } => {
                    todo.extend([fail, next]);
                }
                Node::Segment { next, .. } | Node::Until { next, .. } => todo.push(*next),
                Node::Run { table, .. } | Node::Branch { table, .. } => {
                    let row = rows.iter().skip(*table as usize).take(classes);
                    todo.extend(row.rev());
                }
            }
        }
        let place = |key: &mut NodeKey| key.0 = places[key.0 as usize];
        for node in &mut ordered {
            match node {
                Node::Literal { next, fail, .. } | Node::Count { next, fail, .. } => {
                    place(next);
                    place(fail);
                }
                Node::Segment { next, .. } | Node::Until { next, .. } => place(next),
                Node::Decided { .. } | Node::Run { .. } | Node::Branch { .. } => {}
            }
        }
        rows.iter_mut().for_each(place);
        place(start);
        Self(ordered)
    }
}
