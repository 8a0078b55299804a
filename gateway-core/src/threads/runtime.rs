//! Who lends the threads: tokio's runtime, where one runs.

pub(crate) use lender::Runtime;

#[cfg(feature = "tokio")]
mod lender {
    use tokio::runtime::Handle;

    /// The runtime that polls here.
    pub(crate) struct Runtime(Handle);

    impl Runtime {
        pub(crate) fn current() -> Option<Self> {
            Handle::try_current().ok().map(Self)
        }

        /// Whether it took `work`: a runtime that shuts down does not, and drops it.
        pub(in crate::threads) fn spawn_blocking(
            &self,
            work: impl FnOnce() + Send + 'static,
        ) -> bool {
            !self.0.spawn_blocking(work).is_finished()
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod lender {
    /// There is none.
    pub(crate) enum Runtime {}

    impl Runtime {
        pub(crate) const fn current() -> Option<Self> {
            None
        }

        pub(in crate::threads) fn spawn_blocking(&self, _: impl FnOnce() + Send + 'static) -> bool {
            match *self {}
        }
    }
}
