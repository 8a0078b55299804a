//! Which names say that the value is a secret.

/// Anywhere in a name: no honest word has them in it.
const ANYWHERE: [&str; 29] = [
    "accesskey",
    "accountkey",
    "apikey",
    "authenticity",
    "authentication",
    "authkey",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "csrf",
    "encryptionkey",
    "jwt",
    "masterkey",
    "passcode",
    "passkey",
    "passphrase",
    "passw",
    "privatekey",
    "pwd",
    "saml",
    "secret",
    "sessid",
    "session",
    "sharedkey",
    "signature",
    "signingkey",
    "token",
    "xsrf",
];

/// As a word of a name: `author`, `monkey` and `passenger` are none.
const WORDS: [&str; 12] = [
    "auth", "hmac", "hotp", "key", "keys", "oauth", "otp", "pass", "psk", "pw", "sid", "totp",
];

/// As a word, and in fields of queries and forms alone: an `Os { code: 2 }` tells what happened.
const IN_FIELDS: [&str; 5] = ["assertion", "code", "pin", "sig", "ticket"];

/// Whether a header, a member or a field of this name is kept out of everything.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ANYWHERE.iter().any(|mark| lower.contains(mark)) || has_word(name, &WORDS)
}

/// Whether a field of this name is a secret in a query or a form, if it is none elsewhere.
pub(crate) fn is_secret_in_fields(name: &str) -> bool {
    has_word(name, &IN_FIELDS)
}

/// Whether a name is that of a header which carries all that its client may do.
pub(crate) fn is_of_credentials(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.contains("authorization") || lower.contains("cookie")
}

fn has_word(name: &str, marks: &[&str]) -> bool {
    words(name).any(|word| marks.iter().any(|mark| word.eq_ignore_ascii_case(mark)))
}

/// `user_pw`, `user-pw` and `userPw` to `user` and `pw`; `SAMLResponse2` to `SAML`, `Response` and `2`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|char: char| !char.is_ascii_alphanumeric());
        if rest.is_empty() {
            return None;
        }
        let (word, following) = rest.split_at_checked(word_len(rest)).unwrap_or((rest, ""));
        rest = following;
        Some(word)
    })
}

/// The length of the word that a text begins with.
fn word_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |pair: &[u8]| match *pair {
        [a, b] if a.is_ascii_digit() != b.is_ascii_digit() => true,
        [a, b] => !b.is_ascii_alphanumeric() || (a.is_ascii_lowercase() && b.is_ascii_uppercase()),
        _ => false,
    };
    let len = bytes
        .windows(2)
        .position(ends)
        .map_or(bytes.len(), |at| at + 1);
    // The last of several capitals begins the next word.
    let capitals = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    if capitals > 1 && capitals < len {
        capitals - 1
    } else {
        len
    }
}
