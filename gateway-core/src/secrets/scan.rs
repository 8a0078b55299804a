//! Takes secrets out of a text.
//!
//! One pass over the [decoded](Decoded) text. At each `=`, `:` and the like it looks back for a name that says
//! "secret", and takes what follows out up to where that value ends. What is left open counts as secret to the
//! end. Each search begins where the last of its kind ended, so the work grows with the text's length; a budget
//! holds where that should be wrong.

use std::{borrow::Cow, ops::Range};

use super::{
    decoded::Decoded,
    marks::{is_of_credentials, is_secret, is_secret_in_fields},
};

/// In place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Looks at a byte, for each byte of a text. Few texts take more than three.
const STEPS: usize = 32;

/// What a text is, for how far a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything: a message, a path with its query, a header.
    Text,
    /// The fields of a span: unquoted values may have spaces in them.
    Fields,
    /// A line of source: names stand before expressions there, and only literals can be secrets.
    Code,
}

/// A text without its secrets. Of one that was cut, what is open at its end is a secret where it may be one.
#[must_use]
pub fn without_secrets(text: &str, kind: Kind, is_cut: bool) -> Cow<'_, str> {
    let mut scan = Scan::of(text, kind, is_cut);
    let secrets = scan.secrets();
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets {
        let start = scan.text.start(secret.start);
        shown.push_str(text.get(from..start).unwrap_or_default());
        shown.push_str(REDACTED);
        from = scan.text.start(secret.end);
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

struct Scan<'a> {
    text: Decoded<'a>,
    kind: Kind,
    is_cut: bool,
    steps: usize,
    /// Where the word ends that an authority was last sought in, and the last `@` of it.
    word: (usize, Option<usize>),
}

/// What a value without quotes goes up to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// A field of a URL's query or fragment.
    Query,
    /// A space, or the `&` of a form.
    Word,
    /// A space before the name of the next field.
    Field,
    /// A comma or a bracket, as of the member of a struct; else the line.
    Member,
    /// The line.
    Line,
}

struct Name {
    range: Range<usize>,
    is_quoted: bool,
    is_secret: bool,
    is_of_credentials: bool,
}

impl<'a> Scan<'a> {
    fn of(text: &'a str, kind: Kind, is_cut: bool) -> Self {
        Self {
            text: Decoded::of(text),
            kind,
            is_cut,
            steps: 0,
            word: (0, None),
        }
    }

    fn secrets(&mut self) -> Vec<Range<usize>> {
        let budget = self.text.len().saturating_mul(STEPS);
        let mut secrets = Vec::new();
        let mut at = 0;
        while let Some(byte) = self.text.byte(at) {
            self.steps += 1;
            if self.steps > budget {
                secrets.push(at..self.text.len());
                break;
            }
            match self.secret_after(at, byte) {
                Some(secret) if !secret.is_empty() => {
                    at = secret.end.max(at + 1);
                    secrets.push(secret);
                }
                _ => at += 1,
            }
        }
        secrets
    }

    fn secret_after(&mut self, at: usize, byte: u8) -> Option<Range<usize>> {
        match byte {
            b'/' if self.opens_authority(at) => self.userinfo(at),
            b'=' => self.field(at),
            b':' => self.member(at),
            _ if self.kind == Kind::Code => None,
            b',' => self.pair(at),
            b'>' => self.element(at),
            b' ' => self.argument(at),
            b'e' => self.web_token(at),
            _ => None,
        }
    }

    /// `//` behind a scheme, or where a reference begins.
    fn opens_authority(&self, at: usize) -> bool {
        let before = self.before(at - usize::from(self.before(at) == Some(b'\\')));
        self.text.byte(self.escaped(at + 1)) == Some(b'/')
            && before.is_none_or(|before| b":=(".contains(&before) || is_edge(before))
    }

    /// JSON may have a backslash before a slash.
    fn escaped(&self, at: usize) -> usize {
        at + usize::from(self.text.byte(at) == Some(b'\\'))
    }

