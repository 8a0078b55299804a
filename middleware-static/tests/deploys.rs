//! A release replaces the files of a site, and no page that is open breaks: what clients keep, what is still served of
//! other builds, and which page answers for what is missing.

mod common;

use std::fs;

use common::{Site, get, get_with, head};
use middleware_static::{AssetManifest, StaticFile, StaticFiles};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

#[tokio::test]
async fn html_is_asked_for_each_time_and_what_says_otherwise_wins() {
    let site = Site::with(&[
        ("index.html", "<p>one"),
        ("docs/index.htm", "<p>docs"),
        ("x.xhtml", "<p>x"),
        ("app.js", "let a"),
    ]);
    common::settle().await;
    for (way, files) in site.every_way() {
        let files = files.index_files(["index.html", "index.htm"]);
        for path in ["/", "/index.html", "/docs/", "/x.xhtml"] {
            // From the file, and from the cache.
            for _ in 0..2 {
                let answer = get(&files, path).await;
                assert_eq!(answer.field("cache-control"), "no-cache", "{way} {path}");
                let tag = answer.field("etag").to_owned();
                let again = get_with(&files, path, &[("if-none-match", &tag)]).await;
                let kept = (again.status.as_u16(), again.field("cache-control"));
                assert_eq!(kept, (304, "no-cache"), "{way} {path}");
            }
        }
        assert!(!get(&files, "/app.js").await.has("cache-control"), "{way}");
        let said = files
            .clone()
            .cache_control("docs/", "max-age=60".parse().unwrap());
        let docs = get(&said, "/docs/").await;
        assert_eq!(docs.field("cache-control"), "max-age=60", "{way}");
        let field = "cache-control".parse().unwrap();
        let said = files.header(field, "private".parse().unwrap());
        let page = get(&said, "/").await;
        assert_eq!(page.field("cache-control"), "private", "{way}");
    }
    use tower::ServiceExt;
    let page = StaticFile::new(site.path("app.js")).unwrap();
    let page = page.content_type("text/html".parse().unwrap());
    let answer = page.oneshot(http::Request::new(())).await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-cache");
}

