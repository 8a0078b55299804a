//! What is answered to which request, over every source and both ways to read: RFC 9110, and the defects of peers that are
//! not to be repeated here.

mod common;
#[path = "common/sites.rs"]
mod sites;

use common::{Answer, ask, get, get_with, head};
use http::Method;
use sites::sites;

const DIGITS: &str = "0123456789";

#[tokio::test]
async fn a_file_is_answered_with_all_that_is_known_of_it() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        // Twice: the second may come from the cache.
        for _ in 0..2 {
            let answer = get(&files, "/digits.txt").await;
            assert_eq!(answer.status, 200, "{way}");
            assert_eq!(answer.text(), DIGITS, "{way}");
            assert_eq!(answer.field("content-length"), "10", "{way}");
            assert_eq!(
                answer.field("content-type"),
                "text/plain; charset=utf-8",
                "{way}"
            );
            assert_eq!(answer.field("x-content-type-options"), "nosniff", "{way}");
            assert_eq!(answer.field("accept-ranges"), "bytes", "{way}");
            assert!(
                answer.field("etag").starts_with('"'),
                "{way}: {}",
                answer.field("etag")
            );
            assert!(answer.field("last-modified").ends_with(" GMT"), "{way}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body_and_ignores_range() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let whole = get(&files, "/digits.txt").await;
        for fields in [&[][..], &[("range", "bytes=0-1")]] {
            let answer = ask(&files, Method::HEAD, "/digits.txt", fields).await;
            assert_eq!(
                (answer.status, &answer.headers),
                (whole.status, &whole.headers),
                "{way}: RFC 9110 9.3.2 and 14.2"
            );
            assert!(answer.body.is_empty(), "{way}");
        }
        let missing = head(&files, "/missing").await;
        assert_eq!(
            (missing.status.as_u16(), missing.body.len()),
            (404, 0),
            "{way}"
        );
    }
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let answer = ask(&files, method.parse().unwrap(), "/digits.txt", &[]).await;
            assert_eq!(answer.status, 405, "{way} {method}");
            assert_eq!(
                answer.field("allow"),
                "GET, HEAD, OPTIONS",
                "{way} {method}: RFC 9110 15.5.6"
            );
        }
        for target in ["/digits.txt", "/missing", "*"] {
            let answer = ask(&files, Method::OPTIONS, target, &[]).await;
            assert_eq!(answer.status, 204, "{way} {target}");
            assert_eq!(
                answer.field("allow"),
                "GET, HEAD, OPTIONS",
                "{way} {target}"
            );
        }
    }
}

#[tokio::test]
async fn ranges_are_parts_of_the_file() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        for (range, status, body, content_range) in [
            ("bytes=2-4", 206, "234", "bytes 2-4/10"),
            ("bytes=-3", 206, "789", "bytes 7-9/10"),
            ("bytes=8-", 206, "89", "bytes 8-9/10"),
            ("bytes=-999", 206, DIGITS, "bytes 0-9/10"),
            ("bytes=007-0008", 206, "78", "bytes 7-8/10"),
            ("bytes=0-3,3-4", 206, "01234", "bytes 0-4/10"),
            (
                "bytes=10-",
                416,
                "416 Range Not Satisfiable\n",
                "bytes */10",
            ),
            ("bytes=-0", 416, "416 Range Not Satisfiable\n", "bytes */10"),
            ("lines=1-2", 200, DIGITS, ""),
            ("bytes=4-2", 200, DIGITS, ""),
            ("bytes=x", 200, DIGITS, ""),
        ] {
            let answer = get_with(&files, "/digits.txt", &[("range", range)]).await;
            assert_eq!(answer.status, status, "{way} {range}");
            assert_eq!(answer.text(), body, "{way} {range}");
            assert_eq!(
                answer.field("content-range"),
                content_range,
                "{way} {range}"
            );
            assert_eq!(
                answer.field("content-length"),
                body.len().to_string(),
                "{way} {range}"
            );
            assert!(answer.has("etag"), "{way} {range}");
        }
        let twice = get_with(
            &files,
            "/digits.txt",
            &[("range", "bytes=0-1"), ("range", "bytes=2-3")],
        )
        .await;
        assert_eq!(twice.status, 200, "{way}: two Range fields are none");
    }
}