    /// `user:password@host`, up to the `@`.
    fn userinfo(&mut self, slash: usize) -> Option<Range<usize>> {
        let level = self.text.level(slash);
        let start = self.escaped(slash + 1) + 1;
        let ends = |byte: u8| byte != b'\'' && is_edge(byte);
        let end = self.find(start, |scan, at, byte| {
            scan.text.is_within(at, level) && (b"/?#\\".contains(&byte) || ends(byte))
        });
        if let Some(at) = self.last_at(start..end) {
            return Some(start..at);
        }
        if self.is_open(end) {
            return Some(start..end);
        }
        // What follows the colon is no port. Perhaps a password has a slash in it, and the error is about this URL.
        let port = self.find(start, |_, at, byte| at >= end || byte == b':') + 1;
        let has_port = port > end
            || self.text.byte(start) == Some(b'[')
            || (port..end).all(|at| self.text.byte(at).is_some_and(|byte| byte.is_ascii_digit()));
        if has_port {
            return None;
        }
        if self.word.0 <= start {
            let end = self.find(start, |scan, at, byte| {
                scan.text.level(at) == 0 && ends(byte)
            });
            self.word = (end, self.last_at(start..end));
        }
        match self.word {
            (_, Some(at)) if at > start => Some(start..at),
            (end, _) if self.is_open(end) => Some(start..end),
            _ => None,
        }
    }

    /// `name=value`, `name = 'value'`, `name => value`.
    fn field(&mut self, at: usize) -> Option<Range<usize>> {
        let next = self.text.byte(at + 1);
        if next == Some(b'=') && self.before(at).is_none_or(is_space) {
            // A comparison.
            return None;
        }
        let name = self.name_before(at)?;
        let opener = self.before(name.range.start);
        let in_query = matches!(opener, Some(b'?' | b'&' | b'#'));
        // Some servers split at it, too.
        let in_fields = in_query || opener == Some(b';');
        let ends = match self.kind {
            _ if in_query => Ends::Query,
            Kind::Fields => Ends::Field,
            Kind::Text | Kind::Code => Ends::Word,
        };
        let start = at + 1 + usize::from(next == Some(b'>'));
        if name.is_secret {
            return self.value(start, at, ends);
        }
        if self.kind == Kind::Code || !is_secret_in_fields(&self.text.name(name.range)) {
            return None;
        }
        if in_fields {
            return self.value(start, at, ends);
        }
        if !opener.is_none_or(is_edge) {
            return None;
        }
        // The first field of a form.
        let end = self.find(start, |_, _, byte| byte == b'&' || is_edge(byte));
        let is_form = self.text.byte(end) == Some(b'&') || self.is_open(end);
        is_form.then_some(start..end)
    }

    /// `name: value`, `"name": value`.
    fn member(&mut self, at: usize) -> Option<Range<usize>> {
        let next = self.text.byte(at + 1);
        let is_path = next == Some(b':') || self.before(at) == Some(b':');
        let is_scheme = next == Some(b'/') && self.text.byte(at + 2) == Some(b'/');
        if is_path || is_scheme {
            return None;
        }
        let name = self.name_before(at)?;
        if !name.is_secret || (!name.is_quoted && self.is_place(at + 1)) {
            return None;
        }
        let ends = if name.is_of_credentials {
            Ends::Line
        } else {
            Ends::Member
        };
        self.value(at + 1, at, ends)
    }

    /// `("name", "value")`.
    fn pair(&mut self, at: usize) -> Option<Range<usize>> {
        let name = self
            .name_before(at)
            .filter(|name| name.is_quoted && name.is_secret)?;
        let mut opener = name.range.start.checked_sub(2)?;
        while self.text.byte(opener) == Some(b'\\') {
            opener = opener.checked_sub(1)?;
        }
        let start = self.find(at + 1, |_, _, byte| !is_space(byte));
        let is_pair = self.text.byte(opener) == Some(b'(') && self.quote_at(start).is_some();
        is_pair.then(|| self.value(start, at, Ends::Member))?
    }

