//! What the settings decide, over every source and both ways to read: directories, dotfiles, pages that stand in for what is
//! missing, fields by rule.

mod common;
#[path = "common/sites.rs"]
mod sites;

use common::{Site, get, get_with, head};
use sites::sites;

const DIGITS: &str = "0123456789";

#[tokio::test]
async fn a_directory_is_its_index_and_has_a_slash_at_its_end() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        assert_eq!(
            get(&files, "/docs/").await.text().trim(),
            "the documents",
            "{way}"
        );
        assert_eq!(
            get(&files, "/docs/").await.field("content-type"),
            "text/html; charset=utf-8",
            "{way}"
        );
        for (path, location) in [
            ("/docs", "./docs/"),
            ("/docs?a=b&c", "./docs/?a=b&c"),
            ("/docs/deep", "./deep/"),
        ] {
            let answer = get(&files, path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.field("location")),
                (301, location),
                "{way} {path}"
            );
        }
        // ServeDir: `Location: //docs/`, another host.
        assert_eq!(get(&files, "//docs").await.status, 404, "{way}");
        assert_eq!(
            get(&files, "/docs/deep/").await.status,
            404,
            "{way}: no index, no listing"
        );
        assert_eq!(
            get(&files, "/digits.txt/").await.status,
            404,
            "{way}: a file is no directory"
        );
        assert_eq!(
            get(&files, "/digits.txt/x").await.status,
            404,
            "{way}: hyper-staticfile drops the connection"
        );
        // hyper-staticfile drops the connection; here a later name may still be the index.
        assert_eq!(
            get(&files, "/odd/").await.status,
            404,
            "{way}: index.html is a directory"
        );
        let second = files.clone().index_files(["index.html", "index.txt"]);
        assert_eq!(get(&second, "/odd/").await.text().trim(), "odd", "{way}");
        let none = files.index_files::<[&str; 0]>([]);
        assert_eq!(get(&none, "/docs/").await.status, 404, "{way}");
    }
}

#[tokio::test]
async fn dotfiles_are_not_there_except_the_well_known() {
    let site = Site::with(&[]);
    let ways = site.every_way();
    for name in [
        ".env",
        ".git/config",
        "docs/.secret",
        ".well-known/security.txt",
        ".well-known/.x",
    ] {
        site.write(name, b"dot");
    }
    for (way, files) in ways.into_iter().filter(|(way, _)| *way != "embedded") {
        for path in [
            "/.env",
            "/.git/config",
            "/.git",
            "/docs/.secret",
            "/.well-known/.x",
            "/./.env",
        ] {
            assert_eq!(get(&files, path).await.status, 404, "{way} {path}");
        }
        assert_eq!(
            get(&files, "/.well-known/security.txt").await.status,
            200,
            "{way}"
        );
        let open = files.dotfiles(middleware_static::Dotfiles::Serve);
        assert_eq!(get(&open, "/.env").await.status, 200, "{way}");
    }
}

#[tokio::test]
async fn a_clean_url_is_the_page_with_its_suffix_left_out() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        assert_eq!(
            get(&files, "/about").await.status,
            404,
            "{way}: off unless asked for"
        );
        let files = files.clean_urls();
        let answer = get(&files, "/about").await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().trim()),
            (200, "about us"),
            "{way}"
        );
        assert_eq!(
            answer.field("content-type"),
            "text/html; charset=utf-8",
            "{way}"
        );
        assert_eq!(
            get(&files, "/docs").await.status,
            301,
            "{way}: a directory without a page is a directory"
        );
        assert_eq!(get(&files, "/about/").await.status, 404, "{way}");
        assert_eq!(
            get(&files, "/digits.txt").await.text(),
            DIGITS,
            "{way}: what is there comes first"
        );
    }
}

#[tokio::test]
async fn a_single_page_application_answers_navigations() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let files = files.spa("about.html");
        let page = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (fields, status) in [
            (&[("accept", page)][..], 200),
            (&[("sec-fetch-mode", "navigate")], 200),
            (&[("accept", page), ("sec-fetch-mode", "cors")], 404),
            (&[("accept", "*/*")], 200),
            (&[("accept", "image/avif,image/webp,*/*")], 404),
            (&[], 200),
        ] {
            let answer = get_with(&files, "/users/42", fields).await;
            assert_eq!(answer.status, status, "{way} {fields:?}");
            assert_eq!(
                answer.text().contains("about us"),
                status == 200,
                "{way} {fields:?}"
            );
            assert!(
                answer.field("vary").contains("sec-fetch-mode"),
                "{way} {fields:?}"
            );
        }
        let known = get_with(&files, "/users/42", &[("accept", page)]).await;
        let again = get_with(
            &files,
            "/users/42",
            &[("accept", page), ("if-none-match", known.field("etag"))],
        )
        .await;
        assert_eq!(again.status, 304, "{way}");
        assert_eq!(
            get_with(&files, "/digits.txt", &[("accept", page)])
                .await
                .text(),
            DIGITS,
            "{way}"
        );
        let other = files.spa_with_status("about.html", http::StatusCode::NOT_FOUND);
        let answer = get_with(
            &other,
            "/users/42",
            &[("accept", page), ("range", "bytes=0-1")],
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().trim()),
            (404, "about us"),
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_404_may_have_a_page() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let files = files.not_found_page("about.html");
        let fields = [("if-none-match", "*"), ("range", "bytes=0-1")];
        let answer = get_with(&files, "/missing", &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().trim()),
            (404, "about us"),
            "{way}"
        );
        assert!(!answer.has("etag") && !answer.has("last-modified"), "{way}");
        assert_eq!(
            head(&files, "/missing").await.field("content-length"),
            answer.field("content-length"),
            "{way}"
        );
        let gone = files.not_found_page("no-such-page.html");
        assert_eq!(
            get(&gone, "/missing").await.text(),
            "404 Not Found\n",
            "{way}"
        );
    }
}