#[tokio::test]
async fn an_empty_file_has_no_ranges() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let whole = get(&files, "/empty.txt").await;
        assert_eq!(
            (whole.status.as_u16(), whole.field("content-length")),
            (200, "0"),
            "{way}"
        );
        // ServeDir: 206 with `bytes 0-0/0`. Players and downloaders ask so for every file, and take a 416 for a failure.
        for range in ["bytes=0-", "bytes=0-0", "bytes=0-99,200-"] {
            let all = get_with(&files, "/empty.txt", &[("range", range)]).await;
            assert_eq!(
                (all.status.as_u16(), all.field("content-length")),
                (200, "0"),
                "{way} {range}"
            );
        }
        let none = get_with(&files, "/empty.txt", &[("range", "bytes=1-")]).await;
        assert_eq!(
            (none.status.as_u16(), none.field("content-range")),
            (416, "bytes */0"),
            "{way}"
        );
        let suffix = get_with(&files, "/empty.txt", &[("range", "bytes=-5")]).await;
        assert_eq!(
            (suffix.status.as_u16(), suffix.field("content-length")),
            (200, "0"),
            "{way}"
        );
    }
}

#[tokio::test]
async fn several_ranges_are_parts_of_a_multipart_body() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let whole = get(&files, "/long.bin").await.body;
        let answer = get_with(&files, "/long.bin", &[("range", "bytes=1000-1009,0-4,-3")]).await;
        assert_eq!(answer.status, 206, "{way}");
        assert!(!answer.has("content-range"), "{way}: RFC 9110 15.3.7.2");
        assert_eq!(
            answer.field("content-length"),
            answer.body.len().to_string(),
            "{way}"
        );
        let parts = parts(&answer);
        let length = whole.len();
        let expected = [(1000, 1010), (0, 5), (length - 3, length)];
        assert_eq!(parts.len(), expected.len(), "{way}");
        for ((head, body), (start, end)) in parts.into_iter().zip(expected) {
            assert_eq!(body, whole[start..end], "{way}");
            assert!(
                head.contains(&format!(
                    "Content-Range: bytes {start}-{}/{length}",
                    end - 1
                )),
                "{way}: {head}"
            );
            assert!(
                head.contains("Content-Type: application/octet-stream"),
                "{way}: {head}"
            );
        }
    }
}

/// Reads multipart/byteranges as RFC 2046 5.1 has it: heads and bodies.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let boundary = answer
        .field("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("multipart");
    let find =
        |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
    let mut rest = answer
        .body
        .strip_prefix(format!("--{boundary}\r\n").as_bytes())
        .expect("begins with the boundary");
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    loop {
        let head = find(rest, b"\r\n\r\n").expect("a head");
        let body = &rest[head + 4..];
        let end = find(body, delimiter.as_bytes()).expect("a delimiter");
        parts.push((
            String::from_utf8_lossy(&rest[..head]).into_owned(),
            body[..end].to_vec(),
        ));
        rest = &body[end + delimiter.len()..];
        if rest == b"--\r\n" {
            return parts;
        }
        rest = rest.strip_prefix(b"\r\n").expect("a line end");
    }
}