    /// `<name>value</name>`.
    fn element(&mut self, at: usize) -> Option<Range<usize>> {
        let name = self.name_before(at)?;
        let opens = self.before(name.range.start) == Some(b'<');
        if !opens || !name.is_secret {
            return None;
        }
        Some(at + 1..self.find(at + 1, |_, _, byte| byte == b'<'))
    }

    /// `--name value`, `Bearer value`.
    fn argument(&mut self, at: usize) -> Option<Range<usize>> {
        let name = self.word_before(at);
        let text = self.text.name(name);
        if let Some(option) = text.strip_prefix("--") {
            return is_secret(option).then(|| self.value(at + 1, at, Ends::Word))?;
        }
        if !is_scheme(&text) {
            return None;
        }
        let end = self.find(at + 1, |_, _, byte| !is_of_token(byte));
        // Prose has letters alone: "basic authentication".
        let is_token = (at + 2..end).any(|at| {
            self.text
                .byte(at)
                .is_some_and(|byte| !byte.is_ascii_lowercase())
        });
        (end - at > 8 && is_token).then_some(at + 1..end)
    }

    /// A JSON Web Token, which is known by how `{"` looks in base64.
    fn web_token(&mut self, at: usize) -> Option<Range<usize>> {
        let starts = self.text.byte(at + 1) == Some(b'y') && self.text.byte(at + 2) == Some(b'J');
        if !starts || self.before(at).is_some_and(is_of_token) {
            return None;
        }
        let end = self.find(at, |_, _, byte| !is_of_token(byte));
        let is_open = self.is_open(end);
        let has_dot = || (at..end).any(|at| self.text.byte(at) == Some(b'.'));
        (is_open || (end - at >= 20 && has_dot())).then_some(at..end)
    }

    /// The name in front of a sign.
    fn name_before(&mut self, sign: usize) -> Option<Name> {
        let end = self.back(sign, is_space);
        let quote = end
            .checked_sub(1)
            .filter(|at| self.text.byte(*at).is_some_and(is_quote));
        let (range, escaped) = match quote {
            Some(close) => {
                let quote = self.text.byte(close);
                // A string in a string: `\"name\"`.
                let end = self.back(close, |byte| byte == b'\\');
                let start = self.back(end, |byte| Some(byte) != quote);
                // An escape may hide any name.
                let escaped = (start..end).any(|at| self.text.byte(at) == Some(b'\\'));
                (start..end, escaped)
            }
            None => (self.back(end, is_of_name)..end, false),
        };
        if range.is_empty() {
            return None;
        }
        let name = self.text.name(range.clone());
        let is_quoted = quote.is_some();
        Some(Name {
            is_secret: escaped || (is_secret(&name) && (is_quoted || !tells_of_errors(&name))),
            is_of_credentials: is_of_credentials(&name),
            range,
            is_quoted,
        })
    }

    fn word_before(&mut self, end: usize) -> Range<usize> {
        self.back(end, is_of_name)..end
    }

    /// `:80` and `:12:5`, of a host or a file.
    fn is_place(&mut self, start: usize) -> bool {
        let end = self.find(start, |_, at, byte| {
            !byte.is_ascii_digit() || at > start + 5
        });
        let is_at_end = self.text.byte(end).is_none_or(|byte| !is_of_name(byte));
        (1..=5).contains(&(end - start)) && is_at_end
    }

    /// What a name stands for. `None` where it cannot be a secret.
    fn value(&mut self, start: usize, sign: usize, ends: Ends) -> Option<Range<usize>> {
        let level = self.text.level(sign);
        let start = self.find(start, |_, _, byte| !is_space(byte));
        let Some((quote, depth)) = self.quote_at(start) else {
            return (self.kind != Kind::Code).then(|| start..self.unquoted(start, level, ends));
        };
        // In a query a quote is a letter like others, and an `&` ends the field.
        let end = match ends {
            Ends::Query => self.unquoted(start, level, ends),
            _ => 0,
        };
        Some(start..end.max(self.string_end(quote, depth)))
    }

