//! A text read eight bytes at a time.

/// Little-endian words, from anywhere in the text.
#[derive(Clone, Copy)]
pub(crate) struct Words<'t> {
    bytes: &'t [u8],
    /// The last eight bytes; where there are fewer, zeros in front of them.
    last: u64,
}

impl<'t> Words<'t> {
    #[inline]
    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let last = match bytes.last_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => bytes
                .iter()
                .fold(0, |word, &byte| word >> 8 | u64::from(byte) << 56),
        };
        Self { bytes, last }
    }

    /// Eight bytes from `at` on; behind the end of the text they are zeros.
    #[inline]
    pub(crate) fn at(&self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            // So near the end it is the last word without the bytes in front.
            None => self
                .last
                .checked_shr(64 - 8 * rest.len() as u32)
                .unwrap_or(0),
        }
    }

    /// The first place of `byte` from `at` on. Segments of paths are short: the
    /// call and the set-up of `memchr` cost more than eight bytes at a time do.
    #[inline]
    pub(crate) fn find(&self, mut at: usize, byte: u8) -> Option<usize> {
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let wanted = LOW * u64::from(byte);
        while at < self.bytes.len() {
            let zeros = self.at(at) ^ wanted;
            let found = zeros.wrapping_sub(LOW) & !zeros & HIGH;
            if found != 0 {
                at += (found.trailing_zeros() / 8) as usize;
                // The zeros behind the end are no bytes of the text.
                return (at < self.bytes.len()).then_some(at);
            }
            at += 8;
        }
        None
    }
}
