//! The Content-Disposition of a part (RFC 7578 section 4.2, and what clients make of it).

use percent_encoding::percent_decode;

/// What a part is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    /// As the client wrote it.
    pub(super) file_name: Option<String>,
}

impl Disposition {
    /// `None` for what is not `form-data`, or has no name.
    pub(super) fn parse(field: &[u8]) -> Option<Self> {
        let end = field.iter().position(|byte| *byte == b';');
        let (kind, mut rest) = field.split_at(end.unwrap_or(field.len()));
        if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
            return None;
        }
        let (mut name, mut file_name, mut extended) = (None, None, None);
        while let Some((key, value, behind)) = parameter(rest) {
            rest = behind;
            // The first of several counts, as it does in browsers' own parsers.
            if key.eq_ignore_ascii_case(b"name") {
                name.get_or_insert_with(|| unescaped(&value));
            } else if key.eq_ignore_ascii_case(b"filename") {
                file_name.get_or_insert_with(|| unescaped(&value));
            } else if key.eq_ignore_ascii_case(b"filename*") {
                extended = extended.or_else(|| extended_value(&value));
            }
        }
        Some(Self {
            name: name?,
            file_name: file_name.or(extended),
        })
    }
}

/// The next `; key=value`, and what is behind it.
fn parameter(field: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let start = field
        .iter()
        .position(|byte| !matches!(byte, b';' | b' ' | b'\t'))?;
    let (_, field) = field.split_at_checked(start)?;
    let end = field.iter().position(|byte| matches!(byte, b'=' | b';'))?;
    let (key, rest) = field.split_at_checked(end)?;
    let Some(rest) = rest.strip_prefix(b"=") else {
        // A key without a value.
        return parameter(rest);
    };
    let rest = rest.trim_ascii_start();
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted_value(quoted),
        None => {
            let end = rest
                .iter()
                .position(|byte| *byte == b';')
                .unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            (value.trim_ascii().to_vec(), rest)
        }
    };
    Some((key.trim_ascii(), value, rest))
}

/// What stands in front of the closing quote. Some clients write `\"` for a quote inside, others write paths whose
/// last sign is a backslash: a quote that ends the parameter is the closing one, whatever is in front of it.
fn quoted_value(quoted: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = quoted;
    while let Some((&byte, behind)) = rest.split_first() {
        let escapes = byte == b'\\' && behind.first() == Some(&b'"');
        if escapes && !ends_parameter(behind.get(1..).unwrap_or_default()) {
            value.push(b'"');
            rest = behind.get(1..).unwrap_or_default();
        } else if byte == b'"' {
            return (value, behind);
        } else {
            value.push(byte);
            rest = behind;
        }
    }
    // Never closed: all of it.
    (value, rest)
}

fn ends_parameter(rest: &[u8]) -> bool {
    matches!(rest.trim_ascii_start().first(), None | Some(b';'))
}

/// Browsers write `%22`, `%0D` and `%0A` for what would end a name, and nothing else so (WHATWG HTML, "multipart form
/// data").
fn unescaped(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}

/// `UTF-8''caf%C3%A9` (RFC 8187). RFC 7578 forbids it, and clients send it.
fn extended_value(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = percent_decode(text).decode_utf8().ok()?;
    charset
        .eq_ignore_ascii_case(b"utf-8")
        .then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_clients_write_them() {
        for (field, name, file_name) in [
            (r#"form-data; name="a""#, "a", None),
            (r#"Form-Data;name=a"#, "a", None),
            (
                r#"form-data; name="a"; filename="b.png""#,
                "a",
                Some("b.png"),
            ),
            (
                r#"form-data; filename="b; name=x"; name="a""#,
                "a",
                Some("b; name=x"),
            ),
            (
                r#"form-data; name="a"; filename="say \"hi\".txt""#,
                "a",
                Some(r#"say "hi".txt"#),
            ),
            (
                r#"form-data; name="a"; filename="C:\dir\""#,
                "a",
                Some(r"C:\dir\"),
            ),
            (
                r#"form-data; name="a"; filename="%22x%0D%0Ay%20""#,
                "a",
                Some("\"x\r\ny%20"),
            ),
            (
                r#"form-data; name="a"; filename*=UTF-8''caf%C3%A9"#,
                "a",
                Some("café"),
            ),
            (
                r#"form-data; name="a"; filename="b"; filename*=UTF-8''c"#,
                "a",
                Some("b"),
            ),
            (r#"form-data; name="a"; filename="""#, "a", Some("")),
            (r#"form-data; name="a"; name="b""#, "a", None),
            (r#"form-data; flag; name=a ; x"#, "a", None),
            (r#"form-data; name="a"#, "a", None),
            (r#"form-data; name="é""#, "é", None),
            (r#"form-data; name="""#, "", None),
        ] {
            let found = Disposition::parse(field.as_bytes());
            let expected = Disposition {
                name: name.to_owned(),
                file_name: file_name.map(str::to_owned),
            };
            assert_eq!(found, Some(expected), "{field}");
        }
        for field in [
            "",
            ";",
            "form-data",
            "attachment; name=a",
            "form-data; filename=a",
            "form-data; =",
        ] {
            assert_eq!(Disposition::parse(field.as_bytes()), None, "{field}");
        }
    }
}
