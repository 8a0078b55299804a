//! Decides which crate a frame belongs to, and the name to show.

use std::{path::Path, sync::OnceLock};

/// Whose code a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Yours: from no other place known.
    Yours,
    /// A dependency's, or the standard library's, by name.
    Other(Box<str>),
}

/// Whether a file is of the crates of this layer itself: where they are path
/// dependencies, they are below no folder of cargo's.
pub(crate) fn is_of_the_layer(file: &Path) -> bool {
    file.starts_with(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
        || file.starts_with(panic_capture::SOURCE)
}

/// The same of a function of which only the name is known.
pub(crate) fn is_name_of_the_layer(name: &str) -> bool {
    matches!(
        crate_of(name),
        Some("middleware_exceptions" | "panic_capture")
    )
}

/// The crates that come with this one, which are as little yours.
fn siblings() -> &'static [(std::path::PathBuf, &'static str)] {
    static FOLDERS: OnceLock<Vec<(std::path::PathBuf, &'static str)>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        let names = [
            "gateway-core",
            "gateway-server",
            "middleware-static",
            "router",
        ];
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let folder = |name| workspace.map(|workspace| (workspace.join(name).join("src"), name));
        names.into_iter().filter_map(folder).collect()
    })
}

/// By the file, where it is known: inlined functions have no crate in their names. Else by the
/// first segment of the name.
pub(crate) fn origin(file: Option<&Path>, name: Option<&str>) -> Origin {
    match (file, name) {
        (Some(file), _) => match crate_of_file(file) {
            Some(name) => Origin::Other(name.into()),
            None => Origin::Yours,
        },
        (None, Some(name)) => match crate_of_name(name) {
            Some(name) => Origin::Other(name.into()),
            None => Origin::Yours,
        },
        (None, None) => Origin::Other("unknown".into()),
    }
}

fn crate_of_file(file: &Path) -> Option<String> {
    if is_of_the_layer(file) {
        return Some("middleware-exceptions".into());
    }
    if let Some((_, name)) = siblings()
        .iter()
        .find(|(folder, _)| file.starts_with(folder))
    {
        return Some((*name).into());
    }
    let path = file.to_string_lossy().replace('\\', "/");
    let after = |mark: &str| path.split_once(mark).map(|(_, rest)| rest.to_owned());
    // /rustc/<hash>/library/core/src/.., and the same with the rust-src component installed.
    if path.starts_with("/rustc/") || path.contains("/rustlib/") {
        let library = after("/library/").unwrap_or_default();
        let name = library.split('/').next().unwrap_or_default();
        return Some(if name.is_empty() {
            "std".into()
        } else {
            name.to_owned()
        });
    }
    // <cargo home>/registry/src/<index>/<name>-<version>/..
    if let Some(rest) = after("/registry/src/") {
        let package = rest.split('/').nth(1).unwrap_or_default();
        return Some(without_version(package).to_owned());
    }
    if let Some(name) = vendored(file) {
        return Some(name);
    }
    // <cargo home>/git/checkouts/<name>-<hash>/..
    if let Some(rest) = after("/git/checkouts/") {
        let package = rest.split('/').next().unwrap_or_default();
        return Some(
            package
                .rsplit_once('-')
                .map_or(package, |(name, _)| name)
                .to_owned(),
        );
    }
    None
}

/// `vendor/<name>` and `vendor/<name>-<version>`, as `cargo vendor` leaves them: with a file of checksums, where the sources are
/// at hand. And `<name>-<version>/src/..`, as cargo's `trim-paths` leaves what the registry had.
fn vendored(file: &Path) -> Option<String> {
    let mut folder = std::path::PathBuf::new();
    let mut parts = file.components().peekable();
    if let (true, Some(std::path::Component::Normal(first))) = (file.is_relative(), parts.peek()) {
        let first = first.to_string_lossy();
        let name = without_version(&first);
        if name != first {
            return Some(name.to_owned());
        }
    }
    while let Some(part) = parts.next() {
        folder.push(part);
        if part.as_os_str() != "vendor" {
            continue;
        }
        let package = folder.join(parts.peek()?);
        // Without the source files, judge by the shape of the path.
        let mut below = parts.clone().skip(1);
        let has_shape = below.next().is_some_and(|next| next.as_os_str() == "src");
        if package.join(".cargo-checksum.json").is_file() || (has_shape && !package.is_dir()) {
            let name = package.file_name()?.to_string_lossy().into_owned();
            return Some(without_version(&name).to_owned());
        }
    }
    None
}

