//! Positions of groups in a text.

/// A position in the text: in four bytes, but for texts of four gigabytes.
pub(crate) trait Position: Copy {
    /// The position of a group that took no part.
    const UNSET: Self;
    fn at(at: usize) -> Self;
}

impl Position for u32 {
    const UNSET: Self = Self::MAX;

    #[inline]
    fn at(at: usize) -> Self {
        at as Self
    }
}

impl Position for usize {
    const UNSET: Self = Self::MAX;

    #[inline]
    fn at(at: usize) -> Self {
        at
    }
}
