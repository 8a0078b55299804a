//! Compressed siblings, made when a program is built.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::content_type;
use crate::lookup::path::name_bytes;
use crate::protocol::negotiate::Coding;

/// Copies `folder` to `$OUT_DIR`, with a `.br` and a `.gz` beside each file that is smaller so, to be embedded from there.
///
/// For build scripts. What is copied has the name and the dates of `folder`; the path of the copy is given back. Text, scripts, style
/// sheets, fonts and the like are compressed, as strongly as it goes where the program is optimised, and quickly for
/// development. A file that has a sibling already keeps it. Files whose names begin with a dot are left out, but for `.well-known` and
/// `.vite`.
///
/// ```no_run
/// // build.rs, with `middleware-static = { .., features = ["compress"] }` under [build-dependencies]
/// fn main() -> std::io::Result<()> {
///     println!("cargo::rerun-if-changed=site");
///     middleware_static::compress("site")?;
///     Ok(())
/// }
/// ```
///
/// ```ignore
/// // main.rs, with feature `embed`, and rust-embed's `interpolate-folder-path`
/// #[derive(rust_embed::RustEmbed)]
/// #[folder = "$OUT_DIR/site"]
/// struct Site;
///
/// let files = StaticFiles::from_source(Embedded::<Site>::new()).precompressed();
/// ```
///
/// Build scripts are not optimised by default: `[profile.release.build-override] opt-level = 3` makes this ten times as fast.
///
/// # Errors
/// What the file system says, and [`io::ErrorKind::NotFound`] outside of a build script.
pub fn compress(folder: impl AsRef<Path>) -> io::Result<PathBuf> {
    let out = env::var_os("OUT_DIR").ok_or_else(|| {
        let text = "there is no OUT_DIR: `compress` is for build scripts";
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    let effort = match env::var("OPT_LEVEL").as_deref() {
        Ok("0") => Effort::Little,
        _ => Effort::Most,
    };
    compress_to(folder.as_ref(), Path::new(&out), effort)
}

#[derive(Clone, Copy)]
enum Effort {
    Little,
    Most,
}

fn compress_to(folder: &Path, out: &Path, effort: Effort) -> io::Result<PathBuf> {
    let name = folder
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let copy = out.join(name);
    // A file that was removed from the folder must not stay embedded.
    match fs::remove_dir_all(&copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    copy_directory(folder, &copy, effort)?;
    Ok(copy)
}

fn copy_directory(from: &Path, to: &Path, effort: Effort) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_left_out(&name_bytes(&name)) {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        // Links are followed: what they lead to is embedded.
        if fs::metadata(&from)?.is_dir() {
            copy_directory(&from, &to, effort)?;
        } else {
            copy_file(&from, &to, effort)?;
        }
    }
    Ok(())
}

fn is_left_out(name: &[u8]) -> bool {
    name.starts_with(b".") && !matches!(name, b".well-known" | b".vite")
}

fn copy_file(from: &Path, to: &Path, effort: Effort) -> io::Result<()> {
    let content = fs::read(from)?;
    let modified = fs::metadata(from)?.modified()?;
    write(to, &content, modified)?;
    let name = from.file_name().unwrap_or_default();
    if !is_compressible(&name_bytes(name)) {
        return Ok(());
    }
    for coding in [Coding::Brotli, Coding::Gzip] {
        if with_suffix(from, coding).exists() {
            continue;
        }
        let compressed = encode(&content, coding, effort)?;
        // A smaller gain is not worth a header field and the client's work.
        if compressed.len() < content.len() - content.len() / 16 {
            write(&with_suffix(to, coding), &compressed, modified)?;
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8], modified: std::time::SystemTime) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    file.set_modified(modified)
}

fn with_suffix(path: &Path, coding: Coding) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(coding.suffix());
    name.into()
}

/// Whether files of this name usually become smaller. Images, films and archives are compressed as they are.
fn is_compressible(name: &[u8]) -> bool {
    let kind = content_type(name);
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let words = ["json", "xml", "javascript", "wasm", "yaml", "toml"];
    kind.starts_with("text/")
        || words.iter().any(|word| kind.ends_with(word))
        || matches!(
            kind,
            "application/manifest+json"
                | "font/ttf"
                | "font/otf"
                | "image/x-icon"
                | "image/vnd.microsoft.icon"
                | "image/bmp"
        )
}

fn encode(content: &[u8], coding: Coding, effort: Effort) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    if coding == Coding::Brotli {
        let parameters = BrotliEncoderParams {
            quality: match effort {
                Effort::Little => 4,
                Effort::Most => 11,
            },
            size_hint: content.len(),
            ..Default::default()
        };
        brotli::BrotliCompress(&mut &*content, &mut compressed, &parameters)?;
    } else {
        let level = match effort {
            Effort::Little => Compression::fast(),
            Effort::Most => Compression::best(),
        };
        let mut encoder = GzEncoder::new(&mut compressed, level);
        encoder.write_all(content)?;
        encoder.finish()?;
    }
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn decoded(path: &Path) -> Vec<u8> {
        let bytes = fs::read(path).unwrap();
        let mut decoded = Vec::new();
        if path.extension().is_some_and(|ending| ending == "br") {
            brotli_decompressor::Decompressor::new(&*bytes, 4096)
                .read_to_end(&mut decoded)
                .unwrap();
        } else {
            flate2::read::GzDecoder::new(&*bytes)
                .read_to_end(&mut decoded)
                .unwrap();
        }
        decoded
    }

    #[test]
    fn what_becomes_smaller_has_siblings_that_decode_to_it_and_the_rest_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let text = "let a = 1;\n".repeat(100);
        for (name, content) in [
            ("app.js", &*text),
            ("css/app.css", &text),
            ("picture.png", &text),
            ("tiny.txt", "x"),
            ("own.js", &text),
            ("own.js.br", "made before"),
            (".env", "secret"),
            (".well-known/security.txt", &text),
        ] {
            let path = site.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let out = folder.path().join("out");
        fs::create_dir_all(out.join("site")).unwrap();
        fs::write(out.join("site/gone.js"), "of a build before").unwrap();
        for effort in [Effort::Little, Effort::Most] {
            let copy = compress_to(&site, &out, effort).unwrap();
            assert_eq!(copy, out.join("site"));
            for name in ["app.js", "css/app.css", ".well-known/security.txt"] {
                for suffix in [".br", ".gz"] {
                    let sibling = copy.join(format!("{name}{suffix}"));
                    assert_eq!(decoded(&sibling), text.as_bytes(), "{name}{suffix}");
                }
                let date = |path: PathBuf| fs::metadata(path).unwrap().modified().unwrap();
                assert_eq!(date(copy.join(name)), date(site.join(name)));
            }
            assert_eq!(fs::read(copy.join("own.js.br")).unwrap(), b"made before");
            assert!(copy.join("own.js.gz").exists());
            for name in [
                "picture.png.gz",
                "tiny.txt.gz",
                ".env",
                "gone.js",
                "own.js.br.gz",
            ] {
                assert!(!copy.join(name).exists(), "{name}");
            }
        }
    }
}
