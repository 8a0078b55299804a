//! One spelling of a path is served: what a guard in front compares is what is read.

mod common;

use std::io;
use std::path::Path;

use common::{Site, ask, get, get_with};
use gateway_core::paths::Spelling;
use http::Method;
use middleware_static::source::{Entry, File, Node, Source, Wait};
use middleware_static::{AssetManifest, OtherSpellings, StaticFiles};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    rule: String,
    path: String,
    #[serde(default)]
    has: Vec<String>,
    location: Option<String>,
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// Every name is a file that holds its own name.
struct Echo;

impl Source for Echo {
    fn open(&self, path: &Path, _: Wait) -> io::Result<Node> {
        Ok(Node::File(File::from_bytes(
            path.as_os_str().as_encoded_bytes().to_vec(),
        )))
    }
}

/// The table of the crate that says how paths are spelled, with what is made of it here.
#[tokio::test]
async fn static_files_have_one_spelling() {
    let table = include_str!("../../gateway-core/tests/cases/spellings.toml");
    let table: Cases = toml::from_str(table).unwrap();
    let files = StaticFiles::from_source(Echo).dotfiles(middleware_static::Dotfiles::Serve);
    let lenient = files.clone().other_spellings(OtherSpellings::Serve);
    let mut redirects = 0;
    for Case {
        rule,
        path,
        has,
        location,
    } in table.case
    {
        let has = |what: &str| has.iter().any(|found| found == what);
        let refused = ["dot segment", "empty segment", "encoded slash", "nul"];
        let expected = if has("stray percent") {
            400
        } else if refused.into_iter().any(has) {
            404
        } else if has("other escapes") {
            308
        } else {
            200
        };
        // What no request line can hold is not asked.
        let Ok(uri) = format!("{path}?a=b&c").parse::<http::Uri>() else {
            continue;
        };
        if uri.path() != path || !path.starts_with('/') {
            continue;
        }
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "QUERY"] {
            let method: Method = method.parse().unwrap();
            let answer = ask(&files, method.clone(), &uri.to_string(), &[]).await;
            let reads = matches!(method, Method::GET | Method::HEAD);
            let expected = match expected {
                308 if location.is_none() => 404,
                308 => 308,
                _ if method == Method::OPTIONS => 204,
                _ if !reads => 405,
                // A directory has no index here that is not a file.
                status => status,
            };
            assert_eq!(answer.status, expected, "{method} {path}: {rule}");
            if answer.status == 308 {
                redirects += 1;
                let location = location.as_deref().unwrap();
                assert_eq!(
                    answer.field("location"),
                    format!("{location}?a=b&c"),
                    "{rule}"
                );
                assert!(!answer.field("location").starts_with('/'), "{rule}");
            }
        }
        let served = get(&lenient, &path).await;
        let expected = if expected == 308 { 200 } else { expected };
        assert_eq!(served.status, expected, "{path}: {rule}");
    }
    assert!(redirects > 10, "{redirects}");
}

#[tokio::test]
async fn what_is_hidden_or_missing_is_not_told_by_a_redirect() {
    let site = Site::with(&[("a.txt", "a"), (".env", "secret"), ("d/index.html", "d")]);
    for (way, files) in site.every_way() {
        for (path, status, location) in [
            ("/%61.txt", 308, "./a.txt"),
            ("/d/%69ndex.html", 308, "./index.html"),
            ("/%64/index.html", 308, "../d/index.html"),
            ("/%64", 308, "./d"),
            // Decided by the spelling alone, whether there is a file or not.
            ("/%6eothing", 308, "./nothing"),
            ("/%2eenv", 308, "./.env"),
            ("//a.txt", 404, ""),
            ("/./a.txt", 404, ""),
            ("/%2e/a.txt", 404, ""),
            ("/d/../a.txt", 404, ""),
            ("/d//index.html", 404, ""),
            ("/d//", 404, ""),
            ("/d%2Findex.html", 404, ""),
            ("/d%2findex.html", 404, ""),
            ("//evil.example/%61", 404, ""),
        ] {
            let answer = get(&files, path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.field("location")),
                (status, location),
                "{way} {path}"
            );
        }
        let lenient = files.other_spellings(OtherSpellings::Serve);
        assert_eq!(get(&lenient, "/%61.txt").await.text(), "a", "{way}");
        assert_eq!(get(&lenient, "/%2eenv").await.status, 404, "{way}");
        assert_eq!(
            get(&lenient, "/%64").await.field("location"),
            "./d/",
            "{way}"
        );
        assert_eq!(get(&lenient, "/%2e/a.txt").await.status, 404, "{way}");
    }
}

/// A directory that holds one name, whatever it is.
struct Listed(Vec<u8>);

impl Source for Listed {
    fn open(&self, path: &Path, _: Wait) -> io::Result<Node> {
        if path.as_os_str().is_empty() {
            return Ok(Node::Directory);
        }
        let found = path.as_os_str().as_encoded_bytes() == self.0;
        if found {
            Ok(Node::File(File::from_bytes("it")))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[cfg(unix)]
    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        use std::os::unix::ffi::OsStringExt;
        let name = std::ffi::OsString::from_vec(self.0.clone());
        Ok(vec![Entry::file(name, 2, None)])
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    #[cfg(unix)]
    fn links_of_listings_and_asset_urls_are_canonical(name in prop::collection::vec(1_u8.., 1..20)) {
        prop_assume!(!name.contains(&b'/') && name != b"." && name != b"..");
        let canonical = |url: &str| {
            let path = format!("/{}", url.trim_start_matches("./"));
            Spelling::of(&path).canonical() == path
        };
        let files = StaticFiles::from_source(Listed(name.clone()))
            .listing()
            .index_files::<[&str; 0]>([])
            .dotfiles(middleware_static::Dotfiles::Serve);
        let (href, answer) = block_on(async {
            let json = get_with(&files, "/", &[("accept", "application/json")]).await;
            let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
            let href = json["entries"][0]["href"].as_str().unwrap().to_owned();
            let answer = get(&files, href.trim_start_matches('.')).await;
            (href, answer)
        });
        prop_assert!(canonical(&href), "{}", href);
        prop_assert_eq!(answer.status, 200);
        if let Ok(name) = String::from_utf8(name) {
            let assets = AssetManifest::from_source(Listed(name.clone().into()));
            let url = assets.asset_url(&name);
            prop_assert!(canonical(&url), "{}", url);
            prop_assert!(url.len() > name.len(), "with a hash: {}", url);
        }
    }
}
