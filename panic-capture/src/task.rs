//! Which task of tokio's this thread runs.

/// The number of the task that this thread runs. In the hook: nothing is allocated.
#[cfg(feature = "tokio")]
pub(crate) fn current() -> Option<u64> {
    use std::fmt::Write as _;

    /// The value of the digits that are written to it. An `Id` tells its number in no other way.
    struct Digits(u64);

    impl std::fmt::Write for Digits {
        fn write_str(&mut self, digits: &str) -> std::fmt::Result {
            for digit in digits.bytes() {
                let digit = digit.wrapping_sub(b'0');
                self.0 = self.0.wrapping_mul(10).wrapping_add(digit.into());
            }
            Ok(())
        }
    }

    let id = tokio::task::try_id()?;
    let mut number = Digits(0);
    write!(number, "{id}").ok()?;
    Some(number.0)
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn current() -> Option<u64> {
    None
}