#[tokio::test]
async fn fields_follow_the_rules() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let files = files
            .cache_control("docs/**", "no-store".parse().unwrap())
            .cache_control("*.{txt,js}", "max-age=3600".parse().unwrap())
            .attachment("*.bin")
            .content_type("bin", "application/x-thing".parse().unwrap())
            .header(
                "cross-origin-resource-policy".parse().unwrap(),
                "same-origin".parse().unwrap(),
            );
        assert_eq!(
            get(&files, "/digits.txt").await.field("cache-control"),
            "max-age=3600",
            "{way}"
        );
        assert_eq!(
            get(&files, "/docs/").await.field("cache-control"),
            "no-store",
            "{way}"
        );
        assert_eq!(
            get(&files, "/about.html").await.field("cache-control"),
            "no-cache",
            "{way}"
        );
        let saved = get(&files, "/long.bin").await;
        assert_eq!(
            saved.field("content-disposition"),
            "attachment; filename=\"long.bin\"",
            "{way}"
        );
        assert_eq!(saved.field("content-type"), "application/x-thing", "{way}");
        assert_eq!(
            saved.field("cross-origin-resource-policy"),
            "same-origin",
            "{way}"
        );
        assert!(!get(&files, "/missing").await.has("cache-control"), "{way}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_path_is_a_client_error() {
    let (_site, ways) = sites().await;
    let long = format!("/{}", "x".repeat(300));
    let longer = format!("/{}", "x/".repeat(5000));
    for (way, files) in ways {
        for (path, status) in [
            ("/%", 400),
            ("/%zz", 400),
            ("/a%00", 404),
            ("/..", 404),
            ("/a%2f..", 404),
            (&long, 404),
            (&longer, 404),
        ] {
            assert_eq!(get(&files, path).await.status, status, "{way} {path}");
        }
    }
}

// Without the fields of CORS on a refusal, a page of another origin does not even see its status.
#[tokio::test]
async fn fields_for_all_are_on_refusals_and_redirects_too() {
    let (_site, ways) = sites().await;
    for (way, files) in ways {
        let files = files
            .precompressed()
            .content_type("txt", "text/x".parse().unwrap())
            .cache_control("*.bin", "max-age=9, Immutable".parse().unwrap())
            .cache_control("*", "max-age=60".parse().unwrap())
            .header(
                "access-control-allow-origin".parse().unwrap(),
                "*".parse().unwrap(),
            )
            .header("vary".parse().unwrap(), "Origin".parse().unwrap())
            .header("content-language".parse().unwrap(), "en".parse().unwrap());
        let refused = [("accept-encoding", "identity;q=0, br;q=0")];
        let beyond = [("range", "bytes=99999999-")];
        for (method, path, fields, status, caching) in [
            ("GET", "/digits.txt", &[][..], 200, "max-age=60"),
            ("GET", "/digits.txt", &beyond, 416, "max-age=60"),
            ("GET", "/long.bin", &beyond, 416, "no-cache"),
            (
                "GET",
                "/digits.txt",
                &[("if-match", "\"x\"")],
                412,
                "max-age=60",
            ),
            ("GET", "/digits.txt", &refused, 406, "max-age=60"),
            ("GET", "/missing", &[], 404, "max-age=60"),
            ("GET", "/missing.bin", &[], 404, "no-cache"),
            ("GET", "/docs", &[], 301, "max-age=60"),
            ("GET", "/%64igits.txt", &[], 308, "max-age=60"),
            ("GET", "/%zz", &[], 400, ""),
            ("POST", "/digits.txt", &[], 405, ""),
            ("OPTIONS", "/digits.txt", &[], 204, ""),
        ] {
            let answer = common::ask(&files, method.parse().unwrap(), path, fields).await;
            let what = format!("{way} {method} {path} {fields:?}");
            assert_eq!(answer.status, status, "{what}");
            assert_eq!(answer.field("access-control-allow-origin"), "*", "{what}");
            assert_eq!(answer.field("cache-control"), caching, "{what}");
            let vary: Vec<_> = answer.field("vary").split(", ").collect();
            assert_eq!(
                vary.last().map(|name| name.to_lowercase()).as_deref(),
                Some("origin"),
                "{what}"
            );
            if matches!(status, 200 | 404 | 406 | 416) {
                assert_eq!(vary, ["accept-encoding", "origin"], "{what}");
            }
            // What describes the file is not said of another text.
            assert_eq!(answer.has("content-language"), status == 200, "{what}");
            if status == 416 {
                assert!(answer.has("etag") && answer.has("content-range"), "{what}");
                assert_eq!(
                    answer.field("content-type"),
                    "text/plain; charset=utf-8",
                    "{what}"
                );
            }
        }
    }
}
