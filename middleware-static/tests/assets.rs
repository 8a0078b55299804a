//! Hashed names: given out, served, and still served when they are old.

mod common;

use common::{Site, get, get_with};
use middleware_static::{AssetManifest, StaticFiles};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

#[tokio::test]
async fn a_hashed_name_is_served_and_kept_for_good() {
    let site = Site::with(&[
        ("css/app.css", "body {}"),
        ("css/app.css.zst", "no zstd"),
        ("LICENSE", "MIT"),
        ("a b#.js", "let a"),
    ]);
    let gzipped = common::gzip(b"body {}");
    site.write("css/app.css.gz", &gzipped);
    for (way, files) in site.every_way() {
        let assets = AssetManifest::new(site.root());
        let files = files.assets(assets.clone()).precompressed();
        for (name, content) in [
            ("css/app.css", "body {}"),
            ("/css/app.css", "body {}"),
            ("LICENSE", "MIT"),
            ("a b#.js", "let a"),
        ] {
            let url = assets.asset_url(name);
            assert!(!url.starts_with('/'), "relative: {url}");
            for _ in 0..2 {
                let answer = get(&files, &format!("/{url}")).await;
                assert_eq!(
                    (answer.text().as_str(), answer.field("cache-control")),
                    (content, IMMUTABLE),
                    "{way} {url}"
                );
            }
            let plain = get(&files, &format!("/{}", url.replace(&hash(&url), ""))).await;
            assert_eq!(
                (plain.text().as_str(), plain.has("cache-control")),
                (content, false),
                "{way} {name}"
            );
        }
        let url = format!("/{}", assets.asset_url("css/app.css"));
        assert_eq!(
            get(&files, &url).await.field("content-type"),
            "text/css; charset=utf-8",
            "{way}"
        );
        // Twice: what was found out is remembered.
        for _ in 0..2 {
            let answer = get_with(&files, &url, &[("accept-encoding", "gzip, zstd")]).await;
            assert_eq!(
                (&answer.body[..], answer.field("cache-control")),
                (&gzipped[..], IMMUTABLE),
                "{way}"
            );
            assert_eq!(answer.field("content-encoding"), "gzip", "{way}");
        }
        for unknown in [
            "/css/app.00000000.css",
            "/css/none.3f9c1a7b.css",
            "/css/app.3F9C1A7B.css",
        ] {
            assert_eq!(get(&files, unknown).await.status, 404, "{way} {unknown}");
        }
    }
}

/// `.3f9c1a7b` of a hashed name.
fn hash(url: &str) -> String {
    let start = url
        .as_bytes()
        .windows(9)
        .position(|window| window[0] == b'.' && window[1..].iter().all(u8::is_ascii_hexdigit));
    let start = start.unwrap_or_else(|| panic!("{url} has a hash"));
    url[start..start + 9].to_owned()
}

#[test]
fn the_name_has_eight_digits_of_the_content() {
    let site = Site::with(&[
        ("css/app.css", "body {}"),
        ("copy.css", "body {}"),
        ("other.css", "p {}"),
    ]);
    let assets = AssetManifest::new(site.root());
    let url = assets.asset_url("css/app.css");
    assert_eq!(url.len(), "css/app.3f9c1a7b.css".len());
    assert_eq!(
        hash(&url),
        hash(&assets.asset_url("copy.css")),
        "the same content, on every replica"
    );
    assert_ne!(hash(&url), hash(&assets.asset_url("other.css")));
    assert_eq!(assets.asset_url("missing.css"), "missing.css");
    assert!(
        assets.try_asset_url("missing.css").is_err()
            && assets.try_asset_url("../x").is_err()
            && assets.try_asset_url("css").is_err()
    );
    assert_eq!(
        assets.clone().base("/public").asset_url("css/app.css"),
        format!("/public/{url}")
    );
    assert_eq!(
        assets.asset_url_from("index.html", "css/app.css"),
        format!("./{url}")
    );
    assert_eq!(
        assets.asset_url_from("docs/a/intro.html", "css/app.css"),
        format!("../../{url}")
    );
}

#[test]
fn a_query_or_fragment_stays_behind_the_name() {
    let site = Site::with(&[
        ("sprite.svg", "<svg/>"),
        ("odd#name.js", "1"),
        ("a b.js", "2"),
    ]);
    let assets = AssetManifest::new(site.root()).base("/public");
    let plain = assets.asset_url("sprite.svg");
    for suffix in ["#icon", "?v=2", "?a=b&c#d", "#", "#a?b", "?100%25"] {
        let name = format!("/sprite.svg{suffix}");
        assert_eq!(assets.asset_url(&name), format!("{plain}{suffix}"));
        assert_eq!(
            assets.try_asset_url(&name).unwrap(),
            format!("{plain}{suffix}")
        );
    }
    assert!(assets.asset_url("a b.js?c d").ends_with(".js?c%20d"));
    assert!(
        assets
            .asset_url("odd#name.js")
            .starts_with("/public/odd%23name."),
        "a file of that name"
    );
    assert_eq!(
        assets.asset_url("missing.svg#icon"),
        "/public/missing.svg#icon"
    );
    assert!(assets.try_asset_url("missing.svg#icon").is_err());
    assert_eq!(
        assets.asset_url_from("docs/a.html", "sprite.svg#icon"),
        format!("{}#icon", plain.replace("/public/", "../"))
    );
}

