//! The steps of a program.

use super::first::Bytes;

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Notes the position.
    Save(u16),
    Skip(u32),
    /// Skips one character.
    Char,
    Until(u8),
    UntilAny(Box<Bytes>),
    ToEnd,
    /// Goes back from the end.
    FromEnd(u32),
    /// Goes behind the last such byte, and back from there.
    BehindLast {
        byte: u8,
        back: u32,
    },
    /// Goes to `otherwise` unless the next byte is one of these.
    Peek {
        first: Box<Bytes>,
        otherwise: u16,
    },
    PeekByte {
        first: u8,
        otherwise: u16,
    },
    /// Skips the one of these that is there.
    Choose(Box<[Box<[u8]>]>),
    Goto(u16),
}
