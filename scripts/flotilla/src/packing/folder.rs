//! The files of a package folder, with the symbolic links that are followed.

use crate::error::CliError;
use flotilla_package::Limits;
use flotilla_package::listing::{FileInfo, Listing};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The folder whose files a package may use. For a build folder of SAM it is the project, which its template refers to.
pub fn project_of(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match path.ancestors().nth(2) {
        Some(project) if path.ends_with(".aws-sam/build") => project.to_owned(),
        _ => path,
    }
}

/// Lists the files of a folder. Symbolic links are followed to what is below `root`, except those that form a loop.
pub fn list(base: &Path, root: &Path) -> Result<Listing, CliError> {
    let (mut listing, links) = (Listing::default(), RefCell::new(BTreeMap::new()));
    let name_of = |path: &Path| {
        let path = path.strip_prefix(base).unwrap_or(path);
        let name =
            path.to_str().map(|name| if cfg!(windows) { name.replace('\\', "/") } else { name.to_owned() });
        name.ok_or_else(|| {
            CliError::usage(
                format!("the name of {} is not UTF-8", path.display()),
                "rename or remove the file",
            )
        })
    };
    let skip = |path: &Path, why| {
        if let Ok(name) = name_of(path) {
            links.borrow_mut().insert(name, why);
        }
    };
    let inside = |path: PathBuf| path.starts_with(base) || path.starts_with(root);
    let wanted = |entry: &walkdir::DirEntry| {
        if entry.path_is_symlink() && !entry.path().canonicalize().is_ok_and(inside) {
            skip(entry.path(), "it leads to a file outside of the folder");
            return false;
        }
        entry.file_name() != Listing::GIT
    };
    for entry in WalkDir::new(base).follow_links(true).into_iter().filter_entry(wanted) {
        if listing.files.len() > Limits::DEFAULT.entries_max {
            let what = format!("{} has more than {} files", base.display(), Limits::DEFAULT.entries_max);
            return Err(CliError::usage(
                what,
                "use the folder that the packaging tool wrote, without files that are not deployed",
            ));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {
                error.path().into_iter().for_each(|path| skip(path, "what it leads to does not exist"));
                continue;
            }
            Err(error) if error.io_error().is_some_and(is_endless) => {
                error.path().into_iter().for_each(|path| skip(path, "it leads to itself"));
                continue;
            }
            Err(error) => return Err(CliError::failed(format!("cannot list {}", base.display()), error)),
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let name = name_of(entry.path())?;
        if name.contains('\\') {
            let what = format!("the name of {name} contains a backslash");
            return Err(CliError::usage(what, "rename the file: a zip cannot contain it everywhere"));
        }
        let metadata = entry.metadata().map_err(|e| CliError::failed(format!("cannot read {name}"), e))?;
        let executable = is_executable(&metadata);
        listing.files.insert(name, FileInfo { bytes: metadata.len(), executable });
    }
    listing.links = links.into_inner();
    Ok(listing)
}

/// Whether a symbolic link leads to itself: `ELOOP` of Linux and macOS.
fn is_endless(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(40 | 62))
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{PackError, Packing};
    use flotilla_domain::Code;

    /// A workspace: `shared/i.js`, and `app` with a function whose folder has a link to it.
    #[cfg(unix)]
    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("shared")).expect("a folder");
        std::fs::create_dir_all(at("app/src/node_modules")).expect("a folder");
        std::fs::write(at("shared/i.js"), "1").expect("a file");
        std::fs::write(at("app/src/a.js"), "1").expect("a file");
        std::os::unix::fs::symlink("../../../shared", at("app/src/node_modules/shared")).expect("a link");
        let template =
            r#"{"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "src"}}}}"#;
        std::fs::write(at("app/template.json"), template).expect("a file");
        folder
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_below_the_root_and_refused_by_its_name_elsewhere() {
        let folder = workspace();
        let app = folder.path().join("app");
        let pack = |root: Option<&Path>| {
            let mut packing = Packing::open(&app, root).expect("a folder");
            packing.finish()?;
            Ok::<_, PackError>(packing.listing.files.into_keys().collect::<Vec<_>>())
        };
        let Err(PackError::Refused(refused)) = pack(None) else { panic!("the link was dropped") };
        assert_eq!(
            (refused.code, refused.path.as_deref()),
            (Code::AssetMissing, Some("src/node_modules/shared"))
        );
        let followed = pack(Some(folder.path())).expect("a package");
        assert!(followed.contains(&"src/node_modules/shared/i.js".to_owned()), "{followed:?}");

        // A dangling link of the code is refused; one beside the code does not matter, and a loop ends.
        std::os::unix::fs::symlink("nowhere", app.join("dangling")).expect("a link");
        std::os::unix::fs::symlink("..", app.join("src/loop")).expect("a link");
        assert!(pack(Some(folder.path())).is_ok());
        std::os::unix::fs::symlink("nowhere", app.join("src/dangling")).expect("a link");
        let Err(PackError::Refused(refused)) = pack(Some(folder.path())) else {
            panic!("the link was dropped")
        };
        assert!(
            refused.message.contains("src/dangling") && refused.message.contains("does not exist"),
            "{refused}"
        );
    }

    #[test]
    fn a_template_names_files_above_it_that_are_below_the_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["flat/src/a.js", "src/a.js", "other/template.json"] {
            std::fs::create_dir_all(at(name).parent().expect("a folder")).expect("a folder");
            std::fs::write(at(name), "1").expect("a file");
        }
        let template = |code: &str| {
            let properties =
                serde_json::json!({"Handler": "a.b", "Runtime": "nodejs24.x", "Role": "r", "Code": code});
            let function = serde_json::json!({"Type": "AWS::Lambda::Function", "Properties": properties});
            serde_json::json!({"Resources": {"F": function}}).to_string()
        };
        std::fs::create_dir_all(at("deploy/infra")).expect("a folder");
        std::fs::write(at("deploy/infra/template.json"), template("../../src")).expect("a file");
        std::fs::write(at("flat/template.json"), template("src")).expect("a file");
        let pack = |package: &str, root: Option<&Path>| {
            Packing::open(&at(package), root)
                .expect("a folder")
                .finish()
                .map(|finished| finished.package.digest)
        };
        let flat = pack("flat", None).expect("a package");
        assert_eq!(pack("deploy/infra", Some(folder.path())).expect("a package"), flat);
        for root in [None, Some(at("deploy"))] {
            let Err(PackError::Refused(refused)) = pack("deploy/infra", root.as_deref()) else {
                panic!("the code is above the root")
            };
            assert_eq!(refused.code, Code::AssetMissing, "{refused}");
            assert!(refused.fix.contains("--root FOLDER"), "{refused}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn code_and_templates_that_are_links_themselves_are_named() {
        let folder = workspace();
        let app = folder.path().join("app");
        std::fs::rename(folder.path().join("shared"), folder.path().join("code")).expect("it was there");
        let pack = |root: Option<&Path>| Packing::open(&app, root).expect("a folder").finish().map(drop);
        let refused = || match pack(None) {
            Err(PackError::Refused(refused)) => (refused.path.clone(), refused.message.clone(), refused.fix),
            other => panic!("{other:?}"),
        };
        for (name, target, shown) in [
            ("src", "../code", "Resources.F.Properties.Code"),
            ("template.json", "../code/template.json", "template.json"),
        ] {
            let (path, at) = (app.join(name), folder.path().join("app").join(target));
            if path.is_dir() {
                std::fs::remove_dir_all(&path).expect("it was there");
            } else {
                std::fs::rename(&path, &at).expect("it was there");
            }
            std::os::unix::fs::symlink(target, &path).expect("a link");
            let (place, message, fix) = refused();
            assert_eq!(place.as_deref(), Some(shown));
            assert!(
                message.contains(&format!("the symbolic link {name}")) && fix.contains("--root"),
                "{message}"
            );
        }
        assert!(pack(Some(folder.path())).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_itself_matters_only_in_code() {
        let folder = workspace();
        let app = folder.path().join("app");
        std::fs::create_dir(app.join("docs")).expect("a folder");
        std::os::unix::fs::symlink("self", app.join("docs/self")).expect("a link");
        let pack = || Packing::open(&app, Some(folder.path())).expect("a folder").finish().map(drop);
        assert!(pack().is_ok());
        std::os::unix::fs::symlink("self", app.join("src/self")).expect("a link");
        let Err(PackError::Refused(refused)) = pack() else { panic!("the link was dropped") };
        assert_eq!(
            (refused.code, refused.path.as_deref()),
            (Code::AssetMissing, Some("src/self")),
            "{refused}"
        );
    }
}
