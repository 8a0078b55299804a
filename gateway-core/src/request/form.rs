use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

/// Decoded `name=value` pairs of a query or a form (`application/x-www-form-urlencoded`), in the
/// order sent. Bytes that are not UTF-8 become U+FFFD.
#[derive(Clone)]
pub struct Pairs<'a>(form_urlencoded::Parse<'a>);

impl<'a> Pairs<'a> {
    pub(super) fn of(encoded: &'a [u8]) -> Self {
        Self(form_urlencoded::parse(encoded))
    }
}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_list()
            .entries(self.clone().map(|(name, _)| name))
            .finish()
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// A form that was sent as `application/x-www-form-urlencoded`.
#[derive(Clone, Default)]
pub struct Form {
    body: Bytes,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl Form {
    pub(crate) fn new(body: Bytes) -> Self {
        Self { body }
    }

    /// The decoded pairs in the order sent.
    #[must_use]
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs::of(&self.body)
    }

    /// The first value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut named = self.pairs().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value)
    }
}
