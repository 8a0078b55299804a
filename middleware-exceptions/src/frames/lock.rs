//! Which crates are dependencies, by the `Cargo.lock` of the workspace.

use std::{collections::HashSet, fs::File, io::Read as _, path::Path, sync::OnceLock};

/// In bytes.
const LOCK: u64 = 4 * 1024 * 1024;

/// Whether a crate comes from a registry or a repository, by the lock file of this workspace: the program's. Its own members and
/// what it names by path have no source there.
pub(crate) fn is_dependency(root: &Path, name: &str) -> bool {
    static DEPENDENCIES: OnceLock<HashSet<String>> = OnceLock::new();
    DEPENDENCIES
        .get_or_init(|| {
            read(root)
                .map(|lock| dependencies(&lock))
                .unwrap_or_default()
        })
        .contains(name)
}

fn read(root: &Path) -> Option<String> {
    let path = root.join("Cargo.lock");
    if !path.is_file() {
        return None;
    }
    let mut lock = String::new();
    File::open(path)
        .ok()?
        .take(LOCK)
        .read_to_string(&mut lock)
        .ok()?;
    Some(lock)
}

/// By their names in code.
fn dependencies(lock: &str) -> HashSet<String> {
    let packages = lock.split("[[package]]").skip(1);
    let (mut foreign, mut own) = (HashSet::new(), HashSet::new());
    for package in packages {
        let field = |name: &str| {
            let value = package.lines().find_map(|line| line.strip_prefix(name))?;
            Some(value.trim_matches([' ', '=', '"']))
        };
        let Some(name) = field("name") else { continue };
        let name = name.replace('-', "_");
        let packages = match field("source") {
            Some(_) => &mut foreign,
            None => &mut own,
        };
        packages.insert(name);
    }
    // If two versions share a name, one may be the program's own.
    foreign.retain(|name| !own.contains(name));
    foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_source_is_a_dependency() {
        let lock = r#"
version = 4

[[package]]
name = "shop"
version = "0.1.0"
dependencies = [
 "serde-json",
]

[[package]]
name = "serde-json"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "shop-db"
version = "0.1.0"

[[package]]
name = "shop-db"
version = "0.0.9"
source = "git+https://example.com/shop-db#0"
"#;
        assert_eq!(dependencies(lock), HashSet::from(["serde_json".to_owned()]));
        assert_eq!(dependencies("no lock file"), HashSet::new());
    }
}
