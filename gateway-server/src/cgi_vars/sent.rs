//! Variables as a front end sent them, taken apart when the application asks.

use bytes::Bytes;
use gateway_core::request::GatewayVars;

/// Takes the first variable off: its name, its value, and the rest.
pub(crate) type Next = for<'a> fn(&'a [u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])>;

/// All variables of one request. The later of two of one name is the one, and empty is absent (PEP
/// 3333): nginx sends many empty ones.
pub(crate) struct SentVars {
    whole: Bytes,
    next: Next,
}

impl SentVars {
    pub(crate) fn new(whole: Bytes, next: Next) -> Self {
        Self { whole, next }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.whole.as_ref();
        std::iter::from_fn(move || {
            let (name, value, after) = (self.next)(rest)?;
            rest = after;
            Some((name, value))
        })
        .filter(|(name, value)| !is_of_the_process(name) && !is_unknown_length(name, value))
        .filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)))
    }
}

impl GatewayVars for SentVars {
    fn var(&self, name: &str) -> Option<&[u8]> {
        let named = self.iter().filter(|(known, _)| *known == name);
        named
            .last()
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    fn vars(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        let mut vars: Vec<(&str, &[u8])> = Vec::new();
        for (name, value) in self.iter() {
            match vars.iter_mut().find(|(known, _)| *known == name) {
                Some((_, earlier)) => *earlier = value,
                None => vars.push((name, value)),
            }
        }
        Box::new(vars.into_iter().filter(|(_, value)| !value.is_empty()))
    }
}

/// What Caddy 2.6 says of a body that its client sends chunked (Go's `ContentLength`). Over FastCGI, which
/// has an end of its own, that is no length, and nothing that an application should see as one.
pub(crate) fn is_unknown_length(name: &[u8], value: &[u8]) -> bool {
    name == b"CONTENT_LENGTH" && value == b"-1"
}

/// What Apache adds of its own process's environment to every request.
fn is_of_the_process(name: &[u8]) -> bool {
    matches!(
        name,
        b"PATH" | b"LD_LIBRARY_PATH" | b"DYLD_LIBRARY_PATH" | b"LIBPATH" | b"SHLIB_PATH"
    )
}
