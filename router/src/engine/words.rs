//! A text read eight bytes at a time.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What is read off a text once, for all that look through it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// The last eight bytes; where there are fewer, zeros in front of them.
    last: u64,
    /// The slashes among the first 64 bytes, a bit each.
    slashes: u64,
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
        let mut words = Self { last, slashes: 0 };
        let mut rest = bytes;
        let mut at = 0;
        while at < 64 {
            words.slashes |= slashes(words.first(rest)) << at;
            let Some(behind) = rest.get(8..) else { break };
            rest = behind;
            at += 8;
        }
        words
    }

    /// The first slash in `rest`, the end of a text of `len` bytes.
    ///
    /// Segments of paths have any length, so a loop over one ends where no
    /// processor expects it: two times in each segment with groups.
    #[inline]
    pub(crate) fn slash(self, rest: &[u8], len: usize) -> Option<usize> {
        let at = len - rest.len();
        if at < 64 {
            let ahead = self.slashes >> at;
            if ahead != 0 {
                return Some(ahead.trailing_zeros() as usize);
            }
        }
        if len <= 64 {
            return None;
        }
        let known = 64_usize.saturating_sub(at);
        self.find(rest.get(known..)?, b'/')
            .map(|found| known + found)
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

/// The slashes of a word, a bit for each byte.
#[inline]
fn slashes(word: u64) -> u64 {
    let others = word ^ (LOW * u64::from(b'/'));
    // Exactly the bytes that are zero: no carry leaves a byte.
    let zeros = !(((others & !HIGH) + !HIGH) | others | !HIGH);
    // Each bit to its place in the highest byte.
    (zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
