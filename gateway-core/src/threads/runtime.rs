//! The runtime that lends the threads: tokio's, where one runs.

pub(crate) use lender::Runtime;

#[cfg(feature = "tokio")]
mod lender {
    use tokio::runtime::Handle;

    /// The runtime of this thread.
    pub(crate) struct Runtime(Handle);

    impl Runtime {
        pub(crate) fn current() -> Option<Self> {
            Handle::try_current().ok().map(Self)
        }

        /// Returns whether the runtime took `work`. One that shuts down drops it.
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
    /// Never there without the feature `tokio`.
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
