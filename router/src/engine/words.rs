//! A text read eight bytes at a time.

/// Little-endian words of what is left of a text.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    /// The last eight bytes; where there are fewer, zeros in front of them.
    last: u64,
}

impl Words {
    #[inline]
    pub(crate) fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let last = match bytes.last_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => bytes
                .iter()
                .fold(0, |word, &byte| word >> 8 | u64::from(byte) << 56),
        };
        Self { last }
    }

    /// The first eight bytes of `rest`, the end of the text; behind it are zeros.
    #[inline]
    pub(super) fn first(self, rest: &[u8]) -> u64 {
        match rest.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            // So near the end it is the last word without the bytes in front.
            None => self
                .last
                .checked_shr(64 - 8 * rest.len() as u32)
                .unwrap_or(0),
        }
    }

    /// The first place of `byte` in `rest`, the end of the text. Segments of
    /// paths are short: the call and the set-up of `memchr` cost more than eight
    /// bytes at a time do.
    #[inline]
    pub(crate) fn find(self, mut rest: &[u8], byte: u8) -> Option<usize> {
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let wanted = LOW * u64::from(byte);
        let mut at = 0;
        loop {
            let zeros = self.first(rest) ^ wanted;
            let found = zeros.wrapping_sub(LOW) & !zeros & HIGH;
            if found != 0 {
                let found = (found.trailing_zeros() / 8) as usize;
                // The zeros behind the end are no bytes of the text.
                return (found < rest.len()).then_some(at + found);
            }
            at += 8;
            rest = rest.get(8..)?;
        }
    }
}