    fn unquoted(&mut self, start: usize, level: u8, ends: Ends) -> usize {
        let mut at = start;
        let mut open = 0_usize;
        while let Some(byte) = self.text.byte(at) {
            self.steps += 1;
            let own = self.text.level(at);
            // What is around the text that this value is in goes on.
            if own < level && (byte == b'&' || is_edge(byte)) {
                break;
            }
            if self.text.is_within(at, level) && open == 0 && self.ends(at, byte, ends) {
                if ends == Ends::Word && is_scheme(&self.text.name(start..at)) && at > start {
                    at = self.find(at, |_, _, byte| !is_space(byte));
                    return self.find(at, |_, _, byte| byte == b'&' || is_edge(byte));
                }
                break;
            }
            if ends != Ends::Query && ends != Ends::Line {
                match byte {
                    b'[' | b'{' | b'(' => open += 1,
                    b']' | b'}' | b')' => open = open.saturating_sub(1),
                    _ => {}
                }
                if open > 0
                    && self
                        .before(at)
                        .is_some_and(|before| b"[{(,:=".contains(&before) || is_space(before))
                    && let Some((quote, depth)) = self.quote_at(at)
                {
                    at = self.string_end(quote, depth);
                    continue;
                }
            }
            at += 1;
        }
        at
    }

    fn ends(&mut self, at: usize, byte: u8, ends: Ends) -> bool {
        let next = self.text.byte(at + 1);
        match ends {
            Ends::Query => byte == b'&' || byte == b'#' || byte.is_ascii_whitespace(),
            Ends::Word => byte == b'&' || byte.is_ascii_whitespace(),
            Ends::Field => {
                let name = at + 1;
                byte == b' ' && {
                    let end = self.find(name, |_, _, byte| !is_of_name(byte));
                    end > name && self.text.byte(end) == Some(b'=')
                }
            }
            Ends::Member => match byte {
                b'\n' => true,
                b' ' => next == Some(b'}'),
                b',' | b';' => next.is_none_or(is_edge),
                b')' | b']' | b'}' | b'"' => {
                    next.is_none_or(|next| is_edge(next) || b",;)]}".contains(&next))
                }
                _ => false,
            },
            Ends::Line => byte == b'\n',
        }
    }

    /// The quote that opens a string here, and how many backslashes are before it: it may be in strings itself.
    fn quote_at(&mut self, at: usize) -> Option<(usize, usize)> {
        if !matches!(self.text.byte(at), Some(b'\\' | b'"' | b'\'' | b'`')) {
            return None;
        }
        let quote = self.find(at, |_, _, byte| byte != b'\\');
        let opens = self.text.byte(quote).is_some_and(is_quote);
        opens.then_some((quote, quote - at))
    }

    /// Behind the quote that closes a string, or the end of the text.
    fn string_end(&mut self, open: usize, depth: usize) -> usize {
        let quote = self.text.byte(open);
        let level = self.text.level(open);
        let mut backslashes = 0;
        // What has a letter behind it may have opened a string: then this one began in the midst of another.
        let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        let end = self.find(open + 1, |scan, at, byte| {
            let before = std::mem::take(&mut backslashes);
            if byte == b'\\' {
                backslashes = before + 1;
            }
            scan.text.is_within(at, level)
                && Some(byte) == quote
                && closes(before, depth)
                && !scan.text.byte(at + 1).is_some_and(goes_on)
        });
        (end + 1).min(self.text.len())
    }

    /// Whether what ends here may go on in what was cut off.
    fn is_open(&self, end: usize) -> bool {
        self.is_cut && end == self.text.len()
    }

    fn before(&self, at: usize) -> Option<u8> {
        self.text.byte(at.checked_sub(1)?)
    }

    fn last_at(&mut self, range: Range<usize>) -> Option<usize> {
        self.steps += range.len();
        range.rev().find(|at| self.text.byte(*at) == Some(b'@'))
    }

    /// From there to the first byte that fits, or the end of the text.
    fn find(&mut self, from: usize, mut fits: impl FnMut(&Self, usize, u8) -> bool) -> usize {
        let mut at = from;
        while let Some(byte) = self.text.byte(at)
            && !fits(self, at, byte)
        {
            at += 1;
        }
        self.steps += at - from;
        at
    }

