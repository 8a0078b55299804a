/// The prefix that `text` names, without a slash at its end, if it is a path and nothing more.
///
/// It becomes part of redirects and links, so what a browser could take for another site
/// (`//evil.example`, `/\evil.example`, `https://evil.example`) is no prefix, nor is what would
/// split a header line.
pub(crate) fn parse(text: &str) -> Option<&str> {
    let path = text.trim_matches([' ', '\t']);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(""); // `/`: no prefix at all
    }
    let mut segments = path.strip_prefix('/')?.split('/');
    segments.all(is_segment).then_some(path)
}

/// RFC 3986 section 3.3: `1*pchar`, and no dot segment, encoded or not.
fn is_segment(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    let mut dots = 0;
    let mut length = 0;
    while let Some(byte) = bytes.next() {
        length += 1;
        match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()];
                let [Some(high), Some(low)] = digits else {
                    return false;
                };
                match decode(high, low) {
                    Some(b'.') => dots += 1,
                    // Encoded slashes, backslashes and control characters have no place in a prefix.
                    Some(b'/' | b'\\' | 0..0x20 | 0x7f) | None => return false,
                    Some(_) => {}
                }
            }
            b'.' => dots += 1,
            _ if is_plain(byte) => {}
            _ => return false,
        }
    }
    length > 0 && !(dots == length && dots <= 2)
}

fn decode(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_prefix_is_a_path_of_whole_segments() {
        for (text, expected) in [
            ("/wiki", "/wiki"),
            ("/wiki/", "/wiki"),
            (" /a/b ", "/a/b"),
            ("/", ""),
            ("", ""),
            ("/v1.2/~me/a%20b", "/v1.2/~me/a%20b"),
            ("/...", "/..."),
        ] {
            assert_eq!(parse(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_prefix() {
        for text in [
            "wiki",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/https://evil.example",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/../b",
            "/%2e%2E/b",
            "/.%2e",
            "/%2f%2fevil",
            "/%5cevil",
            "/a?b",
            "/a#b",
            "/a\r\nSet-Cookie: a=b",
            "/a\u{0}",
            "/a\u{7f}",
            "/%0d%0a",
            "/a b",
            "/%4",
            "/%zz",
            "/\u{e9}",
            "/a,/b c",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