#[tokio::test]
async fn the_hash_follows_the_file_and_old_names_still_work() {
    let site = Site::with(&[("app.css", "one")]);
    for (way, files) in site.every_way() {
        site.write("app.css", b"one");
        let assets = AssetManifest::new(site.root());
        let frozen = assets.clone().frozen();
        let files = files.assets(assets.clone());
        let one = assets.asset_url("app.css");
        assert_eq!(get(&files, &format!("/{one}")).await.text(), "one", "{way}");
        site.write("app.css", b"other");
        let two = assets.asset_url("app.css");
        assert_ne!(one, two, "{way}");
        assert_eq!(
            frozen.asset_url("app.css"),
            two,
            "{way}: clones share what they know"
        );
        assert_eq!(
            get(&files, &format!("/{two}")).await.field("cache-control"),
            IMMUTABLE,
            "{way}"
        );
        // Given out, and gone: a page of yesterday is better off with today's styles than with none.
        let old = get(&files, &format!("/{one}")).await;
        assert_eq!(
            (old.text().as_str(), old.field("cache-control")),
            ("other", "no-cache"),
            "{way}"
        );
    }
}

// A sibling of the content before went out under the new hash, to be kept for good.
#[tokio::test]
async fn a_sibling_of_other_content_is_not_sent_under_a_hashed_name_whatever_its_dates() {
    let site = Site::with(&[("app.css", "new one")]);
    site.write("app.css.gz", &common::gzip(b"old one"));
    for (way, files) in site.every_way() {
        let assets = AssetManifest::new(site.root());
        let files = files.assets(assets.clone()).precompressed();
        for sibling in [1000, 7200] {
            common::age(
                &site.path("app.css.gz"),
                std::time::Duration::from_secs(sibling),
            );
            let url = format!("/{}", assets.asset_url("app.css"));
            for _ in 0..2 {
                let answer = get_with(&files, &url, &[("accept-encoding", "gzip")]).await;
                assert_eq!(
                    (answer.text().as_str(), answer.field("cache-control")),
                    ("new one", IMMUTABLE),
                    "{way} {sibling}"
                );
            }
        }
    }
}

#[tokio::test]
async fn names_of_a_previous_build_bring_its_files() {
    let (old, new) = (
        Site::with(&[("app.css", "old"), ("gone.css", "gone")]),
        Site::with(&[("app.css", "new")]),
    );
    let before = AssetManifest::new(old.root());
    let urls = [before.asset_url("app.css"), before.asset_url("gone.css")];
    // Another process, that never gave out those names.
    let now = AssetManifest::new(new.root());
    for (way, files) in new.every_way() {
        let files = files.assets(now.clone()).previous_builds(old.root());
        for (url, content) in urls.iter().zip(["old", "gone"]) {
            let answer = get(&files, &format!("/{url}")).await;
            assert_eq!(
                (answer.text().as_str(), answer.field("cache-control")),
                (content, IMMUTABLE),
                "{way} {url}"
            );
        }
        let files = StaticFiles::new(new.root()).assets(AssetManifest::new(new.root()));
        assert_eq!(
            get(&files, &format!("/{}", urls[0])).await.status,
            404,
            "{way}: no process gave it out"
        );
    }
}

#[test]
fn a_frozen_manifest_believes_what_it_saw_first() {
    let site = Site::with(&[("app.css", "one")]);
    let assets = AssetManifest::new(site.root()).frozen();
    let url = assets.asset_url("app.css");
    site.write("app.css", b"other");
    assert_eq!(assets.asset_url("app.css"), url);
}

#[tokio::test]
async fn templates_can_use_it() {
    // What a template engine wants: a function that is cloned, sent, and called with a name.
    fn template(asset: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> String {
        format!("<link rel=stylesheet href=\"{}\">", asset("app.css"))
    }
    let site = Site::with(&[("app.css", "one")]);
    let assets = AssetManifest::new(site.root()).base("/static/");
    let page = template(move |name| assets.asset_url(name));
    assert!(
        page.starts_with("<link rel=stylesheet href=\"/static/app."),
        "{page}"
    );
}

#[tokio::test]
async fn a_made_up_name_does_not_have_a_large_file_read() {
    let site = Site::with(&[]);
    std::fs::File::create(site.path("film.mp4"))
        .unwrap()
        .set_len(33 << 20)
        .unwrap();
    let assets = AssetManifest::new(site.root());
    let files = StaticFiles::new(site.root()).assets(assets.clone());
    // Another process knows the hash; this one has not been asked for it.
    let url = AssetManifest::new(site.root()).asset_url("film.mp4");
    assert_eq!(get(&files, &format!("/{url}")).await.status, 404);
    assert_eq!(assets.asset_url("film.mp4"), url);
    assert_eq!(
        common::head(&files, &format!("/{url}"))
            .await
            .field("cache-control"),
        IMMUTABLE
    );
}