#[tokio::test]
async fn names_in_directories_that_the_program_named_are_kept_for_good() {
    let site = Site::with(&[
        ("index.html", "<p>page"),
        ("assets/index-BRBmoGS9.js", "let a"),
        ("assets/deep/x.css", "p {}"),
        ("assets/docs/index.html", "<p>docs"),
        ("menu-settings.js", "let menu"),
    ]);
    for (way, files) in site.every_way() {
        for pattern in ["assets/", "/assets/", "assets/**"] {
            let files = files
                .clone()
                .immutable(pattern)
                .spa("index.html")
                .clean_urls();
            let page = [("sec-fetch-mode", "navigate")];
            for (path, fields, status, caching) in [
                ("/assets/index-BRBmoGS9.js", &[][..], 200, IMMUTABLE),
                ("/assets/deep/x.css", &[], 200, IMMUTABLE),
                // Another name than the file's.
                ("/assets/docs/", &[], 200, "no-cache"),
                ("/assets/docs", &[], 301, "no-cache"),
                ("/assets/docs/index", &[], 200, "no-cache"),
                ("/assets/missing.js", &[], 404, "no-cache"),
                ("/assets/missing.js", &page, 200, "no-cache"),
                (
                    "/assets/index-BRBmoGS9.js",
                    &[("range", "bytes=9-")],
                    416,
                    "no-cache",
                ),
                ("/menu-settings.js", &[], 200, ""),
                ("/", &[], 200, "no-cache"),
            ] {
                let answer = get_with(&files, path, fields).await;
                let found = (answer.status.as_u16(), answer.field("cache-control"));
                assert_eq!(
                    found,
                    (status, caching),
                    "{way} {pattern} {path} {fields:?}"
                );
            }
        }
        // By name on request only, and the first rule counts.
        let files = files
            .cache_control("menu-*", "no-cache".parse().unwrap())
            .immutable("*-????????.js");
        let caching = async |path| get(&files, path).await.field("cache-control").to_owned();
        assert_eq!(caching("/menu-settings.js").await, "no-cache", "{way}");
        assert_eq!(
            caching("/assets/index-BRBmoGS9.js").await,
            IMMUTABLE,
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_page_that_stands_in_is_never_kept_for_good() {
    let site = Site::with(&[
        ("assets/app.html", "<p>page"),
        ("assets/404.html", "<p>404"),
    ]);
    for (way, files) in site.every_way() {
        let files = files
            .immutable("assets/")
            .spa("assets/app.html")
            .not_found_page("assets/404.html");
        for (path, status, caching) in [
            ("/assets/app.html", 200, IMMUTABLE),
            ("/users/42", 200, "no-cache"),
            ("/assets/none.js", 404, "no-cache"),
        ] {
            let answer = get(&files, path).await;
            let found = (answer.status.as_u16(), answer.field("cache-control"));
            assert_eq!(found, (status, caching), "{way} {path}");
        }
    }
}

#[tokio::test]
async fn a_route_named_like_a_directory_is_answered_with_the_page() {
    let site = Site::with(&[
        ("index.html", "<p>page"),
        ("users/avatar.png", "png"),
        ("docs/index.html", "<p>docs"),
    ]);
    for (way, files) in site.every_way() {
        let spa = files.clone().spa("index.html");
        for (path, fields, status, text) in [
            ("/users", &[][..], 200, "<p>page"),
            ("/users/", &[], 200, "<p>page"),
            ("/users", &[("sec-fetch-mode", "navigate")], 200, "<p>page"),
            (
                "/users",
                &[("sec-fetch-mode", "cors")],
                404,
                "404 Not Found\n",
            ),
            ("/users/avatar.png", &[], 200, "png"),
            ("/users/none.png", &[], 404, "404 Not Found\n"),
            // A page of its own.
            ("/docs", &[], 301, "301 Moved Permanently\n"),
            ("/docs/", &[], 200, "<p>docs"),
        ] {
            let answer = get_with(&spa, path, fields).await;
            let found = (answer.status.as_u16(), answer.text());
            assert_eq!(found, (status, text.to_owned()), "{way} {path} {fields:?}");
        }
        assert_eq!(head(&spa, "/users").await.status, 200, "{way}");
        assert_eq!(get(&files, "/users").await.status, 301, "{way}: without it");
        let listed = get(&spa.listing(), "/users").await;
        assert_eq!(listed.status, 301, "{way}: there is a list");
    }
}

/// A build as Vite makes it: an entry, its style sheet, a chunk that it loads later, and a file of `public/`.
fn vite_build(site: &Site, place: &str, number: u32) {
    let manifest = format!(
        r#"{{
            "src/main.ts": {{ "file": "assets/main-{number}BRBmoGS.js", "name": "main", "src": "src/main.ts", "isEntry": true,
                "css": ["assets/main-{number}UjPuWkk.css"], "imports": ["_shared.js"], "dynamicImports": ["src/later.ts"] }},
            "_shared.js": {{ "file": "assets/shared-{number}7PI925.js", "name": "shared" }},
            "src/later.ts": {{ "file": "assets/later-{number}2H3sXN.js", "name": "later", "isDynamicEntry": true }}
        }}"#
    );
    for (name, content) in [
        (".vite/manifest.json", manifest),
        ("index.html", format!("<p>build {number}")),
        ("favicon.svg", format!("<svg id=\"{number}\"/>")),
        (
            &*format!("assets/main-{number}BRBmoGS.js"),
            format!("main {number}"),
        ),
        (
            &*format!("assets/main-{number}UjPuWkk.css"),
            format!("css {number}"),
        ),
        (
            &*format!("assets/shared-{number}7PI925.js"),
            format!("shared {number}"),
        ),
        (
            &*format!("assets/later-{number}2H3sXN.js"),
            format!("later {number}"),
        ),
        ("assets/menu-settings.js", format!("menu {number}")),
    ] {
        site.write(format!("{place}{name}"), content.as_bytes());
    }
}

#[tokio::test]
async fn what_vite_built_is_found_by_its_source_and_kept_for_good() {
    let site = Site::with(&[]);
    vite_build(&site, "", 1);
    let assets = AssetManifest::vite(site.root()).unwrap().base("/static");
    assert_eq!(
        assets.asset_url("src/main.ts"),
        "/static/assets/main-1BRBmoGS.js"
    );
    assert_eq!(
        assets.asset_tags("/src/main.ts"),
        "<link rel=\"stylesheet\" href=\"/static/assets/main-1UjPuWkk.css\">\n\
         <script type=\"module\" src=\"/static/assets/main-1BRBmoGS.js\"></script>\n\
         <link rel=\"modulepreload\" href=\"/static/assets/shared-17PI925.js\">\n"
    );
    let copied = assets.asset_url("favicon.svg");
    assert!(
        copied.starts_with("/static/favicon.")
            && copied.len() == "/static/favicon.3f9c1a7b.svg".len()
    );
    for (way, files) in site.every_way() {
        let files = files.assets(assets.clone());
        for (path, caching) in [
            ("/assets/main-1BRBmoGS.js", IMMUTABLE),
            ("/assets/main-1UjPuWkk.css", IMMUTABLE),
            ("/assets/later-12H3sXN.js", IMMUTABLE),
            // Copied by Vite, and named so by people.
            ("/assets/menu-settings.js", ""),
            ("/favicon.svg", ""),
            (&copied["/static".len()..], IMMUTABLE),
            ("/", "no-cache"),
            ("/.vite/manifest.json", ""),
        ] {
            // From the file, and from the cache.
            for _ in 0..2 {
                let answer = get(&files, path).await;
                assert_eq!(answer.field("cache-control"), caching, "{way} {path}");
            }
        }
        assert_eq!(
            get(&files, "/.vite/manifest.json").await.status,
            404,
            "{way}"
        );
    }
}

#[test]
fn a_root_without_a_manifest_of_vite_is_an_error_that_says_so() {
    let site = Site::with(&[("index.html", "")]);
    let error = AssetManifest::vite(site.root()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("build.manifest"), "{error}");
    // A web app's manifest has the name that Vite's had before version 5.
    site.write("manifest.json", br#"{ "name": "app", "icons": [] }"#);
    let error = AssetManifest::vite(site.root()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    site.write(
        "manifest.json",
        br#"{ "a.js": { "file": "a-BRBmoGS9.js" } }"#,
    );
    let assets = AssetManifest::vite(site.root()).unwrap();
    assert_eq!(assets.asset_url("a.js"), "a-BRBmoGS9.js");
}

#[tokio::test]
async fn a_release_is_noticed_and_one_that_is_half_copied_is_not_believed() {
    let site = Site::with(&[]);
    vite_build(&site, "", 1);
    let assets = AssetManifest::vite(site.root()).unwrap();
    let files = StaticFiles::new(site.root()).assets(assets.clone());
    vite_build(&site, "", 2);
    let whole = fs::read(site.path(".vite/manifest.json")).unwrap();
    site.write(".vite/manifest.json", &whole[..whole.len() / 2]);
    common::settle().await;
    assert_eq!(assets.asset_url("src/main.ts"), "assets/main-1BRBmoGS.js");
    site.write(".vite/manifest.json", &whole);
    common::settle().await;
    assert_eq!(assets.asset_url("src/main.ts"), "assets/main-2BRBmoGS.js");
    let answer = get(&files, "/assets/main-2BRBmoGS.js").await;
    assert_eq!(answer.field("cache-control"), IMMUTABLE);
}

#[tokio::test]
async fn a_manifest_covers_overlays_as_the_files_do() {
    let (site, theme) = (
        Site::with(&[("both.css", "of the site"), ("site.css", "site")]),
        Site::with(&[("both.css", "of the theme"), ("theme.css", "theme")]),
    );
    let assets = AssetManifest::new(site.root()).overlay(theme.root());
    for (way, files) in site.every_way() {
        let files = files.overlay(theme.root()).assets(assets.clone());
        for (name, text) in [
            ("both.css", "of the site"),
            ("site.css", "site"),
            ("theme.css", "theme"),
        ] {
            let url = format!("/{}", assets.asset_url(name));
            let answer = get(&files, &url).await;
            let found = (answer.text(), answer.field("cache-control"));
            assert_eq!(found, (text.to_owned(), IMMUTABLE), "{way} {url}");
        }
    }
}

#[tokio::test]
async fn other_builds_are_asked_for_names_that_say_their_content_and_for_nothing_else() {
    let releases = Site::with(&[]);
    for number in 1..=3 {
        vite_build(&releases, &format!("{number}/dist/"), number);
        releases.write(format!("{number}/dist/only-{number}.txt"), b"");
        releases.write(format!("{number}/secret.js"), b"");
    }
    // The replica of release 2, of which pages of 1 and of 3 ask too.
    let site = releases.path("2/dist");
    let pattern = releases.path("*/dist");
    let by_vite = StaticFiles::new(&site)
        .assets(AssetManifest::vite(&site).unwrap())
        .previous_builds(&pattern);
    let by_directory = StaticFiles::new(&site)
        .immutable("assets/")
        .previous_builds(&pattern);
    for (way, files) in [("vite", by_vite), ("directory", by_directory)] {
        for number in 1..=3 {
            for (name, text) in [
                (format!("/assets/main-{number}BRBmoGS.js"), "main"),
                (format!("/assets/main-{number}UjPuWkk.css"), "css"),
                (format!("/assets/later-{number}2H3sXN.js"), "later"),
            ] {
                let answer = get(&files, &name).await;
                let found = (answer.text(), answer.field("cache-control"));
                assert_eq!(
                    found,
                    (format!("{text} {number}"), IMMUTABLE),
                    "{way} {name}"
                );
            }
        }
        for name in [
            "/only-1.txt",
            "/only-3.txt",
            "/secret.js",
            "/assets/../secret.js",
            "/assets/%2e%2e/secret.js",
            "/assets/none-32H3sXN.js",
            "/.vite/manifest.json",
        ] {
            assert_eq!(get(&files, name).await.status, 404, "{way} {name}");
        }
        assert_eq!(get(&files, "/").await.text(), "<p>build 2", "{way}");
        let menu = get(&files, "/assets/menu-settings.js").await;
        assert_eq!(menu.text(), "menu 2", "{way}: what is here comes first");
    }
}

#[tokio::test]
async fn a_build_that_comes_while_the_server_runs_is_found() {
    let releases = Site::with(&[("1/assets/a-1.js", "one")]);
    let files = StaticFiles::new(releases.path("1"))
        .immutable("assets/")
        .previous_builds(releases.path("*"));
    assert_eq!(get(&files, "/assets/a-2.js").await.status, 404);
    releases.write("2/assets/a-2.js", b"two");
    common::settle().await;
    assert_eq!(get(&files, "/assets/a-2.js").await.text(), "two");
}

// A stale sibling would be kept for good as well.
#[tokio::test]
async fn a_compressed_sibling_of_a_name_that_is_kept_for_good_has_to_be_a_copy() {
    let site = Site::with(&[("assets/a.js", "let a"), ("assets/b.js", "let b")]);
    site.write("assets/a.js.gz", &common::gzip(b"let a"));
    site.write("assets/b.js.gz", &common::gzip(b"before"));
    for (way, files) in site.every_way() {
        let files = files.immutable("assets/").precompressed();
        for (path, coding) in [("/assets/a.js", "gzip"), ("/assets/b.js", "")] {
            // Twice: what was found out is remembered.
            for _ in 0..2 {
                let answer = get_with(&files, path, &[("accept-encoding", "gzip")]).await;
                let found = (
                    answer.field("content-encoding"),
                    answer.field("cache-control"),
                );
                assert_eq!(found, (coding, IMMUTABLE), "{way} {path}");
            }
        }
    }
}

#[tokio::test]
async fn so_has_one_in_memory() {
    use middleware_static::source::{File, Node, Source, Wait};
    struct Memory;
    impl Source for Memory {
        fn open(&self, path: &std::path::Path, _: Wait) -> std::io::Result<Node> {
            let bytes = match path.to_str().unwrap() {
                "a.js" => b"let a".to_vec(),
                "b.js" => b"let b".to_vec(),
                "a.js.gz" => common::gzip(b"let a"),
                "b.js.gz" => common::gzip(b"before"),
                _ => return Err(std::io::ErrorKind::NotFound.into()),
            };
            Ok(Node::File(File::from_bytes(bytes)))
        }
    }
    let files = StaticFiles::from_source(Memory)
        .immutable("*.js")
        .precompressed();
    for (path, coding) in [("/a.js", "gzip"), ("/b.js", "")] {
        for _ in 0..2 {
            let answer = get_with(&files, path, &[("accept-encoding", "gzip")]).await;
            assert_eq!(answer.field("content-encoding"), coding, "{path}");
        }
    }
}

#[tokio::test]
async fn a_compressed_copy_in_another_build_is_sent_if_it_is_one() {
    let releases = Site::with(&[
        ("1/assets/a-1.js", "let a"),
        ("1/assets/b-1.js", "let b"),
        ("2/index.html", ""),
    ]);
    releases.write("1/assets/a-1.js.gz", &common::gzip(b"let a"));
    releases.write("1/assets/b-1.js.gz", &common::gzip(b"another"));
    let files = StaticFiles::new(releases.path("2"))
        .immutable("assets/")
        .precompressed()
        .previous_builds(releases.path("*"));
    let ask = async |path| {
        let answer = get_with(&files, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(answer.field("vary"), "accept-encoding");
        answer.field("content-encoding").to_owned()
    };
    assert_eq!(ask("/assets/a-1.js").await, "gzip");
    assert_eq!(ask("/assets/b-1.js").await, "");
}
