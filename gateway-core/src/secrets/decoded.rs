//! A text with its percent-escapes undone, however often they were made, and the way back to it.

use std::ops::Range;

/// How many levels of encoding are told apart. Deeper ones count as this one; real texts are not nested so deep.
const DEEPEST: u8 = 6;

/// What a text says after as many rounds of decoding as it takes, in one pass.
pub(crate) struct Decoded<'a> {
    text: &'a str,
    bytes: Vec<Byte>,
}

struct Byte {
    byte: u8,
    /// How many escapes it was in: an `&` deeper than an `=` is part of that field's value.
    level: u8,
    /// Where it begins in the text.
    start: usize,
}

impl<'a> Decoded<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        for (start, byte) in text.bytes().enumerate() {
            bytes.push(Byte {
                byte,
                level: 0,
                start,
            });
            // What ends one escape may end another, of which it is a part. Each takes two bytes away, so
            // all of them together cost no more than the text is long.
            while let Some(escaped) = escape(&bytes) {
                bytes.truncate(bytes.len() - 3);
                bytes.push(escaped);
            }
        }
        Self { text, bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).map(|byte| byte.byte)
    }

    /// Whether a byte is no deeper than that. Of the deepest no two are known to be of one level.
    pub(crate) fn is_within(&self, at: usize, level: u8) -> bool {
        let own = self.level(at);
        own <= level && own < DEEPEST
    }

    /// 0 for what stands in the text as it is.
    pub(crate) fn level(&self, at: usize) -> u8 {
        self.bytes.get(at).map_or(0, |byte| byte.level)
    }

    /// A name: what is no ASCII in it does not matter.
    pub(crate) fn name(&self, range: Range<usize>) -> String {
        let bytes = self.bytes.get(range).unwrap_or_default();
        bytes.iter().map(|byte| char::from(byte.byte)).collect()
    }

    /// Where a byte begins in the text.
    pub(crate) fn start(&self, at: usize) -> usize {
        self.bytes
            .get(at)
            .map_or(self.text.len(), |byte| byte.start)
    }
}

/// The escape that the bytes end with.
fn escape(bytes: &[Byte]) -> Option<Byte> {
    let [.., percent, high, low] = bytes else {
        return None;
    };
    if percent.byte != b'%' {
        return None;
    }
    let digit = |byte: &Byte| char::from(byte.byte).to_digit(16);
    let level = percent.level.max(high.level).max(low.level);
    Some(Byte {
        byte: u8::try_from(digit(high)? * 16 + digit(low)?).ok()?,
        level: (level + 1).min(DEEPEST),
        start: percent.start,
    })
}
