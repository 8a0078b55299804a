//! The keys that cookies are signed and encrypted with.

use std::fmt;
use std::sync::Arc;

use cookie::{Cookie, CookieJar, Key};

use super::set::SetCookie;

/// The fewest bytes of a secret.
const LEAST_BYTES: usize = 32;

/// The keys that cookies are signed (HMAC-SHA256) and encrypted (AES-256-GCM) with. Cheap to clone.
///
/// They come from a secret of 32 random bytes or more (`openssl rand -hex 32`), which the program keeps out of its
/// source. [`and_old`](Self::and_old) makes a secret replaceable: the new one writes, both are read.
///
/// ```
/// use gateway_web::CookieKeys;
///
/// # let (new, old) = ("f".repeat(64), "e".repeat(64));
/// let keys = CookieKeys::new(new.as_bytes())?.and_old(old.as_bytes())?;
/// # Ok::<(), gateway_web::cookies::WeakSecret>(())
/// ```
#[derive(Clone)]
pub struct CookieKeys {
    // The first one writes.
    keys: Arc<[Key]>,
}

impl CookieKeys {
    /// The keys of a secret.
    ///
    /// # Errors
    ///
    /// It has fewer than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, WeakSecret> {
        Ok(Self {
            keys: [derived(secret)?].into(),
        })
    }

    /// Keys of this process, from the operating system's random bytes: what they sign is worth nothing after the
    /// next start, or to another process. For development and tests.
    #[must_use]
    pub fn random() -> Self {
        Self {
            keys: [Key::generate()].into(),
        }
    }

    /// Reads what an older secret has written, too. Of several, add the newest first.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn and_old(self, secret: &[u8]) -> Result<Self, WeakSecret> {
        let mut keys = self.keys.to_vec();
        keys.push(derived(secret)?);
        Ok(Self { keys: keys.into() })
    }

    /// The cookie with its value encrypted: no client can read or change it.
    pub(crate) fn encrypt(&self, cookie: SetCookie) -> SetCookie {
        let sealed = self.write(&cookie, cookie.value().to_owned(), |jar, key, plain| {
            jar.private_mut(key).add(plain);
        });
        cookie.with_value(sealed)
    }

    /// The length of an encrypted value: a nonce of 12 bytes in front and a tag of 16 behind it, in base64, of which a cookie
    /// takes every character as it is.
    #[cfg(feature = "session")]
    pub(crate) fn encrypted_length(length: usize) -> usize {
        (12 + length + 16).div_ceil(3) * 4
    }

    /// The cookie with its value signed: any client can read it, and none change it.
    pub(crate) fn sign(&self, cookie: SetCookie) -> SetCookie {
        // The name is signed as well, or the value of one cookie would be good for another.
        let named = format!("{}={}", cookie.name(), cookie.value());
        let sealed = self.write(&cookie, named, |jar, key, plain| {
            jar.signed_mut(key).add(plain);
        });
        cookie.with_value(sealed)
    }

    fn write(
        &self,
        cookie: &SetCookie,
        value: String,
        add: impl Fn(&mut CookieJar, &Key, Cookie<'static>),
    ) -> String {
        let mut jar = CookieJar::new();
        if let Some(key) = self.keys.first() {
            add(&mut jar, key, Cookie::new(cookie.name().to_owned(), value));
        }
        let sealed = jar.get(cookie.name()).map(Cookie::value);
        sealed.unwrap_or_default().to_owned()
    }

    /// What was encrypted, unless it was changed or is of other keys.
    pub(crate) fn decrypt(&self, name: &str, sealed: &str) -> Option<Decrypted> {
        self.open(name, sealed, |jar, key, cookie| {
            jar.private(key).decrypt(cookie)
        })
    }

    /// What was signed, unless it was changed or is of other keys.
    pub(crate) fn verify(&self, name: &str, sealed: &str) -> Option<String> {
        let opened = self.open(name, sealed, |jar, key, cookie| {
            jar.signed(key).verify(cookie)
        })?;
        let value = opened.value.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.to_owned())
    }

    fn open(
        &self,
        name: &str,
        sealed: &str,
        open: impl Fn(&CookieJar, &Key, Cookie<'static>) -> Option<Cookie<'static>>,
    ) -> Option<Decrypted> {
        let jar = CookieJar::new();
        self.keys.iter().enumerate().find_map(|(index, key)| {
            let cookie = Cookie::new(name.to_owned(), sealed.to_owned());
            let cookie = open(&jar, key, cookie)?;
            Some(Decrypted {
                value: cookie.value().to_owned(),
                is_old: index > 0,
            })
        })
    }
}

