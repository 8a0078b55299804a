//! A site to ask: a temporary directory behind every way there is to serve it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::allow_attributes, reason = "a part may be all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gateway_core::validator::{Side, ValidatorLayer};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use middleware_static::StaticFiles;
use middleware_static::source::{Directory, Io};
use tower::{Layer, ServiceExt};

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The value of a field; empty where there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks a service, and sees to it that the answer is one that HTTP allows.
pub(crate) async fn ask(
    files: &StaticFiles,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let validator = ValidatorLayer::new();
    let service = validator.layer(files.clone());
    let response = service
        .oneshot(request.body(Empty::<Bytes>::new()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("the body is whole").to_bytes();
    let breaches = validator.breaches().take();
    let ours: Vec<_> = breaches
        .iter()
        .filter(|breach| breach.side == Side::Application)
        .collect();
    assert!(ours.is_empty(), "{path}: {ours:?}");
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

pub(crate) async fn get(files: &StaticFiles, path: &str) -> Answer {
    ask(files, Method::GET, path, &[]).await
}

pub(crate) async fn get_with(files: &StaticFiles, path: &str, fields: &[(&str, &str)]) -> Answer {
    ask(files, Method::GET, path, fields).await
}

pub(crate) async fn head(files: &StaticFiles, path: &str) -> Answer {
    ask(files, Method::HEAD, path, &[]).await
}

/// A directory of files that are an hour old.
pub(crate) struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let site = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for (name, content) in files {
            site.write(name, content.as_bytes());
        }
        site
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file and makes it an hour old.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        age(&path, Duration::from_secs(3600));
    }

    /// Every way to serve it: with the fastest means and the portable ones, with a cache and without.
    pub(crate) fn every_way(&self) -> Vec<(&'static str, StaticFiles)> {
        let portable = || StaticFiles::from_source(Directory::new(self.root()).io(Io::Portable));
        vec![
            ("fastest", StaticFiles::new(self.root())),
            (
                "fastest, no cache",
                StaticFiles::new(self.root()).no_cache(),
            ),
            ("portable", portable()),
            ("portable, no cache", portable().no_cache()),
        ]
    }
}

/// As `gzip` writes it.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Sets the time of the last modification to so long ago.
pub(crate) fn age(path: &Path, age: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Until what is an hour old by mtime is two seconds old by ctime too, which no program can set: then files are cached.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(2100)).await;
}
