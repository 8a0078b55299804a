//! The `Forwarded` field of RFC 7239.

use std::borrow::Cow;

/// One hop: what a proxy says of the request it received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) node: Option<Cow<'a, str>>,
    pub(crate) proto: Option<Cow<'a, str>>,
    pub(crate) host: Option<Cow<'a, str>>,
}

/// The elements of one field line (RFC 7239 section 4), or `None` if it is not one: an unbalanced
/// quote on the left could swallow what a proxy has added on the right.
///
/// Nothing between two commas is no element (RFC 9110 section 5.6.1.2). One of parameters that
/// are not known here is: the proxy wrote it, and said nothing of the client.
pub(crate) fn parse(line: &str) -> Option<Vec<Element<'_>>> {
    let mut rest = Scanner { text: line };
    let mut elements = Vec::new();
    let mut element = None;
    loop {
        rest.skip_space();
        if let Some(name) = rest.token() {
            let element = element.get_or_insert_with(Element::default);
            rest.expect('=')?;
            let value = rest.value()?;
            let slot = match name {
                _ if name.eq_ignore_ascii_case("for") => Some(&mut element.node),
                _ if name.eq_ignore_ascii_case("proto") => Some(&mut element.proto),
                _ if name.eq_ignore_ascii_case("host") => Some(&mut element.host),
                _ => None, // `by`, and what is still to be invented
            };
            // Section 4: each parameter once for each element.
            if let Some(slot) = slot
                && slot.replace(value).is_some()
            {
                return None;
            }
        }
        rest.skip_space();
        match rest.next() {
            Some(';') => {}
            Some(',') => elements.extend(element.take()),
            Some(_) => return None,
            None => {
                elements.extend(element);
                return Some(elements);
            }
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
}

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.text.chars();
        let next = chars.next();
        self.text = chars.as_str();
        next
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.text = self.text.strip_prefix(wanted)?;
        Some(())
    }

    fn skip_space(&mut self) {
        self.text = self.text.trim_start_matches([' ', '\t']);
    }

    /// RFC 9110 section 5.6.2.
    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.text.find(|c| !is_token(c)).unwrap_or(self.text.len());
        let (token, rest) = self.text.split_at_checked(end)?;
        self.text = rest;
        (!token.is_empty()).then_some(token)
    }

    /// A token or a quoted string. More is taken for a token than RFC 7239 has in it: many write
    /// `for=192.0.2.1:4711` without quotes.
    fn value(&mut self) -> Option<Cow<'a, str>> {
        if self.expect('"').is_some() {
            return self.quoted();
        }
        let end = self.text.find([',', ';', ' ', '\t', '"', '\\']);
        let (value, rest) = self.text.split_at_checked(end.unwrap_or(self.text.len()))?;
        self.text = rest;
        Some(Cow::Borrowed(value))
    }

    /// RFC 9110 section 5.6.4, after its first quote.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let whole = self.text;
        let mut escaped: Option<String> = None;
        let mut length = 0;
        loop {
            match self.next()? {
                '"' => {
                    let plain = whole.get(..length)?;
                    return Some(escaped.map_or(Cow::Borrowed(plain), Cow::Owned));
                }
                '\\' => {
                    let so_far = escaped
                        .get_or_insert_with(|| whole.get(..length).unwrap_or_default().to_string());
                    so_far.push(self.next()?);
                }
                c => {
                    length += c.len_utf8();
                    if let Some(escaped) = &mut escaped {
                        escaped.push(c);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(line: &str) -> Option<Vec<String>> {
        let elements = parse(line)?;
        let node = |element: Element<'_>| element.node.map_or("-".into(), Cow::into_owned);
        Some(elements.into_iter().map(node).collect())
    }

    /// The examples of RFC 7239 section 4 and section 6.3.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (line, expected) in [
            ("for=\"_gazonk\"", "_gazonk"),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                "[2001:db8:cafe::17]:4711",
            ),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            (
                "for=192.0.2.43, for=198.51.100.17",
                "192.0.2.43 198.51.100.17",
            ),
            ("for=_hidden, for=_SEVKISEK", "_hidden _SEVKISEK"),
        ] {
            assert_eq!(nodes(line).unwrap().join(" "), expected, "{line}");
        }
        let elements = parse("for=192.0.2.43;proto=https;host=\"a\\\"b\"").unwrap();
        assert_eq!(elements[0].proto.as_deref(), Some("https"));
        assert_eq!(elements[0].host.as_deref(), Some("a\"b"));
    }

    #[test]
    fn what_is_malformed_is_not_guessed_at() {
        for line in [
            "for=\"1.2.3.4",
            "for",
            "for=1.2.3.4 for=5.6.7.8",
            "for=a;for=b",
            "=a",
            "for=\"a\"b",
            "for=\"a, for=1.2.3.4",
            "for=a\"b\"",
            "\"",
            ",=,",
        ] {
            assert_eq!(nodes(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_empty_is_no_element_and_what_says_nothing_of_the_client_is_one() {
        for (line, expected) in [
            ("", ""),
            (" , ;", ""),
            ("for=a,, for=b;", "a b"),
            ("for=a, by=_p", "a -"),
            ("for=a, secret=x;by=_p, host=h", "a - -"),
        ] {
            assert_eq!(nodes(line).unwrap().join(" "), expected, "{line}");
        }
    }
}
