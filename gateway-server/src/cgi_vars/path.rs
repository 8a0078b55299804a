//! Where the request points, from what CGI-like front ends say about it.
//!
//! They say it up to three times: `REQUEST_URI` as the client wrote it, and
//! `SCRIPT_NAME` and `PATH_INFO` after decoding and after whatever rewriting was
//! configured. Pure functions over bytes; nothing here can fail or panic.

use std::borrow::Cow;

use bytes::Bytes;
use gateway_core::paths::Prefix;

/// The client's path, split at the application.
///
/// `raw[..split]` is SCRIPT_NAME, `raw[split..]` is PATH_INFO, both as they stand in a URI:
/// percent-encoded, ASCII, no query. `raw` is `*` or begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitPath {
    pub(crate) raw: Bytes,
    pub(crate) split: usize,
}

/// What the front end said about the path. Missing variables are empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    /// The path of REQUEST_URI, raw, without its query.
    pub(crate) target: Option<&'a Bytes>,
    /// Decoded.
    pub(crate) script_name: &'a [u8],
    /// Decoded.
    pub(crate) path_info: &'a [u8],
    /// nginx's DOCUMENT_URI, decoded: where neither of the two is given, what is left.
    pub(crate) document_uri: &'a [u8],
}

/// Finds the client's path and the place where the application's own part begins.
///
/// - SCRIPT_NAME + PATH_INFO win over REQUEST_URI, which may be from before a rewrite. Where the
///   two are equal after decoding, REQUEST_URI's form is kept: it still tells `%2F` from `/`.
/// - Where neither is given (nginx's `scgi_params`), REQUEST_URI is the path and SCRIPT_NAME empty.
/// - `mount` overrules the front end's idea of the split, for those
///   that put the whole path into SCRIPT_NAME. A path that is not below it is all PATH_INFO.
///
/// PATH_INFO is empty or begins with `/`, and SCRIPT_NAME never begins with two.
pub(crate) fn split(said: Said<'_>, mount: Option<&Prefix>) -> SplitPath {
    let mut found = whole(said);
    // No mount is at `//a`, and a script name like that would make links to another host.
    if found.raw.starts_with(b"//") {
        found.split = 0;
    }
    if let Some(mount) = mount
        && found.raw.as_ref() != b"*"
    {
        let matched = str::from_utf8(&found.raw)
            .ok()
            .and_then(|raw| mount.matched_in(raw));
        found.split = matched.unwrap_or(0);
    }
    found
}

fn whole(said: Said<'_>) -> SplitPath {
    let Said {
        target,
        script_name,
        path_info,
        document_uri,
    } = said;
    if script_name.is_empty() && path_info.is_empty() {
        let raw = match target {
            Some(target) if !target.is_empty() => acceptable(target),
            _ if document_uri.is_empty() => Bytes::from_static(b"/"),
            _ => encoded(&rooted(document_uri)),
        };
        return SplitPath { raw, split: 0 };
    }

    // Nearly every request: nothing was encoded, nothing rewritten.
    let plain = !script_name.ends_with(b"/") && matches!(path_info.first(), None | Some(b'/'));
    if plain
        && let Some(target) = target
        && target.starts_with(b"/")
        && target.strip_prefix(script_name) == Some(path_info)
        && !target
            .iter()
            .any(|&byte| byte == b'%' || needs_encoding(byte))
    {
        return SplitPath {
            raw: target.clone(),
            split: script_name.len(),
        };
    }

    let mut script = rooted(script_name);
    let mut info = path_info.to_vec();
    // `SCRIPT_NAME=/app/` (lighttpd's "/app/", `location /app/`): the slash is PATH_INFO's. Before
    // another slash it is either the client's own or the same one said twice: the target tells.
    let mut doubled = false;
    if script.ends_with(b"/") {
        script.pop();
        doubled = info.starts_with(b"/");
        if !doubled {
            info.insert(0, b'/');
        }
    }
    if !info.is_empty() {
        info = rooted(&info);
    }
    if let Some(target) = target.map(acceptable) {
        let with_slash = [b"/", info.as_slice()].concat();
        let clients = doubled.then_some(&with_slash);
        for info in clients.into_iter().chain([&info]) {
            for slashes in [Slashes::Decoded, Slashes::Kept] {
                if let Some(split) = decoded_prefix(&target, &script, slashes)
                    // An encoded slash does not end a script name.
                    && matches!(target.get(split), None | Some(b'/'))
                    && target
                        .get(split..)
                        .is_some_and(|rest| decoded_prefix(rest, info, slashes) == Some(rest.len()))
                {
                    return SplitPath { raw: target, split };
                }
            }
        }
    }
    let script = encoded(&script);
    SplitPath {
        split: script.len(),
        raw: [script, encoded(&info)].concat().into(),
    }
}

