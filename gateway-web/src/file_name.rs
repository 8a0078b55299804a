//! Names of files that came from elsewhere.

/// The longest name, in bytes: what Linux's file systems hold.
const LONGEST: usize = 255;

/// A name that is safe in one directory of any system: without a path, control characters, characters that Windows
/// refuses or that reorder text, dots and spaces at its ends, and none of Windows' devices. `None` where nothing is
/// left.
///
/// Browsers of old sent whole paths of the client's own system, so both slashes end one.
pub(crate) fn clean(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|sign| is_plain(*sign)).collect();
    // A name that begins with a dot is hidden, or means something to a server; Windows drops dots at the end.
    let trimmed = kept.trim_matches(|sign: char| sign == '.' || sign.is_whitespace());
    let name = shortened(trimmed);
    (!name.is_empty() && !is_device(&name)).then_some(name)
}

fn is_plain(sign: char) -> bool {
    let refused = matches!(sign, '<' | '>' | ':' | '"' | '|' | '?' | '*');
    // Marks that change the order of text, and those that nobody sees: `exe.txt` may be shown of `txt.exe`.
    let hidden = matches!(
        sign,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}'
    );
    !(sign.is_control() || refused || hidden)
}

/// Cut in front of its extension, so that it stays what it is.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 16 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let most = LONGEST - extension.len();
    let end = (0..=most).rev().find(|end| stem.is_char_boundary(*end));
    let stem = stem.get(..end.unwrap_or(0)).unwrap_or(stem);
    format!("{}{extension}", stem.trim_end_matches(['.', ' ']))
}

/// What Windows opens in place of a file, whatever the extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim();
    let stem = stem.to_ascii_uppercase();
    if matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        let mut signs = number.chars();
        let digit = matches!(signs.next(), Some('0'..='9' | '¹' | '²' | '³'));
        digit && signs.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_name_in_one_directory() {
        for (given, name) in [
            ("cover.png", Some("cover.png")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\x\\cover.png", Some("cover.png")),
            ("/", None),
            ("", None),
            (".", None),
            ("..", None),
            (".htaccess", Some("htaccess")),
            ("a\0b\r\n.txt", Some("ab.txt")),
            ("a\"b<c>.txt", Some("abc.txt")),
            ("file.txt::$DATA", Some("file.txt$DATA")),
            ("con", None),
            ("NUL.txt", None),
            ("com1.log", None),
            ("com10.log", Some("com10.log")),
            ("name. . ", Some("name")),
            ("caf\u{e9} \u{202e}gnp.exe", Some("caf\u{e9} gnp.exe")),
            ("本.pdf", Some("本.pdf")),
        ] {
            assert_eq!(clean(given).as_deref(), name, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = clean(&format!("{}.png", "é".repeat(200))).unwrap();
        assert!(name.len() <= LONGEST && name.ends_with("é.png"), "{name}");
        assert!(clean(&"x".repeat(1000)).unwrap().len() <= LONGEST);
    }
}