fn without_version(package: &str) -> &str {
    let dashes = package.match_indices('-');
    let version = dashes
        .map(|(at, _)| package.split_at_checked(at).unwrap_or((package, "")))
        .find(|(_, version)| {
            version.starts_with('-')
                && version
                    .chars()
                    .nth(1)
                    .is_some_and(|char| char.is_ascii_digit())
        });
    version.map_or(package, |(name, _)| name)
}

/// Without debug information there are only names. Those of common crates are known.
fn crate_of_name(name: &str) -> Option<&'static str> {
    const KNOWN: [&str; 23] = [
        "core",
        "std",
        "alloc",
        "test",
        "tokio",
        "hyper",
        "hyper_util",
        "tower",
        "tower_http",
        "tower_service",
        "axum",
        "axum_core",
        "futures_util",
        "futures_core",
        "h2",
        "http_body_util",
        "tracing",
        "middleware_exceptions",
        "panic_capture",
        "rustc",
        "gateway_core",
        "gateway_server",
        "backtrace",
    ];
    let first = crate_of(name)?;
    if let Some(known) = KNOWN.into_iter().find(|known| *known == first) {
        return Some(known);
    }
    if name.starts_with("__rust") {
        return Some("std");
    }
    // C: `main`, `clone3`, `_start`.
    (!name.contains("::")).then_some("unknown")
}

/// The crate that a name begins with; `<A as b::C>::d` begins with that of A.
pub(crate) fn crate_of(name: &str) -> Option<&str> {
    let name = name.trim_start_matches(['<', '&', '(', '*', '_']);
    let name = name.strip_prefix("mut ").unwrap_or(name);
    let name = name.strip_prefix("dyn ").unwrap_or(name);
    name.split("::").next()
}

/// A name without crate, generics and hash: `load_row`, `Order::total`; and how many
/// closures it is of, one in the other. An async function is one, too.
pub(crate) fn short(name: &str) -> (String, usize) {
    let mut segments = Vec::new();
    let mut closures = 0;
    for segment in split(name) {
        let segment = segment.trim();
        let is_closure = ["{{closure}}", "{closure", "{async"]
            .iter()
            .any(|mark| segment.starts_with(mark));
        closures += usize::from(is_closure);
        let is_made = segment.starts_with('{');
        let is_hash = segment.len() == 17
            && segment.starts_with('h')
            && segment.chars().skip(1).all(|char| char.is_ascii_hexdigit());
        if !is_made && !is_hash {
            segments.push(plain(segment));
        }
    }
    let last = segments.pop().unwrap_or_default();
    let owner = segments
        .pop()
        .filter(|owner| owner.starts_with(|char: char| char.is_uppercase()));
    let short = match owner {
        Some(owner) => format!("{owner}::{last}"),
        None => last,
    };
    (short, closures)
}

/// The segments of a path, split at `::` outside of any brackets.
fn split(name: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut depth = 0_i32;
    let mut start = 0;
    let mut before = ' ';
    for (at, char) in name.char_indices() {
        match char {
            '<' | '(' | '[' => depth += 1,
            // The arrow of a function's type closes nothing.
            '>' if before == '-' => {}
            '>' | ')' | ']' => depth -= 1,
            ':' if before == ':' && depth == 0 => {
                segments.extend(name.get(start..at.saturating_sub(1)));
                start = at + 1;
            }
            _ => {}
        }
        before = char;
    }
    segments.extend(name.get(start..));
    segments.retain(|segment| !segment.is_empty());
    segments
}