    /// Back from there over all bytes that fit.
    fn back(&mut self, from: usize, mut fits: impl FnMut(u8) -> bool) -> usize {
        let mut at = from;
        while self.before(at).is_some_and(&mut fits) {
            at -= 1;
        }
        self.steps += from - at;
        at
    }
}

/// Whether a quote behind so many backslashes closes a string that was opened by one behind `depth` of them.
fn closes(backslashes: usize, depth: usize) -> bool {
    let (mut backslashes, mut depth) = (backslashes, depth);
    // Each string around takes one of a pair away. Without one for this quote, it is theirs that ends.
    while depth > 0 && !backslashes.is_multiple_of(2) {
        backslashes /= 2;
        depth /= 2;
    }
    backslashes.is_multiple_of(2)
}

/// `SessionError: not found` and `token.rs: not found` say what happened.
fn tells_of_errors(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("error") || name.ends_with(".rs")
}

/// Of credentials, as in RFC 9110 section 11.4.
fn is_scheme(word: &str) -> bool {
    ["basic", "bearer"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// What no URL and no word goes beyond.
fn is_edge(byte: u8) -> bool {
    byte.is_ascii_whitespace() || is_quote(byte) || byte == b'<' || byte == b'>'
}

fn is_of_name(byte: u8) -> bool {
    !is_edge(byte) && !byte.is_ascii_control() && !b"?&;#,(){}=:/\\|".contains(&byte)
}

/// RFC 9110 section 11.2, token68.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Table {
        names: Names,
        text: Vec<Rule>,
        cut: Vec<Rule>,
    }

    #[derive(Deserialize)]
    struct Names {
        secret: Vec<String>,
        in_fields: Vec<String>,
        open: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Rule {
        rule: String,
        cases: Vec<(String, String)>,
    }

    fn table() -> Table {
        toml::from_str(include_str!("../../tests/cases/secrets.toml")).unwrap()
    }

    fn shown(text: &str) -> Cow<'_, str> {
        without_secrets(text, Kind::Text, false)
    }

    #[test]
    fn secrets_are_known_by_name() {
        let names = table().names;
        for name in &names.secret {
            assert!(is_secret(name), "{name}");
            assert_eq!(
                shown(&format!("/a?{name}=x&y=1")),
                format!("/a?{name}=[redacted]&y=1")
            );
            assert_eq!(
                shown(&format!("A {{ {name}: \"x\" }}")),
                format!("A {{ {name}: [redacted] }}")
            );
        }
        for name in &names.in_fields {
            assert!(!is_secret(name), "{name}");
            assert_eq!(
                shown(&format!("/a?{name}=x&y=1")),
                format!("/a?{name}=[redacted]&y=1")
            );
            assert_eq!(
                shown(&format!("A {{ {name}: \"x\" }}")),
                format!("A {{ {name}: \"x\" }}")
            );
        }
        for name in &names.open {
            assert!(!is_secret(name) && !is_secret_in_fields(name), "{name}");
        }
    }

    #[test]
    fn every_case_of_the_table_is_shown_as_it_says() {
        for Rule { rule, cases } in table().text {
            for (text, expected) in cases {
                assert_eq!(shown(&text), expected, "{rule}: {text}");
            }
        }
        for Rule { rule, cases } in table().cut {
            for (text, expected) in cases {
                let at = text.find('|').unwrap();
                let cut = without_secrets(&text[..at], Kind::Text, true);
                assert_eq!(cut, expected, "{rule}: {text}");
            }
        }
    }

    #[test]
    fn fields_of_spans_go_up_to_the_next() {
        let cases = [
            ("id=7", "id=7"),
            ("id=7 token=abc", "id=7 token=[redacted]"),
            ("id=7 token=abc def x=1", "id=7 token=[redacted] x=1"),
            ("password=\"two words\" id=7", "password=[redacted] id=7"),
            ("token=Some(\"two words\") id=7", "token=[redacted] id=7"),
            ("the message id=7", "the message id=7"),
            (
                "uri=/a?x=1&token=abc id=7",
                "uri=/a?x=1&token=[redacted] id=7",
            ),
            (
                "uri=http://u:p@host/ id=7",
                "uri=http://[redacted]@host/ id=7",
            ),
            ("", ""),
        ];
        for (fields, expected) in cases {
            assert_eq!(
                without_secrets(fields, Kind::Fields, false),
                expected,
                "{fields}"
            );
        }
    }

    #[test]
    fn in_a_line_of_source_literals_are_secrets_and_expressions_are_not() {
        let cases = [
            (
                "let token = request.token();",
                "let token = request.token();",
            ),
            ("let password = \"hunter2\";", "let password = [redacted];"),
            (
                "Login { password: \"x\", user }",
                "Login { password: [redacted], user }",
            ),
            (
                "connect(\"postgres://u:p@db\")",
                "connect(\"postgres://[redacted]@db\")",
            ),
            ("\"/token\" => Ok(token),", "\"/token\" => Ok(token),"),
            (
                "fn auth(key: &str, session: Session) {",
                "fn auth(key: &str, session: Session) {",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(without_secrets(line, Kind::Code, false), expected, "{line}");
        }
    }

    /// Redaction once was exponential in the number of `=` before an escape, and in the depth of escapes.
    #[test]
    fn the_steps_grow_with_the_text_and_no_faster() {
        let parts = [
            "=",
            "=%252541",
            "%25",
            "%2525",
            "a=",
            "a://",
            "a://b:c/",
            "a%3A//b:c",
            "//",
            "@",
            "://@",
            "a:",
            "\":",
            "\"a\":",
            "':",
            "\\",
            "\\\"",
            "[\\",
            "key=[\\",
            "key={\"",
            "(\"key\",",
            "(\"a\",",
            "<a>",
            "<key>",
            " ",
            " --a ",
            "Bearer ",
            "eyJ",
            "eyJ,",
            "code=",
            "code='",
            " code=\"",
            "?code=",
            "&",
            "key=a ",
            "key=(",
            "token=a%26",
            "%3D",
            "%22",
            "%2522:",
            "x=%25",
            "key: \"\\\\",
            "\n",
            ",",
            "`",
            "> ",
            "ü",
            "\u{1f512}=",
        ];
        let openers = [
            "",
            "/a?",
            "key=[",
            "x: \"",
            "http://",
            "{\"a\":",
            "a=%3d%253d",
        ];
        for kind in [Kind::Text, Kind::Fields, Kind::Code] {
            for opener in openers {
                for (n, part) in parts.iter().enumerate() {
                    let other = parts[(n * 7 + 3) % parts.len()];
                    for unit in [(*part).to_owned(), format!("{part}{other}")] {
                        let text = format!("{opener}{}", unit.repeat(1024 / unit.len()));
                        let mut scan = Scan::of(&text, kind, true);
                        scan.secrets();
                        let most = scan.text.len() * STEPS / 2;
                        assert!(
                            scan.steps <= most,
                            "{} steps for {}: {unit:?} after {opener:?}",
                            scan.steps,
                            scan.text.len()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn texts_in_texts_of_rising_depth_take_no_more_steps() {
        for sign in ["://", ":", "=", "\"", "code='", "key=[\"", "//"] {
            let mut text = String::new();
            let mut level: String = sign.to_owned();
            while text.len() + level.len() < 8192 {
                text.push_str(&level);
                text.push('a');
                level = level
                    .bytes()
                    .map(|byte| match byte {
                        b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' => char::from(byte).to_string(),
                        byte => format!("%{byte:02X}"),
                    })
                    .collect();
            }
            let mut scan = Scan::of(&text, Kind::Text, true);
            scan.secrets();
            assert!(
                scan.steps <= scan.text.len() * STEPS / 2,
                "{} steps for {}: {sign}",
                scan.steps,
                scan.text.len()
            );
        }
    }
}
