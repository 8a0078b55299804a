//! Counting what a look-up reads, so that tests can show that it is linear.

/// Takes note of work; `()` does not, and costs nothing.
pub(crate) trait Steps {
    fn add(&mut self, count: usize);
}

impl Steps for () {
    #[inline]
    fn add(&mut self, _: usize) {}
}

#[cfg(test)]
impl Steps for usize {
    fn add(&mut self, count: usize) {
        *self += count;
    }
}
