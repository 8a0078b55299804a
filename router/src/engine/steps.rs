//! Counting what a look-up reads: what it has cost is asked by tests, and by patterns that may be
//! worth a better engine.

/// Takes note of work; `()` does not, and costs nothing.
pub(crate) trait Steps {
    fn add(&mut self, count: usize);
}

impl Steps for () {
    #[inline]
    fn add(&mut self, _: usize) {}
}

impl Steps for usize {
    fn add(&mut self, count: usize) {
        *self += count;
    }
}
