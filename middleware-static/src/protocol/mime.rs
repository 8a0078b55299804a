//! What kind of content a file name stands for.

use http::HeaderValue;

/// The `Content-Type` for a file name: `charset=utf-8` on text, `application/octet-stream` where nothing is known.
///
/// ```
/// use middleware_static::content_type;
///
/// assert_eq!(content_type(b"index.html"), "text/html; charset=utf-8");
/// assert_eq!(content_type(b"LICENSE"), "application/octet-stream");
/// ```
#[must_use]
pub fn content_type(name: &[u8]) -> HeaderValue {
    let extension = extension(name);
    if let Some(known) = common(extension) {
        return HeaderValue::from_static(known);
    }
    let rare = std::str::from_utf8(extension)
        .ok()
        .filter(|extension| !extension.is_empty());
    let rare = rare.and_then(|extension| mime_guess::from_ext(extension).first_raw());
    match rare {
        Some(text) if text.starts_with("text/") => {
            HeaderValue::try_from(format!("{text}; charset=utf-8")).unwrap_or(OCTETS)
        }
        Some(other) => HeaderValue::from_static(other),
        None => OCTETS,
    }
}

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The text behind the last dot of a name; empty if there is none.
pub(crate) fn extension(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let dot = name
        .iter()
        .rposition(|&byte| byte == b'.')
        .filter(|&dot| dot > 0);
    dot.and_then(|dot| name.get(dot + 1..)).unwrap_or_default()
}

/// The kinds that most files of a site are of, without a search and without an allocation; and those where
/// the registries have moved on or the table is wrong: JavaScript (RFC 9239), Markdown (RFC 7763), fonts (RFC 8081), HLS
/// (RFC 8216: `.ts` is MPEG; browsers are given no TypeScript), DASH, packages.
fn common(extension: &[u8]) -> Option<&'static str> {
    let mut lower = [0; 12];
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"html" | b"htm" => "text/html; charset=utf-8",
        b"css" => "text/css; charset=utf-8",
        b"js" | b"mjs" | b"cjs" => "text/javascript; charset=utf-8",
        b"txt" | b"text" | b"log" => "text/plain; charset=utf-8",
        b"md" | b"markdown" => "text/markdown; charset=utf-8",
        b"csv" => "text/csv; charset=utf-8",
        b"vtt" => "text/vtt; charset=utf-8",
        b"ics" => "text/calendar; charset=utf-8",
        b"toml" => "application/toml",
        b"yaml" | b"yml" => "application/yaml",
        b"json" | b"map" => "application/json",
        b"jsonld" => "application/ld+json",
        b"geojson" => "application/geo+json",
        b"webmanifest" => "application/manifest+json",
        b"xml" => "application/xml",
        b"rss" => "application/rss+xml",
        b"atom" => "application/atom+xml",
        b"pdf" => "application/pdf",
        b"wasm" => "application/wasm",
        b"zip" => "application/zip",
        b"gz" => "application/gzip",
        b"zst" => "application/zstd",
        b"svg" => "image/svg+xml",
        b"png" => "image/png",
        b"apng" => "image/apng",
        b"jpg" | b"jpeg" => "image/jpeg",
        b"gif" => "image/gif",
        b"webp" => "image/webp",
        b"avif" => "image/avif",
        b"jxl" => "image/jxl",
        b"ico" => "image/x-icon",
        b"usdz" => "model/vnd.usdz+zip",
        b"rpm" => "application/x-rpm",
        b"woff" => "font/woff",
        b"woff2" => "font/woff2",
        b"ttf" => "font/ttf",
        b"otf" => "font/otf",
        b"mp4" | b"m4v" => "video/mp4",
        b"m4s" => "video/iso.segment",
        b"m3u8" => "application/vnd.apple.mpegurl",
        b"ts" | b"m2ts" | b"mts" => "video/mp2t",
        b"webm" => "video/webm",
        b"ogv" => "video/ogg",
        b"mov" => "video/quicktime",
        b"mp3" => "audio/mpeg",
        b"m4a" => "audio/mp4",
        b"ogg" | b"oga" | b"opus" => "audio/ogg",
        b"wav" => "audio/wav",
        b"flac" => "audio/flac",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_its_charset_and_nothing_else_does() {
        for (name, expected) in [
            ("a.HTML", "text/html; charset=utf-8"),
            ("a.min.js", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.tar.gz", "application/gzip"),
            ("notes.c", "text/plain; charset=utf-8"),
            (
                "a.docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            ("a.rpm", "application/x-rpm"),
            ("a.usdz", "model/vnd.usdz+zip"),
            ("seg-1.m4s", "video/iso.segment"),
            ("live.m3u8", "application/vnd.apple.mpegurl"),
            ("seg-1.ts", "video/mp2t"),
            ("a.mpd", "application/dash+xml"),
            ("a.", "application/octet-stream"),
            (".profile", "application/octet-stream"),
            ("dir.d/plain", "application/octet-stream"),
            ("a.no-such-extension-at-all", "application/octet-stream"),
            ("a.\u{e9}", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
    }
}
