//! Access to the service that a middleware is around, by the names that tower-http gives it.

macro_rules! inner_accessors {
    ($field:ident) => {
        /// The inner service.
        pub fn get_ref(&self) -> &S {
            &self.$field
        }

        /// The inner service, to change it.
        pub fn get_mut(&mut self) -> &mut S {
            &mut self.$field
        }

        /// The inner service alone.
        #[must_use]
        pub fn into_inner(self) -> S {
            self.$field
        }
    };
}
pub(crate) use inner_accessors;