/// Splits REQUEST_URI into its path and its query; the origin of an absolute form is left out.
///
/// The path is not checked in any way.
pub(crate) fn target(request_uri: &Bytes) -> (Bytes, Option<Bytes>) {
    let mut uri = request_uri.clone();
    // RFC 9112 3.2.2; Apache passes it on as it came.
    if !uri.starts_with(b"/")
        && let Some(colon) = uri.windows(3).position(|three| three == b"://")
        && uri
            .iter()
            .take(colon)
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    {
        let authority = uri.split_off(colon + 3);
        let end = authority
            .iter()
            .position(|byte| b"/?#".contains(byte))
            .unwrap_or(authority.len());
        uri = authority.slice(end..);
    }
    // A fragment is not part of a request target; some clients send it all the same.
    if let Some(at) = uri.iter().position(|&byte| byte == b'#') {
        uri.truncate(at);
    }
    match uri.iter().position(|&byte| byte == b'?') {
        Some(at) => (uri.slice(..at), Some(uri.slice(at + 1..))),
        None => (uri, None),
    }
}

/// What a front end did to `%2F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slashes {
    Decoded,
    /// Apache's `AllowEncodedSlashes NoDecode` decodes everything else.
    Kept,
}

/// The length of the part of `raw` that decodes to `prefix`.
fn decoded_prefix(raw: &[u8], prefix: &[u8], slashes: Slashes) -> Option<usize> {
    let mut rest = raw;
    for &expected in prefix {
        let (mut byte, mut after) = decode_first(rest)?;
        if slashes == Slashes::Kept && byte == b'/' {
            (byte, after) = rest.split_first().map(|(byte, rest)| (*byte, rest))?;
        }
        if byte != expected {
            return None;
        }
        rest = after;
    }
    Some(raw.len() - rest.len())
}

/// A `%` that is not followed by two hexadecimal digits stands for itself, as it does for nginx.
fn decode_first(raw: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'%', high, low, rest @ ..] = raw
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high << 4 | low, rest));
    }
    raw.split_first().map(|(byte, rest)| (*byte, rest))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn rooted(path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        path.to_vec()
    } else {
        [b"/", path].concat()
    }
}

/// Bytes that front ends pass on and `http::Uri` refuses, or takes for the end of the path.
fn needs_encoding(byte: u8) -> bool {
    !matches!(byte, 0x21..=0x7E) || matches!(byte, b'<' | b'>' | b'`' | b'#' | b'?')
}

/// A raw path as it is, but for the bytes that cannot stand in a URI; `*` stays.
fn acceptable(raw: &Bytes) -> Bytes {
    if raw.as_ref() == b"*" || raw.starts_with(b"/") && !raw.iter().copied().any(needs_encoding) {
        return raw.clone();
    }
    percent(&rooted(raw), needs_encoding)
}

/// A decoded path as it would stand in a URI: RFC 3986 3.3, `pchar` and `/` as they are.
fn encoded(decoded: &[u8]) -> Bytes {
    percent(decoded, |byte| {
        !(byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte))
    })
}

/// A raw query as it is, but for the bytes that `http::Uri` refuses there.
pub(crate) fn acceptable_query(raw: &[u8]) -> Cow<'_, [u8]> {
    let refused =
        |byte: u8| !matches!(byte, 0x21..=0x7E) || matches!(byte, b'"' | b'<' | b'>' | b'#');
    if raw.iter().copied().any(refused) {
        Cow::Owned(percent(raw, refused).into())
    } else {
        Cow::Borrowed(raw)
    }
}

fn percent(bytes: &[u8], encode: impl Fn(u8) -> bool) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if encode(byte) {
            out.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
        } else {
            out.push(byte);
        }
    }
    out.into()
}
