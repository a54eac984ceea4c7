//! Reproducible zips of package folders and of the binaries of functions.

use crate::error::CliError;
use flotilla_package::write::{SourceFile, write_zip};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use walkdir::WalkDir;

/// Zips a package folder. Symbolic links are refused, because their target may not be in the package.
///
/// # Errors
/// A file cannot be read, or is not a regular file.
pub fn pack_folder<W: Write + Seek>(folder: &Path, out: W) -> Result<W, CliError> {
    let failed = |e: std::io::Error| CliError::failed(format!("cannot zip {}", folder.display()), e);
    let mut names = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|e| failed(e.into()))?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let name = path.to_str().map(|name| name.replace('\\', "/"));
        match name {
            Some(name) if entry.file_type().is_file() => names.push(name),
            _ => {
                let what = format!("{} is not a regular file with a UTF-8 name", entry.path().display());
                return Err(CliError::usage(what, "replace links with the files that they point to"));
            }
        }
    }
    if names.is_empty() {
        return Err(CliError::usage(
            format!("{} is empty", folder.display()),
            "use the folder that the packaging tool wrote",
        ));
    }
    let open = |name: &str| -> std::io::Result<SourceFile<'static>> {
        let path = folder.join(name);
        let file = File::open(&path)?;
        Ok(SourceFile { name: name.to_owned(), executable: is_executable(&file)?, content: Box::new(file) })
    };
    write_zip(out, names, open).map_err(failed)
}

#[cfg(unix)]
fn is_executable(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &File) -> std::io::Result<bool> {
    Ok(false)
}

/// Zips a function's binary for Lambda's custom runtime, as an executable `bootstrap`.
///
/// # Errors
/// The binary cannot be read.
pub fn zip_binary(binary: &Path) -> Result<Vec<u8>, CliError> {
    let open = |_: &str| -> std::io::Result<SourceFile<'static>> {
        Ok(SourceFile { name: "bootstrap".into(), executable: true, content: Box::new(File::open(binary)?) })
    };
    let out = write_zip(std::io::Cursor::new(Vec::new()), ["bootstrap".to_owned()], open);
    Ok(out.map_err(|e| CliError::failed(format!("cannot zip {}", binary.display()), e))?.into_inner())
}