/// The value of an encrypted cookie.
pub(crate) struct Decrypted {
    pub(crate) value: String,
    /// An old secret wrote it.
    #[cfg_attr(
        not(feature = "session"),
        expect(dead_code, reason = "the session asks")
    )]
    pub(crate) is_old: bool,
}

fn derived(secret: &[u8]) -> Result<Key, WeakSecret> {
    if secret.len() < LEAST_BYTES {
        return Err(WeakSecret {
            length: secret.len(),
        });
    }
    Ok(Key::derive_from(secret))
}

impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieKeys")
            .field("secrets", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// A secret that is too short to keep anything secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakSecret {
    length: usize,
}

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        write!(
            f,
            "a secret of {length} bytes is too short: {LEAST_BYTES} random ones are needed"
        )
    }
}

impl std::error::Error for WeakSecret {}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(name: &str) -> SetCookie {
        SetCookie::new(name, "7", false)
    }

    #[test]
    fn a_sealed_value_is_good_for_its_own_cookie_alone() {
        let keys = CookieKeys::random();
        let signed = keys.sign(cookie("user"));
        assert_eq!(keys.verify("user", signed.value()).as_deref(), Some("7"));
        assert_eq!(keys.verify("admin", signed.value()), None);
        let encrypted = keys.encrypt(cookie("user"));
        assert_eq!(keys.decrypt("user", encrypted.value()).unwrap().value, "7");
        assert!(keys.decrypt("admin", encrypted.value()).is_none());
    }

    #[test]
    fn an_old_secret_is_read_and_the_new_one_written() {
        let (new, old) = ([1; 32], [2; 32]);
        let before = CookieKeys::new(&old).unwrap().encrypt(cookie("a"));
        let keys = CookieKeys::new(&new).unwrap().and_old(&old).unwrap();
        assert!(keys.decrypt("a", before.value()).unwrap().is_old);
        let after = keys.encrypt(cookie("a"));
        assert!(!keys.decrypt("a", after.value()).unwrap().is_old);
        let without = CookieKeys::new(&new).unwrap();
        assert!(without.decrypt("a", before.value()).is_none());
    }

    #[cfg(feature = "session")]
    #[test]
    fn the_length_of_what_is_encrypted_is_known_before() {
        for length in (0..100).chain([2900, 4000]) {
            let cookie = SetCookie::new("a", "é".repeat(length), false);
            let sealed = CookieKeys::random().encrypt(cookie);
            let expected = CookieKeys::encrypted_length(2 * length);
            assert_eq!(sealed.value().len(), expected, "{length}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let keys = CookieKeys::random();
        for sealed in [keys.sign(cookie("a")), keys.encrypt(cookie("a"))] {
            let sealed = sealed.value().to_owned();
            for at in 0..sealed.len() {
                let mut changed = sealed.clone().into_bytes();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(keys.verify("a", &changed), None, "{at}");
                assert!(keys.decrypt("a", &changed).is_none(), "{at}");
            }
        }
        for nonsense in ["", "=", "a", "%", "é".repeat(50).as_str()] {
            assert_eq!(keys.verify("a", nonsense), None);
            assert!(keys.decrypt("a", nonsense).is_none());
        }
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(CookieKeys::new(&[0; 31]).unwrap_err().length, 31);
    }
}