#[tokio::test]
async fn a_range_field_never_brings_more_than_the_file() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let whole = get(&files, "/long.bin").await.body.len();
        // hyper-staticfile sent 200 MB for a field like this.
        let overlapping = format!("bytes={}0-", "0-,".repeat(200));
        let scattered = format!(
            "bytes={}",
            (0..150)
                .map(|part| format!("{0}-{0}", part * 200))
                .collect::<Vec<_>>()
                .join(",")
        );
        let parts: Vec<String> = (0..32)
            .map(|part| format!("{}-{}", part * 1000, part * 1000 + 899))
            .collect();
        for range in [overlapping, scattered, format!("bytes={}", parts.join(","))] {
            let answer = get_with(&files, "/long.bin", &[("range", &range)]).await;
            assert!(
                answer.body.len() <= whole + 32 * 200,
                "{way}: {} bytes of {whole} for {range}",
                answer.body.len()
            );
        }
    }
}

#[tokio::test]
async fn if_range_guards_a_range() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let known = get(&files, "/digits.txt").await;
        // Of a file in the binary only the tag proves anything: no change time vouches for its date.
        let by_date = if way == "embedded" { 200 } else { 206 };
        for (if_range, status) in [
            (known.field("etag"), 206),
            ("\"other\"", 200),
            (known.field("last-modified"), by_date),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
            (&format!("W/{}", known.field("etag")), 200),
        ] {
            let answer = get_with(
                &files,
                "/digits.txt",
                &[("range", "bytes=0-0"), ("if-range", if_range)],
            )
            .await;
            assert_eq!(answer.status, status, "{way} {if_range}: RFC 9110 13.1.5");
        }
        let alone = get_with(&files, "/digits.txt", &[("if-range", "\"other\"")]).await;
        assert_eq!(
            alone.status, 200,
            "{way}: If-Range without Range is nothing"
        );
        let beyond = get_with(
            &files,
            "/digits.txt",
            &[("range", "bytes=99-"), ("if-range", "\"other\"")],
        )
        .await;
        assert_eq!(
            beyond.status, 200,
            "{way}: a range that does not apply cannot be unsatisfiable"
        );
        // RFC 9110 8.8.2.2: a date is strong only where it is known that nothing else was sent under it.
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        let dated = files.validate_by(middleware_static::ValidateBy::Fixed(date));
        let same = ("if-range", "Sun, 06 Nov 1994 08:49:37 GMT");
        let answer = get_with(&dated, "/digits.txt", &[("range", "bytes=0-0"), same]).await;
        assert_eq!(
            answer.status, 200,
            "{way}: one date for all files guards none"
        );
    }
}