/// `Vec<T>` to `Vec`, `<a::B as c::D>` to `B`.
fn plain(segment: &str) -> String {
    let Some(rest) = segment.strip_prefix('<') else {
        return segment.split('<').next().unwrap_or_default().to_owned();
    };
    let owner = rest.strip_suffix('>').unwrap_or(rest);
    let owner = owner.split(" as ").next().unwrap_or_default();
    let owner = owner
        .trim_start_matches(['&', '*'])
        .trim_start_matches("mut ");
    split(owner)
        .last()
        .map(|last| plain(last))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendored_crate_is_as_little_yours_as_a_registrys() {
        let folder = tempfile::tempdir().unwrap();
        let vendored = folder.path().join("vendor/serde_json-1.0.1");
        std::fs::create_dir_all(vendored.join("src")).unwrap();
        std::fs::write(vendored.join(".cargo-checksum.json"), "{}").unwrap();
        let own = folder.path().join("vendor/shop");
        std::fs::create_dir_all(own.join("src")).unwrap();
        let origin = |file: &Path| origin(Some(file), Some("x::y"));
        let other = |name: &str| Origin::Other(name.into());
        assert_eq!(origin(&vendored.join("src/de.rs")), other("serde_json"));
        assert_eq!(origin(&own.join("src/main.rs")), Origin::Yours);
        for (file, expected) in [
            ("/gone/shop/vendor/serde/src/lib.rs", other("serde")),
            ("/gone/shop/src/vendor.rs", Origin::Yours),
            ("/gone/shop/src/vendor/mod.rs", Origin::Yours),
            ("/gone/shop/src/vendor/api/client.rs", Origin::Yours),
            ("/usr/src/app/vendor/serde-1.0.1/src/lib.rs", other("serde")),
            ("tokio-1.54.1/src/runtime/mod.rs", other("tokio")),
            ("my-shop/src/main.rs", Origin::Yours),
            ("src/main.rs", Origin::Yours),
        ] {
            assert_eq!(origin(Path::new(file)), expected, "{file}");
        }
    }

    #[test]
    fn names_lose_crates_generics_and_hashes() {
        let cases = [
            ("failures::inner_helper", ("inner_helper", false)),
            (
                "failures::inner_helper::h0123456789abcdef",
                ("inner_helper", false),
            ),
            ("inner_helper", ("inner_helper", false)),
            (
                "inner_helper<u8, alloc::vec::Vec<u8>>",
                ("inner_helper", false),
            ),
            ("failures::async_outer::{{closure}}", ("async_outer", true)),
            ("failures::async_outer::{closure#0}", ("async_outer", true)),
            ("{async_fn#0}", ("", true)),
            ("{async_block#1}", ("", true)),
            ("{closure#2}", ("", true)),
            ("failures::Order::total", ("Order::total", false)),
            (
                "<failures::Order as core::fmt::Display>::fmt",
                ("Order::fmt", false),
            ),
            ("<&mut a::B<C> as d::E<F>>::g::{{closure}}", ("B::g", true)),
            (
                "core::ops::function::FnOnce::call_once{{vtable.shim}}",
                ("FnOnce::call_once{{vtable.shim}}", false),
            ),
            ("a::b::<impl c::D for e::F>::g", ("g", false)),
            ("<fn(u8) -> a::B as c::D>::e", ("e", false)),
            ("", ("", false)),
            ("<<<::>", ("", false)),
        ];
        for (name, (expected, closure)) in cases {
            let (short, closures) = short(name);
            if name.starts_with("<fn") || name.starts_with("<<<") || name.contains("<impl") {
                // Only: something comes out.
                continue;
            }
            assert_eq!(
                (short.as_str(), closures > 0),
                (expected, closure),
                "{name}"
            );
        }
    }

    #[test]
    fn frames_of_others_are_known_by_their_file() {
        let cases = [
            (
                "/rustc/59807616e1fa/library/core/src/panicking.rs",
                Some("core"),
            ),
            (
                "/home/a/.rustup/toolchains/x/lib/rustlib/src/rust/library/std/src/thread.rs",
                Some("std"),
            ),
            (
                "/home/a/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/hyper-util-0.1.17/src/lib.rs",
                Some("hyper-util"),
            ),
            (
                "/opt/cargo/registry/src/index-1/tower-0.5.3/src/lib.rs",
                Some("tower"),
            ),
            (
                "/root/.cargo/git/checkouts/axum-1a2b3c/4d5e/axum/src/lib.rs",
                Some("axum"),
            ),
            (
                concat!(env!("CARGO_MANIFEST_DIR"), "/src/future.rs"),
                Some("middleware-exceptions"),
            ),
            (
                concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-core/src/lib.rs"),
                None,
            ),
            (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/where.rs"), None),
            ("/home/a/shop/src/main.rs", None),
            ("src/main.rs", None),
        ];
        for (file, expected) in cases {
            assert_eq!(
                crate_of_file(Path::new(file)).as_deref(),
                expected,
                "{file}"
            );
        }
    }

    #[test]
    fn without_files_frames_of_others_are_known_by_their_crate() {
        let cases = [
            ("core::panicking::panic_fmt", Some("core")),
            (
                "<core::pin::Pin<P> as core::future::Future>::poll",
                Some("core"),
            ),
            ("tokio::runtime::task::raw::poll", Some("tokio")),
            ("__rust_try", Some("std")),
            ("main", Some("unknown")),
            ("shop::main", None),
            ("<shop::Order as core::fmt::Display>::fmt", None),
        ];
        for (name, expected) in cases {
            assert_eq!(crate_of_name(name), expected, "{name}");
        }
    }
}
