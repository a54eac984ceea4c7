//! The pages of the project: README, CONTRIBUTING, CHANGELOG and everything in `docs/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The root of the project.
///
/// # Panics
/// When the sources are not where they were built.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project")
}

/// Every page with its text, by its path from the root.
///
/// # Panics
/// When a page cannot be read.
pub fn all() -> BTreeMap<PathBuf, String> {
    let mut files = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).to_vec();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "md") => files.push(path),
                _ => {}
            }
        }
    }
    let page = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a page");
        (path.strip_prefix(root()).expect("below the root").to_owned(), text)
    };
    files.into_iter().map(page).collect()
}