#[tokio::test]
async fn a_304_has_the_fields_of_the_200_that_caches_need() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let files = files
            .precompressed()
            .cache_control("*", "max-age=60".parse().unwrap());
        let known = get(&files, "/digits.txt").await;
        for _ in 0..2 {
            let answer = get_with(
                &files,
                "/digits.txt",
                &[("if-none-match", known.field("etag"))],
            )
            .await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.len()),
                (304, 0),
                "{way}"
            );
            for name in ["etag", "vary", "cache-control", "last-modified"] {
                assert_eq!(
                    answer.field(name),
                    known.field(name),
                    "{way} {name}: RFC 9110 15.4.5"
                );
                assert!(answer.has(name), "{way} {name}");
            }
            for name in ["content-length", "content-type", "content-range"] {
                assert!(!answer.has(name), "{way} {name}");
            }
        }
        let by_date = get_with(
            &files,
            "/digits.txt",
            &[("if-modified-since", known.field("last-modified"))],
        )
        .await;
        let vouched = if way == "embedded" { 200 } else { 304 };
        assert_eq!(by_date.status, vouched, "{way}");
        let both = [
            ("if-none-match", "\"other\""),
            ("if-modified-since", known.field("last-modified")),
        ];
        assert_eq!(
            get_with(&files, "/digits.txt", &both).await.status,
            200,
            "{way}: 13.1.3 (nginx says 304)"
        );
        let failed = get_with(&files, "/digits.txt", &[("if-match", "\"other\"")]).await;
        assert_eq!(failed.status, 412, "{way}");
        // 13.2.1: preconditions are about what would be a 2xx.
        assert_eq!(
            get_with(&files, "/missing", &[("if-match", "\"other\"")])
                .await
                .status,
            404,
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_sibling_is_sent_to_who_accepts_its_coding() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let plain = files.clone();
        let files = files.precompressed();
        let mut tags = Vec::new();
        for (accept, coding, body) in [
            ("", "", "plain"),
            ("gzip", "gzip", "gzipped"),
            ("gzip, deflate, br, zstd", "br", "brotli"),
            ("gzip;q=0.9, zstd;q=1.0, br;q=0.1", "zstd", "zstandard"),
            ("br;q=0, gzip;q=0.5", "gzip", "gzipped"),
            ("*", "br", "brotli"),
            ("identity, gzip;q=0.5", "", "plain"),
            ("identity;q=0, gzip;q=0.1", "gzip", "gzipped"),
            ("deflate", "", "plain"),
        ] {
            let answer = get_with(&files, "/app.js", &[("accept-encoding", accept)]).await;
            assert_eq!(answer.status, 200, "{way} {accept}");
            assert_eq!(answer.field("content-encoding"), coding, "{way} {accept}");
            assert_eq!(answer.text().trim(), body, "{way} {accept}");
            assert_eq!(
                answer.field("content-type"),
                "text/javascript; charset=utf-8",
                "{way} {accept}"
            );
            assert_eq!(
                answer.field("vary"),
                "accept-encoding",
                "{way} {accept}: on every answer that was chosen"
            );
            tags.push((coding, answer.field("etag").to_owned()));
        }
        tags.sort();
        tags.dedup();
        assert_eq!(
            tags.len(),
            4,
            "{way}: a tag per coding, RFC 9110 8.8.3.3: {tags:?}"
        );

        let nothing = get_with(
            &files,
            "/app.js",
            &[("accept-encoding", "identity;q=0, deflate")],
        )
        .await;
        assert_eq!(
            (nothing.status.as_u16(), nothing.field("vary")),
            (406, "accept-encoding"),
            "{way}"
        );
        let without = get_with(&files, "/digits.txt", &[("accept-encoding", "br, gzip")]).await;
        assert_eq!(
            (without.field("content-encoding"), without.field("vary")),
            ("", "accept-encoding"),
            "{way}"
        );
        // Another client may accept a coding that there is a sibling in.
        assert_eq!(
            get(&files, "/none.js").await.field("vary"),
            "accept-encoding",
            "{way}: a 404 is chosen too"
        );
        let range = get_with(
            &files,
            "/app.js",
            &[("accept-encoding", "gzip"), ("range", "bytes=0-3")],
        )
        .await;
        assert_eq!(
            (
                range.status.as_u16(),
                range.text().as_str(),
                range.field("content-encoding")
            ),
            (206, "plai", ""),
            "{way}: part of a coded file is of no use by itself"
        );
        // A client that has the beginning of the coded file gets all of the file, and no part of another.
        let coded = get_with(&files, "/app.js", &[("accept-encoding", "gzip")]).await;
        assert!(!coded.has("accept-ranges"), "{way}");
        for (accept, body) in [("gzip", "plain"), ("gzip, identity;q=0", "gzipped")] {
            let fields = [
                ("accept-encoding", accept),
                ("range", "bytes=2-3"),
                ("if-range", coded.field("etag")),
            ];
            let rest = get_with(&files, "/app.js", &fields).await;
            assert_eq!(
                (rest.status.as_u16(), rest.text().trim()),
                (200, body),
                "{way}"
            );
        }
        let off = get_with(&plain, "/app.js", &[("accept-encoding", "br")]).await;
        assert_eq!(
            (off.text().trim(), off.has("vary")),
            ("plain", false),
            "{way}: off unless asked for"
        );
        let itself = get_with(&files, "/app.js.gz", &[("accept-encoding", "gzip")]).await;
        assert_eq!(
            (
                itself.field("content-encoding"),
                itself.field("content-type")
            ),
            ("", "application/gzip"),
            "{way}"
        );
    }
}
