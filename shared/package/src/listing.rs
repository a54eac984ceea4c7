//! The files of a package folder, in a zip or on a disk.

use crate::zip_file::Directory;
use flotilla_domain::{Code, Refusal};
use std::collections::BTreeMap;

/// What is known about a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo {
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether its mode lets its owner execute it.
    pub executable: bool,
}

/// The files of a package folder. Names are relative, with forward slashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The files by name.
    pub files: BTreeMap<String, FileInfo>,
    /// The symbolic links that are not followed, and why, by name. A zip has none.
    pub links: BTreeMap<String, &'static str>,
}

impl From<&Directory> for Listing {
    fn from(directory: &Directory) -> Self {
        let info =
            |e: &crate::zip_file::Entry| FileInfo { bytes: e.unpacked_bytes, executable: e.executable };
        let entries =
            directory.entries.iter().filter(|entry| entry.name.split('/').all(|part| part != Self::GIT));
        let files = entries.map(|entry| (entry.name.clone(), info(entry))).collect();
        Self { files, links: BTreeMap::new() }
    }
}

impl Listing {
    /// The folder of git, which is no part of a package, wherever it is: two clones of one commit have different ones.
    pub const GIT: &str = ".git";

    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The files in a folder, sorted by name. `folder` ends with a slash, or is empty for all files.
    pub fn folder<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, FileInfo)> {
        let from =
            self.files.range::<str, _>((std::ops::Bound::Included(folder), std::ops::Bound::Unbounded));
        from.take_while(move |(name, _)| name.starts_with(folder)).map(|(name, info)| (name.as_str(), *info))
    }

    /// Resolves a path written in a file of the folder `base` to the name of a file, or of a folder with its slash.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] if the file does not exist or the path leads out of the package.
    pub fn resolve(&self, base: &str, path: &str) -> Result<String, Refusal> {
        let missing = |what: String| {
            let fix = "add it to the package: zip the whole folder that the path starts from";
            Refusal::new(Code::AssetMissing, what, fix)
        };
        let mut segments: Vec<&str> = base.split('/').filter(|segment| !segment.is_empty()).collect();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    if segments.pop().is_none() {
                        return Err(missing(format!("{path} leads out of the package")));
                    }
                }
                segment => segments.push(segment),
            }
        }
        let name = segments.join("/");
        let folder = if name.is_empty() { String::new() } else { format!("{name}/") };
        if !path.starts_with('/') && self.has(&name) {
            Ok(name)
        } else if !path.starts_with('/') && self.folder(&folder).next().is_some() {
            Ok(folder)
        } else {
            self.check_link(&name)?;
            Err(missing(format!("{path} is not in the package")))
        }
    }

    /// Refuses a name that is, or is below, a symbolic link which is not followed.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] with the link's name.
    pub fn check_link(&self, name: &str) -> Result<(), Refusal> {
        let leads =
            |link: &str| name.strip_prefix(link).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.links.iter().find(|(link, _)| leads(link)).map_or(Ok(()), |link| Err(not_followed(link)))
    }

    /// Refuses a folder, ending with a slash, that has a symbolic link which is not followed: its zip would lack the file.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] with the link's name.
    pub fn check_links_in(&self, folder: &str) -> Result<(), Refusal> {
        let mut links = self.links.iter();
        links.find(|(link, _)| link.starts_with(folder)).map_or(Ok(()), |link| Err(not_followed(link)))
    }
}

fn not_followed((link, why): (&String, &&str)) -> Refusal {
    let what = format!("the symbolic link {link} is not followed: {why}");
    let fix = "pack with --root FOLDER, which contains what the link leads to; or remove the link";
    Refusal::new(Code::AssetMissing, what, fix).at(link)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Small files of these names.
    pub(crate) fn listing(names: &[&str]) -> Listing {
        let info = FileInfo { bytes: 1, executable: false };
        let files = names.iter().map(|name| ((*name).to_owned(), info)).collect();
        Listing { files, ..Listing::default() }
    }

    #[test]
    fn paths_are_resolved_from_where_they_stand() {
        let files = listing(&["app/.aws-sam/build/template.yaml", "app/layer/x.py", "app/layers", "a.zip"]);
        assert_eq!(files.resolve("app/.aws-sam/build/", "../../layer").unwrap(), "app/layer/");
        assert_eq!(files.resolve("app/.aws-sam/build/", "../../layer/").unwrap(), "app/layer/");
        assert_eq!(files.resolve("", "./a.zip").unwrap(), "a.zip");
        assert_eq!(files.folder("app/layer/").count(), 1, "a longer name is another folder");
    }

    #[test]
    fn p02_a_path_that_leads_out_is_refused() {
        let files = listing(&["a.zip", "etc/passwd"]);
        for path in ["../a.zip", "/a.zip", "x/../../a.zip", "b.zip", "/etc/passwd"] {
            assert_eq!(files.resolve("", path).unwrap_err().code, Code::AssetMissing, "{path}");
        }
    }
}
